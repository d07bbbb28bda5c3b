//! Immutable bytes. A blob is staged where nobody sees it, sealed (durable), then named by a record.

use std::{fmt, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use holdfast_model::ByteSpan;

use crate::StoreError;

/// The name of a blob; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub u128);

impl BlobId {
    /// The id as bytes, as records keep it.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id that these bytes name.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A blob that is durable and that no record names yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedBlob {
    /// Its name.
    pub id: BlobId,
    /// Its bytes.
    pub len: u64,
}

/// The bytes of a blob in order, in pieces of at most `limits::BODY_CHUNK_BYTES`. After an error it ends.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// A blob that is being written. Dropping it discards the bytes.
#[async_trait]
pub trait BlobWriter: Send {
    /// Adds bytes at the end. Memory held stays below `limits::REQUEST_BODY_BYTES_MAX`.
    ///
    /// # Errors
    /// The blob is unusable afterwards; nothing of it will be seen.
    async fn append(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes the bytes durable. Until a record names it, the caller may [`Blobs::delete`] it, and a restart will.
    ///
    /// # Errors
    /// Nothing of the blob will be seen.
    async fn seal(self: Box<Self>) -> Result<SealedBlob, StoreError>;
}

/// Immutable bytes, invisible until a record names them.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Begins a blob.
    ///
    /// # Errors
    /// Definite ones only.
    async fn stage(&self) -> Result<Box<dyn BlobWriter>, StoreError>;

    /// Streams `span` of a sealed blob. A stream that has begun goes on to its end even if the blob is deleted meanwhile.
    /// Every byte is checked against its checksum before it is handed out.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlob`], [`StoreError::Corrupt`] also for a span beyond the end, [`StoreError::Read`].
    async fn read(&self, blob: BlobId, span: ByteSpan) -> Result<ByteStream, StoreError>;

    /// Forgets a blob that no record names; one that is not there is no error.
    ///
    /// # Errors
    /// The blob may or may not be there.
    async fn delete(&self, blob: BlobId) -> Result<(), StoreError>;

    /// Bytes of blobs that are staged or sealed and not yet [`Blobs::named`] or deleted.
    fn staged_bytes(&self) -> u64;

    /// Tells the store that the record of this blob has been committed by this process, so that it counts as staged no longer.
    fn named(&self, blob: SealedBlob);
}
