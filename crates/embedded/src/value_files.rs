//! Durable folder entries for the files of separated values, before fjall writes them.
//!
//! When fjall flushes, it syncs the file that holds separated values, but not its entry in the folder, and then deletes the journal.
//! Most file systems make the entry of a new file durable with the file; nothing promises it. fjall numbers these files in order
//! and opens them without asking whether they are there, so empty ones are put in place, and their folder is synced, ahead of it.
//! If it ever numbers them otherwise, nothing is worse than without this. What is not used is removed by fjall at the next start.
//! So they are put in place anew, after fjall has opened its files and before it writes one: flushes are ours until then
//! (`records.rs`), and compactions, which may move values into new files, wait at a gate.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use fjall::compaction::filter::{CompactionFilter, Context, Factory, ItemAccessor, Verdict};

use holdfast_store::Family;

use crate::{
    syncs::{SyncSite, sync_folder},
    tuning::VALUE_FILES_WAIT,
};

/// Entries kept ahead; the next are made when half of them are used.
const AHEAD: u64 = 128;

/// The folder of one keyspace's value files.
pub(crate) struct ValueFiles {
    folder: PathBuf,
    /// The first number that has no entry yet.
    end: u64,
}

impl ValueFiles {
    /// Puts the first entries in place.
    pub(crate) fn reserve(keyspace: &Path) -> io::Result<Self> {
        let folder = keyspace.join("blobs");
        let mut end = 0;
        for entry in fs::read_dir(&folder)? {
            let number = entry?.file_name().to_str().and_then(|n| n.parse::<u64>().ok());
            end = end.max(number.map_or(0, |n| n + 1));
        }
        let mut files = Self { folder, end };
        files.extend()?;
        Ok(files)
    }

    /// Makes more entries if fjall has come near the end. Looks at one file.
    pub(crate) fn keep_ahead(&mut self) -> io::Result<()> {
        let half_way = self.folder.join((self.end - AHEAD / 2).to_string());
        // Written or, after its values became garbage, gone: in either case fjall is past it.
        let is_unused = fs::metadata(half_way).is_ok_and(|m| m.len() == 0);
        if is_unused { Ok(()) } else { self.extend() }
    }

    fn extend(&mut self) -> io::Result<()> {
        let end = self.end + AHEAD;
        for number in self.end..end {
            // fjall may be faster: what is there is not touched.
            File::options().create(true).append(true).open(self.folder.join(number.to_string()))?;
        }
        sync_folder(SyncSite::ValueFileEntries, &self.folder)?;
        self.end = end;
        Ok(())
    }
}

/// Holds compactions back until it is opened. It is a filter of compactions that keeps everything, since that is what they ask first.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<State>);

#[derive(Default)]
struct State {
    is_open: Mutex<bool>,
    opened: Condvar,
    /// Compactions that came.
    asked: AtomicU64,
}

type FilterOf = dyn Fn(&str) -> Option<Arc<dyn Factory>> + Send + Sync;

impl Gate {
    /// For the keyspaces of these families.
    pub(crate) fn before(&self, families: &'static [Family]) -> Arc<FilterOf> {
        let gate: Arc<dyn Factory> = Arc::new(self.clone());
        Arc::new(move |name| families.iter().any(|family| family.name() == name).then(|| Arc::clone(&gate)))
    }

    fn open(&self) {
        *self.0.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.opened.notify_all();
    }

    fn wait(&self) {
        self.0.asked.fetch_add(1, Relaxed);
        let now = self.0.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        // Not for ever: fjall waits for its workers when opening fails before there is anybody who could open the gate.
        drop(self.0.opened.wait_timeout_while(now, VALUE_FILES_WAIT, |is_open| !*is_open));
    }

    #[cfg(test)]
    pub(crate) fn asked(&self) -> u64 {
        self.0.asked.load(Relaxed)
    }
}

impl Factory for Gate {
    fn name(&self) -> &'static str {
        "entries of value files"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        self.wait();
        Box::new(KeepAll)
    }
}

struct KeepAll;

impl CompactionFilter for KeepAll {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> fjall::compaction::filter::CompactionFilterResult {
        Ok(Verdict::Keep)
    }
}

/// Opens the gate when it is dropped.
pub(crate) struct OpensGate<'a>(pub(crate) &'a Gate);

impl Drop for OpensGate<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    };

    use super::*;

    #[test]
    fn compactions_wait_at_the_gate_until_it_is_opened() {
        let (gate, is_opened) = (Gate::default(), AtomicBool::new(false));
        assert!(gate.before(&[Family::Body])(Family::Body.name()).is_some());
        assert!(gate.before(&[Family::Body])(Family::Object.name()).is_none());
        let (begun, has_begun) = mpsc::channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                begun.send(()).unwrap();
                gate.wait();
                assert!(is_opened.load(SeqCst), "it did not wait");
            });
            has_begun.recv().unwrap();
            let opens = OpensGate(&gate);
            is_opened.store(true, SeqCst);
            drop(opens);
            waiting.join().unwrap();
        });
    }

    #[test]
    fn entries_are_there_before_they_are_written_and_files_in_use_are_not_touched() {
        let keyspace = tempfile::tempdir().unwrap();
        let folder = keyspace.path().join("blobs");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("6"), "values").unwrap();
        let mut files = ValueFiles::reserve(keyspace.path()).unwrap();
        assert!(!folder.join("5").exists() && folder.join("7").exists() && folder.join("134").exists() && !folder.join("135").exists());
        files.keep_ahead().unwrap();
        assert!(!folder.join("135").exists(), "half of them are left");
        for number in 7..80 {
            fs::write(folder.join(number.to_string()), "values").unwrap();
        }
        files.keep_ahead().unwrap();
        assert!(folder.join("262").exists());
        assert_eq!(fs::read_to_string(folder.join("70")).unwrap(), "values");
    }
}
