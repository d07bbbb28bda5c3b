//! A store that fails on purpose, for the tests of what stands on a store.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_model::ByteSpan;
use parking_lot::Mutex;

use crate::{
    BlobId, BlobWriter, Blobs, ByteStream, Decide, Decision, KeyRange, Metadata, Outcome, RecordKey, Records, SealedBlob, StoreError,
    Visit, Write,
};

/// What happens to the next transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None: it goes through.
    None,
    /// It is refused as busy; nothing happens.
    Busy,
    /// It is refused for want of space; nothing happens.
    Full,
    /// The store does not accept it; nothing happens.
    Unavailable,
    /// It happens, and the answer says that nobody knows.
    IndefiniteApplied,
    /// It does not happen, and the answer says that nobody knows.
    IndefiniteLost,
    /// Its decision runs twice; the second run counts.
    DecideTwice,
    /// A rival commits these writes just before it.
    Rival(Vec<Write>),
}

/// A store whose transactions, and begun blobs, meet the faults that were ordered, one each, in order.
#[derive(Clone)]
pub struct Faulty<S> {
    inner: S,
    transactions: Arc<Mutex<VecDeque<Fault>>>,
    stages: Arc<Mutex<VecDeque<StoreError>>>,
}

impl<S> Faulty<S> {
    /// A store that does not fail until it is told to.
    pub fn new(inner: S) -> Self {
        Self { inner, transactions: Arc::default(), stages: Arc::default() }
    }

    /// The store without faults.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Orders a fault for the next transaction that has none yet.
    pub fn next_transaction(&self, fault: Fault) {
        self.transactions.lock().push_back(fault);
    }

    /// Orders an error for the next blob that is begun.
    pub fn next_stage(&self, error: StoreError) {
        self.stages.lock().push_back(error);
    }

    /// Faults that were ordered and not met.
    pub fn faults_left(&self) -> usize {
        self.transactions.lock().len() + self.stages.lock().len()
    }
}

#[async_trait]
impl<S: Metadata> Metadata for Faulty<S> {
    async fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(key).await
    }

    async fn scan_raw(&self, range: KeyRange, visit: Visit) -> Result<(), StoreError> {
        self.inner.scan_raw(range, visit).await
    }

    async fn transact_raw(&self, keys: Vec<RecordKey>, mut decide: Decide) -> Result<Outcome, StoreError> {
        let fault = self.transactions.lock().pop_front().unwrap_or(Fault::None);
        let lost = || StoreError::Indefinite("ordered by the test".into());
        match fault {
            Fault::None => self.inner.transact_raw(keys, decide).await,
            Fault::Busy => Err(StoreError::Busy),
            Fault::Full => Err(StoreError::Full("ordered by the test".into())),
            Fault::Unavailable => Err(StoreError::Unavailable("ordered by the test".into())),
            Fault::IndefiniteLost => Err(lost()),
            Fault::IndefiniteApplied => self.inner.transact_raw(keys, decide).await.and(Err(lost())),
            Fault::DecideTwice => {
                let twice = move |records: &Records<'_>| {
                    drop(decide(records));
                    decide(records)
                };
                self.inner.transact_raw(keys, Box::new(twice)).await
            }
            Fault::Rival(writes) => {
                self.inner.transact_raw(Vec::new(), Box::new(move |_| Decision::Commit(writes.clone()))).await?;
                self.inner.transact_raw(keys, decide).await
            }
        }
    }
}

#[async_trait]
impl<S: Blobs> Blobs for Faulty<S> {
    async fn stage(&self) -> Result<Box<dyn BlobWriter>, StoreError> {
        let ordered = self.stages.lock().pop_front();
        match ordered {
            Some(error) => Err(error),
            None => self.inner.stage().await,
        }
    }

    async fn read(&self, blob: BlobId, span: ByteSpan) -> Result<ByteStream, StoreError> {
        self.inner.read(blob, span).await
    }

    async fn delete(&self, blob: BlobId) -> Result<(), StoreError> {
        self.inner.delete(blob).await
    }

    fn staged_bytes(&self) -> u64 {
        self.inner.staged_bytes()
    }

    fn named(&self, blob: SealedBlob) {
        self.inner.named(blob);
    }
}
