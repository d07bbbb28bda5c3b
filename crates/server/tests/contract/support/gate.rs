//! A store behind a gate: while it is closed, transactions wait right before their commit point, so that a test can let requests overlap;
//! and transactions can be made to fail there.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_store::{Decide, KeyRange, Metadata, Outcome, RecordKey, StoreError, Visit};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Opens and closes.
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    failure: Mutex<Option<StoreError>>,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { open: watch::Sender::new(true), waiting: watch::Sender::new(0), failure: Mutex::new(None) })
    }

    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Returns when so many transactions wait.
    pub(crate) async fn holds(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        let held = waiting.wait_for(|waiting| *waiting >= count);
        assert!(tokio::time::timeout(std::time::Duration::from_secs(15), held).await.is_ok(), "{count} transactions never came");
    }

    /// From now on every transaction fails so, before it reads anything; `None` ends that.
    pub(crate) fn fail(&self, error: Option<StoreError>) {
        *self.failure.lock() = error;
    }

    async fn pass(&self) -> Result<(), StoreError> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        self.waiting.send_modify(|waiting| *waiting -= 1);
        self.failure.lock().clone().map_or(Ok(()), Err)
    }
}

/// Records behind a gate.
pub(crate) struct Gated {
    pub(crate) records: Arc<dyn Metadata>,
    pub(crate) gate: Arc<Gate>,
}

#[async_trait]
impl Metadata for Gated {
    async fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        self.records.get(key).await
    }

    async fn scan_raw(&self, range: KeyRange, visit: Visit) -> Result<(), StoreError> {
        self.records.scan_raw(range, visit).await
    }

    async fn transact_raw(&self, keys: Vec<RecordKey>, decide: Decide) -> Result<Outcome, StoreError> {
        self.gate.pass().await?;
        self.records.transact_raw(keys, decide).await
    }
}
