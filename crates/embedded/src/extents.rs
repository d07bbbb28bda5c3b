//! Extent files by blob id: their names, which are staged, and the removal of those that no record names.
//!
//! The upper half of an id is the epoch, drawn at random by each process that opens the folder, the lower half counts. So ids
//! are not reused, and reclaiming tells the blobs of earlier processes, which nobody can name any more, from our own.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use holdfast_model::ByteSpan;
use holdfast_store::{BlobId, ByteStream, Family, RecordKey, StoreError};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    FailPoint, Health, Stats, extent_reader, extent_writer::ExtentWriter, failpoints, records::View, shared::Shared, space::Space,
    tuning::STALL_POLL,
};

pub(crate) struct Extents {
    root: PathBuf,
    epoch: u64,
    last: AtomicU64,
    /// Bytes of blobs that this process sealed and that are neither named nor deleted.
    sealed: Mutex<HashMap<BlobId, u64>>,
    pub(crate) space: Space,
    pub(crate) stats: Arc<Stats>,
    reclaimed: watch::Sender<bool>,
}

impl Extents {
    pub(crate) fn new(root: PathBuf, space: Space, stats: Arc<Stats>) -> io::Result<Self> {
        let epoch = getrandom::u64().map_err(io::Error::other)?;
        let (reclaimed, _) = watch::channel(false);
        Ok(Self { root, epoch, last: AtomicU64::new(0), sealed: Mutex::default(), space, stats, reclaimed })
    }

    pub(crate) async fn stage(self: &Arc<Self>) -> Result<ExtentWriter, StoreError> {
        let id = BlobId(u128::from(self.epoch) << 64 | u128::from(self.last.fetch_add(1, Relaxed) + 1));
        ExtentWriter::create(Arc::clone(self), id).await
    }

    pub(crate) async fn read(&self, id: BlobId, span: ByteSpan) -> Result<ByteStream, StoreError> {
        extent_reader::read(path_of(&self.root, id), id, span, Arc::clone(&self.stats)).await
    }

    pub(crate) async fn delete(&self, id: BlobId) -> Result<(), StoreError> {
        let path = path_of(&self.root, id);
        // Not synced: if the entry comes back after a crash, no record names it and it is reclaimed.
        let removed = tokio::task::spawn_blocking(move || {
            failpoints::reach(FailPoint::BeforeDelete);
            fs::remove_file(path).inspect(|()| failpoints::reach(FailPoint::Deleted))
        })
        .await;
        match removed.map_err(io::Error::other).flatten() {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::Indefinite(format!("removing blob {id} failed: {e}"))),
            _ => {
                self.named(id);
                Ok(())
            }
        }
    }

    /// Counts a sealed blob as staged until it is named or deleted. Its bytes were counted when they were written.
    pub(crate) fn sealed(&self, id: BlobId, len: u64) {
        self.sealed.lock().insert(id, len);
    }

    pub(crate) fn named(&self, id: BlobId) {
        if let Some(len) = self.sealed.lock().remove(&id) {
            self.stats.staged_bytes.sub(len);
        }
    }

    /// Settles blobs whose naming had no known outcome, once the records tell it. As after a restart, nobody names them any more
    /// if no record does: whoever was told that the outcome is not known has let go of the blob.
    pub(crate) fn settle(&self, in_doubt: Vec<BlobId>, view: &View) {
        for id in in_doubt {
            let is_named = match view.get(&RecordKey::new(Family::Blob, id.to_bytes().to_vec())) {
                Ok(record) => record.is_some(),
                Err(error) => {
                    tracing::warn!(blob = %id, %error, "a blob that may be named stays until the next start");
                    continue;
                }
            };
            let is_sealed = self.sealed.lock().contains_key(&id);
            if !is_named
                && is_sealed
                && let Err(error) = fs::remove_file(self.path_of(id))
            {
                tracing::warn!(blob = %id, %error, "a blob that is not named stays until the next start");
                continue;
            }
            self.named(id);
        }
    }

    pub(crate) fn path_of(&self, id: BlobId) -> PathBuf {
        path_of(&self.root, id)
    }

    /// Starts to remove the blobs of earlier processes that no record names.
    pub(crate) fn begin_reclaiming(self: &Arc<Self>, shared: &Arc<Shared>) -> io::Result<()> {
        let (extents, shared) = (Arc::clone(self), Arc::clone(shared));
        let reclaim = move || {
            if let Err(error) = extents.reclaim(&shared) {
                tracing::warn!(%error, "reclaiming of staged blobs ended early; the next start goes on");
            }
            extents.reclaimed.send_replace(true);
        };
        std::thread::Builder::new().name("reclaim".into()).spawn(reclaim).map(drop)
    }

    pub(crate) async fn reclaimed(&self) {
        // The sender lives as long as we do.
        let _ = self.reclaimed.subscribe().wait_for(|done| *done).await;
    }

    fn reclaim(&self, shared: &Shared) -> Result<(), StoreError> {
        for_each_extent(&self.root, |id, path, bytes| {
            // Every blob needs a fresh look, since views must not be held for long.
            let view = view_of(shared)?;
            if (id.0 >> 64) as u64 == self.epoch || view.get(&RecordKey::new(Family::Blob, id.to_bytes().to_vec()))?.is_some() {
                return Ok(());
            }
            failpoints::reach(FailPoint::BeforeReclaim);
            match fs::remove_file(path) {
                Ok(()) => {
                    failpoints::reach(FailPoint::Reclaimed);
                    self.stats.reclaimed_blobs.add(1);
                    self.stats.reclaimed_bytes.add(bytes);
                    Ok(())
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(e) => Err(StoreError::Unavailable(format!("removing {}: {e}", path.display()))),
            }
        })
    }
}

