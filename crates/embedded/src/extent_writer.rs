//! A blob on its way to the disk. While one job writes, the next one's bytes are gathered; at most three jobs' bytes are held
//! (gathered, about to be written, and the aligned buffer that is written from).
//!
//! The file has its final name from the start and is removed unless it was sealed *and* its owner learned of it: a writer that
//! is dropped, an `append` or `seal` that is dropped half way, an error, all end in the same removal. After a crash it is a
//! blob that no record names.

use std::{fs, io, mem, path::PathBuf, sync::Arc, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_store::{BlobId, BlobWriter, SealedBlob, StoreError};
use tokio::task::JoinHandle;

use crate::{
    FailPoint,
    direct_file::DirectFile,
    extent_format::Checksummer,
    extents::Extents,
    failpoints,
    space::is_full,
    syncs::{SyncSite, sync_folder},
    tuning::{WRITE_BACK_BYTES, WRITE_JOB_BYTES},
};

type Job = JoinHandle<Result<Box<StagedFile>, StoreError>>;

/// A blob that is being written.
pub(crate) struct ExtentWriter {
    state: State,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
}

enum State {
    Idle(Box<StagedFile>),
    Writing(Job),
    Failed,
}

impl ExtentWriter {
    pub(crate) async fn create(extents: Arc<Extents>, id: BlobId) -> Result<Self, StoreError> {
        let file = join(tokio::task::spawn_blocking(move || StagedFile::create(extents, id).map(Box::new))).await?;
        Ok(Self { state: State::Idle(file), gathered: Vec::new(), gathered_bytes: 0 })
    }

    /// Waits for the job that runs. After an error the writer is failed and the file is gone.
    async fn idle(&mut self) -> Result<Box<StagedFile>, StoreError> {
        // The job stays in its place while we wait, so that a dropped future loses nothing.
        if let State::Writing(job) = &mut self.state {
            let written = join(job).await;
            self.state = State::Failed;
            return written;
        }
        match mem::replace(&mut self.state, State::Failed) {
            State::Idle(file) => Ok(file),
            _ => Err(StoreError::Unavailable("the blob failed before".into())),
        }
    }

    fn take_gathered(&mut self) -> Vec<Bytes> {
        self.gathered_bytes = 0;
        mem::take(&mut self.gathered)
    }
}

#[async_trait]
impl BlobWriter for ExtentWriter {
    async fn append(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if !bytes.is_empty() {
            self.gathered_bytes += bytes.len();
            self.gathered.push(bytes);
        }
        if self.gathered_bytes < WRITE_JOB_BYTES {
            return Ok(());
        }
        let mut file = self.idle().await?;
        let pieces = self.take_gathered();
        self.state = State::Writing(tokio::task::spawn_blocking(move || file.write(&pieces).map(|()| file)));
        Ok(())
    }

    async fn seal(mut self: Box<Self>) -> Result<SealedBlob, StoreError> {
        let mut file = self.idle().await?;
        let pieces = self.take_gathered();
        let sealed = tokio::task::spawn_blocking(move || {
            file.write(&pieces)?;
            file.seal().map(|()| file)
        });
        let mut file = join(sealed).await?;
        Ok(file.keep())
    }
}

impl Drop for ExtentWriter {
    fn drop(&mut self) {
        // Removing a large file takes a while; a job that runs removes it itself when nobody takes its result.
        if let State::Idle(file) = mem::replace(&mut self.state, State::Failed)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn_blocking(move || drop(file)));
        }
    }
}

async fn join<T>(job: impl Future<Output = Result<Result<T, StoreError>, tokio::task::JoinError>>) -> Result<T, StoreError> {
    job.await.unwrap_or_else(|e| Err(StoreError::Unavailable(format!("writing a blob did not end: {e}"))))
}

/// A file that is removed when it is dropped, unless it is kept.
struct StagedFile {
    extents: Arc<Extents>,
    id: BlobId,
    path: PathBuf,
    file: DirectFile,
    len: u64,
    synced: u64,
    checksums: Option<Checksummer>,
    kept: bool,
}

impl StagedFile {
    fn create(extents: Arc<Extents>, id: BlobId) -> Result<Self, StoreError> {
        extents.space.admit_body()?;
        let path = extents.path_of(id);
        let file = DirectFile::create_new(&path, WRITE_JOB_BYTES).map_err(|e| write_error(&extents, id, &e))?;
        failpoints::reach(FailPoint::BlobCreated);
        Ok(Self { extents, id, path, file, len: 0, synced: 0, checksums: Some(Checksummer::new()), kept: false })
    }

    fn write(&mut self, pieces: &[Bytes]) -> Result<(), StoreError> {
        self.extents.space.admit_body()?;
        let Some(checksums) = &mut self.checksums else { return Err(StoreError::Unavailable("the blob is sealed".into())) };
        for piece in pieces {
            checksums.update(piece);
            self.file.write(piece).map_err(|e| write_error(&self.extents, self.id, &e))?;
            self.len += piece.len() as u64;
            self.extents.stats.staged_bytes.add(piece.len() as u64);
            failpoints::reach(FailPoint::InExtent);
        }
        if self.file.cached_bytes() >= self.synced + WRITE_BACK_BYTES {
            self.synced = self.file.cached_bytes();
            self.file.sync_written().map_err(|e| write_error(&self.extents, self.id, &e))?;
        }
        Ok(())
    }

    /// Durable when it returns: data, footer, length, and the entry in its folder.
    fn seal(&mut self) -> Result<(), StoreError> {
        let since = Instant::now();
        let Some(checksums) = self.checksums.take() else { return Err(StoreError::Unavailable("the blob is sealed".into())) };
        let footer = checksums.footer(self.id, self.len);
        let folder = self.path.parent().ok_or_else(|| StoreError::Unavailable("an extent lies in a folder".into()))?;
        let written = self.file.write(&footer).inspect(|()| failpoints::reach(FailPoint::BlobWritten));
        let write = written.and_then(|()| self.file.sync()).and_then(|()| sync_folder(SyncSite::ExtentFolder, folder));
        write.map_err(|e| write_error(&self.extents, self.id, &e))?;
        self.extents.stats.seal_micros.record_time(since.elapsed());
        failpoints::reach(FailPoint::BlobSealed);
        Ok(())
    }

    /// Hands the sealed file over to whoever names it.
    fn keep(&mut self) -> SealedBlob {
        assert!(self.checksums.is_none(), "only a sealed blob is kept");
        self.kept = true;
        self.extents.sealed(self.id, self.len);
        SealedBlob { id: self.id, len: self.len }
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.extents.stats.staged_bytes.sub(self.len);
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a staged blob could not be removed; the next start reclaims it");
        }
    }
}

/// A blob that was not sealed is nowhere, whatever the error.
fn write_error(extents: &Extents, id: BlobId, error: &io::Error) -> StoreError {
    if is_full(error) {
        return extents.space.full();
    }
    tracing::error!(%error, blob = %id, "writing a blob failed");
    StoreError::Unavailable(format!("writing a blob failed: {error}"))
}
