//! Answers to give again for at least 24 hours: `(Replay, ...)` of a completed upload, or of a client token.

use bytes::Bytes;
use holdfast_model::{Checksum, ETag, Generation, Timestamp};
use holdfast_store::{Family, RecordKey};

use super::{
    bucket::BucketId,
    codec::{Damaged, Reader, Writer},
    object::{StoredChecksum, algorithm_code, kind_code, read_algorithm, read_kind, read_parts},
};

const VERSION: u8 = 1;

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRecord {
    /// When.
    pub since: Timestamp,
    /// A digest of the request's parameters.
    pub parameters: [u8; 32],
    /// The object's tag.
    pub etag: ETag,
    /// The object's generation.
    pub generation: Generation,
    /// The object's checksum.
    pub checksum: Option<StoredChecksum>,
    /// How many parts the object has.
    pub parts: Option<u16>,
}

/// The key of the answer to an upload's completion.
pub fn completed_upload_key(bucket: BucketId, upload: [u8; 16]) -> RecordKey {
    RecordKey::new(Family::Replay, [&[1][..], &bucket.0.to_be_bytes(), &upload].concat())
}

/// The key of the answer to a client token; `digest` is of the principal and the token.
pub fn token_key(digest: [u8; 32]) -> RecordKey {
    RecordKey::new(Family::Replay, [&[2][..], &digest].concat())
}

impl ReplayRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new(VERSION);
        w.number(self.since.millis()).array(&self.parameters).text(self.etag.as_str()).number(self.generation.0);
        w.option(self.checksum.as_ref(), |w, stored| {
            w.byte(algorithm_code(stored.checksum.algorithm())).byte(kind_code(stored.kind)).bytes(stored.checksum.value());
        });
        w.option(self.parts, |w, parts| {
            w.number(u64::from(parts));
        });
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new("replay", VERSION, bytes)?;
        let since = Timestamp::from_millis(r.number()?);
        let parameters = r.array()?;
        let etag = ETag::parse(r.text()?).map_err(|_| r.damaged("an entity tag"))?;
        let generation = Generation(r.number()?);
        let checksum = r.option(|r| {
            let algorithm = read_algorithm(r)?;
            let kind = read_kind(r)?;
            let checksum = Checksum::new(algorithm, r.bytes()?).map_err(|_| r.damaged("a checksum of the right length"))?;
            Ok(StoredChecksum { checksum, kind })
        })?;
        let parts = r.option(read_parts)?;
        r.end()?;
        Ok(Self { since, parameters, etag, generation, checksum, parts })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_answer_reads_back_as_it_was_written(since: u64, parameters: [u8; 32], etag in "[a-f0-9]{32}-[1-9]", generation: u64) {
            let record = ReplayRecord { since: Timestamp::from_millis(since), parameters, etag: ETag::parse(&etag).unwrap(), generation: Generation(generation), checksum: None, parts: Some(since as u16) };
            prop_assert_eq!(ReplayRecord::decode(&record.encode()), Ok(record));
        }
    }
}
