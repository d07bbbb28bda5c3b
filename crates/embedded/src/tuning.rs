//! Every size, count and time that the embedded store chooses for itself, each with its reason. Bounds that a client can
//! meet are in `holdfast_model::limits`.

use std::time::Duration;

use fjall::{
    CompressionType, KeyspaceCreateOptions, KvSeparationOptions,
    config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry},
};
use holdfast_model::limits::{BODY_CHUNK_BYTES, INLINE_BYTES_MAX, KIB, MIB, REQUEST_BODY_BYTES_MAX};
use holdfast_store::Family;

/// Transactions of one batch. More would not make the sync cheaper, and the first would wait longer for its answer.
pub(crate) const BATCH_TRANSACTIONS_MAX: usize = 1024;
/// Bytes of one batch after which no further decision is run: far below the memtable, so that one batch never fills two.
pub(crate) const BATCH_BYTES_MAX: usize = 4 * MIB as usize;
/// How long the committer sleeps when nothing comes; then it renews its snapshot and looks whether space is back.
pub(crate) const IDLE_TICK: Duration = Duration::from_millis(250);

/// Sealed memtables of one keyspace at which the committer waits. fjall halts a writer inside `commit` at 4; two more may be
/// sealed between our look and its own (by size, and to evict a journal), so 2 is the most that never meets its halt.
pub(crate) const SEALED_MEMTABLES_MAX: usize = 2;
/// Runs in level 0 at which the committer waits. fjall halts at 30 and begins to spin at 20.
pub(crate) const LEVEL_ZERO_RUNS_MAX: usize = 18;
/// Runs in level 0 at which the committer refuses, having waited.
pub(crate) const LEVEL_ZERO_RUNS_LIMIT: usize = 27;
/// How often the committer looks while it waits for flushes, of which fjall does not tell.
pub(crate) const STALL_POLL: Duration = Duration::from_millis(2);

/// Overwrites and removals of one keyspace after which its memtable is rotated. Each leaves a shadowed version that every
/// scan over the key walks; a hot key would collect tens of thousands before it is rotated by bytes.
/// Under failpoints memtables are rotated all the time, so that short runs die in flushes and compactions.
pub(crate) const SHADOWED_VERSIONS_MAX: u64 = if cfg!(feature = "failpoints") { 48 } else { 16_384 };
/// Bytes committed after the first write of a memtable at which it is rotated, so that an idle keyspace does not keep
/// journals alive: at most this much, and what is in flight, is replayed after a crash.
pub(crate) const JOURNAL_BYTES_BEHIND_MAX: u64 = if cfg!(feature = "failpoints") { MIB } else { 128 * MIB };
/// fjall's own cap on journals, above ours: it is not met.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 512 * MIB;

/// Batches after which the folder entries of value files are looked at: far fewer than 64 flushes end in their time.
pub(crate) const VALUE_FILES_EVERY: u64 = 128;

/// How many stamps are reserved by one durable write.
pub(crate) const STAMPS_RESERVED: u64 = 1 << 20;

/// Files that fjall keeps open. Its default, 900, would leave little of the usual limit of 1024 to connections and blobs.
pub(crate) const CACHED_FILES: usize = 256;

/// Threads of fjall that flush and compact. With one, a flush would wait behind a compaction and stall writers.
pub(crate) const WORKER_THREADS: usize = 2;
/// Longest wait of a compaction, while the records are opened, for the entries of value files.
pub(crate) const VALUE_FILES_WAIT: Duration = Duration::from_mins(1);
/// A flush or compaction that fails in the background is tried again by reopening, but not more often than this.
pub(crate) const BACKGROUND_REOPEN_PAUSE: Duration = Duration::from_mins(1);
/// Pauses between reopenings for which the space was too little, doubled each time: each takes the view away and writes what it can.
pub(crate) const HEAL_PAUSE_MIN: Duration = Duration::from_secs(1);
pub(crate) const HEAL_PAUSE_MAX: Duration = Duration::from_mins(1);
/// Longest wait for readers to let go of the database before it is reopened in place.
pub(crate) const REOPEN_READER_WAIT: Duration = Duration::from_secs(5);

