//! Keys of records. A family is a table; inside it, keys order by their bytes.

use bytes::Bytes;

/// The families of records. A store may tune each for its use; it never looks into a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// Buckets by name: few (at most `limits::BUCKETS_MAX`), read by every transaction. Keep them in memory.
    Bucket = 1,
    /// Current objects by bucket and key: small, scanned in order.
    Object = 2,
    /// Multipart uploads by bucket, key and id.
    Upload = 3,
    /// Parts by upload and number.
    Part = 4,
    /// Small bodies by content id: values up to `limits::INLINE_BYTES_MAX`, written once, read by key only.
    Body = 5,
    /// Piece lists of objects of several pieces, by content id: values up to a few hundred KiB, read by key only.
    Manifest = 6,
    /// Which blobs are named, by blob id. See the crate's invariants.
    Blob = 7,
    /// Contents with more than one owner, by content id.
    Share = 8,
    /// What is to be reclaimed, in the order in which it became garbage.
    Garbage = 9,
    /// Answers to give again: completed uploads and client tokens.
    Replay = 10,
    /// One record, rewritten to learn whether the store can write.
    Probe = 11,
}

impl Family {
    /// Every family, in order.
    pub const ALL: [Self; 11] = [
        Self::Bucket,
        Self::Object,
        Self::Upload,
        Self::Part,
        Self::Body,
        Self::Manifest,
        Self::Blob,
        Self::Share,
        Self::Garbage,
        Self::Replay,
        Self::Probe,
    ];

    /// A short stable name, for files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Object => "object",
            Self::Upload => "upload",
            Self::Part => "part",
            Self::Body => "body",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Share => "share",
            Self::Garbage => "garbage",
            Self::Replay => "replay",
            Self::Probe => "probe",
        }
    }
}

/// The name of one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// Its table.
    pub family: Family,
    /// Its place in the table.
    pub bytes: Bytes,
}

impl RecordKey {
    /// Names a record.
    pub fn new(family: Family, bytes: impl Into<Bytes>) -> Self {
        Self { family, bytes: bytes.into() }
    }
}

/// Keys `start..end` of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The table.
    pub family: Family,
    /// First key, inclusive.
    pub start: Bytes,
    /// One past the last key; `None` is the end of the family.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// Every key that begins with `prefix`.
    pub fn of_prefix(family: Family, prefix: &[u8]) -> Self {
        Self { family, start: Bytes::copy_from_slice(prefix), end: Self::after_prefix(prefix) }
    }

    /// The least key greater than every key that begins with `prefix`; `None` if there is none.
    pub fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
        let last = prefix.iter().rposition(|b| *b != 0xff)?;
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        Some(end.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_above_all_its_keys_and_below_all_others() {
        for (prefix, expect) in [
            (&b"a"[..], Some(&b"b"[..])),
            (b"a\xff", Some(b"b")),
            (b"a\xff\xff", Some(b"b")),
            (b"\xff", None),
            (b"", None),
            (b"a\x00", Some(b"a\x01")),
        ] {
            assert_eq!(KeyRange::after_prefix(prefix).as_deref(), expect, "{prefix:?}");
        }
    }
}
