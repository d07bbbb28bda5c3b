//! The nouns and pure rules of Holdfast: what a key, an etag, a precondition, a part or a range is.
//!
//! Nothing here does I/O, knows HTTP or XML, reads a clock or depends on another crate of ours.
//! Text from a client becomes one of these types once, at the edge, and is trusted from there on.

mod attributes;
mod bucket;
mod checksum;
mod etag;
mod key;
pub mod limits;
mod part;
mod precondition;
mod range;
mod tags;
mod time;

pub use attributes::{Attributes, InvalidMetadata, StandardHeader};
pub use bucket::{BucketName, InvalidBucketName};
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, InvalidChecksum};
pub use etag::{ETag, InvalidETag};
pub use key::{InvalidKey, ObjectKey};
pub use part::{InvalidPartNumber, PartNumber, UploadId};
pub use precondition::{
    Arrival, Condition, Current, DeleteConditions, ETagMatch, ETagSet, Generation, ReadConditions, ReadVerdict, SourceConditions,
    WriteConditions, WriteRefusal, WriteRule,
};
pub use range::{ByteRange, ByteSpan, UnsatisfiableRange};
pub use tags::{InvalidTags, Tags};
pub use time::Timestamp;
