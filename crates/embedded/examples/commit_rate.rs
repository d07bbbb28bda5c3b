//! Commits of 64 clients, one conditional write of a 4 KiB body each, and reads of one large blob: rate, and CPU per operation.
//!
//! `cargo run --release -p holdfast-embedded --example commit_rate [FOLDER]`

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use holdfast_embedded::{EmbeddedStore, Options};
use holdfast_model::{ByteSpan, limits::MIB};
use holdfast_store::{Blobs as _, Commit, Family, Metadata as _, RecordKey, Records, Write, transact};
use tokio::task::JoinSet;

const CLIENTS: u64 = 64;
const SECONDS: u64 = 10;
const BLOB_BYTES: u64 = 1024 * MIB;

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("holdfast-commit-rate"), PathBuf::from);
    let store = EmbeddedStore::open(&folder, Options::default()).expect("the folder opens");
    for clients in [1, CLIENTS] {
        commits(&store, clients).await;
    }
    gets(&store).await;
    blobs(&store).await;
    println!("{:#?}", store.stats());
    store.close().await;
    fs::remove_dir_all(folder).expect("the folder is ours");
}

async fn commits(store: &EmbeddedStore, clients: u64) {
    let body: bytes::Bytes = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>().into();
    let (since, cpu) = (Instant::now(), cpu_time());
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (store, body) = (store.clone(), body.clone());
        tasks.spawn(async move {
            let mut done = 0u64;
            while since.elapsed() < Duration::from_secs(SECONDS) {
                create(&store, format!("bucket/{clients}/{client}/{done:08}"), body.clone()).await;
                done += 1;
            }
            done
        });
    }
    let done: u64 = tasks.join_all().await.into_iter().sum();
    report(&format!("commits by {clients} clients"), done, since, cpu);
}

/// What a small PutObject does: read bucket, object and share, write object, body and garbage.
async fn create(store: &EmbeddedStore, name: String, body: bytes::Bytes) {
    let object = RecordKey::new(Family::Object, name.clone());
    let keys = vec![RecordKey::new(Family::Bucket, "bucket"), object.clone(), RecordKey::new(Family::Share, name.clone())];
    let created = transact(store, keys, move |r: &Records<'_>| match &r.values[1] {
        None => {
            let body = Write::put(RecordKey::new(Family::Body, name.clone()), body.clone());
            Commit::Write(vec![Write::put(object.clone(), vec![b'r'; 300]), body], ())
        }
        Some(_) => Commit::Refuse(()),
    });
    created.await.expect("an answer").expect("a new name");
}

async fn gets(store: &EmbeddedStore) {
    let (since, cpu) = (Instant::now(), cpu_time());
    let mut done = 0u64;
    while since.elapsed() < Duration::from_secs(3) {
        let name = format!("bucket/{CLIENTS}/{}/{:08}", done % CLIENTS, done / CLIENTS % 500);
        let object = store.get(&RecordKey::new(Family::Object, name.clone())).await.expect("a read");
        let body = store.get(&RecordKey::new(Family::Body, name)).await.expect("a read");
        assert!(object.is_some() && body.is_some());
        done += 1;
    }
    report("reads of a record and its body", done, since, cpu);
}

async fn blobs(store: &EmbeddedStore) {
    let piece = bytes::Bytes::from(vec![5; 256 * 1024]);
    let (since, cpu) = (Instant::now(), cpu_time());
    let mut writer = store.stage().await.expect("a writer");
    for _ in 0..BLOB_BYTES / piece.len() as u64 {
        writer.append(piece.clone()).await.expect("space");
    }
    let blob = writer.seal().await.expect("a seal");
    report("MiB written and synced", BLOB_BYTES / MIB, since, cpu);
    for _ in 0..3 {
        let (since, cpu) = (Instant::now(), cpu_time());
        let mut stream = store.read(blob.id, ByteSpan { start: 0, end: blob.len }).await.expect("a blob");
        let mut read = 0;
        while let Some(piece) = stream.next().await {
            read += piece.expect("bytes").len() as u64;
        }
        report("MiB read", read / MIB, since, cpu);
    }
    store.delete(blob.id).await.expect("a removal");
}

#[allow(clippy::cast_precision_loss, reason = "a rate to be read by people")]
fn report(what: &str, done: u64, since: Instant, cpu: Duration) {
    let (seconds, cpu) = (since.elapsed().as_secs_f64(), cpu_time().saturating_sub(cpu).as_secs_f64());
    let (rate, micros) = (done as f64 / seconds, cpu * 1e6 / done as f64);
    println!("{what}: {done} in {seconds:.2} s, {rate:.0} a second, {micros:.1} us of CPU each");
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().map(|n| fields[*n].parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}
