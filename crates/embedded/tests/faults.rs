//! Disks that refuse. A full disk is a small file system in memory (needs root to mount; said loudly where it is not possible);
//! a broken one is a limit on file sizes, under which a child process runs (every write beyond it fails with EFBIG).

use std::{
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use holdfast_embedded::{EmbeddedStore, Health, Offline, OpenError, Options};
use holdfast_model::{ByteSpan, limits::MIB};
use holdfast_store::{Blobs as _, Commit, Family, Metadata as _, RecordKey, Records, SealedBlob, StoreError, Write, transact};

const FOLDER: &str = "HOLDFAST_FAULTS_FOLDER";

fn body(n: u64) -> RecordKey {
    RecordKey::new(Family::Body, n.to_be_bytes().to_vec())
}

async fn put(store: &EmbeddedStore, n: u64, len: usize) -> Result<(), StoreError> {
    let written = transact(store, vec![body(n)], move |_: &Records<'_>| {
        Commit::<(), ()>::Write(
            vec![Write::put(body(n), vec![n as u8; len]), Write::put(RecordKey::new(Family::Object, n.to_be_bytes().to_vec()), "v")],
            (),
        )
    });
    written.await.map(|written| written.expect("no refusal"))
}

async fn write(store: &EmbeddedStore, writes: Vec<Write>) -> Result<(), StoreError> {
    let written = transact(store, vec![], move |_: &Records<'_>| Commit::<(), ()>::Write(writes.clone(), ()));
    written.await.map(|written| written.expect("no refusal"))
}

async fn expect_bodies(store: &EmbeddedStore, acknowledged: &[u64], len: usize) {
    for n in acknowledged {
        let value = store.get(&body(*n)).await.expect("a read");
        assert!(value.is_some_and(|v| v == vec![*n as u8; len]), "body {n} is lost");
        assert!(store.get(&RecordKey::new(Family::Object, n.to_be_bytes().to_vec())).await.expect("a read").is_some());
    }
}

/// A file system of a few MiB, while it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mib: u64) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={mib}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder.path()).stderr(Stdio::null());
        if mount.status().is_ok_and(|s| s.success()) {
            return Some(Self(folder));
        }
        eprintln!("NOT TESTED: a full disk, because no file system can be mounted here (run as root)");
        None
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Takes all space but `left` bytes.
    fn fill(&self, left: u64) {
        let stat = rustix::fs::statvfs(self.0.path()).expect("a file system");
        let free = stat.f_bavail * stat.f_frsize;
        std::fs::write(self.0.path().join("ballast"), vec![1; free.saturating_sub(left) as usize]).expect("a ballast");
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.path().join("ballast")).expect("a ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_fills_up_under_a_commit_heals_when_there_is_space_again() {
    let Some(disk) = SmallDisk::mount(96) else { return };
    // No reserve: the write itself meets the full disk.
    let options = Options { space_reserve_bytes: 0, ..Options::default() };
    let store = EmbeddedStore::open(disk.data(), options.clone()).expect("it opens");
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        put(&store, n, 60_000).await.expect("there is space");
        acknowledged.push(n);
    }
    disk.fill(200_000);
    let mut indefinite = Vec::new();
    for n in 20..40 {
        match put(&store, n, 60_000).await {
            Ok(()) => acknowledged.push(n),
            Err(error) if error.is_definite() => {}
            Err(_) => indefinite.push(n),
        }
    }
    assert!(!indefinite.is_empty(), "no commit met the full disk");
    expect_bodies(&store, &acknowledged[..20], 60_000).await;

    disk.empty();
    while store.health() != Health::Open {
        tokio::task::yield_now().await;
    }
    assert!(store.stats().heals.get() >= 1);
    expect_bodies(&store, &acknowledged, 60_000).await;
    for n in 40..60 {
        put(&store, n, 60_000).await.expect("there is space again");
        acknowledged.push(n);
    }
    let (mut outcomes, mut later) = (Vec::new(), Vec::new());
    for n in &indefinite {
        outcomes.push(store.get(&body(*n)).await.expect("a read").is_some());
    }
    store.close().await;
    let store = EmbeddedStore::open(disk.data(), options).expect("it opens");
    expect_bodies(&store, &acknowledged, 60_000).await;
    for n in &indefinite {
        later.push(store.get(&body(*n)).await.expect("a read").is_some());
    }
    assert_eq!(outcomes, later, "what was decided when it healed stays");
    store.close().await;
}

