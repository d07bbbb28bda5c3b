//! Current objects: `(Object, bucket id, key)`, in the order of listings.

use bytes::Bytes;
use holdfast_model::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Current, ETag, Generation, ObjectKey, StandardHeader, Tags, Timestamp,
    limits::OBJECT_TAGS_MAX,
};
use holdfast_store::{Family, KeyRange, RecordKey};

use super::{
    bucket::{BucketId, read_tags, write_tags},
    codec::{Damaged, Reader, Writer},
    content::Content,
};

const FAMILY: &str = "object";
const VERSION: u8 = 1;

/// The operations whose lost answers are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOperation {
    /// PutObject.
    Put,
    /// PutObject with a write offset.
    Append,
    /// CompleteMultipartUpload.
    Complete,
    /// CopyObject.
    Copy,
    /// RenameObject.
    Rename,
}

/// Which request made a record: by this a request that is sent again is told from a rival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteMark {
    /// `amz-sdk-invocation-id`.
    pub invocation: String,
    /// Who sent it.
    pub principal: String,
    /// What it did.
    pub operation: WriteOperation,
    /// A digest of what it wrote: the body's MD5, or of the parts or the source.
    pub payload: [u8; 16],
}

/// An additional checksum as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChecksum {
    /// Algorithm and value.
    pub checksum: Checksum,
    /// What it covers.
    pub kind: ChecksumKind,
}

/// The current version of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// What preconditions look at.
    pub current: Current,
    /// Its bytes.
    pub content: Content,
    /// The number of its parts if it came from a multipart upload or was appended to.
    pub parts: Option<u16>,
    /// Its additional checksum.
    pub checksum: Option<StoredChecksum>,
    /// Standard headers and user metadata.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
    /// The request that made it.
    pub mark: Option<WriteMark>,
}

/// The key of an object's record.
pub fn object_key(bucket: BucketId, key: &ObjectKey) -> RecordKey {
    RecordKey::new(Family::Object, prefixed(bucket, key.as_bytes()))
}

/// The objects of a bucket whose keys begin with `prefix`.
pub fn objects_of(bucket: BucketId, prefix: &str) -> KeyRange {
    KeyRange::of_prefix(Family::Object, &prefixed(bucket, prefix.as_bytes()))
}

/// Where a key, or what would be the key, stands in its bucket's records.
pub fn objects_from(bucket: BucketId, position: &[u8]) -> Bytes {
    prefixed(bucket, position)
}

/// The object key in a record's key.
///
/// # Errors
/// [`Damaged`] if it is no UTF-8.
pub fn object_key_text(record_key: &[u8]) -> Result<&str, Damaged> {
    let damaged = Damaged { family: FAMILY, expected: "a bucket id and an object key as key" };
    let key = record_key.get(8..).ok_or(damaged)?;
    std::str::from_utf8(key).map_err(|_| damaged)
}

fn prefixed(bucket: BucketId, rest: &[u8]) -> Bytes {
    [&bucket.0.to_be_bytes()[..], rest].concat().into()
}

impl ObjectRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new(VERSION);
        w.number(self.current.generation.0).number(self.current.size).number(self.current.last_modified.millis());
        w.text(self.current.etag.as_str());
        self.content.write(&mut w);
        w.option(self.parts, |w, n| {
            w.number(u64::from(n));
        });
        w.option(self.checksum.as_ref(), write_checksum);
        write_attributes(&mut w, &self.attributes);
        write_tags(&mut w, &self.tags);
        w.option(self.mark.as_ref(), |w, mark| {
            w.text(&mark.invocation).text(&mark.principal).byte(mark.operation.code()).array(&mark.payload);
        });
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new(FAMILY, VERSION, bytes)?;
        let generation = Generation(r.number()?);
        let size = r.number()?;
        let last_modified = Timestamp::from_millis(r.number()?);
        let etag = ETag::parse(r.text()?).map_err(|_| r.damaged("an entity tag"))?;
        let record = Self {
            current: Current { etag, size, last_modified, generation },
            content: Content::read(&mut r)?,
            parts: r.option(read_parts)?,
            checksum: r.option(read_checksum)?,
            attributes: read_attributes(&mut r)?,
            tags: read_tags(&mut r, OBJECT_TAGS_MAX)?,
            mark: r.option(read_mark)?,
        };
        r.end()?;
        Ok(record)
    }
}

impl WriteOperation {
    const fn code(self) -> u8 {
        match self {
            Self::Put => 1,
            Self::Append => 2,
            Self::Complete => 3,
            Self::Copy => 4,
            Self::Rename => 5,
        }
    }
}

pub(super) fn read_parts(r: &mut Reader<'_>) -> Result<u16, Damaged> {
    u16::try_from(r.number()?).map_err(|_| r.damaged("a number of parts"))
}

fn read_mark(r: &mut Reader<'_>) -> Result<WriteMark, Damaged> {
    let invocation = r.text()?.to_owned();
    let principal = r.text()?.to_owned();
    let operation = match r.byte()? {
        1 => WriteOperation::Put,
        2 => WriteOperation::Append,
        3 => WriteOperation::Complete,
        4 => WriteOperation::Copy,
        5 => WriteOperation::Rename,
        _ => return Err(r.damaged("a write operation")),
    };
    Ok(WriteMark { invocation, principal, operation, payload: r.array()? })
}

pub(super) const fn algorithm_code(algorithm: ChecksumAlgorithm) -> u8 {
    match algorithm {
        ChecksumAlgorithm::Crc32 => 1,
        ChecksumAlgorithm::Crc32c => 2,
        ChecksumAlgorithm::Crc64Nvme => 3,
        ChecksumAlgorithm::Sha1 => 4,
        ChecksumAlgorithm::Sha256 => 5,
    }
}

