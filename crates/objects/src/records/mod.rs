//! The only place that knows how records look: their keys, their bytes, and how they name each other.
//!
//! One file a family. Every record begins with a format version byte; `docs/format.md` draws them. Reading never
//! panics: a record that does not decode is [`Damaged`], and the request that met it fails.

mod bucket;
mod codec;
mod content;
mod garbage;
mod object;
mod replay;
mod upload;

pub use bucket::{BucketId, BucketRecord, BucketState, bucket_key, bucket_name_of, buckets};
pub use codec::Damaged;
pub use content::{
    Content, ContentId, ContentKind, ManifestRecord, Piece, ShareRecord, blob_key, blob_record, body_key, manifest_key, share_key,
};
pub use garbage::{GarbageRecord, KeptParts, garbage_key};
pub use object::{ObjectRecord, StoredChecksum, WriteMark, WriteOperation, object_key, object_key_text, objects_from, objects_of};
pub use replay::{ReplayRecord, completed_upload_key, token_key};
pub use upload::{
    PartRecord, UploadRecord, part_key, part_number_of, parts_of, upload_id_bytes, upload_key, upload_key_parts, upload_position,
    uploads_of,
};
