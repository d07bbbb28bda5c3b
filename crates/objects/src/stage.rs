//! Staging: a body becomes bytes in the store that nobody sees, with their digests.
//!
//! A small body stays in memory and is committed together with its record; a larger one goes to a blob. What is
//! staged and not committed is forgotten: when it is dropped, and after a crash by the store.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use holdfast_model::{Checksum, ChecksumAlgorithm, ETag, limits::INLINE_BYTES_MAX};
use holdfast_store::{BlobWriter, Blobs, SealedBlob, StoreError, Write};
use md5::{Digest as _, Md5};

use crate::{
    digest::{Running, checksum_of, md5_of},
    error::ObjectsError,
    records::{Content, ContentId, ContentKind, blob_key, blob_record, body_key},
};

/// What a client said that its body's digests are. All are verified before anything is committed.
#[derive(Clone, Debug, Default)]
pub struct ExpectedDigests {
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// `x-amz-checksum-*`, as header or trailer.
    pub checksum: Option<Checksum>,
}

/// Verifies the digests of bytes that are all there.
///
/// # Errors
/// [`ObjectsError::BadContentMd5`], [`ObjectsError::BadChecksum`].
pub fn verify(bytes: &[u8], expected: &ExpectedDigests) -> Result<(), ObjectsError> {
    if expected.md5.is_some_and(|wanted| wanted != md5_of([bytes])) {
        return Err(ObjectsError::BadContentMd5);
    }
    match &expected.checksum {
        Some(wanted) if *wanted != checksum_of(wanted.algorithm(), bytes) => Err(ObjectsError::BadChecksum(wanted.algorithm())),
        _ => Ok(()),
    }
}

/// A body that is arriving.
pub struct Stage {
    blobs: Arc<dyn Blobs>,
    fresh: ContentId,
    small: BytesMut,
    writer: Option<Box<dyn BlobWriter>>,
    md5: Md5,
    checksum: Running,
    /// A checksum of another algorithm that the client gave: verified, and kept beside the first.
    given: Option<Running>,
    size: u64,
    size_max: u64,
    inline_max: usize,
    /// False while bytes are being taken, and for good if that fails or is given up.
    sound: bool,
}

impl Stage {
    pub(crate) fn new(blobs: Arc<dyn Blobs>, fresh: u128, algorithm: ChecksumAlgorithm, size_max: u64) -> Self {
        Self {
            blobs,
            fresh: ContentId(fresh),
            small: BytesMut::new(),
            writer: None,
            md5: Md5::new(),
            checksum: Running::new(algorithm),
            given: None,
            size: 0,
            size_max,
            inline_max: INLINE_BYTES_MAX,
            sound: true,
        }
    }

    /// Stages even a small body as a blob.
    pub(crate) fn into_blob(mut self) -> Self {
        self.inline_max = 0;
        self
    }

    /// Verifies a checksum of this algorithm too, if it is another than the stage's own.
    #[must_use]
    pub fn verifying(mut self, algorithm: Option<ChecksumAlgorithm>) -> Self {
        self.given = algorithm.filter(|algorithm| *algorithm != self.checksum.algorithm()).map(Running::new);
        self
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`ObjectsError::EntityTooLarge`], or a store error; the stage is useless afterwards.
    pub async fn append(&mut self, bytes: Bytes) -> Result<(), ObjectsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sound = false;
        self.size += bytes.len() as u64;
        if self.size > self.size_max {
            return Err(ObjectsError::EntityTooLarge { size: self.size, max: self.size_max });
        }
        self.md5.update(&bytes);
        self.checksum.update(&bytes);
        if let Some(given) = &mut self.given {
            given.update(&bytes);
        }
        match &mut self.writer {
            Some(writer) => writer.append(bytes).await?,
            None if self.small.len() + bytes.len() <= self.inline_max => self.small.extend_from_slice(&bytes),
            None => {
                let writer = self.writer.insert(self.blobs.stage().await?);
                if !self.small.is_empty() {
                    writer.append(self.small.split().freeze()).await?;
                }
                writer.append(bytes).await?;
            }
        }
        self.sound = true;
        Ok(())
    }

    /// Verifies the digests, then makes the bytes durable (large bodies) or ready to be committed (small ones).
    ///
    /// # Errors
    /// [`ObjectsError::BadContentMd5`], [`ObjectsError::BadChecksum`], or a store error.
    pub async fn seal(self, expected: &ExpectedDigests) -> Result<Staged, ObjectsError> {
        if !self.sound {
            return Err(StoreError::Unavailable("the body was not staged whole".to_owned()).into());
        }
        let md5: [u8; 16] = self.md5.finalize().into();
        let checksum = self.checksum.finish();
        let given = self.given.map(Running::finish);
        if expected.md5.is_some_and(|wanted| wanted != md5) {
            return Err(ObjectsError::BadContentMd5);
        }
        if let Some(wanted) = &expected.checksum
            && *wanted != checksum
            && given.as_ref() != Some(wanted)
        {
            return Err(ObjectsError::BadChecksum(wanted.algorithm()));
        }
        let bytes = match self.writer {
            Some(writer) => StagedBytes::Blob(StagedBlob { blobs: self.blobs, sealed: Some(writer.seal().await?), in_doubt: false }),
            None => StagedBytes::Small(self.fresh, self.small.freeze()),
        };
        Ok(Staged { size: self.size, md5, checksum, given, bytes })
    }
}

