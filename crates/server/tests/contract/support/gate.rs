//! A store behind a gate: while it is closed, transactions wait right before their commit point, so that a test can let requests overlap.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_store::{Decide, KeyRange, Metadata, Outcome, RecordKey, StoreError, Visit};
use tokio::sync::watch;

/// Opens and closes.
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    waiting: AtomicUsize,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { open: watch::Sender::new(true), waiting: AtomicUsize::new(0) })
    }

    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Returns when so many transactions wait.
    pub(crate) async fn holds(&self, count: usize) {
        let held = async {
            while self.waiting.load(Ordering::SeqCst) < count {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        assert!(tokio::time::timeout(std::time::Duration::from_secs(15), held).await.is_ok(), "{count} transactions never came");
    }

    async fn pass(&self) {
        let mut open = self.open.subscribe();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _ = open.wait_for(|open| *open).await;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
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
        self.gate.pass().await;
        self.records.transact_raw(keys, decide).await
    }
}
