//! Multipart uploads `(Upload, bucket id, key, id)`, in the order in which S3 lists them: by key, then by when they began;
//! and their parts `(Part, bucket id, upload id, number)`.

use bytes::Bytes;
use holdfast_model::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, ObjectKey, PartNumber, Tags, Timestamp, UploadId, limits::OBJECT_TAGS_MAX,
};
use holdfast_store::{Family, KeyRange, RecordKey};

use super::{
    bucket::{BucketId, read_tags, write_tags},
    codec::{Damaged, Reader, Writer},
    content::Piece,
    object::{algorithm_code, kind_code, read_algorithm, read_attributes, read_kind, write_attributes},
};

const VERSION: u8 = 1;

/// An upload under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// When it began.
    pub initiated: Timestamp,
    /// Grows whenever a part is replaced: a complete that has read the parts knows by it that they are still those.
    pub revision: u64,
    /// The algorithm of its parts' checksums.
    pub algorithm: ChecksumAlgorithm,
    /// What the object's checksum will cover.
    pub kind: ChecksumKind,
    /// Whether the client named the algorithm; then parts that bring another are refused.
    pub algorithm_named: bool,
    /// For the object.
    pub attributes: Attributes,
    /// For the object.
    pub tags: Tags,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRecord {
    /// Its bytes and digests.
    pub piece: Piece,
    /// When it was written.
    pub last_modified: Timestamp,
    /// The checksum that its writer gave, if its algorithm is another than the upload's.
    pub given: Option<Checksum>,
}

/// The bytes of an upload id that Holdfast gave out; `None` for any other text.
pub fn upload_id_bytes(id: &UploadId) -> Option<[u8; 16]> {
    let text = id.as_str();
    let plain = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)).flatten()
}

/// The key of an upload's record.
pub fn upload_key(bucket: BucketId, key: &ObjectKey, id: [u8; 16]) -> RecordKey {
    RecordKey::new(Family::Upload, upload_position(bucket, key.as_bytes(), Some(id)))
}

/// The uploads of a bucket whose keys begin with `prefix`.
pub fn uploads_of(bucket: BucketId, prefix: &str) -> KeyRange {
    let mut start = bucket.0.to_be_bytes().to_vec();
    escape(prefix.as_bytes(), &mut start);
    KeyRange::of_prefix(Family::Upload, &start)
}

/// The first place of a key's uploads, or the place of one upload.
pub fn upload_position(bucket: BucketId, key: &[u8], id: Option<[u8; 16]>) -> Bytes {
    let mut bytes = bucket.0.to_be_bytes().to_vec();
    escape(key, &mut bytes);
    bytes.extend_from_slice(&KEY_END);
    bytes.extend_from_slice(id.as_ref().map_or(&[], |id| id));
    bytes.into()
}

/// The object key and the upload id in a record's key.
///
/// # Errors
/// [`Damaged`].
pub fn upload_key_parts(record_key: &[u8]) -> Result<(String, UploadId), Damaged> {
    let damaged = Damaged { family: "upload", expected: "a bucket id, an object key and an upload id as key" };
    let split = record_key.len().checked_sub(16).filter(|n| *n >= 8).ok_or(damaged)?;
    let id: [u8; 16] = record_key[split..].try_into().map_err(|_| damaged)?;
    let escaped = record_key[8..split].strip_suffix(&KEY_END).ok_or(damaged)?;
    let mut key = Vec::new();
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        match (*byte, if *byte == 0 { bytes.next() } else { None }) {
            (0, Some(0xff)) => key.push(0),
            (0, _) => return Err(damaged),
            (byte, _) => key.push(byte),
        }
    }
    let key = String::from_utf8(key).map_err(|_| damaged)?;
    Ok((key, UploadId::new(&format!("{:032x}", u128::from_be_bytes(id)))))
}

/// Ends a key inside a record's key, below every longer key.
const KEY_END: [u8; 2] = [0, 1];