/// The view, waited for while the records are reopened. A stop of the store ends that.
fn view_of(shared: &Shared) -> Result<Arc<View>, StoreError> {
    loop {
        match shared.view() {
            Err(_) if matches!(shared.health(), Health::Open | Health::Full) => std::thread::park_timeout(STALL_POLL),
            other => return other,
        }
    }
}

/// The file of a blob: in the folder of its last two digits, which count up, so that folders fill evenly.
pub(crate) fn path_of(root: &Path, id: BlobId) -> PathBuf {
    let name = id.to_string();
    root.join(&name[30..]).join(name)
}

/// Calls `each` with the id, path and length of every extent file. Files of other names are left alone.
pub(crate) fn for_each_extent(root: &Path, mut each: impl FnMut(BlobId, &Path, u64) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let read = |path: &Path, e: io::Error| StoreError::Read(format!("{}: {e}", path.display()));
    for folder in fs::read_dir(root).map_err(|e| read(root, e))? {
        let folder = folder.map_err(|e| read(root, e))?.path();
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|e| read(&folder, e))? {
            let entry = entry.map_err(|e| read(&folder, e))?;
            let path = entry.path();
            let Some(id) = id_of(&path).filter(|id| path_of(root, *id) == path) else {
                tracing::warn!(path = %path.display(), "a file that is not ours lies among the extents");
                continue;
            };
            // It may be removed while we look.
            let bytes = entry.metadata().map_or(0, |m| m.len());
            each(id, &path, bytes)?;
        }
    }
    Ok(())
}

fn id_of(path: &Path) -> Option<BlobId> {
    let name = path.file_name()?.to_str()?;
    let digits = name.len() == 32 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u128::from_str_radix(name, 16).ok().map(BlobId))?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::records::Engine;

    #[test]
    fn reclaiming_goes_on_after_the_records_were_reopened() {
        let folder = tempfile::tempdir().unwrap();
        let (records, root) = (folder.path().join("records"), folder.path().join("extents"));
        let open = || View::first(Arc::new(Engine::open(&records, 1 << 20).unwrap())).unwrap();
        let unnamed = path_of(&root, BlobId(7));
        fs::create_dir_all(unnamed.parent().unwrap()).unwrap();
        fs::write(&unnamed, "of an earlier process").unwrap();
        let space = Space::new(folder.path().to_owned(), 0);
        let shared = Arc::new(Shared::new(Arc::default(), space.clone(), open()));
        let extents = Arc::new(Extents::new(root, space, Arc::default()).unwrap());
        assert!(shared.withdraw_view(Duration::ZERO));
        extents.begin_reclaiming(&shared).unwrap();
        shared.publish(open());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(extents.reclaimed());
        assert!(!unnamed.exists());
    }
}
