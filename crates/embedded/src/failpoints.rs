//! Named points of the write path and of recovery at which a test may have the process killed.
//!
//! Only a build with the feature `failpoints` can die here: with `HOLDFAST_FAILPOINT=name:count` the process sends itself SIGKILL
//! when it reaches the point for the count-th time. Nothing else runs: no destructor, no sync. In all other builds [`reach`]
//! is an empty constant function, and its calls vanish.

macro_rules! fail_points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A point at which the process may be killed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailPoint {
            $($(#[$doc])* $point,)*
        }

        impl FailPoint {
            /// All of them: a test must reach each.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// What `HOLDFAST_FAILPOINT` calls it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

fail_points! {
    /// A first start has made its folders, and not yet said which format they have.
    FolderCreated = "folder-created",
    /// A blob's file is there and empty.
    BlobCreated = "blob-created",
    /// A part of a blob was handed to the system.
    InExtent = "in-extent",
    /// The whole blob was written, and is not synced.
    BlobWritten = "blob-written",
    /// The blob is durable. Nothing names it.
    BlobSealed = "blob-sealed",
    /// All decisions of a batch were run; nothing of it was written.
    BeforeBatch = "before-batch",
    /// The batch is durable. Nobody sees it.
    BatchDurable = "batch-durable",
    /// Readers see the batch. Nobody was told.
    BatchPublished = "batch-published",
    /// One of those who wait for the batch was told.
    OneTold = "one-told",
    /// A memtable was rotated: its flush has begun, or is about to.
    MemtableRotated = "memtable-rotated",
    /// Recovery has not touched the journal.
    BeforeJournal = "before-journal",
    /// The journal's copy is synced, and not in its place.
    JournalCopied = "journal-copied",
    /// The journal ends where it should; the records are not open.
    JournalDurable = "journal-durable",
    /// fjall has opened its files and replayed the journal.
    RecordsReplayed = "records-replayed",
    /// The records are open; nothing is served yet.
    RecordsOpened = "records-opened",
    /// A blob that no record names is about to be removed.
    BeforeReclaim = "before-reclaim",
    /// It was removed; others wait.
    Reclaimed = "reclaimed",
    /// The collector has removed the record that names a blob; the blob is there.
    BeforeDelete = "before-delete",
    /// The blob is gone; the garbage record is there.
    Deleted = "deleted",
    /// There is space again; the records are closed and not open again.
    Healing = "healing",
    /// The records are open again; what was in doubt is not settled.
    Healed = "healed",
    /// Told to stop; the last sync is still to come.
    Closing = "closing",
}

/// Kills the process if it was told to die here.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(point: FailPoint) {
    armed::reach(point);
}

/// Whether the disk is to seem full for one batch: so that the store heals, and can die while it does.
#[cfg(feature = "failpoints")]
pub(crate) fn disk_seems_full() -> bool {
    armed::disk_seems_full()
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
pub(crate) const fn reach(_: FailPoint) {}

/// No.
#[cfg(not(feature = "failpoints"))]
pub(crate) const fn disk_seems_full() -> bool {
    false
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    use super::FailPoint;

    struct Armed {
        point: FailPoint,
        /// How many times more it may be passed, and one.
        left: AtomicU64,
        /// Batches so far.
        batches: AtomicU64,
    }

    /// Of so many batches one meets a full disk, if the point is one of healing.
    const FULL_EVERY: u64 = 10;

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let text = std::env::var("HOLDFAST_FAILPOINT").ok().filter(|text| !text.is_empty())?;
        // A misspelt point would be a test that tests nothing.
        Some(parse(&text).unwrap_or_else(|| panic!("HOLDFAST_FAILPOINT={text}: expected name:count with a known name")))
    });

    fn parse(text: &str) -> Option<Armed> {
        let (name, count) = text.split_once(':')?;
        let point = FailPoint::ALL.iter().copied().find(|point| point.name() == name)?;
        let left = AtomicU64::new(count.parse().ok().filter(|count| *count > 0)?);
        Some(Armed { point, left, batches: AtomicU64::new(0) })
    }

    pub(super) fn disk_seems_full() -> bool {
        let heals = |armed: &&Armed| matches!(armed.point, FailPoint::Healing | FailPoint::Healed);
        ARMED.as_ref().filter(heals).is_some_and(|armed| (armed.batches.fetch_add(1, Relaxed) + 1).is_multiple_of(FULL_EVERY))
    }

    pub(super) fn reach(point: FailPoint) {
        if let Some(armed) = &*ARMED
            && armed.point == point
            && armed.left.fetch_sub(1, Relaxed) == 1
        {
            die();
        }
    }

    fn die() -> ! {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal cannot be caught; until it arrives this thread does nothing more.
        loop {
            std::thread::park();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_point_has_a_name_of_its_own_and_a_wrong_one_is_refused() {
            for point in FailPoint::ALL {
                let armed = parse(&format!("{}:3", point.name())).unwrap();
                assert_eq!((armed.point, armed.left.into_inner()), (*point, 3), "{}", point.name());
            }
            for wrong in ["", "in-extent", "in-extent:", "in-extent:0", "in-extent:-1", "somewhere:1"] {
                assert!(parse(wrong).is_none(), "{wrong:?}");
            }
        }
    }
}
