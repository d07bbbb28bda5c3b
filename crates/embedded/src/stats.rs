//! What the store counts about itself, as plain numbers that any exporter can read.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use holdfast_store::StoreError;

/// Counters of one store. All only grow, except where said.
#[derive(Debug)]
pub struct Stats {
    /// Transactions of each durable batch.
    pub batch_transactions: Histogram,
    /// Microseconds that writing and syncing each batch took.
    pub commit_micros: Histogram,
    /// Microseconds that sealing each blob took: last bytes, file sync, folder sync.
    pub seal_micros: Histogram,
    /// Bytes of keys and values committed.
    pub committed_bytes: Counter,
    /// Refusals answered without waiting for a sync.
    pub refusals_at_once: Counter,
    /// Requests refused because the queue was full for too long, or flushes lagged.
    pub busy: Counter,
    /// Times that the committer waited for flushes or compactions.
    pub stalls: Counter,
    /// Times that the records were reopened in place after the disk had been full.
    pub heals: Counter,
    /// Memtables rotated by count of shadowed versions.
    pub rotations_by_count: Counter,
    /// Memtables rotated because they kept old journals alive.
    pub rotations_by_journal: Counter,
    /// Seeks of scans: one for each range begun and one for each [`holdfast_store::Step::SeekTo`].
    pub seeks: Counter,
    /// Blobs of earlier processes that no record named, removed.
    pub reclaimed_blobs: Counter,
    /// Their bytes.
    pub reclaimed_bytes: Counter,
    /// Reads of records or of pieces of blobs that found damage.
    pub corrupt_reads: Counter,
    /// Requests that wait for the committer or for its answer. Goes up and down.
    pub queued: Counter,
    /// Bytes staged or sealed and not yet named. Goes up and down.
    pub staged_bytes: Counter,
}

impl Stats {
    /// Counts a read that found damage.
    pub(crate) fn count_corrupt(&self, error: &StoreError) {
        if matches!(error, StoreError::Corrupt(_)) {
            self.corrupt_reads.add(1);
        }
    }
}

impl Default for Stats {
    fn default() -> Self {
        const COUNTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
        const MICROS: &[u64] = &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000];
        Self {
            batch_transactions: Histogram::new(COUNTS),
            commit_micros: Histogram::new(MICROS),
            seal_micros: Histogram::new(MICROS),
            committed_bytes: Counter::default(),
            refusals_at_once: Counter::default(),
            busy: Counter::default(),
            stalls: Counter::default(),
            heals: Counter::default(),
            rotations_by_count: Counter::default(),
            rotations_by_journal: Counter::default(),
            seeks: Counter::default(),
            reclaimed_blobs: Counter::default(),
            reclaimed_bytes: Counter::default(),
            corrupt_reads: Counter::default(),
            queued: Counter::default(),
            staged_bytes: Counter::default(),
        }
    }
}

/// A number that is counted.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }
}

/// How often values fell at or below each bound.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Upper bounds of the buckets, inclusive; above the last one there is one more bucket.
    pub const fn bounds(&self) -> &'static [u64] {
        self.bounds
    }

    /// How many values fell into each bucket (not cumulative); one longer than the bounds.
    pub fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|n| n.load(Relaxed)).collect()
    }

    /// Sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    pub(crate) fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    pub(crate) fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11, 500] {
            histogram.record(value);
        }
        assert_eq!((histogram.counts(), histogram.sum()), (vec![2, 2, 2], 524));
    }
}
