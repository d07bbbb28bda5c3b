//! What is found when a folder is opened: leftovers of a crash, other processes, damage.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_embedded::{BlobFault, EmbeddedStore, Offline, OpenError, Options};
use holdfast_model::ByteSpan;
use holdfast_store::{Blobs as _, Commit, Family, Metadata as _, RecordKey, Records, SealedBlob, StoreError, Write, transact};

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, Options::default()).expect("it opens")
}

async fn put(store: &EmbeddedStore, key: RecordKey, value: impl Into<Bytes>) {
    let write = Write::put(key, value);
    let written = transact(store, Vec::new(), move |_: &Records<'_>| Commit::<(), ()>::Write(vec![write.clone()], ()));
    written.await.expect("an answer").expect("no refusal");
}

async fn stage(store: &EmbeddedStore, len: usize) -> SealedBlob {
    let mut writer = store.stage().await.expect("a writer");
    writer.append(vec![7; len].into()).await.expect("bytes are taken");
    writer.seal().await.expect("a seal")
}

async fn name(store: &EmbeddedStore, blob: SealedBlob) {
    put(store, RecordKey::new(Family::Blob, blob.id.to_bytes().to_vec()), "named").await;
    store.named(blob);
}

fn path_of(folder: &Path, blob: SealedBlob) -> PathBuf {
    let name = blob.id.to_string();
    folder.join("extents").join(&name[30..]).join(name)
}

async fn read(store: &EmbeddedStore, blob: SealedBlob, start: u64, end: u64) -> Result<usize, StoreError> {
    let mut stream = store.read(blob.id, ByteSpan { start, end }).await?;
    let mut len = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        assert!(piece.iter().all(|b| *b == 7), "damaged bytes were handed out");
        len += piece.len();
    }
    Ok(len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_served_is_refused_to_a_second_one_and_free_after_closing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let second = EmbeddedStore::open(folder.path(), Options::default());
    assert!(matches!(second, Err(OpenError::InUse { pid }) if pid == std::process::id().to_string()));
    assert!(matches!(Offline::open(folder.path()), Err(OpenError::InUse { .. })));
    store.close().await;
    store.close().await;
    let key = RecordKey::new(Family::Object, "k");
    assert!(matches!(store.get(&key).await, Err(StoreError::Unavailable(_))));
    let late = store.transact_raw(vec![], Box::new(|_| unreachable!("nothing runs after closing"))).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
    assert!(store.stage().await.is_err());
    open(folder.path()).close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_without_a_record_are_reclaimed_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let (kept, left) = (stage(&store, 100_000).await, stage(&store, 200_000).await);
    name(&store, kept).await;
    store.close().await;
    let stranger = folder.path().join("extents/00/notes.txt");
    fs::write(&stranger, "hello").expect("a file");
    let unsealed = folder.path().join("extents/2a").join(format!("{:030x}2a", 5));
    fs::write(&unsealed, "half a bo").expect("a file");

    let store = open(folder.path());
    let fresh = stage(&store, 10).await;
    store.reclaimed().await;
    assert!(!path_of(folder.path(), left).exists() && !unsealed.exists());
    assert!(stranger.exists() && path_of(folder.path(), fresh).exists(), "a blob of this process may still be named");
    assert_eq!(read(&store, kept, 0, kept.len).await, Ok(100_000));
    assert_eq!(store.stats().reclaimed_blobs.get(), 2);
    name(&store, fresh).await;
    store.close().await;
    let checked = Offline::open(folder.path()).expect("it opens").check_blobs().expect("it reads");
    assert_eq!((checked.blobs, checked.bytes, checked.unnamed, checked.faults.len()), (2, 100_010, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_bit_anywhere_in_an_extent_is_an_error_and_never_wrong_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let blob = stage(&store, 300_000).await;
    name(&store, blob).await;
    let path = path_of(folder.path(), blob);
    let whole = fs::read(&path).expect("an extent");
    for at in [0, 65_535, 65_536, 299_999, 300_000, 300_019, whole.len() - 48, whole.len() - 30, whole.len() - 1] {
        let file = fs::File::options().write(true).open(&path).expect("an extent");
        file.write_at(&[whole[at] ^ 0x10], at as u64).expect("a write");
        assert!(matches!(read(&store, blob, 0, blob.len).await, Err(StoreError::Corrupt(_))), "bit at {at}");
        if at == 0 {
            assert_eq!(read(&store, blob, 65_536, blob.len).await, Ok(300_000 - 65_536), "other chunks are readable");
        }
        file.write_at(&whole[at..=at], at as u64).expect("a write");
    }
    for len in [0, 10, 47, 300_000, whole.len() - 1] {
        fs::write(&path, &whole[..len]).expect("a write");
        assert!(matches!(read(&store, blob, 0, 1).await, Err(StoreError::Corrupt(_))), "cut to {len}");
    }
    assert!(store.stats().corrupt_reads.get() >= 14);
    store.close().await;
    let offline = Offline::open(folder.path()).expect("it opens");
    let faults = offline.check_blobs().expect("it reads").faults;
    assert!(matches!(faults[..], [BlobFault::Damaged(id, StoreError::Corrupt(_))] if id == blob.id));
    fs::remove_file(&path).expect("a removal");
    assert_eq!(offline.check_blobs().expect("it reads").faults, [BlobFault::Missing(blob.id)]);
    assert_eq!(offline.blob_len(blob.id), Err(StoreError::NoSuchBlob));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_soiled_end_of_the_journal_opens_and_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for n in 0..20u8 {
        put(&store, RecordKey::new(Family::Object, vec![b'k', n]), vec![n + 1; 3000]).await;
    }
    store.close().await;
    let journal = folder.path().join("records/0.jnl");
    let soil: [&[u8]; 4] =
        [b"", b"\x01\x05\x00\x00\x00", &[0xff; 9000], b"\x01\x01\x00\x00\x00\x99\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00"];
    for garbage in soil {
        let bytes = fs::read(&journal).expect("a journal");
        let end = bytes.iter().rposition(|b| *b != 0).expect("records") + 1;
        fs::write(&journal, [&bytes[..end], garbage].concat()).expect("a write");
        let store = open(folder.path());
        for n in 0..20u8 {
            let value = store.get(&RecordKey::new(Family::Object, vec![b'k', n])).await.expect("a read");
            assert_eq!(value.as_deref(), Some(&vec![n + 1; 3000][..]));
        }
        put(&store, RecordKey::new(Family::Object, "more"), "more").await;
        store.close().await;
    }
}

/// fjall's issue 257: after a kill, memtables that were sealed and never flushed halted every write.
#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_after_a_kill_that_left_many_sealed_memtables() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for n in 0..6 {
        put(&store, RecordKey::new(Family::Body, format!("k{n}")), vec![1; 5000]).await;
    }
    store.close().await;
    // Each batch in a journal of its own: all but the last are sealed, and so will be what is replayed from them.
    let records = folder.path().join("records");
    let journal = fs::read(records.join("0.jnl")).expect("a journal");
    let ends: Vec<usize> = journal.windows(4).enumerate().filter(|(_, w)| w == b"FJL\x03").map(|(at, _)| at + 4).collect();
    assert_eq!(ends.len(), 6);
    for (n, (start, end)) in [0].iter().chain(&ends).zip(&ends).enumerate() {
        fs::write(records.join(format!("{n}.jnl")), &journal[*start..*end]).expect("a journal");
    }
    let store = open(folder.path());
    for n in 0..6 {
        let value = store.get(&RecordKey::new(Family::Body, format!("k{n}"))).await.expect("a read");
        assert_eq!(value.as_deref(), Some(&[1; 5000][..]));
    }
    for n in 0..100u32 {
        put(&store, RecordKey::new(Family::Object, format!("after/{n}")), vec![1; 10_000]).await;
    }
    assert_eq!((store.journal_count(), store.stats().busy.get()), (1, 0));
    store.close().await;
}

#[test]
fn a_first_start_that_was_cut_short_is_begun_anew() {
    let folder = fresh_records();
    let (records, unfinished) = (folder.path().join("records"), folder.path().join("records.new"));
    for leave in ["keyspaces/1/tables/0", "lock", "0.jnl", "version"] {
        fs::remove_dir_all(&records).expect("a removal");
        fs::create_dir_all(unfinished.join(leave).parent().expect("a folder")).expect("a folder");
        fs::write(unfinished.join(leave), vec![0; 1 << 16]).expect("a file");
        drop(open(folder.path()));
        until_free(folder.path());
        assert!(records.join("version").exists() && !unfinished.exists(), "{leave}");
    }
}

#[test]
fn records_without_their_marker_are_damage_and_stay() {
    let folder = fresh_records();
    let marker = folder.path().join("records/version");
    for torn in [&b""[..], b"FJL", b"\0\0\0\x03"] {
        fs::write(&marker, torn).expect("a marker");
        assert!(matches!(EmbeddedStore::open(folder.path(), Options::default()), Err(OpenError::Records(_))), "{torn:?}");
    }
    fs::remove_file(marker).expect("a removal");
    assert!(matches!(EmbeddedStore::open(folder.path(), Options::default()), Err(OpenError::Records(_))));
    assert!(folder.path().join("records/0.jnl").exists());
}

fn fresh_records() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    until_free(folder.path());
    folder
}

/// A store that is dropped without closing gives the folder free soon.
fn until_free(path: &Path) {
    while let Err(OpenError::InUse { .. }) = Offline::open(path) {
        std::thread::yield_now();
    }
}
