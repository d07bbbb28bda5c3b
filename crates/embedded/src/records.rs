//! Records on fjall, and the one way to read them: a [`View`].
//!
//! A view is taken by the committer between two batches and replaced after each. Readers must not take snapshots of their own:
//! fjall makes a batch durable before it touches a memtable, but it then inserts its items one by one, and a flush or compaction
//! that ends meanwhile raises the visible sequence number past the batch. A snapshot taken then would see part of a batch, or
//! see it change. Between batches there is nothing to tear.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use fjall::{AbstractTree as _, CompressionType, Database, Keyspace, PersistMode, Readable as _, Snapshot};
use holdfast_store::{Family, KeyRange, RecordKey, Step, StoreError};
use parking_lot::Mutex;
use rustix::io::Errno;

use crate::{
    FailPoint, OpenError, failpoints, journal,
    oldest_batch::OldestBatch,
    space::is_full,
    stats::Stats,
    syncs::{SyncSite, journal_mode, sync_folder, sync_folders},
    table_lists,
    tuning::{CACHED_FILES, JOURNAL_BYTES_MAX, SEPARATED, WORKER_THREADS, keyspace_options},
    value_files::{Gate, OpensGate, ValueFiles},
};

/// Longest key that fjall can tell from a longer one.
pub(crate) const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// The file that fjall writes last when it creates a database, and what it begins with; one byte for the version follows.
const FJALL_MARKER: &str = "version";
const FJALL_MAGIC: &[u8] = b"FJL";
const SYSTEM: &str = "system";
const STAMP_LIMIT: &[u8] = b"stamp-limit";

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Told before anything is written: a flush or compaction failed, most likely for want of space. What it wrote is not used, and
    /// what it was to keep is in the journal.
    #[error("a flush or compaction failed")]
    Background,
    /// The disk filled up meanwhile; the batch may be there.
    #[error("the disk is full")]
    Full,
    /// The batch may be there.
    #[error("{0}")]
    Other(String),
}

impl From<fjall::Error> for CommitError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Poisoned => Self::Background,
            fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e)) if is_full(&e) => Self::Full,
            other => Self::Other(other.to_string()),
        }
    }
}

/// The open database: a keyspace for each family, and one for the store itself.
pub(crate) struct Engine {
    pub(crate) db: Database,
    families: Vec<Keyspace>,
    system: Keyspace,
    value_files: Mutex<Vec<ValueFiles>>,
    purpose: Purpose,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test asks it whether it was asked"))]
    gate: Gate,
}

/// For what the records are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To flush what sealed journals hold, and to be closed.
    Flush,
    /// To be read only, since there is no space for that. Nothing is flushed behind our back either, where there may be space the next
    /// moment.
    Read,
    /// To be read and written.
    Serve,
}

