//! Every way in which an operation does not do what was asked, as facts. How they look to an S3 client is decided in one
//! file of the wire.

use holdfast_model::{ChecksumAlgorithm, Condition, InvalidTags, PartNumber, Timestamp, WriteRefusal};
use holdfast_store::StoreError;

use crate::records::Damaged;

/// Why an operation failed. Nothing was changed, unless [`ObjectsError::is_definite`] says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    /// There is no bucket of this name.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// A bucket of this name exists and belongs to the caller.
    #[error("the bucket exists already and is yours")]
    BucketAlreadyOwnedByYou,
    /// The bucket holds objects.
    #[error("the bucket still holds objects; delete them first")]
    BucketNotEmpty,
    /// There are as many buckets as there may be.
    #[error("there are as many buckets as there may be")]
    TooManyBuckets,
    /// The bucket has no tags.
    #[error("the bucket has no tags")]
    NoSuchTagSet,
    /// Tags that break a rule.
    #[error(transparent)]
    Tags(#[from] InvalidTags),

    /// There is no object with this key.
    #[error("there is no object with this key")]
    NoSuchKey,
    /// There is no such source of a copy or rename.
    #[error("the source object does not exist")]
    NoSuchSource {
        /// The key that was looked for.
        key: String,
    },
    /// The bucket of the source does not exist.
    #[error("the bucket of the source does not exist")]
    NoSuchSourceBucket,
    /// A condition on the key that would be written does not hold.
    #[error(transparent)]
    Write(#[from] WriteRefusal),
    /// A condition on the source does not hold.
    #[error("{} does not hold for the source", .0.name())]
    SourcePrecondition(Condition),
    /// A condition of a read does not hold.
    #[error("{} does not hold for the object", .0.name())]
    ReadPrecondition(Condition),
    /// A read whose condition says that the client has the object already.
    #[error("the object is not modified")]
    NotModified {
        /// The object's tag.
        etag: holdfast_model::ETag,
        /// When it was written.
        last_modified: Timestamp,
    },
    /// The object is no longer where the append would begin.
    #[error("the object has {size} bytes; append with that offset")]
    InvalidWriteOffset {
        /// The object's size in bytes.
        size: u64,
    },
    /// A copy onto itself that changes nothing.
    #[error("a copy of an object onto itself must replace its metadata")]
    SelfCopy,
    /// A rename onto itself.
    #[error("source and destination of a rename are the same key")]
    SelfRename,
    /// A client token that came with other parameters before.
    #[error("this client token was used with other parameters; use a new token for a new request")]
    TokenMismatch,

    /// No upload of this id and key: it never was, was aborted, or was completed long ago.
    #[error("the upload does not exist; it may have been aborted or completed")]
    NoSuchUpload,
    /// A part that was listed is not there, or has another etag.
    #[error("part {part} is not there with the etag that was listed; list the parts and complete with their etags")]
    InvalidPart {
        /// The part.
        part: PartNumber,
    },
    /// The parts were not listed in ascending order, each once.
    #[error("list each part once, in ascending order")]
    InvalidPartOrder,
    /// No parts were listed.
    #[error("list at least one part")]
    NoParts,
    /// A part other than the last is too small.
    #[error("part {part} has {size} bytes; every part but the last has at least {min}")]
    PartTooSmall {
        /// The part.
        part: PartNumber,
        /// Its size in bytes.
        size: u64,
        /// The bound in bytes.
        min: u64,
        /// Its tag.
        etag: holdfast_model::ETag,
    },
    /// More parts than an object may have.
    #[error("an object has at most {} parts", holdfast_model::limits::PARTS_MAX)]
    TooManyParts,
    /// A body or an object larger than it may be.
    #[error("{size} bytes are proposed and {max} are allowed")]
    EntityTooLarge {
        /// The size in bytes.
        size: u64,
        /// The bound in bytes.
        max: u64,
    },
    /// The completed object would not have the size that was announced.
    #[error("the parts have {actual} bytes together, not {announced}")]
    ObjectSizeMismatch {
        /// What was announced.
        announced: u64,
        /// What it would be.
        actual: u64,
    },
    /// An upload that named an algorithm got a checksum of another.
    #[error("the upload was created for {} checksums", .expected.name())]
    ChecksumAlgorithmMismatch {
        /// The upload's.
        expected: ChecksumAlgorithm,
    },
    /// A composite upload is completed without each part's checksum.
    #[error("the upload was created for {} checksums of each part; the one of part {part} is missing", .algorithm.name())]
    ChecksumMissing {
        /// The upload's.
        algorithm: ChecksumAlgorithm,
        /// The part.
        part: PartNumber,
    },
    /// An algorithm that no multipart object has a checksum of this kind of.
    #[error("this type of checksum is not possible with {}", .0.name())]
    ChecksumKindImpossible(ChecksumAlgorithm),
    /// The body's MD5 is not the one that was announced.
    #[error("the Content-MD5 that you specified is not the MD5 of the body that arrived")]
    BadContentMd5,
    /// The body's checksum is not the one that was announced.
    #[error("the {} that you specified did not match the calculated checksum", .0.name())]
    BadChecksum(ChecksumAlgorithm),
    /// The range lies outside the object.
    #[error(transparent)]
    UnsatisfiableRange(#[from] holdfast_model::UnsatisfiableRange),
    /// The object has no part of this number.
    #[error("the object has {parts} parts")]
    NoSuchPart {
        /// How many it has.
        parts: u16,
    },

    /// Others changed what this request needs each time it tried. Nothing happened; try again.
    #[error("too many requests change the same object; try again")]
    Contended,
    /// A record does not decode.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ObjectsError {
    /// Whether it is certain that nothing was written.
    pub const fn is_definite(&self) -> bool {
        match self {
            Self::Store(error) => error.is_definite(),
            _ => true,
        }
    }
}
