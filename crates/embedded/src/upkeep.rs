//! What the committer does for fjall between two batches: memtables are rotated before they slow scans down or keep old journals alive.

use std::collections::HashMap;

use bytes::Bytes;
use fjall::AbstractTree as _;
use holdfast_store::{Family, RecordKey};

use crate::{
    FailPoint, Stats, failpoints,
    records::Engine,
    tuning::{JOURNAL_BYTES_BEHIND_MAX, SHADOWED_VERSIONS_MAX, VALUE_FILES_EVERY},
};

/// What has gathered in each keyspace since its memtable was rotated, by what fjall does not count itself.
#[derive(Default)]
pub(crate) struct Upkeep {
    written_bytes: u64,
    batches: u64,
    families: HashMap<Family, Gathered>,
    /// The system's memtable holds a record that would keep its journal alive.
    pub(crate) reserved_stamps: bool,
}

#[derive(Default)]
struct Gathered {
    shadows: u64,
    /// Where the journal was at the first write of the memtable.
    first_write_at: Option<u64>,
    memtable: Option<u64>,
}

impl Upkeep {
    pub(crate) fn note(&mut self, overlay: &HashMap<RecordKey, Option<Bytes>>, shadows: &[Family], bytes: u64) {
        for key in overlay.keys() {
            self.families.entry(key.family).or_default().first_write_at.get_or_insert(self.written_bytes);
        }
        for family in shadows {
            self.families.entry(*family).or_default().shadows += 1;
        }
        self.written_bytes += bytes;
    }

    /// Rotates memtables that hold too many shadowed versions, or that keep old journals alive.
    pub(crate) fn rotate(&mut self, engine: &Engine, stats: &Stats) {
        self.batches += 1;
        if self.batches.is_multiple_of(VALUE_FILES_EVERY) {
            engine.keep_value_files_ahead();
        }
        if self.reserved_stamps {
            // Seldom: once a start, and once a million commits.
            self.reserved_stamps = !engine.rotate_system();
        }
        let now = self.written_bytes;
        for (family, gathered) in &mut self.families {
            let by_count = gathered.shadows > SHADOWED_VERSIONS_MAX;
            let by_journal = gathered.first_write_at.is_some_and(|at| now - at > JOURNAL_BYTES_BEHIND_MAX);
            if !by_count && !by_journal {
                continue;
            }
            let keyspace = engine.keyspace(*family);
            let active = keyspace.tree.active_memtable().id();
            let rotated_by_fjall = gathered.memtable.replace(active).is_some_and(|seen| seen != active);
            if !rotated_by_fjall && keyspace.sealed_memtable_count() == 0 {
                (if by_count { &stats.rotations_by_count } else { &stats.rotations_by_journal }).add(1);
                if let Err(error) = keyspace.rotate_memtable() {
                    tracing::error!(%error, family = family.name(), "rotating a memtable failed");
                }
                failpoints::reach(FailPoint::MemtableRotated);
                gathered.memtable = Some(keyspace.tree.active_memtable().id());
            }
            gathered.shadows = 0;
            gathered.first_write_at = None;
        }
    }
}
