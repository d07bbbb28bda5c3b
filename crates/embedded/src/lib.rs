//! The store of one machine: records on fjall, bytes in extent files, one committer.
//!
//! A transaction goes through `committer.rs`, which alone writes records and publishes what readers see (`records.rs`). A blob
//! is written by `extent_writer.rs`, synced before it is named, and read with every byte checked by `extent_reader.rs`. What a
//! crash leaves is dealt with by `journal.rs` (the torn end of the journal) and `extents.rs` (blobs that no record names).
//! `docs/format.md` draws the files.
//!
//! Assumed of the medium: what was synced stays as it is or reads as an error or with a wrong checksum; an entry of a folder is
//! durable once the folder was synced; a write that was not synced may be there in part, in any order.

mod check;
mod committer;
#[cfg(test)]
mod committer_tests;
mod direct_file;
mod error;
mod extent_format;
mod extent_reader;
mod extent_writer;
mod extents;
mod failpoints;
#[cfg(feature = "faults")]
pub mod faults;
mod folder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod journal;
mod oldest_batch;
mod records;
mod shared;
mod space;
mod stats;
mod syncs;
mod table_lists;
mod threads;
mod tuning;
mod upkeep;
mod value_files;

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_model::{
    ByteSpan,
    limits::{MIB, TRANSACTION_KEYS_MAX},
};
use holdfast_store::{
    BlobId, BlobWriter, Blobs, ByteStream, Decide, Family, KeyRange, Metadata, Outcome, RecordKey, SealedBlob, StoreError, Visit,
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use check::{BlobCheck, BlobFault, FileCheck, Offline};
pub use error::OpenError;
pub use failpoints::FailPoint;
pub use shared::Health;
pub use stats::{Counter, Histogram, Stats};

use crate::{
    committer::{Committer, Message, Request},
    extents::Extents,
    folder::Folder,
    records::{Engine, View},
    shared::Shared,
    space::Space,
};

/// What may be chosen. The defaults are meant for use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Memory for blocks of records that are read, in bytes. A working set of a million objects' index fits in the default.
    pub cache_bytes: u64,
    /// Free bytes below which bodies are refused; below half of it all but removals are, below an eighth everything is.
    pub space_reserve_bytes: u64,
    /// Transactions that may wait.
    pub queue_places: usize,
    /// How long a transaction waits for a place, and a batch for flushes, before it is refused as busy.
    pub busy_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 64 * MIB, space_reserve_bytes: 64 * MIB, queue_places: 2048, busy_after: Duration::from_secs(2) }
    }
}

/// The store of one data folder. Clones share it.
#[derive(Clone)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    extents: Arc<Extents>,
    places: Arc<Semaphore>,
    busy_after: Duration,
    queue: mpsc::Sender<Message>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the folder, creating it if it is not there, and recovers what was acknowledged. Blocks; reclaiming of blobs that no
    /// record names goes on in the background.
    ///
    /// # Errors
    /// Nothing of the folder was changed, except that an end of the journal which was never acknowledged may be cut off.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let folder = Folder::open(path.as_ref())?;
        let stats = Arc::new(Stats::default());
        let space = Space::new(path.as_ref().to_owned(), options.space_reserve_bytes);
        let engine = Arc::new(Engine::open(&folder.records(), options.cache_bytes)?);
        let stamp_limit = engine.stamp_limit()?;
        failpoints::reach(FailPoint::RecordsOpened);
        let extents = Arc::new(Extents::new(folder.extents(), space.clone(), Arc::clone(&stats))?);
        let shared = Arc::new(Shared::new(stats, space, View::first(engine)?));
        let (queue, waiting) = mpsc::channel();
        let (places, busy_after) = (Arc::new(Semaphore::new(options.queue_places)), options.busy_after);
        let committer = Committer::new((Arc::clone(&shared), Arc::clone(&extents)), waiting, folder, options, stamp_limit);
        let committer = std::thread::Builder::new().name("committer".into()).spawn(|| committer.run())?;
        extents.begin_reclaiming(&shared)?;
        let committer = Mutex::new(Some(committer));
        Ok(Self { inner: Arc::new(Inner { shared, extents, places, busy_after, queue, committer }) })
    }

    /// Finishes what was submitted, and gives the folder free. Afterwards everything is refused. Streams that were begun go on.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.inner.queue.send(Message::Close(done)).is_ok() {
            let _ = closed.await;
        }
        let committer = self.inner.committer.lock().take();
        if let Some(committer) = committer {
            let _ = tokio::task::spawn_blocking(|| committer.join()).await;
        }
    }

    /// Whether the store goes on, and if not, why.
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// What the store counts about itself.
    pub fn stats(&self) -> &Stats {
        &self.inner.shared.stats
    }

    /// Returns when the blobs that earlier processes left unnamed are gone.
    pub async fn reclaimed(&self) {
        self.inner.extents.reclaimed().await;
    }

    /// Journals of records on disk: one is written, the others wait for their records to be flushed.
    pub fn journal_count(&self) -> usize {
        self.inner.shared.view().map_or(0, |view| view.engine.db.journal_count())
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(place) = Arc::clone(&self.inner.places).try_acquire_owned() {
            return Ok(place);
        }
        let waited = tokio::time::timeout(self.inner.busy_after, Arc::clone(&self.inner.places).acquire_owned()).await;
        waited.ok().and_then(Result::ok).ok_or_else(|| {
            self.stats().busy.add(1);
            StoreError::Busy
        })
    }
}

