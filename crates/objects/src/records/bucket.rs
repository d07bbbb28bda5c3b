//! Buckets: `(Bucket, name)`. The id never repeats, so that nothing of a deleted bucket shows up in a new one of its name.

use bytes::Bytes;
use holdfast_model::{BucketName, Tags, Timestamp, limits::BUCKET_TAGS_MAX};
use holdfast_store::{Family, KeyRange, RecordKey};

use super::codec::{Damaged, Reader, Writer};

const FAMILY: &str = "bucket";
const VERSION: u8 = 1;

/// The number that records of a bucket's contents carry instead of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(pub u64);

/// Whether a bucket is being deleted. There is no lock: any write into the bucket sets it back to `Active`, and the delete that meets
/// this on its last step has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketState {
    /// In use.
    Active,
    /// The delete attempt of this id looks whether the bucket is empty.
    Deleting(u128),
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRecord {
    /// Its number: the stamp of the transaction that created it.
    pub id: BucketId,
    /// When it was created.
    pub created: Timestamp,
    /// Where it was asked to be; empty for the default.
    pub location: String,
    /// Its tags.
    pub tags: Tags,
    /// Whether a delete is looking at it.
    pub state: BucketState,
}

/// The key of a bucket's record.
pub fn bucket_key(name: &BucketName) -> RecordKey {
    RecordKey::new(Family::Bucket, Bytes::copy_from_slice(name.as_str().as_bytes()))
}

/// All buckets, by name.
pub fn buckets() -> KeyRange {
    KeyRange { family: Family::Bucket, start: Bytes::new(), end: None }
}

/// The name that a record's key holds.
///
/// # Errors
/// [`Damaged`] if it is no bucket name.
pub fn bucket_name_of(key: &[u8]) -> Result<BucketName, Damaged> {
    let damaged = Damaged { family: FAMILY, expected: "a bucket name as key" };
    let text = std::str::from_utf8(key).map_err(|_| damaged)?;
    BucketName::parse(text).map_err(|_| damaged)
}

impl BucketRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new(VERSION);
        w.number(self.id.0).number(self.created.millis()).text(&self.location);
        write_tags(&mut w, &self.tags);
        match self.state {
            BucketState::Active => w.byte(0),
            BucketState::Deleting(attempt) => w.byte(1).array(&attempt.to_be_bytes()),
        };
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new(FAMILY, VERSION, bytes)?;
        let record = Self {
            id: BucketId(r.number()?),
            created: Timestamp::from_millis(r.number()?),
            location: r.text()?.to_owned(),
            tags: read_tags(&mut r, BUCKET_TAGS_MAX)?,
            state: if r.flag()? { BucketState::Deleting(u128::from_be_bytes(r.array()?)) } else { BucketState::Active },
        };
        r.end()?;
        Ok(record)
    }
}

pub(super) fn write_tags(w: &mut Writer, tags: &Tags) {
    w.list(tags.iter().collect::<Vec<_>>().into_iter(), |w, (key, value)| {
        w.text(key).text(value);
    });
}

pub(super) fn read_tags(r: &mut Reader<'_>, max: usize) -> Result<Tags, Damaged> {
    let pairs = r.list(|r| Ok((r.text()?.to_owned(), r.text()?.to_owned())))?;
    Tags::new(pairs, max).map_err(|_| r.damaged("tags within bounds"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_reads_back_as_it_was_written(id: u64, created: u64, location in ".{0,20}", key in "[a-z]{1,9}", value in ".{0,9}", attempt: Option<u128>) {
            let tags = Tags::new(vec![(key, value)], 1).unwrap();
            let state = attempt.map_or(BucketState::Active, BucketState::Deleting);
            let record = BucketRecord { id: BucketId(id), created: Timestamp::from_millis(created), location, tags, state };
            let bytes = record.encode();
            prop_assert_eq!(BucketRecord::decode(&bytes), Ok(record));
            for cut in 0..bytes.len() {
                prop_assert!(BucketRecord::decode(&bytes[..cut]).is_err());
            }
        }
    }
}