impl Engine {
    /// Opens the records and brings them to the state after the last durable batch. If there are none, creates them.
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        if !path.try_exists().map_err(|e| OpenError::io(path, e))? {
            Self::create(path, cache_bytes)?;
        }
        if !has_marker(path)? {
            let marker = path.join(FJALL_MARKER);
            return Err(OpenError::Records(format!("{} is missing or damaged", marker.display())));
        }
        Self::open_existing(path, cache_bytes)
    }

    /// Creates empty records: all of them, or none. fjall trips over what a creation leaves that was cut short, and may do so later than
    /// at the next start: it gives the number of a keyspace whose folder was lost to another one, and keeps the settings of both.
    fn create(path: &Path, cache_bytes: u64) -> Result<(), OpenError> {
        let fresh = path.with_extension("new");
        let unfinished = fs::remove_dir_all(&fresh);
        if let Err(e) = unfinished
            && e.kind() != io::ErrorKind::NotFound
        {
            return Err(OpenError::io(&fresh, e));
        }
        fs::create_dir(&fresh).map_err(|e| OpenError::io(&fresh, e))?;
        // It syncs all folders.
        drop(Self::open_existing(&fresh, cache_bytes)?);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::rename(&fresh, path).and_then(|()| sync_folder(SyncSite::RecordsFolder, folder)).map_err(|e| OpenError::io(path, e))
    }

    fn open_existing(path: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        failpoints::reach(FailPoint::BeforeJournal);
        table_lists::verify(path)?;
        journal::make_durable(path)?;
        failpoints::reach(FailPoint::JournalDurable);
        let oldest = OldestBatch::read(path).map_err(|e| OpenError::io(path, e))?;
        let is_any_sealed = journal::is_any_sealed(path).map_err(|e| OpenError::io(path, e))?;
        let purpose = if is_any_sealed && !Self::flush_sealed(path, cache_bytes, &oldest)? { Purpose::Read } else { Purpose::Serve };
        let engine = Self::replay(path, cache_bytes, purpose)?;
        oldest.verify(engine.keyspaces())?;
        // fjall does not sync the entries of new keyspaces; a journal of keyspaces that are not there is ignored. Each time, since
        // a later version may have more families, and a process may have been killed between creating one and this.
        sync_folders(SyncSite::KeyspaceFolders, path).map_err(|e| OpenError::io(path, e))?;
        Ok(engine)
    }

    /// Flushes what sealed journals hold. fjall's workers would do it as soon as they start, when there are no entries yet for the files of
    /// separated values that they write, and would halt writers meanwhile. False if there is no space for it.
    fn flush_sealed(path: &Path, cache_bytes: u64, oldest: &OldestBatch) -> Result<bool, OpenError> {
        let engine = Self::replay(path, cache_bytes, Purpose::Flush)?;
        oldest.verify(engine.keyspaces())?;
        for keyspace in engine.keyspaces() {
            let lock = keyspace.tree.get_flush_lock();
            // No version of a key is old enough to be left out.
            match keyspace.tree.flush(&lock, 0).map_err(fjall::Error::from).map_err(CommitError::from) {
                Ok(_) => {}
                Err(CommitError::Full) => {
                    tracing::warn!("there is no space to flush the records: they can be read, and writes are refused");
                    return Ok(false);
                }
                Err(error) => return Err(OpenError::Records(error.to_string())),
            }
        }
        Ok(true)
    }

    /// Lets fjall replay the journals, and puts entries for value files in place before one is written.
    fn replay(path: &Path, cache_bytes: u64, purpose: Purpose) -> Result<Self, OpenError> {
        let gate = Gate::default();
        let db = Database::builder(path)
            .cache_size(cache_bytes)
            .journal_compression(CompressionType::None)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .max_cached_files(Some(CACHED_FILES))
            .worker_threads_unchecked(if purpose == Purpose::Serve { WORKER_THREADS } else { 0 })
            .with_compaction_filter_factories(gate.before(&SEPARATED))
            .open()?;
        // Declared after the database, so that it opens before workers are waited for, whatever fails here.
        let opens_gate = OpensGate(&gate);
        failpoints::reach(FailPoint::RecordsReplayed);
        let keyspace = |name: &str, family| db.keyspace(name, || keyspace_options(family));
        let families = Family::ALL.iter().map(|f| keyspace(f.name(), Some(*f))).collect::<Result<_, _>>()?;
        let system = keyspace(SYSTEM, None)?;
        let engine = Self { db: db.clone(), families, system, value_files: Mutex::default(), purpose, gate: gate.clone() };
        debug_assert!(Family::ALL.iter().all(|f| engine.keyspace(*f).is_kv_separated() == SEPARATED.contains(f)), "the gate is for these");
        if purpose != Purpose::Read {
            engine.reserve_value_files().map_err(|e| OpenError::io(path, e))?;
        }
        drop(opens_gate);
        Ok(engine)
    }

    /// What sealed journals hold could not be flushed, for want of space: the records are there to be read until they are opened again.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.purpose == Purpose::Read
    }

    /// Whether there are journals that are not written any more. Right after opening all that they hold is flushed, and fjall removes
    /// them when it has flushed something itself.
    pub(crate) fn has_sealed_journals(&self) -> bool {
        self.db.journal_count() > 1
    }

    pub(crate) fn keyspace(&self, family: Family) -> &Keyspace {
        &self.families[family as usize - 1]
    }

    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = &Keyspace> {
        self.families.iter().chain([&self.system])
    }

    /// Stamps up to here may have been given.
    pub(crate) fn stamp_limit(&self) -> Result<u64, OpenError> {
        let Some(value) = self.system.get(STAMP_LIMIT)? else { return Ok(0) };
        let bytes = value.as_ref().try_into().map_err(|_| OpenError::Records("the stamp limit is damaged".into()))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// One batch, one sync. fjall writes the journal, syncs it, and only then inserts into memtables.
    pub(crate) fn write_durably(&self, overlay: &HashMap<RecordKey, Option<Bytes>>, stamp_limit: Option<u64>) -> Result<(), CommitError> {
        if failpoints::disk_seems_full() {
            return Err(fjall::Error::Io(Errno::NOSPC.into()).into());
        }
        let mut batch = self.db.batch().durability(Some(journal_mode(SyncSite::JournalBatch, PersistMode::SyncData)));
        for (key, value) in overlay {
            let keyspace = self.keyspace(key.family);
            // Copies: a memtable must not keep the large buffers alive of which these may be slices.
            match value {
                Some(value) => batch.insert(keyspace, key.bytes.as_ref(), value.as_ref()),
                None => batch.remove(keyspace, key.bytes.as_ref()),
            }
        }
        if let Some(limit) = stamp_limit {
            batch.insert(&self.system, STAMP_LIMIT, limit.to_be_bytes());
        }
        Ok(batch.commit()?)
    }

    /// fjall tells of a flush or compaction that failed only to whoever writes.
    pub(crate) fn notice_background_failure(&self) -> Result<(), CommitError> {
        Ok(self.db.persist(PersistMode::Buffer)?)
    }

    /// Begins to flush the store's own records, so that they keep no journal alive. False if the last flush goes on.
    pub(crate) fn rotate_system(&self) -> bool {
        if self.system.sealed_memtable_count() > 0 {
            return false;
        }
        if let Err(error) = self.system.rotate_memtable() {
            tracing::error!(%error, "rotating the system's memtable failed");
        }
        failpoints::reach(FailPoint::MemtableRotated);
        true
    }

    fn reserve_value_files(&self) -> io::Result<()> {
        let separated = self.families.iter().filter(|k| k.is_kv_separated());
        let reserved: io::Result<Vec<_>> = separated.map(|k| ValueFiles::reserve(k.path())).collect();
        *self.value_files.lock() = reserved?;
        Ok(())
    }

    /// Keeps folder entries ahead of the files that flushes write. Cheap when there is nothing to do.
    pub(crate) fn keep_value_files_ahead(&self) {
        for files in &mut *self.value_files.lock() {
            if let Err(error) = files.keep_ahead() {
                tracing::warn!(%error, "no folder entries could be made ahead of the next flushes");
            }
        }
    }

    /// The worst backlog of any keyspace: sealed memtables, and runs in level 0.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        self.keyspaces().fold((0, 0), |(sealed, runs), k| (sealed.max(k.sealed_memtable_count()), runs.max(k.tree.l0_run_count())))
    }
}