/// Counts a request as queued while it lives.
struct Queued<'a>(&'a Stats);

impl<'a> Queued<'a> {
    fn new(stats: &'a Stats) -> Self {
        stats.queued.add(1);
        Self(stats)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.queued.sub(1);
    }
}

#[async_trait]
impl Metadata for EmbeddedStore {
    async fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        self.inner.shared.view()?.get(key).inspect_err(|error| self.inner.shared.stats.count_corrupt(error))
    }

    async fn scan_raw(&self, range: KeyRange, mut visit: Visit) -> Result<(), StoreError> {
        let view = self.inner.shared.view()?;
        let stats = Arc::clone(&self.inner.shared.stats);
        if range.family == Family::Bucket {
            return view.scan(&range, &stats, &mut visit);
        }
        let scan = move || view.scan(&range, &stats, &mut visit).inspect_err(|error| stats.count_corrupt(error));
        let scanned = tokio::task::spawn_blocking(scan).await;
        scanned.unwrap_or_else(|e| match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(e) => Err(StoreError::Unavailable(e.to_string())),
        })
    }

    async fn transact_raw(&self, keys: Vec<RecordKey>, decide: Decide) -> Result<Outcome, StoreError> {
        assert!(keys.len() <= TRANSACTION_KEYS_MAX, "a transaction names few keys");
        let _queued = Queued::new(self.stats());
        let place = self.place().await?;
        let (answer, answered) = oneshot::channel();
        let request = Request { keys, decide, answer, _place: place };
        if self.inner.queue.send(Message::Transact(request)).is_err() {
            self.inner.shared.admit()?;
            return Err(StoreError::Unavailable("the committer is gone; restart it".into()));
        }
        answered.await.unwrap_or_else(|_| Err(self.inner.shared.unanswered()))
    }
}

#[async_trait]
impl Blobs for EmbeddedStore {
    async fn stage(&self) -> Result<Box<dyn BlobWriter>, StoreError> {
        self.inner.shared.admit()?;
        Ok(Box::new(self.inner.extents.stage().await?))
    }

    async fn read(&self, blob: BlobId, span: ByteSpan) -> Result<ByteStream, StoreError> {
        self.inner.extents.read(blob, span).await
    }

    async fn delete(&self, blob: BlobId) -> Result<(), StoreError> {
        self.inner.extents.delete(blob).await
    }

    fn staged_bytes(&self) -> u64 {
        self.stats().staged_bytes.get()
    }

    fn named(&self, blob: SealedBlob) {
        self.inner.extents.named(blob.id);
    }
}