/// Bytes read from an extent by one job: two pieces, so that a thread is woken half as often.
pub(crate) const READ_JOB_BYTES: u64 = 2 * BODY_CHUNK_BYTES as u64;
/// Bytes written to an extent by one job. One job writes while the next one's bytes are gathered.
pub(crate) const WRITE_JOB_BYTES: usize = 512 * KIB as usize;
/// Bytes written to an extent through the page cache, where it must be used, after which they are synced early: the final
/// sync is short and dirty pages are bounded.
pub(crate) const WRITE_BACK_BYTES: u64 = 32 * MIB;

const _: () = assert!(3 * WRITE_JOB_BYTES + BODY_CHUNK_BYTES < REQUEST_BODY_BYTES_MAX);
const _: () = assert!(2 * READ_JOB_BYTES as usize <= REQUEST_BODY_BYTES_MAX);
const _: () = assert!(SEALED_MEMTABLES_MAX + 2 <= 4 && LEVEL_ZERO_RUNS_MAX < 20 && LEVEL_ZERO_RUNS_LIMIT < 30);
const _: () = assert!(BATCH_BYTES_MAX > 4 * INLINE_BYTES_MAX);

/// Families whose values are kept apart from their keys, as the options below say.
pub(crate) const SEPARATED: [Family; 2] = [Family::Body, Family::Manifest];

/// How a family is kept by fjall.
///
/// - Bodies and piece lists are read by key and seldom compacted: their values live apart (key-value separation), so a
///   compaction moves only their keys. They are not compressed: bodies mostly cannot be, and the CPU is better spent elsewhere.
/// - A body or piece list that is read exists, so the deepest level needs no filter. Objects, shares and replays are asked for
///   keys that are not there (every first write): they keep filters on every level.
/// - Memtables are small: their sum bounds memory and replay. Bodies get more since they hold values until they are flushed.
pub(crate) fn keyspace_options(family: Option<Family>) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default();
    let options = match family {
        Some(Family::Body | Family::Manifest) => options
            .max_memtable_size(24 * MIB)
            .expect_point_read_hits(true)
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
            .with_kv_separation(Some(KvSeparationOptions::default().compression(CompressionType::None).file_target_size(64 * MIB))),
        Some(Family::Object) => options.max_memtable_size(16 * MIB).filter_policy(filters_on_every_level()),
        Some(Family::Share | Family::Replay | Family::Upload | Family::Part | Family::Blob) => {
            options.max_memtable_size(8 * MIB).filter_policy(filters_on_every_level())
        }
        Some(Family::Garbage) => options.max_memtable_size(8 * MIB).expect_point_read_hits(true),
        Some(Family::Bucket | Family::Probe) | None => options.max_memtable_size(4 * MIB),
    };
    with_test_sizes(options)
}

#[cfg(not(feature = "faults"))]
const fn with_test_sizes(options: KeyspaceCreateOptions) -> KeyspaceCreateOptions {
    options
}

#[cfg(feature = "faults")]
fn with_test_sizes(options: KeyspaceCreateOptions) -> KeyspaceCreateOptions {
    match crate::faults::memtable_bytes() {
        Some(bytes) => options.max_memtable_size(bytes),
        None => options,
    }
}

/// A false positive costs a block read (about 10 us), a bit per key nothing that matters.
fn filters_on_every_level() -> FilterPolicy {
    FilterPolicy::new([
        FilterPolicyEntry::Bloom(BloomConstructionPolicy::FalsePositiveRate(0.0001)),
        FilterPolicyEntry::Bloom(BloomConstructionPolicy::FalsePositiveRate(0.01)),
    ])
}