/// A body that has arrived whole and verified, and that nobody sees.
pub struct Staged {
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) checksum: Checksum,
    pub(crate) given: Option<Checksum>,
    bytes: StagedBytes,
}

enum StagedBytes {
    Small(ContentId, Bytes),
    Blob(StagedBlob),
}

impl Staged {
    /// The tag that the body has as an object or part.
    pub fn etag(&self) -> ETag {
        ETag::of_md5(self.md5)
    }

    /// The body's additional checksum.
    pub const fn checksum(&self) -> &Checksum {
        &self.checksum
    }

    /// Bytes of the body.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where a record finds the bytes.
    pub(crate) fn content(&self) -> Content {
        match &self.bytes {
            StagedBytes::Small(_, bytes) if bytes.is_empty() => Content::EMPTY,
            StagedBytes::Small(id, _) => Content { kind: ContentKind::Inline, id: *id, shared: false },
            StagedBytes::Blob(blob) => Content { kind: ContentKind::Blob, id: blob.content_id(), shared: false },
        }
    }

    /// What must be written together with the record that names the content.
    pub(crate) fn write(&self) -> Option<Write> {
        match &self.bytes {
            StagedBytes::Small(_, bytes) if bytes.is_empty() => None,
            StagedBytes::Small(id, bytes) => Some(Write::put(body_key(*id), bytes.clone())),
            StagedBytes::Blob(blob) => Some(Write::put(blob_key(blob.content_id()), blob_record(self.size))),
        }
    }

    /// While a transaction that would name the bytes is under way nobody may discard them: it may have happened.
    pub(crate) const fn set_in_doubt(&mut self, in_doubt: bool) {
        if let StagedBytes::Blob(blob) = &mut self.bytes {
            blob.in_doubt = in_doubt;
        }
    }

    /// Settles what becomes of the bytes once the transaction that would name them is over.
    pub(crate) fn settle<T, R>(self, outcome: &Result<Result<T, R>, StoreError>) {
        let StagedBytes::Blob(mut blob) = self.bytes else { return };
        blob.in_doubt = false;
        match outcome {
            Ok(Ok(_)) => blob.named(),
            // It may be named. Only a restart or a heal, which reads the records, can tell.
            Err(error) if !error.is_definite() => blob.forget(),
            Ok(Err(_)) | Err(_) => drop(blob),
        }
    }
}

/// A sealed blob that is deleted when it is dropped without having been named.
struct StagedBlob {
    blobs: Arc<dyn Blobs>,
    sealed: Option<SealedBlob>,
    in_doubt: bool,
}

impl StagedBlob {
    fn content_id(&self) -> ContentId {
        ContentId(self.sealed.expect("a staged blob is settled once").id.0)
    }

    fn named(&mut self) {
        if let Some(sealed) = self.sealed.take() {
            self.blobs.named(sealed);
        }
    }

    fn forget(&mut self) {
        self.sealed = None;
    }
}

impl Drop for StagedBlob {
    fn drop(&mut self) {
        let Some(sealed) = self.sealed.take().filter(|_| !self.in_doubt) else { return };
        let blobs = Arc::clone(&self.blobs);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = blobs.delete(sealed.id).await {
                tracing::warn!(blob = %sealed.id, %error, "a staged blob stays until the next start");
            }
        });
    }
}
