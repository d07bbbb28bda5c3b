//! A process that is killed while it commits and stages loses nothing that it acknowledged, shows nothing that it refused,
//! and leaves nothing behind.
//!
//! The child is this test binary again. It writes a line for each answer *after* it has got it; the parent reads some lines, kills
//! it, reads the rest, opens the folder and compares.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_embedded::{EmbeddedStore, Health, Offline, Options};
use holdfast_model::ByteSpan;
use holdfast_store::{BlobId, Blobs as _, Commit, Family, KeyRange, Metadata as _, RecordKey, Records, Step, Write, scan, transact};

const FOLDER: &str = "HOLDFAST_CRASH_FOLDER";
const ROUND: &str = "HOLDFAST_CRASH_ROUND";
const TASKS: u64 = 24;

fn key(text: String) -> RecordKey {
    RecordKey::new(Family::Object, text)
}

/// Bytes that name who wrote them, of a length that depends on it.
fn sample(seed: u64, len: usize) -> Bytes {
    let mut bytes: Vec<u8> = (0..len).map(|n| (n as u64 * 31 + seed * 17) as u8).collect();
    bytes.extend_from_slice(&seed.to_be_bytes());
    bytes.into()
}

/// Writes until it is killed, when it is run by the test below; otherwise there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let round: u64 = std::env::var(ROUND).expect("a round").parse().expect("a number");
    let store = EmbeddedStore::open(folder, Options::default()).expect("the folder opens after a kill");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0.. {
                let seed = round << 32 | task << 24 | n;
                match task % 6 {
                    0 => race_to_create(&store, round, n, task).await,
                    1 => write_pair(&store, task, seed).await,
                    2 => write_blob(&store, seed).await,
                    _ => write_body(&store, seed).await,
                }
            }
        });
    }
    tasks.join_all().await;
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).expect("the parent reads");
    out.flush().expect("the parent reads");
}

/// Four tasks race to create each key; the others are refused.
async fn race_to_create(store: &EmbeddedStore, round: u64, n: u64, task: u64) {
    let name = key(format!("once/{round}/{n}"));
    let writes = vec![Write::put(name.clone(), format!("{task}"))];
    let created = transact(store, vec![name], move |r: &Records<'_>| match &r.values[0] {
        None => Commit::Write(writes.clone(), ()),
        Some(winner) => Commit::Refuse(winner.clone()),
    });
    match created.await.expect("an answer") {
        Ok(()) => say(&format!("once {round}/{n} {task}")),
        // The refusal is evidence of the winner's commit.
        Err(winner) => say(&format!("once {round}/{n} {}", String::from_utf8_lossy(&winner))),
    }
}

/// Two keys of one commit in two families.
async fn write_pair(store: &EmbeddedStore, task: u64, seed: u64) {
    let value = seed.to_be_bytes().to_vec();
    let written = transact(store, Vec::new(), move |_: &Records<'_>| {
        let second = RecordKey::new(Family::Upload, format!("pair/{task}"));
        Commit::<(), ()>::Write(vec![Write::put(key(format!("pair/{task}")), value.clone()), Write::put(second, value.clone())], ())
    });
    written.await.expect("an answer").expect("no refusal");
    say(&format!("pair {task} {seed}"));
}

async fn write_body(store: &EmbeddedStore, seed: u64) {
    let body = sample(seed, 20_000 + (seed % 7) as usize * 5000);
    let name = RecordKey::new(Family::Body, seed.to_be_bytes().to_vec());
    let written =
        transact(store, Vec::new(), move |_: &Records<'_>| Commit::<(), ()>::Write(vec![Write::put(name.clone(), body.clone())], ()));
    written.await.expect("an answer").expect("no refusal");
    say(&format!("body {seed}"));
}

async fn write_blob(store: &EmbeddedStore, seed: u64) {
    let mut writer = store.stage().await.expect("a writer");
    writer.append(sample(seed, (seed % 5) as usize * 300_000)).await.expect("bytes are taken");
    let sealed = writer.seal().await.expect("a seal");
    if seed % 4 == 3 {
        return;
    }
    let name = RecordKey::new(Family::Blob, sealed.id.to_bytes().to_vec());
    let written = transact(store, Vec::new(), move |_: &Records<'_>| {
        Commit::<(), ()>::Write(vec![Write::put(name.clone(), seed.to_be_bytes().to_vec())], ())
    });
    written.await.expect("an answer").expect("no refusal");
    store.named(sealed);
    say(&format!("blob {} {seed}", sealed.id));
}

