//! Streams a span of a blob, every chunk checked before a byte of it is handed out.
//!
//! One job reads and checks up to two pieces on a blocking thread; while they are sent, the next job reads ahead. The open file
//! keeps the data alive when the blob is deleted meanwhile.

use std::{fs::File, io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use holdfast_model::{ByteSpan, limits::BODY_CHUNK_BYTES};
use holdfast_store::{BlobId, ByteStream, StoreError};
use tokio::task::JoinHandle;

use crate::{
    Stats,
    extent_format::{CHECKSUM_BYTES, CHUNK_BYTES, TRAILER_BYTES, Trailer, verify},
    tuning::READ_JOB_BYTES,
};

/// Opens a blob and streams `span` of it.
pub(crate) async fn read(path: PathBuf, id: BlobId, span: ByteSpan, stats: Arc<Stats>) -> Result<ByteStream, StoreError> {
    let opened = tokio::task::spawn_blocking(move || {
        let extent = Arc::new(Extent::open(&path, id, stats)?);
        if span.end > extent.trailer.len || span.start > span.end {
            return Err(StoreError::Corrupt(format!("blob {id} ends before byte {}", span.end)));
        }
        let first = extent.read_job(span.start, span.end)?;
        Ok((extent, first))
    });
    let (extent, first) = opened.await.unwrap_or_else(|e| Err(StoreError::Read(e.to_string())))?;
    let next = first.end;
    let begun = Reading { extent, next, end: span.end, ahead: None }.read_ahead();
    let rest = stream::unfold(Some(begun), |reading| async move { reading?.next().await });
    let pieces = stream::once(async move { Ok(first.bytes) }).chain(rest).flat_map(|job| stream::iter(pieces(job)));
    Ok(Box::pin(pieces))
}

/// The bytes of one job, in pieces of the size that a stream may hand out.
fn pieces(job: Result<Bytes, StoreError>) -> impl Iterator<Item = Result<Bytes, StoreError>> {
    let (mut bytes, mut error) = match job {
        Ok(bytes) => (bytes, None),
        Err(error) => (Bytes::new(), Some(error)),
    };
    std::iter::from_fn(move || match error.take() {
        Some(error) => Some(Err(error)),
        None if bytes.is_empty() => None,
        None => Some(Ok(bytes.split_to(bytes.len().min(BODY_CHUNK_BYTES)))),
    })
}

struct Reading {
    extent: Arc<Extent>,
    next: u64,
    end: u64,
    ahead: Option<JoinHandle<Result<Job, StoreError>>>,
}

impl Reading {
    fn read_ahead(mut self) -> Self {
        let (start, end) = (self.next, self.end);
        let extent = Arc::clone(&self.extent);
        self.ahead = (start < end).then(|| tokio::task::spawn_blocking(move || extent.read_job(start, end)));
        self
    }

    async fn next(mut self) -> Option<(Result<Bytes, StoreError>, Option<Self>)> {
        match self.ahead.take()?.await {
            Ok(Ok(job)) => {
                self.next = job.end;
                Some((Ok(job.bytes), Some(self.read_ahead())))
            }
            Ok(Err(error)) => Some((Err(error), None)),
            Err(error) => Some((Err(StoreError::Read(error.to_string())), None)),
        }
    }
}

/// Bytes that were checked, up to `end` of the blob.
struct Job {
    bytes: Bytes,
    end: u64,
}

/// An open extent file whose trailer is valid.
pub(crate) struct Extent {
    file: File,
    pub(crate) id: BlobId,
    pub(crate) trailer: Trailer,
    stats: Arc<Stats>,
}

impl Extent {
    pub(crate) fn open(path: &std::path::Path, id: BlobId, stats: Arc<Stats>) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => StoreError::NoSuchBlob,
            _ => read_error(id, &e),
        })?;
        let file_bytes = file.metadata().map_err(|e| read_error(id, &e))?.len();
        let at = file_bytes.saturating_sub(TRAILER_BYTES as u64);
        let trailer = read_at(&file, at, TRAILER_BYTES.min(file_bytes as usize)).map_err(|e| read_error(id, &e))?;
        let trailer = Trailer::parse(&trailer, id, file_bytes).inspect_err(|_| stats.corrupt_reads.add(1))?;
        Ok(Self { file, id, trailer, stats })
    }

    /// Reads from `start` to `end`, but no further than the end of the last chunk that one job may hold.
    fn read_job(&self, start: u64, end: u64) -> Result<Job, StoreError> {
        let from = start - start % CHUNK_BYTES;
        let end = end.min(from + READ_JOB_BYTES);
        if start == end {
            return Ok(Job { bytes: Bytes::new(), end });
        }
        let to = end.next_multiple_of(CHUNK_BYTES).min(self.trailer.len);
        let chunks = self.read_chunks(from, to)?;
        Ok(Job { bytes: chunks.slice((start - from) as usize..(end - from) as usize), end })
    }

    /// Reads and checks whole chunks: `from` is where one begins, `to` where one ends.
    pub(crate) fn read_chunks(&self, from: u64, to: u64) -> Result<Bytes, StoreError> {
        let data = self.read_exactly(from, to - from)?;
        let sums = self.read_checksums(from / CHUNK_BYTES, to.div_ceil(CHUNK_BYTES))?;
        if !verify(&data, &sums) {
            self.stats.corrupt_reads.add(1);
            return Err(StoreError::Corrupt(format!("blob {}: wrong checksum between bytes {from} and {to}", self.id)));
        }
        Ok(data.into())
    }

    /// The checksums of chunks `first..end`.
    pub(crate) fn read_checksums(&self, first: u64, end: u64) -> Result<Vec<u8>, StoreError> {
        self.read_exactly(self.trailer.len + first * CHECKSUM_BYTES, (end - first) * CHECKSUM_BYTES)
    }

    fn read_exactly(&self, at: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = read_at(&self.file, at, len as usize).map_err(|e| read_error(self.id, &e))?;
        if bytes.len() as u64 == len { Ok(bytes) } else { Err(StoreError::Corrupt(format!("blob {}: the file ends too early", self.id))) }
    }
}

/// Reads up to `len` bytes into memory that is not cleared first; fewer only at the end of the file.
fn read_at(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let room = len - bytes.len();
        debug_assert!(bytes.capacity() >= len && room > 0);
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at + (len - room) as u64) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    // The allocator may have given more room than was asked for.
    bytes.truncate(len);
    Ok(bytes)
}

fn read_error(id: BlobId, error: &io::Error) -> StoreError {
    StoreError::Read(format!("blob {id}: {error}"))
}
