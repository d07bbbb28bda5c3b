//! What is to be reclaimed: `(Garbage, time, stamp, id)`, oldest first. Written by the transaction that makes it garbage, so that a crash loses none.

use bytes::Bytes;
use holdfast_model::{PartNumber, Timestamp, limits::PARTS_MAX};
use holdfast_store::{Family, RecordKey};

use super::{
    bucket::BucketId,
    codec::{Damaged, Reader, Writer},
    content::Content,
};

const VERSION: u8 = 1;

/// One thing to reclaim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GarbageRecord {
    /// A content that lost an owner.
    Content(Content),
    /// The part records of an upload that ended; the bytes of those that were not kept too.
    Parts {
        /// The bucket.
        bucket: BucketId,
        /// The upload.
        upload: [u8; 16],
        /// The parts whose bytes live on in the completed object.
        kept: KeptParts,
    },
    /// The uploads of a bucket that was deleted.
    Bucket(BucketId),
}

/// A set of part numbers, as bits.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct KeptParts(Vec<u8>);

impl KeptParts {
    /// The set of these parts.
    pub fn of(parts: impl IntoIterator<Item = PartNumber>) -> Self {
        let mut bits = Vec::new();
        for n in parts.into_iter().map(|p| usize::from(p.get())) {
            if bits.len() <= n / 8 {
                bits.resize(n / 8 + 1, 0);
            }
            bits[n / 8] |= 1 << (n % 8);
        }
        Self(bits)
    }

    /// Whether a part is in the set.
    pub fn contains(&self, part: PartNumber) -> bool {
        let n = usize::from(part.get());
        self.0.get(n / 8).is_some_and(|bits| bits & (1 << (n % 8)) != 0)
    }
}

/// The key of a garbage record. A shared content becomes garbage several times, each time under another `stamp`; what becomes garbage
/// only once may have stamp 0.
pub fn garbage_key(since: Timestamp, stamp: u64, id: u128) -> RecordKey {
    RecordKey::new(Family::Garbage, [&since.millis().to_be_bytes()[..], &stamp.to_be_bytes(), &id.to_be_bytes()].concat())
}

impl GarbageRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new(VERSION);
        match self {
            Self::Content(content) => content.write(w.byte(1)),
            Self::Parts { bucket, upload, kept } => {
                w.byte(2).number(bucket.0).array(upload).bytes(&kept.0);
            }
            Self::Bucket(bucket) => {
                w.byte(3).number(bucket.0);
            }
        }
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new("garbage", VERSION, bytes)?;
        let record = match r.byte()? {
            1 => Self::Content(Content::read(&mut r)?),
            2 => Self::Parts { bucket: BucketId(r.number()?), upload: r.array()?, kept: KeptParts(read_bits(&mut r)?) },
            3 => Self::Bucket(BucketId(r.number()?)),
            _ => return Err(r.damaged("a kind of garbage")),
        };
        r.end()?;
        Ok(record)
    }
}

fn read_bits(r: &mut Reader<'_>) -> Result<Vec<u8>, Damaged> {
    let bits = r.bytes()?;
    if bits.len() > usize::from(PARTS_MAX) / 8 + 1 {
        return Err(r.damaged("at most as many parts as an upload has"));
    }
    Ok(bits.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};

    use super::{
        super::content::{ContentId, ContentKind},
        *,
    };

    proptest! {
        #[test]
        fn garbage_reads_back_as_it_was_written(id: u128, shared: bool, bucket: u64, upload: [u8; 16], parts in btree_set(1u64..=10_000, 0..40)) {
            let parts: Vec<_> = parts.into_iter().map(|n| PartNumber::new(n).unwrap()).collect();
            let kept = KeptParts::of(parts.iter().copied());
            for n in 1..=10_000 {
                let part = PartNumber::new(n).unwrap();
                prop_assert_eq!(kept.contains(part), parts.contains(&part));
            }
            for record in [
                GarbageRecord::Content(Content { kind: ContentKind::Blob, id: ContentId(id), shared }),
                GarbageRecord::Parts { bucket: BucketId(bucket), upload, kept: kept.clone() },
                GarbageRecord::Bucket(BucketId(bucket)),
            ] {
                prop_assert_eq!(GarbageRecord::decode(&record.encode()), Ok(record));
            }
        }
    }
}