/// What the children were told, over all rounds.
#[derive(Default)]
struct Acknowledged {
    once: HashMap<String, String>,
    pairs: HashMap<String, u64>,
    bodies: Vec<u64>,
    blobs: Vec<(BlobId, u64)>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |n: usize| words[n].parse::<u64>().expect("a number");
        match words[0] {
            "once" => {
                let winner = self.once.insert(words[1].to_owned(), words[2].to_owned());
                assert!(winner.is_none_or(|w| w == words[2]), "two winners: {line}");
            }
            "pair" => drop(self.pairs.insert(words[1].to_owned(), number(2))),
            "body" => self.bodies.push(number(1)),
            "blob" => self.blobs.push((BlobId(u128::from_str_radix(words[1], 16).expect("an id")), number(2))),
            // What the test harness prints.
            _ => {}
        }
    }

    async fn check(&self, store: &EmbeddedStore) {
        for (name, winner) in &self.once {
            let value = store.get(&key(format!("once/{name}"))).await.expect("a read");
            assert_eq!(value.as_deref(), Some(winner.as_bytes()), "once/{name}");
        }
        for (task, last) in &self.pairs {
            let one = store.get(&key(format!("pair/{task}"))).await.expect("a read").expect("acknowledged");
            let two = store.get(&RecordKey::new(Family::Upload, format!("pair/{task}"))).await.expect("a read");
            assert!(one.as_ref() >= &last.to_be_bytes()[..], "pair/{task} went back");
            assert_eq!(Some(one), two, "half a commit");
        }
        for seed in &self.bodies {
            let body = store.get(&RecordKey::new(Family::Body, seed.to_be_bytes().to_vec())).await.expect("a read");
            assert!(body == Some(sample(*seed, 20_000 + (seed % 7) as usize * 5000)), "body {seed}");
        }
        for (id, seed) in &self.blobs {
            let expect = sample(*seed, (seed % 5) as usize * 300_000);
            let mut stream = store.read(*id, ByteSpan { start: 0, end: expect.len() as u64 }).await.expect("a blob");
            let mut at = 0;
            while let Some(piece) = stream.next().await {
                let piece = piece.expect("bytes");
                assert!(piece == expect[at..at + piece.len()], "blob {id} at {at}");
                at += piece.len();
            }
            assert_eq!(at, expect.len());
        }
    }
}

/// Lets a child write until it has said about `lines` lines, then kills it.
fn run_and_kill(folder: &Path, round: u64, lines: usize, acknowledged: &mut Acknowledged) {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["child", "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder).env(ROUND, round.to_string());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a child");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    let mut seen = 0;
    loop {
        line.clear();
        if out.read_line(&mut line).expect("a pipe") == 0 {
            break;
        }
        // The last line may be cut.
        if let Some(whole) = line.strip_suffix('\n') {
            acknowledged.note(whole);
            seen += 1;
        }
        if seen == lines {
            child.kill().expect("a kill");
        }
    }
    child.wait().expect("its end");
    assert!(seen >= lines, "the child ended by itself after {seen} lines");
}

fn extent_files(folder: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(folder.join("extents")).expect("extents");
    folders.flat_map(|f| std::fs::read_dir(f.expect("a folder").path()).expect("a folder")).map(|e| e.expect("an entry").path()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_and_nothing_refused_appears_over_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Acknowledged::default();
    for round in 0..20 {
        // From "hardly began" to "flushes and compactions run".
        let lines = [5, 60, 400, 1500][round as usize % 4] + round as usize * 7;
        run_and_kill(folder.path(), round, lines, &mut acknowledged);
        if round % 5 != 4 {
            continue;
        }
        let store = EmbeddedStore::open(folder.path(), Options::default()).expect("it opens");
        assert_eq!(store.health(), Health::Open);
        acknowledged.check(&store).await;
        store.reclaimed().await;
        let named = scan(&store, KeyRange::of_prefix(Family::Blob, b""), 0, |n, _, _| {
            *n += 1;
            Step::Next
        });
        assert_eq!(extent_files(folder.path()).len(), named.await.expect("a scan"), "staged bytes are left");
        store.close().await;
    }
    assert!(acknowledged.blobs.len() > 20 && acknowledged.bodies.len() > 1000 && acknowledged.once.len() > 100);
    let checked = Offline::open(folder.path()).expect("it opens").check_blobs().expect("it reads");
    assert_eq!((checked.faults, checked.unnamed), (vec![], 0));
}
