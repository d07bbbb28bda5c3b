//! Blobs: bytes in, the same bytes out, nothing left behind.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use holdfast_model::{ByteSpan, limits::BODY_CHUNK_BYTES};

use super::{Subject, put};
use crate::{BlobId, Blobs, Family, RecordKey, SealedBlob, StoreError, Write};

fn sample(len: usize) -> Bytes {
    (0..len).map(|n| ((n * 131) ^ (n >> 8)) as u8).collect::<Vec<_>>().into()
}

async fn stage(store: &impl Blobs, bytes: &Bytes, piece: usize) -> SealedBlob {
    let mut writer = store.stage().await.expect("a writer");
    for piece in bytes.chunks(piece) {
        writer.append(bytes.slice_ref(piece)).await.expect("bytes are taken");
    }
    let sealed = writer.seal().await.expect("a sealed blob");
    assert_eq!(sealed.len, bytes.len() as u64);
    sealed
}

async fn read(store: &impl Blobs, id: BlobId, start: u64, end: u64) -> Result<Bytes, StoreError> {
    let mut stream = store.read(id, ByteSpan { start, end }).await?;
    let mut all = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        assert!(!piece.is_empty() && piece.len() <= BODY_CHUNK_BYTES, "a piece of {} bytes", piece.len());
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Every span gives exactly its bytes, however the bytes were written.
pub async fn a_blob_gives_back_its_bytes_over_every_span(subject: impl Subject) {
    const CHUNK: u64 = 64 * 1024;
    let store = subject.store();
    let bytes = sample(5 * CHUNK as usize + 17);
    let len = bytes.len() as u64;
    for piece in [1000, 65_536, 300_000] {
        let id = stage(&store, &bytes, piece).await.id;
        let edges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 4 * CHUNK - 1, 4 * CHUNK, 5 * CHUNK, len - 1, len];
        for start in edges {
            for end in edges.into_iter().filter(|end| *end >= start) {
                let span = read(&store, id, start, end).await.unwrap();
                assert!(span == bytes[start as usize..end as usize], "{start}..{end} of pieces of {piece}");
            }
        }
    }
}

/// No bytes are bytes.
pub async fn an_empty_blob_is_a_blob(subject: impl Subject) {
    let store = subject.store();
    let sealed = stage(&store, &Bytes::new(), 1).await;
    assert_eq!(read(&store, sealed.id, 0, 0).await, Ok(Bytes::new()));
}

/// Twenty megabytes in pieces of odd sizes.
pub async fn a_large_blob_comes_in_bounded_pieces(subject: impl Subject) {
    let store = subject.store();
    let bytes = sample(20_000_003);
    let id = stage(&store, &bytes, 77_777).await.id;
    assert!(read(&store, id, 0, bytes.len() as u64).await.unwrap() == bytes);
    assert!(read(&store, id, 9_999_999, 15_000_001).await.unwrap() == bytes[9_999_999..15_000_001]);
}

/// What is not there cannot be read.
pub async fn a_span_beyond_the_end_is_an_error(subject: impl Subject) {
    let store = subject.store();
    let id = stage(&store, &sample(100), 100).await.id;
    for (start, end) in [(0, 101), (100, 101), (500, 600)] {
        assert!(matches!(read(&store, id, start, end).await, Err(StoreError::Corrupt(_))), "{start}..{end}");
    }
    assert_eq!(read(&store, BlobId(u128::MAX), 0, 1).await, Err(StoreError::NoSuchBlob));
}

/// Neither bytes that were appended nor bytes that wait stay behind.
pub async fn a_dropped_writer_leaves_nothing(subject: impl Subject) {
    let store = subject.store();
    for len in [0, 10, 100_000, 3_000_000] {
        let mut writer = store.stage().await.unwrap();
        if len > 0 {
            writer.append(sample(len)).await.unwrap();
        }
        drop(writer);
    }
    until(|| store.staged_bytes() == 0).await;
}

/// A reader that has begun is not disturbed.
pub async fn a_stream_goes_on_after_its_blob_is_deleted(subject: impl Subject) {
    let store = subject.store();
    let bytes = sample(3_000_000);
    let id = stage(&store, &bytes, 100_000).await.id;
    let mut stream = store.read(id, ByteSpan { start: 0, end: 3_000_000 }).await.unwrap();
    let mut all = BytesMut::from(&stream.next().await.unwrap().unwrap()[..]);
    store.delete(id).await.unwrap();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert!(all == bytes);
    assert_eq!(read(&store, id, 0, 1).await, Err(StoreError::NoSuchBlob));
}

/// Deleting is idempotent.
pub async fn deleting_twice_is_no_error(subject: impl Subject) {
    let store = subject.store();
    let id = stage(&store, &sample(10), 10).await.id;
    store.delete(id).await.unwrap();
    store.delete(id).await.unwrap();
    store.delete(BlobId(12345)).await.unwrap();
}

/// Sealed bytes count until they are named or deleted.
pub async fn staged_bytes_are_those_not_named(subject: impl Subject) {
    let store = subject.store();
    assert_eq!(store.staged_bytes(), 0);
    let one = stage(&store, &sample(1000), 100).await;
    let two = stage(&store, &sample(50), 100).await;
    assert_eq!(store.staged_bytes(), 1050);
    store.named(one);
    store.named(one);
    assert_eq!(store.staged_bytes(), 50);
    store.delete(two.id).await.unwrap();
    store.delete(one.id).await.unwrap();
    assert_eq!(store.staged_bytes(), 0);
}

/// Every blob gets a name of its own, also after a restart.
pub async fn ids_are_not_used_twice(mut subject: impl Subject) {
    let mut ids = std::collections::HashSet::new();
    for _ in 0..3 {
        let store = subject.store();
        for _ in 0..10 {
            assert!(ids.insert(stage(&store, &sample(3), 3).await.id));
        }
        drop(store);
        subject.reopen().await;
    }
}

/// A blob whose record was committed is there after a restart.
pub async fn named_blobs_survive_a_restart(mut subject: impl Subject) {
    let bytes = sample(200_000);
    let store = subject.store();
    let sealed = stage(&store, &bytes, 50_000).await;
    put(&store, vec![Write::put(RecordKey::new(Family::Blob, sealed.id.to_bytes().to_vec()), "named")]).await;
    store.named(sealed);
    drop(store);
    for _ in 0..2 {
        subject.reopen().await;
        assert!(read(&subject.store(), sealed.id, 0, sealed.len).await.unwrap() == bytes);
    }
}

/// Waits for what happens in the background; a test that waits in vain is ended by its runner.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}
