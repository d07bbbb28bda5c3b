//! Records in memory, in the place of `src/records.rs`: a medium that outlives engines, with a batch that becomes durable in steps, and
//! that fails on order as a disk does. It asserts what fjall and the medium need of the committer.
#![allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "as the real ones")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use holdfast_store::{RecordKey, StoreError};
use parking_lot::Mutex;
use shuttle::{rand::Rng as _, thread::yield_now};

use crate::OpenError;

pub(crate) const KEY_BYTES_MAX: usize = u16::MAX as usize;

pub(crate) type Map = BTreeMap<RecordKey, Bytes>;

/// What becomes of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A flush failed before; nothing is written.
    Background,
    /// The disk fills up; the batch is durable or not.
    Full {
        durable: bool,
    },
    /// The device fails; the batch is durable or not.
    Device {
        durable: bool,
    },
}

/// The medium. Its locks are never held where another thread may go on.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) durable: Mutex<Map>,
    stamp_limit: Mutex<u64>,
    /// What becomes of the next batches.
    pub(crate) faults: Mutex<Vec<Fault>>,
    /// Looks at the free space that find none.
    pub(crate) full_for: AtomicUsize,
    /// Engines that are open; the lock of the database allows one.
    pub(crate) open: AtomicUsize,
    pub(crate) failures: AtomicUsize,
}

impl Disk {
    pub(crate) fn get(&self, key: &RecordKey) -> Option<Bytes> {
        self.durable.lock().get(key).cloned()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error("a flush or compaction failed")]
    Background,
    #[error("the disk is full")]
    Full,
    #[error("{0}")]
    Other(String),
}

pub(crate) struct Engine {
    disk: Arc<Disk>,
    /// What a fresh snapshot shows.
    visible: Mutex<Map>,
    failed: AtomicBool,
    unflushed: bool,
}

impl Engine {
    pub(crate) fn open(disk: &Arc<Disk>, _cache_bytes: u64) -> Result<Self, OpenError> {
        assert_eq!(disk.open.fetch_add(1, Relaxed), 0, "the records are opened while a reader or the committer has them open");
        yield_now();
        let visible = Mutex::new(disk.durable.lock().clone());
        let unflushed = shuttle::rand::thread_rng().gen_bool(0.1);
        Ok(Self { disk: Arc::clone(disk), visible, failed: AtomicBool::new(false), unflushed })
    }

    pub(crate) const fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    pub(crate) fn has_sealed_journals(&self) -> bool {
        shuttle::rand::thread_rng().gen_bool(0.3)
    }

    pub(crate) fn stamp_limit(&self) -> Result<u64, OpenError> {
        Ok(*self.disk.stamp_limit.lock())
    }

    pub(crate) fn write_durably(&self, overlay: &HashMap<RecordKey, Option<Bytes>>, stamp_limit: Option<u64>) -> Result<(), CommitError> {
        assert!(!self.failed.load(Relaxed), "a batch is written after one that failed");
        assert!(!self.unflushed, "a batch is written by an engine that cannot flush");
        yield_now();
        let fault = self.disk.faults.lock().pop().unwrap_or(Fault::None);
        let durable = match fault {
            Fault::None => true,
            Fault::Background => false,
            Fault::Full { durable } | Fault::Device { durable } => durable,
        };
        if durable {
            apply(&mut self.disk.durable.lock(), overlay);
            let mut limit = self.disk.stamp_limit.lock();
            *limit = stamp_limit.unwrap_or(*limit);
        }
        yield_now();
        if fault != Fault::None {
            self.failed.store(true, Relaxed);
            self.disk.failures.fetch_add(1, Relaxed);
        }
        match fault {
            Fault::None => {}
            Fault::Background => return Err(CommitError::Background),
            Fault::Full { .. } => {
                self.disk.full_for.store(shuttle::rand::thread_rng().gen_range(0..4), Relaxed);
                return Err(CommitError::Full);
            }
            Fault::Device { .. } => return Err(CommitError::Other("the device failed".into())),
        }
        // One by one, as memtables are filled.
        for (key, value) in overlay {
            apply(&mut self.visible.lock(), [(key, value)]);
            yield_now();
        }
        Ok(())
    }

    pub(crate) fn notice_background_failure(&self) -> Result<(), CommitError> {
        if self.failed.load(Relaxed) { Err(CommitError::Background) } else { Ok(()) }
    }

    pub(crate) fn backlog(&self) -> (usize, usize) {
        let mut random = shuttle::rand::thread_rng();
        if random.gen_bool(0.2) { (random.gen_range(0..4), random.gen_range(0..30)) } else { (0, 0) }
    }

    pub(crate) fn keep_value_files_ahead(&self) {}
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.disk.open.fetch_sub(1, Relaxed);
    }
}

fn apply<'a>(map: &mut Map, writes: impl IntoIterator<Item = (&'a RecordKey, &'a Option<Bytes>)>) {
    for (key, value) in writes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

/// A snapshot of what is visible when it is taken.
pub(crate) struct View {
    map: Map,
    pub(crate) engine: Arc<Engine>,
}

impl View {
    pub(crate) fn first(engine: Arc<Engine>) -> Result<Self, OpenError> {
        let map = engine.visible.lock().clone();
        Ok(Self { map, engine })
    }

    pub(crate) fn next(&self, _changed_buckets: Vec<(Bytes, Option<Bytes>)>) -> Self {
        Self { map: self.engine.visible.lock().clone(), engine: Arc::clone(&self.engine) }
    }

    pub(crate) fn is_stale(&self) -> bool {
        shuttle::rand::thread_rng().gen_bool(0.5)
    }

    pub(crate) fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        // As long as a view is held its engine is open.
        assert_eq!(self.engine.disk.open.load(Relaxed), 1, "the records were closed under a reader");
        Ok(self.map.get(key).cloned())
    }
}
