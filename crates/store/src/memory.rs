//! The store as its specification: a map of records and a map of blobs, each behind one lock. What is written is
//! "durable" at once, so every promise of the traits can be read off these few lines. Used by tests; nothing is kept on disk.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use holdfast_model::{
    ByteSpan,
    limits::{BODY_CHUNK_BYTES, TRANSACTION_KEYS_MAX},
};
use parking_lot::{Mutex, RwLock};

use crate::{
    BlobId, BlobWriter, Blobs, ByteStream, Decide, Decision, KeyRange, Metadata, Outcome, RecordKey, Records, SealedBlob, Step, StoreError,
    Visit,
};

/// A store in memory.
#[derive(Clone, Default)]
pub struct MemoryStore {
    records: Arc<RwLock<Stamped>>,
    blobs: Arc<Mutex<HashMap<BlobId, Bytes>>>,
    last_blob: Arc<AtomicU64>,
    staged: Arc<Mutex<HashMap<BlobId, u64>>>,
}

#[derive(Default)]
struct Stamped {
    stamp: u64,
    map: BTreeMap<RecordKey, Bytes>,
}

#[async_trait]
impl Metadata for MemoryStore {
    async fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.records.read().map.get(key).cloned())
    }

    async fn scan_raw(&self, range: KeyRange, mut visit: Visit) -> Result<(), StoreError> {
        let records = self.records.read();
        let mut from = RecordKey { family: range.family, bytes: range.start };
        'seek: loop {
            for (key, value) in records.map.range(from.clone()..) {
                if key.family != range.family || range.end.as_ref().is_some_and(|end| key.bytes >= *end) {
                    return Ok(());
                }
                match visit(&key.bytes, value) {
                    Step::Next => {}
                    Step::Stop => return Ok(()),
                    Step::SeekTo(target) => {
                        assert!(target > key.bytes, "a scan only moves forward");
                        from.bytes = target;
                        continue 'seek;
                    }
                }
            }
            return Ok(());
        }
    }

    async fn transact_raw(&self, keys: Vec<RecordKey>, mut decide: Decide) -> Result<Outcome, StoreError> {
        assert!(keys.len() <= TRANSACTION_KEYS_MAX, "a transaction names few keys");
        let mut records = self.records.write();
        let values: Vec<_> = keys.iter().map(|key| records.map.get(key).cloned()).collect();
        let stamp = records.stamp + 1;
        match decide(&Records { stamp, values: &values }) {
            Decision::Refuse => Ok(Outcome::Refused),
            Decision::Commit(writes) => {
                records.stamp = stamp;
                for write in writes {
                    match write.value {
                        Some(value) => records.map.insert(write.key, value),
                        None => records.map.remove(&write.key),
                    };
                }
                Ok(Outcome::Committed(stamp))
            }
        }
    }
}

#[async_trait]
impl Blobs for MemoryStore {
    async fn stage(&self) -> Result<Box<dyn BlobWriter>, StoreError> {
        Ok(Box::new(MemoryWriter { store: self.clone(), bytes: Vec::new() }))
    }

    async fn read(&self, blob: BlobId, span: ByteSpan) -> Result<ByteStream, StoreError> {
        let bytes = self.blobs.lock().get(&blob).cloned().ok_or(StoreError::NoSuchBlob)?;
        if span.end > bytes.len() as u64 {
            return Err(StoreError::Corrupt(format!("blob {blob} ends before byte {}", span.end)));
        }
        let bytes = bytes.slice(span.start as usize..span.end as usize);
        let pieces: Vec<_> = bytes.chunks(BODY_CHUNK_BYTES).map(|c| Ok(bytes.slice_ref(c))).collect();
        Ok(Box::pin(stream::iter(pieces)))
    }

    async fn delete(&self, blob: BlobId) -> Result<(), StoreError> {
        self.blobs.lock().remove(&blob);
        self.staged.lock().remove(&blob);
        Ok(())
    }

    fn staged_bytes(&self) -> u64 {
        self.staged.lock().values().sum()
    }

    fn named(&self, blob: SealedBlob) {
        self.staged.lock().remove(&blob.id);
    }
}

struct MemoryWriter {
    store: MemoryStore,
    bytes: Vec<u8>,
}

#[async_trait]
impl BlobWriter for MemoryWriter {
    async fn append(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn seal(self: Box<Self>) -> Result<SealedBlob, StoreError> {
        let id = BlobId(u128::from(self.store.last_blob.fetch_add(1, Ordering::Relaxed) + 1));
        let len = self.bytes.len() as u64;
        self.store.staged.lock().insert(id, len);
        self.store.blobs.lock().insert(id, self.bytes.into());
        Ok(SealedBlob { id, len })
    }
}
