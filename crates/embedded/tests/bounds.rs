//! Bounds: queue, space, seeks, memtables, journals; and what a refusal waits for.

use std::{path::Path, sync::mpsc, time::Duration};

use bytes::Bytes;
use holdfast_embedded::{EmbeddedStore, Health, Options};
use holdfast_model::limits::MIB;
use holdfast_store::{
    Blobs as _, Commit, Decision, Family, KeyRange, Metadata as _, Outcome, RecordKey, Records, Step, StoreError, Write, scan, transact,
};
use tokio::task::JoinSet;

fn open(path: &Path, options: Options) -> EmbeddedStore {
    EmbeddedStore::open(path, options).expect("it opens")
}

fn key(bytes: impl Into<Bytes>) -> RecordKey {
    RecordKey::new(Family::Object, bytes)
}

async fn put(store: &EmbeddedStore, writes: Vec<Write>) -> Result<(), StoreError> {
    let written = transact(store, Vec::new(), move |_: &Records<'_>| Commit::<(), ()>::Write(writes.clone(), ()));
    written.await.map(|written| written.expect("no refusal"))
}

/// A transaction that holds the committer until it is told to go on. Returns when it has begun.
async fn hold(store: &EmbeddedStore) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<Outcome, StoreError>>) {
    let (go, wait) = mpsc::channel();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (store, mut begun) = (store.clone(), Some(begun));
    let held = tokio::spawn(async move {
        let decide = move |_: &Records<'_>| {
            begun.take().map(|b| b.send(()));
            let _ = wait.recv();
            Decision::Commit(vec![Write::put(key("held"), "v")])
        };
        store.transact_raw(vec![key("held")], Box::new(decide)).await
    });
    has_begun.await.expect("it begins");
    (go, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_is_a_definite_refusal_after_a_bounded_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options { queue_places: 2, busy_after: Duration::from_millis(50), ..Options::default() });
    let (go, held) = hold(&store).await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { put(&store, vec![Write::put(key("waiting"), "v")]).await }
    });
    while store.stats().queued.get() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(put(&store, vec![Write::put(key("late"), "v")]).await, Err(StoreError::Busy));
    go.send(()).expect("it waits");
    assert!(matches!(held.await.expect("an end"), Ok(Outcome::Committed(_))));
    waiting.await.expect("an end").expect("it was in time");
    assert_eq!(store.get(&key("late")).await, Ok(None));
    put(&store, vec![Write::put(key("late"), "v")]).await.expect("there is room again");
    assert_eq!((store.stats().busy.get(), store.stats().queued.get()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refusal_that_read_a_pending_write_waits_for_it_and_one_that_did_not_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    put(&store, vec![Write::put(key("durable"), "v")]).await.expect("a commit");
    let (go, held) = hold(&store).await;
    let refuse = |name: &'static str| {
        let store = store.clone();
        tokio::spawn(async move {
            let seen = transact(&store, vec![key(name)], |r: &Records<'_>| Commit::<(), bool>::Refuse(r.values[0].is_some())).await;
            let durable = store.get(&key(name)).await.expect("a read").is_some();
            (seen.expect("an answer").expect_err("a refusal"), durable)
        })
    };
    let refusals = [refuse("held"), refuse("durable")];
    while store.stats().queued.get() < 3 {
        tokio::task::yield_now().await;
    }
    go.send(()).expect("it waits");
    for refusal in refusals {
        assert_eq!(refusal.await.expect("an end"), (true, true), "what a refusal rests on is durable");
    }
    assert!(held.await.expect("an end").is_ok());
    assert_eq!(store.stats().refusals_at_once.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_space_everything_is_refused_before_it_is_written_and_reads_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    put(&store, vec![Write::put(key("k"), "v")]).await.expect("a commit");
    store.close().await;
    let store = open(folder.path(), Options { space_reserve_bytes: u64::MAX, ..Options::default() });
    let refused = put(&store, vec![Write::put(key("k"), "w")]).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert!(matches!(store.stage().await.map(drop), Err(StoreError::Full(_))));
    let read = transact(&store, vec![key("k")], |r: &Records<'_>| Commit::<(), _>::Refuse(r.values[0].clone())).await;
    assert_eq!(read, Ok(Err(Some("v".into()))));
    assert_eq!((store.health(), store.staged_bytes()), (Health::Open, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_listing_that_folds_many_keys_into_ten_prefixes_seeks_ten_times() {
    const PREFIXES: u64 = 10;
    const EACH: u64 = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    let mut loads = JoinSet::new();
    for n in 0..PREFIXES * EACH / 2000 {
        let store = store.clone();
        let name = move |i: u64| format!("{}/{:06}", i / EACH, i % EACH);
        loads.spawn(async move { put(&store, (n * 2000..(n + 1) * 2000).map(|i| Write::put(key(name(i)), "v")).collect()).await });
    }
    loads.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().expect("loads");
    let before = store.stats().seeks.get();
    let listed = scan(&store, KeyRange::of_prefix(Family::Object, b""), (Vec::new(), 0), |(prefixes, visited), key, _| {
        *visited += 1;
        let end = key.iter().position(|b| *b == b'/').expect("a delimiter");
        prefixes.push(key.slice(..=end));
        KeyRange::after_prefix(&key[..=end]).map_or(Step::Stop, Step::SeekTo)
    });
    let (prefixes, visited) = listed.await.expect("a scan");
    assert_eq!((prefixes.len() as u64, visited), (PREFIXES, PREFIXES));
    assert_eq!(store.stats().seeks.get() - before, PREFIXES + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_key_does_not_pile_up_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    let mut writers = JoinSet::new();
    for writer in 0..64u64 {
        let store = store.clone();
        writers.spawn(async move {
            for n in 0..400u64 {
                let value = (writer << 32 | n).to_be_bytes().to_vec();
                let written = transact(&store, vec![key("hot")], move |r: &Records<'_>| {
                    assert!(r.stamp > 0);
                    Commit::<(), ()>::Write(vec![Write::put(key("hot"), value.clone())], ())
                });
                written.await.expect("an answer").expect("no refusal");
            }
        });
    }
    writers.join_all().await;
    // Versions of one batch share a sequence number and are one; what counts is that the memtable is rotated by their count.
    assert!(store.stats().rotations_by_count.get() >= 1, "{:?}", store.stats());
    assert!(store.get(&key("hot")).await.expect("a read").is_some());
}

/// fjall's issue 288: a keyspace that is written once and then idle kept every later journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_families_do_not_keep_journals_alive() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    for family in [Family::Bucket, Family::Upload, Family::Garbage, Family::Replay] {
        put(&store, vec![Write::put(RecordKey::new(family, "idle"), "v")]).await.expect("a commit");
    }
    let mut writers = JoinSet::new();
    for writer in 0..16u64 {
        let store = store.clone();
        writers.spawn(async move {
            for n in 0..16u64 {
                let name = RecordKey::new(Family::Body, (writer << 32 | n).to_be_bytes().to_vec());
                put(&store, vec![Write::put(name, vec![writer as u8; 2 * MIB as usize])]).await.expect("a commit");
            }
        });
    }
    writers.join_all().await;
    assert!(store.stats().committed_bytes.get() > 500 * MIB);
    assert!(store.stats().rotations_by_journal.get() >= 4, "{:?}", store.stats());
    assert!(store.journal_count() <= 7, "{} journals", store.journal_count());
    store.close().await;
}

/// The store's own records are written once a start. Until they are flushed, they keep the first journal, and with it all later ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_record_of_reserved_stamps_does_not_keep_journals_alive() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    let first = folder.path().join("records/0.jnl");
    for n in 0..400u64 {
        let name = RecordKey::new(Family::Body, n.to_be_bytes().to_vec());
        put(&store, vec![Write::put(name, vec![1; MIB as usize])]).await.expect("a commit");
        if !first.exists() {
            return store.close().await;
        }
    }
    panic!("the first journal is still there, of {}", store.journal_count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flushed_values_lie_in_files_whose_entries_were_durable_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Options::default());
    let files = || {
        let keyspaces = std::fs::read_dir(folder.path().join("records/keyspaces")).expect("keyspaces");
        let values = keyspaces.filter_map(|k| std::fs::read_dir(k.expect("an entry").path().join("blobs")).ok()).flatten();
        values.map(|v| v.expect("an entry")).map(|v| (v.path(), v.metadata().map_or(0, |m| m.len()))).collect::<Vec<_>>()
    };
    let before: std::collections::HashSet<_> = files().into_iter().map(|(path, _)| path).collect();
    assert!(before.len() >= 256);
    for n in 0..40u64 {
        put(&store, vec![Write::put(RecordKey::new(Family::Body, n.to_be_bytes().to_vec()), vec![1; 2 * MIB as usize])])
            .await
            .expect("a commit");
    }
    while files().iter().all(|(_, len)| *len < MIB) {
        tokio::task::yield_now().await;
    }
    for (path, len) in files() {
        assert!(len == 0 || before.contains(&path), "{} was not there before", path.display());
    }
    store.close().await;
}