/// Writes a file anew without its blocks of zeros, as a file system keeps one whose pages it never came to write.
fn punch_zeros(path: &Path) {
    let bytes = std::fs::read(path).expect("a file");
    let file = std::fs::File::create(path).expect("a file");
    for (n, block) in bytes.chunks(4096).enumerate().filter(|(_, block)| block.iter().any(|b| *b != 0)) {
        file.write_all_at(block, n as u64 * 4096).expect("a write");
    }
    file.set_len(bytes.len() as u64).expect("a length");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_journal_that_cannot_be_made_durable_for_want_of_space_is_not_built_on() {
    for torn in [&b""[..], b"\x01\x05\x00\x00\x00"] {
        let Some(disk) = SmallDisk::mount(96) else { return };
        let options = Options { space_reserve_bytes: 0, ..Options::default() };
        let store = EmbeddedStore::open(disk.data(), options.clone()).expect("it opens");
        // Zeros, so that most pages of the journal can be missing on the disk.
        put(&store, 0, 2 * MIB as usize).await.expect("there is space");
        store.close().await;
        let journal = disk.data().join("records/0.jnl");
        let bytes = std::fs::read(&journal).expect("a journal");
        let end = bytes.iter().rposition(|b| *b != 0).expect("records") + 1;
        std::fs::write(&journal, [&bytes[..end], torn].concat()).expect("a write");
        punch_zeros(&journal);

        disk.fill(MIB);
        let opened = EmbeddedStore::open(disk.data(), options.clone());
        assert!(matches!(opened, Err(OpenError::Full(_))), "it opened on batches that are not durable: {:?}", opened.err());
        disk.empty();
        let store = EmbeddedStore::open(disk.data(), options).expect("it opens");
        expect_bodies(&store, &[0], 2 * MIB as usize).await;
        store.close().await;

        // A journal whose pages all have their place needs no more of it.
        std::fs::write(&journal, [&std::fs::read(&journal).expect("a journal")[..], torn].concat()).expect("a write");
        disk.fill(MIB);
        let store = EmbeddedStore::open(disk.data(), Options::default()).expect("it opens");
        expect_bodies(&store, &[0], 2 * MIB as usize).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_fills_up_under_a_blob_refuses_it_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount(96) else { return };
    for reserve in [0, MIB] {
        let store = EmbeddedStore::open(disk.data(), Options { space_reserve_bytes: reserve, ..Options::default() }).expect("it opens");
        disk.fill(4 * MIB);
        let mut writer = store.stage().await.expect("a writer");
        let mut result = Ok(());
        for _ in 0..64 {
            result = writer.append(vec![1; 256 * 1024].into()).await;
            if result.is_err() {
                break;
            }
        }
        assert!(matches!(result, Err(StoreError::Full(_))), "{result:?}");
        assert!(writer.append("more".into()).await.is_ok() || writer.seal().await.is_err());
        while store.staged_bytes() > 0 {
            tokio::task::yield_now().await;
        }
        disk.empty();
        put(&store, 1, 1000).await.expect("a record");
        store.close().await;
        let checked = Offline::open(&disk.data()).expect("it opens").check_blobs().expect("it reads");
        assert_eq!((checked.unnamed, checked.faults), (0, vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blobs_of_a_batch_of_unknown_outcome_are_settled_when_it_heals() {
    let Some(disk) = SmallDisk::mount(96) else { return };
    let store = EmbeddedStore::open(disk.data(), Options { space_reserve_bytes: 0, ..Options::default() }).expect("it opens");
    let stage = async || {
        let mut writer = store.stage().await.expect("a writer");
        writer.append(vec![1; 1000].into()).await.expect("there is space");
        writer.seal().await.expect("there is space")
    };
    let name = |blob: SealedBlob| RecordKey::new(Family::Blob, blob.id.to_bytes().to_vec());
    let of_a_running_request = stage().await;
    let mut blobs = Vec::new();
    for _ in 0..10 {
        blobs.push(stage().await);
    }
    disk.fill(200_000);
    let mut in_doubt = Vec::new();
    for blob in blobs {
        match write(&store, vec![Write::put(name(blob), "v"), Write::put(body(1), vec![1; 60_000])]).await {
            Ok(()) => store.named(blob),
            Err(error) if error.is_definite() => store.delete(blob.id).await.expect("it goes"),
            Err(_) => in_doubt.push(blob),
        }
    }
    assert!(!in_doubt.is_empty(), "no commit met the full disk");
    disk.empty();
    while store.health() != Health::Open {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.staged_bytes(), of_a_running_request.len);
    for blob in in_doubt {
        let is_named = store.get(&name(blob)).await.expect("a read").is_some();
        let is_there = store.read(blob.id, ByteSpan { start: 0, end: 1 }).await.is_ok();
        assert_eq!(is_named, is_there);
    }
    write(&store, vec![Write::put(name(of_a_running_request), "v")]).await.expect("it may still be named");
    store.named(of_a_running_request);
    store.close().await;
    let checked = Offline::open(&disk.data()).expect("it opens").check_blobs().expect("it reads");
    assert_eq!((checked.unnamed, checked.faults), (0, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_store_can_be_emptied() {
    let Some(disk) = SmallDisk::mount(96) else { return };
    let store = EmbeddedStore::open(disk.data(), Options { space_reserve_bytes: 16 * MIB, ..Options::default() }).expect("it opens");
    let mut writer = store.stage().await.expect("a writer");
    writer.append(vec![1; 20 * MIB as usize].into()).await.expect("there is space");
    let blob = writer.seal().await.expect("there is space");
    let name = RecordKey::new(Family::Blob, blob.id.to_bytes().to_vec());
    let (object, garbage) = (RecordKey::new(Family::Object, "large"), RecordKey::new(Family::Garbage, "large"));
    write(&store, vec![Write::put(name.clone(), "v"), Write::put(object.clone(), "v")]).await.expect("there is space");
    store.named(blob);
    disk.fill(4 * MIB);
    assert!(matches!(put(&store, 1, 1000).await, Err(StoreError::Full(_))));
    assert!(matches!(write(&store, vec![Write::put(object.clone(), "w")]).await, Err(StoreError::Full(_))));
    write(&store, vec![Write::remove(object), Write::put(garbage.clone(), "v")]).await.expect("a delete");
    write(&store, vec![Write::remove(name)]).await.expect("the collector takes the name");
    store.delete(blob.id).await.expect("the collector takes the bytes");
    write(&store, vec![Write::remove(garbage)]).await.expect("the collector is done");
    put(&store, 1, 1000).await.expect("there is space again");
    store.close().await;
}

/// Runs under a limit on file sizes when the test below starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store =
        EmbeddedStore::open(Path::new(&folder), Options { busy_after: Duration::from_secs(20), ..Options::default() }).expect("it opens");
    let mut writer = store.stage().await.expect("a writer");
    let mut blob = Ok(());
    for _ in 0..80 {
        blob = writer.append(vec![1; MIB as usize].into()).await;
        if blob.is_err() {
            break;
        }
    }
    let error = blob.expect_err("the extent is too large for this disk");
    println!("blob definite={} staged={}", error.is_definite(), store.staged_bytes());
    assert_eq!(store.health(), Health::Open, "a blob that fails harms nobody else");
    for n in 0.. {
        match put(&store, n, MIB as usize).await {
            Ok(()) => println!("ack {n}"),
            Err(error) => {
                println!("failed definite={}", error.is_definite());
                break;
            }
        }
    }
    let after = put(&store, 1_000_000, 10).await.expect_err("a poisoned store takes nothing");
    println!("after {}", matches!(after, StoreError::Unavailable(_)));
    println!("health {}", matches!(store.health(), Health::Poisoned(_)));
    println!("read {}", store.get(&body(0)).await.expect("a read").is_some());
    println!("stage {}", store.stage().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_io_error_on_the_commit_path_poisons_and_a_restart_has_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    // Above the 64 MiB that fjall reserves for a journal, and below what a journal grows to before it is sealed.
    let limited = "trap '' XFSZ; ulimit -f 67000; exec \"$0\" child --exact --nocapture --test-threads=1";
    let mut child = Command::new("bash");
    child.args(["-c", limited]).arg(std::env::current_exe().expect("this binary")).env(FOLDER, folder.path());
    let out = child.stderr(Stdio::inherit()).output().expect("a child");
    let out = String::from_utf8(out.stdout).expect("text");
    let has = |line: &str| assert!(out.lines().any(|l| l.ends_with(line)), "{line:?} is missing in:\n{out}");
    ["blob definite=true staged=0", "failed definite=false", "after true", "health true", "read true", "stage true"]
        .into_iter()
        .for_each(has);

    let store = EmbeddedStore::open(folder.path(), Options::default()).expect("it opens without the limit");
    let acknowledged: Vec<u64> = out.lines().filter_map(|l| l.strip_prefix("ack ")?.parse().ok()).collect();
    assert!(acknowledged.len() > 20);
    expect_bodies(&store, &acknowledged, MIB as usize).await;
    assert_eq!(store.get(&body(1_000_000)).await, Ok(None), "a definite refusal wrote nothing");
    put(&store, 1_000_001, 10).await.expect("it writes again");
    let blob = store.stage().await.expect("a writer").seal().await.expect("a seal");
    assert!(store.read(blob.id, ByteSpan { start: 0, end: 0 }).await.is_ok());
    store.close().await;
}