/// Whether fjall's marker is there and whole.
fn has_marker(path: &Path) -> Result<bool, OpenError> {
    let path = path.join(FJALL_MARKER);
    match fs::read(&path) {
        Ok(bytes) => Ok(bytes.strip_prefix(FJALL_MAGIC).is_some_and(|rest| rest.first().is_some_and(|version| *version > 0))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        // That it cannot be read does not mean that it is not there.
        Err(e) => Err(OpenError::io(&path, e)),
    }
}

/// The durable state after one batch.
pub(crate) struct View {
    // Dropped before the engine: an open snapshot points into its tracker.
    snapshot: Snapshot,
    buckets: Arc<BTreeMap<Bytes, Bytes>>,
    pub(crate) engine: Arc<Engine>,
}

impl View {
    pub(crate) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The state that a fresh engine recovered.
    pub(crate) fn first(engine: Arc<Engine>) -> Result<Self, StoreError> {
        let snapshot = engine.db.snapshot();
        let mut buckets = BTreeMap::new();
        let mut items = snapshot.iter(engine.keyspace(Family::Bucket));
        while let Some((key, value)) = caught(|| items.next().map(fjall::Guard::into_inner).transpose())? {
            buckets.insert(key.into(), value.into());
        }
        Ok(Self { snapshot, buckets: Arc::new(buckets), engine })
    }

    /// The state after the batch that has just been committed. Only the committer may call it, between two batches.
    pub(crate) fn next(&self, changed_buckets: Vec<(Bytes, Option<Bytes>)>) -> Self {
        let mut buckets = Arc::clone(&self.buckets);
        if !changed_buckets.is_empty() {
            let map = Arc::make_mut(&mut buckets);
            for (key, value) in changed_buckets {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
        }
        Self { snapshot: self.engine.db.snapshot(), buckets, engine: Arc::clone(&self.engine) }
    }

    /// Whether a flush or compaction has ended since this view was taken; old files and memtables live as long as it does.
    pub(crate) fn is_stale(&self) -> bool {
        self.engine.db.visible_seqno() > self.snapshot.seqno()
    }

    /// A point read costs about 11 us when its blocks are cached, a hop to another thread as much again: it runs in place.
    pub(crate) fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        if key.family == Family::Bucket {
            return Ok(self.buckets.get(&key.bytes).cloned());
        }
        let value = caught(|| self.snapshot.get(self.engine.keyspace(key.family), &key.bytes))?;
        Ok(value.map(Bytes::from))
    }

    pub(crate) fn scan(&self, range: &KeyRange, stats: &Stats, visit: &mut dyn FnMut(&Bytes, &Bytes) -> Step) -> Result<(), StoreError> {
        let mut start = range.start.clone();
        loop {
            if range.end.as_ref().is_some_and(|end| start >= *end) {
                return Ok(());
            }
            stats.seeks.add(1);
            match self.visit_from(range, start, visit)? {
                Some(target) => start = target,
                None => return Ok(()),
            }
        }
    }

    /// Visits keys from `start` until the scan ends (`None`) or seeks.
    fn visit_from(
        &self,
        range: &KeyRange,
        start: Bytes,
        visit: &mut dyn FnMut(&Bytes, &Bytes) -> Step,
    ) -> Result<Option<Bytes>, StoreError> {
        let mut each = |key: &Bytes, value: &Bytes| match visit(key, value) {
            Step::Next => None,
            Step::Stop => Some(None),
            Step::SeekTo(target) => {
                assert!(target > *key, "a scan only moves forward");
                Some(Some(target))
            }
        };
        if range.family == Family::Bucket {
            let within = |(key, _): &(&Bytes, &Bytes)| range.end.as_ref().is_none_or(|end| *key < end);
            let mut items = self.buckets.range(start..).take_while(within);
            return Ok(items.find_map(|(key, value)| each(key, value)).flatten());
        }
        let keyspace = self.engine.keyspace(range.family);
        let mut items = match &range.end {
            Some(end) => self.snapshot.range(keyspace, start..end.clone()),
            None => self.snapshot.range(keyspace, start..),
        };
        while let Some((key, value)) = caught(|| items.next().map(fjall::Guard::into_inner).transpose())? {
            if let Some(end) = each(&key.into(), &value.into()) {
                return Ok(end);
            }
        }
        Ok(None)
    }
}

/// Reads, and tells damage on which fjall panics like any other.
pub(crate) fn caught<T>(read: impl FnOnce() -> Result<T, fjall::Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|e| read_error(&e)),
        Err(_) => Err(StoreError::Corrupt("reading a record panicked; run holdfast check".into())),
    }
}