/// Copies `key` so that the order of keys is kept and [`KEY_END`] never occurs in it.
fn escape(key: &[u8], out: &mut Vec<u8>) {
    for byte in key {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
}

/// The key of a part's record.
pub fn part_key(bucket: BucketId, upload: [u8; 16], number: PartNumber) -> RecordKey {
    let key = [&bucket.0.to_be_bytes()[..], &upload, &number.get().to_be_bytes()].concat();
    RecordKey::new(Family::Part, key)
}

/// The parts of an upload, in order.
pub fn parts_of(bucket: BucketId, upload: [u8; 16]) -> KeyRange {
    KeyRange::of_prefix(Family::Part, &[&bucket.0.to_be_bytes()[..], &upload].concat())
}

/// The part number in a record's key.
///
/// # Errors
/// [`Damaged`].
pub fn part_number_of(record_key: &[u8]) -> Result<PartNumber, Damaged> {
    let damaged = Damaged { family: "part", expected: "a bucket id, an upload id and a part number as key" };
    let number: [u8; 2] = record_key.get(24..).and_then(|n| n.try_into().ok()).ok_or(damaged)?;
    PartNumber::new(u64::from(u16::from_be_bytes(number))).map_err(|_| damaged)
}

impl UploadRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new(VERSION);
        w.number(self.initiated.millis()).number(self.revision);
        w.byte(algorithm_code(self.algorithm)).byte(kind_code(self.kind)).byte(u8::from(self.algorithm_named));
        write_attributes(&mut w, &self.attributes);
        write_tags(&mut w, &self.tags);
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new("upload", VERSION, bytes)?;
        let record = Self {
            initiated: Timestamp::from_millis(r.number()?),
            revision: r.number()?,
            algorithm: read_algorithm(&mut r)?,
            kind: read_kind(&mut r)?,
            algorithm_named: r.flag()?,
            attributes: read_attributes(&mut r)?,
            tags: read_tags(&mut r, OBJECT_TAGS_MAX)?,
        };
        r.end()?;
        Ok(record)
    }
}

impl PartRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new(VERSION);
        self.piece.write(&mut w);
        w.number(self.last_modified.millis());
        w.option(self.given.as_ref(), |w, given| {
            w.byte(algorithm_code(given.algorithm())).bytes(given.value());
        });
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new("part", VERSION, bytes)?;
        let record = Self { piece: Piece::read(&mut r)?, last_modified: Timestamp::from_millis(r.number()?), given: r.option(read_given)? };
        r.end()?;
        Ok(record)
    }
}

fn read_given(r: &mut Reader<'_>) -> Result<Checksum, Damaged> {
    let algorithm = read_algorithm(r)?;
    Checksum::new(algorithm, r.bytes()?).map_err(|_| r.damaged("a checksum of the right length"))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{
        super::{
            content::{ContentId, ContentKind},
            object::tests::attributes,
        },
        *,
    };

    #[test]
    fn an_upload_key_without_the_end_of_its_object_key_is_damaged() {
        let whole = upload_key(BucketId(7), &ObjectKey::parse("a").unwrap(), [9; 16]).bytes;
        upload_key_parts(&whole).unwrap();
        let without = [&whole[..9], &whole[11..]].concat();
        assert!(upload_key_parts(&without).is_err());
    }

    proptest! {
        #[test]
        fn uploads_and_parts_read_back_as_they_were_written(initiated: u64, revision: u64, which in 0usize..5, named: bool, attributes in attributes(), size: u64, md5: [u8; 16], checksum in vec(any::<u8>(), 0..32)) {
            let algorithm = ChecksumAlgorithm::ALL[which];
            let upload = UploadRecord { initiated: Timestamp::from_millis(initiated), revision, algorithm, kind: algorithm.default_kind(), algorithm_named: named, attributes, tags: Tags::default() };
            prop_assert_eq!(UploadRecord::decode(&upload.encode()), Ok(upload));
            let piece = Piece { number: PartNumber::new(3).unwrap(), kind: ContentKind::Blob, id: ContentId(9), size, md5, checksum };
            let part = PartRecord { piece, last_modified: Timestamp::from_millis(initiated), given: Checksum::new(algorithm, &md5[..4]).ok() };
            prop_assert_eq!(PartRecord::decode(&part.encode()), Ok(part));
        }

        #[test]
        fn upload_keys_keep_the_order_of_object_keys_and_read_back(mut keys in vec("[\u{0}\u{1}a/]{1,6}", 1..20), id: u128) {
            let bucket = BucketId(7);
            keys.sort();
            let id = id.to_be_bytes();
            let records: Vec<_> = keys.iter().map(|k| upload_key(bucket, &ObjectKey::parse(k).unwrap(), id).bytes).collect();
            prop_assert!(records.is_sorted());
            for (key, record) in keys.iter().zip(&records) {
                let (text, upload) = upload_key_parts(record).unwrap();
                prop_assert_eq!(&text, key);
                prop_assert_eq!(upload_id_bytes(&upload), Some(id));
                prop_assert!(*record >= upload_position(bucket, key.as_bytes(), None));
            }
        }
    }
}
