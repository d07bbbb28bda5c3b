//! What tests may break, of the whole process: leave out one sync, or make memtables so small that they are flushed soon. Compiled in
//! under the feature `faults` only.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

pub use crate::syncs::SyncSite;

static SKIPPED: Mutex<Option<(SyncSite, u64)>> = Mutex::new(None);
static MEMTABLE_BYTES: AtomicU64 = AtomicU64::new(0);

/// From now on the syncs of this site are left out, or none are. Returns how many of the site before were.
pub fn skip(site: Option<SyncSite>) -> u64 {
    let before = std::mem::replace(&mut *SKIPPED.lock(), site.map(|site| (site, 0)));
    before.map_or(0, |(_, count)| count)
}

pub(crate) fn is_skipped(site: SyncSite) -> bool {
    match &mut *SKIPPED.lock() {
        Some((skipped, count)) if *skipped == site => {
            *count += 1;
            true
        }
        _ => false,
    }
}

/// Bytes at which the memtables of stores that are created from now on are flushed; 0 for the usual ones.
pub fn set_memtable_bytes(bytes: u64) {
    MEMTABLE_BYTES.store(bytes, Relaxed);
}

pub(crate) fn memtable_bytes() -> Option<u64> {
    Some(MEMTABLE_BYTES.load(Relaxed)).filter(|bytes| *bytes > 0)
}