pub(super) const fn kind_code(kind: ChecksumKind) -> u8 {
    match kind {
        ChecksumKind::FullObject => 1,
        ChecksumKind::Composite => 2,
    }
}

pub(super) fn read_algorithm(r: &mut Reader<'_>) -> Result<ChecksumAlgorithm, Damaged> {
    let code = r.byte()?;
    let found = ChecksumAlgorithm::ALL.into_iter().find(|a| algorithm_code(*a) == code);
    found.ok_or_else(|| r.damaged("a checksum algorithm"))
}

pub(super) fn read_kind(r: &mut Reader<'_>) -> Result<ChecksumKind, Damaged> {
    match r.byte()? {
        1 => Ok(ChecksumKind::FullObject),
        2 => Ok(ChecksumKind::Composite),
        _ => Err(r.damaged("a kind of checksum")),
    }
}

fn write_checksum(w: &mut Writer, stored: &StoredChecksum) {
    w.byte(algorithm_code(stored.checksum.algorithm())).byte(kind_code(stored.kind)).bytes(stored.checksum.value());
}

fn read_checksum(r: &mut Reader<'_>) -> Result<StoredChecksum, Damaged> {
    let algorithm = read_algorithm(r)?;
    let kind = read_kind(r)?;
    let checksum = Checksum::new(algorithm, r.bytes()?).map_err(|_| r.damaged("a checksum of the right length"))?;
    Ok(StoredChecksum { checksum, kind })
}

const fn header_code(header: StandardHeader) -> u8 {
    match header {
        StandardHeader::ContentType => 1,
        StandardHeader::ContentEncoding => 2,
        StandardHeader::ContentDisposition => 3,
        StandardHeader::ContentLanguage => 4,
        StandardHeader::CacheControl => 5,
        StandardHeader::Expires => 6,
        StandardHeader::WebsiteRedirectLocation => 7,
    }
}

pub(super) fn write_attributes(w: &mut Writer, attributes: &Attributes) {
    w.list(attributes.standard().collect::<Vec<_>>().into_iter(), |w, (header, value)| {
        w.byte(header_code(header)).bytes(value);
    });
    w.list(attributes.user().collect::<Vec<_>>().into_iter(), |w, (name, value)| {
        w.text(name).bytes(value);
    });
}

pub(super) fn read_attributes(r: &mut Reader<'_>) -> Result<Attributes, Damaged> {
    let standard = r.list(|r| {
        let code = r.byte()?;
        let header = StandardHeader::ALL.into_iter().find(|h| header_code(*h) == code).ok_or_else(|| r.damaged("a standard header"))?;
        Ok((header, r.bytes()?.to_vec()))
    })?;
    let user = r.list(|r| Ok((r.text()?.to_owned(), r.bytes()?.to_vec())))?;
    Attributes::new(standard, user).map_err(|_| r.damaged("metadata within bounds"))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::{
        super::content::{ContentId, ContentKind},
        *,
    };

    prop_compose! {
        pub(crate) fn attributes()(type_ in option::of(vec(any::<u8>(), 0..30)), user in vec(("[a-z-]{1,9}", vec(any::<u8>(), 0..30)), 0..4)) -> Attributes {
            Attributes::new(type_.into_iter().map(|t| (StandardHeader::ContentType, t)).collect(), user).unwrap()
        }
    }

    prop_compose! {
        fn checksum()(which in 0usize..5, composite: bool, value in vec(any::<u8>(), 32)) -> StoredChecksum {
            let algorithm = ChecksumAlgorithm::ALL[which];
            let kind = if composite { ChecksumKind::Composite } else { ChecksumKind::FullObject };
            StoredChecksum { checksum: Checksum::new(algorithm, &value[..algorithm.value_bytes()]).unwrap(), kind }
        }
    }

    prop_compose! {
        fn mark()(invocation in ".{0,40}", principal in ".{0,20}", which in 0usize..5, payload: [u8; 16]) -> WriteMark {
            use WriteOperation::{Append, Complete, Copy, Put, Rename};
            WriteMark { invocation, principal, operation: [Put, Append, Complete, Copy, Rename][which], payload }
        }
    }

    prop_compose! {
        fn record()(
            (etag, size, millis, generation) in ("[a-f0-9]{32}(-[1-9])?", any::<u64>(), any::<u64>(), any::<u64>()),
            (id, shared, parts) in (any::<u128>(), any::<bool>(), any::<Option<u16>>()),
            checksum in option::of(checksum()),
            attributes in attributes(),
            mark in option::of(mark()),
        ) -> ObjectRecord {
            ObjectRecord {
                current: Current { etag: ETag::parse(&etag).unwrap(), size, last_modified: Timestamp::from_millis(millis), generation: Generation(generation) },
                content: Content { kind: ContentKind::Blob, id: ContentId(id), shared },
                parts, checksum, attributes, tags: Tags::new(vec![("k".into(), "v".into())], 1).unwrap(), mark,
            }
        }
    }

    proptest! {
        #[test]
        fn an_object_reads_back_as_it_was_written(record in record()) {
            let bytes = record.encode();
            prop_assert!(ObjectRecord::decode(&bytes[..bytes.len() - 1]).is_err());
            prop_assert_eq!(ObjectRecord::decode(&bytes), Ok(record));
        }

        #[test]
        fn any_bytes_decode_or_are_damaged(bytes in vec(any::<u8>(), 0..200)) {
            let _ = ObjectRecord::decode(&bytes);
        }
    }
}
