//! The rest of what `committer.rs` and `shared.rs` name: a folder, the extents, the free space, and small bounds.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use holdfast_store::{BlobId, Family, RecordKey, StoreError, Write};
use parking_lot::Mutex;

use crate::records::{Disk, View};

#[derive(Debug, thiserror::Error)]
#[allow(dead_code, reason = "the medium opens always")]
pub(crate) enum OpenError {
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Other(String),
}

pub(crate) struct Options {
    pub(crate) cache_bytes: u64,
    pub(crate) busy_after: Duration,
}

pub(crate) mod folder {
    use super::*;

    pub(crate) struct Folder(pub(crate) Arc<Disk>);

    impl Folder {
        pub(crate) fn records(&self) -> Arc<Disk> {
            Arc::clone(&self.0)
        }
    }
}

pub(crate) mod extents {
    use super::*;

    /// Which blobs in doubt were settled, and whether a record named them.
    #[derive(Default)]
    pub(crate) struct Extents(pub(crate) Mutex<Vec<(BlobId, bool)>>);

    impl Extents {
        pub(crate) fn settle(&self, in_doubt: Vec<BlobId>, view: &View) {
            for id in in_doubt {
                let is_named = view.get(&RecordKey::new(Family::Blob, id.to_bytes().to_vec())).unwrap().is_some();
                self.0.lock().push((id, is_named));
            }
        }
    }
}

pub(crate) mod space {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Room {
        None,
        Bodies,
    }

    #[derive(Clone)]
    pub(crate) struct Space(pub(crate) Arc<Disk>);

    impl Space {
        pub(crate) fn room(&self) -> Room {
            let found_none = self.0.full_for.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
            if found_none { Room::None } else { Room::Bodies }
        }

        #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as the real one")]
        pub(crate) fn admit(&self, _: Room, _: &[Write]) -> Result<(), StoreError> {
            Ok(())
        }

        #[allow(clippy::unused_self, reason = "as the real one")]
        pub(crate) fn full(&self) -> StoreError {
            StoreError::Full("no space".into())
        }
    }
}

pub(crate) mod upkeep {
    use std::collections::HashMap;

    use bytes::Bytes;

    use super::*;
    use crate::{Stats, records::Engine};

    #[derive(Default)]
    pub(crate) struct Upkeep {
        pub(crate) reserved_stamps: bool,
    }

    #[allow(clippy::unused_self, reason = "as the real one")]
    impl Upkeep {
        pub(crate) fn note(&mut self, _: &HashMap<RecordKey, Option<Bytes>>, _: &[Family], _: u64) {}

        pub(crate) fn rotate(&mut self, _: &Engine, _: &Stats) {}
    }
}

/// Small, so that every bound is met.
pub(crate) mod tuning {
    use std::time::Duration;

    pub(crate) const BATCH_TRANSACTIONS_MAX: usize = 3;
    pub(crate) const BATCH_BYTES_MAX: usize = 200;
    pub(crate) const IDLE_TICK: Duration = Duration::from_millis(1);
    pub(crate) const SEALED_MEMTABLES_MAX: usize = 2;
    pub(crate) const LEVEL_ZERO_RUNS_MAX: usize = 18;
    pub(crate) const LEVEL_ZERO_RUNS_LIMIT: usize = 27;
    pub(crate) const STALL_POLL: Duration = Duration::from_millis(1);
    pub(crate) const STAMPS_RESERVED: u64 = 3;
    pub(crate) const BACKGROUND_REOPEN_PAUSE: Duration = Duration::from_millis(20);
    pub(crate) const HEAL_PAUSE_MIN: Duration = Duration::from_millis(1);
    pub(crate) const HEAL_PAUSE_MAX: Duration = Duration::from_millis(4);
    pub(crate) const REOPEN_READER_WAIT: Duration = Duration::from_millis(6);
}