/// What a failed read means: damage is told apart from a device that does not answer.
pub(crate) fn read_error(error: &fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e)) => StoreError::Read(e.to_string()),
        other => StoreError::Corrupt(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    use parking_lot::RwLock;

    use super::*;

    const KEYS: u8 = 50;

    fn commit(engine: &Engine, n: u64) {
        let mut batch = engine.db.batch().durability(Some(PersistMode::SyncData));
        for key in 0..KEYS {
            batch.insert(engine.keyspace(Family::Object), [key], n.to_be_bytes());
        }
        batch.insert(engine.keyspace(Family::Garbage), n.to_be_bytes(), n.to_be_bytes());
        batch.commit().unwrap();
    }

    fn is_torn(snapshot: &Snapshot, engine: &Engine) -> bool {
        let read = || snapshot.iter(engine.keyspace(Family::Object)).map(|item| item.into_inner().unwrap().1).collect::<Vec<_>>();
        let (first, again) = (read(), read());
        first != again || first.windows(2).any(|pair| pair[0] != pair[1])
    }

    #[test]
    fn compactions_of_separated_values_ask_the_gate_and_keep_everything() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(&folder.path().join("records"), 1 << 20).unwrap();
        let bodies = engine.keyspace(Family::Body);
        for n in 0..20u8 {
            bodies.insert([n % 5], vec![n; 5000]).unwrap();
            bodies.rotate_memtable_and_wait().unwrap();
        }
        let before = engine.gate.asked();
        bodies.major_compact().unwrap();
        assert!(engine.gate.asked() > before, "it was not asked");
        for n in 0..5u8 {
            assert_eq!(bodies.get([n]).unwrap().unwrap(), vec![n + 15; 5000]);
        }
    }

    /// Flushes of another family end all the time, each raising the sequence number that fjall shows to new snapshots.
    #[test]
    fn a_view_never_shows_part_of_a_batch_while_flushes_end() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(&folder.path().join("records"), 1 << 20).unwrap());
        commit(&engine, 0);
        let view = RwLock::new(Arc::new(View::first(Arc::clone(&engine)).unwrap()));
        let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    engine.keyspace(Family::Garbage).rotate_memtable_and_wait().unwrap();
                }
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        let seen = Arc::clone(&view.read());
                        assert!(!is_torn(&seen.snapshot, &engine), "a torn view");
                        reads.fetch_add(1, Relaxed);
                    }
                });
            }
            for n in 1..1000 {
                commit(&engine, n);
                let next = Arc::new(view.read().next(Vec::new()));
                *view.write() = next;
            }
            done.store(true, Relaxed);
        });
        assert!(reads.load(Relaxed) > 0);
    }
}
