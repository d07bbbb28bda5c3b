//! The bytes of objects: small bodies, blobs, and lists of pieces; and who else owns them.
//!
//! A content is one of: nothing, one small body `(Body, id)`, one blob `(Blob, id)` + the blob itself, or several such
//! pieces named by `(Manifest, id)`. One object owns it, or several after a copy: then every owner's record says `shared`, and
//! owners + pending garbage of the content = 1 + the number in `(Share, id)` (none counts as 0).

use bytes::Bytes;
use holdfast_model::{ChecksumAlgorithm, PartNumber};
use holdfast_store::{BlobId, Family, RecordKey};

use super::{
    codec::{Damaged, Reader, Writer},
    object::{algorithm_code, read_algorithm},
};

const VERSION: u8 = 1;

/// The id of a content; a blob's content has the blob's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub u128);

/// Where the bytes of a content or a piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentKind {
    /// There are none.
    Empty,
    /// In one `Body` record.
    Inline,
    /// In one blob.
    Blob,
    /// In the pieces of one `Manifest` record.
    Pieces,
}

/// The bytes of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Where they are.
    pub kind: ContentKind,
    /// Under which id.
    pub id: ContentId,
    /// Whether another object owns them too, or once did.
    pub shared: bool,
}

/// One piece of a content of several: a part of a multipart upload, or what one append added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The part's number; appended pieces count on.
    pub number: PartNumber,
    /// Where its bytes are; never `Pieces`.
    pub kind: ContentKind,
    /// Under which id.
    pub id: ContentId,
    /// How many bytes.
    pub size: u64,
    /// Their MD5.
    pub md5: [u8; 16],
    /// Their checksum, in the algorithm of the list or of the upload.
    pub checksum: Vec<u8>,
}

/// The pieces of a content, in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ManifestRecord {
    /// The algorithm of the pieces' checksums, if they have one in common.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// At most `limits::PARTS_MAX`.
    pub pieces: Vec<Piece>,
}

/// How many more owners than one a content has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    /// At least 1.
    pub extra_owners: u64,
}

fn id_key(family: Family, id: ContentId) -> RecordKey {
    RecordKey::new(family, Bytes::copy_from_slice(&id.0.to_be_bytes()))
}

/// The key of a small body.
pub fn body_key(id: ContentId) -> RecordKey {
    id_key(Family::Body, id)
}

/// The key of a list of pieces.
pub fn manifest_key(id: ContentId) -> RecordKey {
    id_key(Family::Manifest, id)
}

/// The key that says that a blob is named.
pub fn blob_key(id: ContentId) -> RecordKey {
    RecordKey::new(Family::Blob, Bytes::copy_from_slice(&BlobId(id.0).to_bytes()))
}

/// What stands under [`blob_key`]: the blob's size.
pub fn blob_record(size: u64) -> Bytes {
    let mut w = Writer::new(VERSION);
    w.number(size);
    w.finish()
}

/// The key of a content's further owners.
pub fn share_key(id: ContentId) -> RecordKey {
    id_key(Family::Share, id)
}

impl ContentKind {
    const fn code(self) -> u8 {
        match self {
            Self::Empty => 0,
            Self::Inline => 1,
            Self::Blob => 2,
            Self::Pieces => 3,
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Damaged> {
        match r.byte()? {
            0 => Ok(Self::Empty),
            1 => Ok(Self::Inline),
            2 => Ok(Self::Blob),
            3 => Ok(Self::Pieces),
            _ => Err(r.damaged("a kind of content")),
        }
    }
}

impl Content {
    /// No bytes.
    pub const EMPTY: Self = Self { kind: ContentKind::Empty, id: ContentId(0), shared: false };

    pub(super) fn write(self, w: &mut Writer) {
        w.byte(self.kind.code()).array(&self.id.0.to_be_bytes()).byte(u8::from(self.shared));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { kind: ContentKind::read(r)?, id: ContentId(u128::from_be_bytes(r.array()?)), shared: r.flag()? })
    }
}

impl Piece {
    pub(super) fn write(&self, w: &mut Writer) {
        assert!(self.kind != ContentKind::Pieces, "pieces do not nest");
        w.number(u64::from(self.number.get())).byte(self.kind.code()).array(&self.id.0.to_be_bytes());
        w.number(self.size).array(&self.md5).bytes(&self.checksum);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Damaged> {
        let number = PartNumber::new(r.number()?).map_err(|_| r.damaged("a part number"))?;
        let kind = match ContentKind::read(r)? {
            ContentKind::Pieces => return Err(r.damaged("a piece that is no list of pieces")),
            kind => kind,
        };
        Ok(Self {
            number,
            kind,
            id: ContentId(u128::from_be_bytes(r.array()?)),
            size: r.number()?,
            md5: r.array()?,
            checksum: r.bytes()?.to_vec(),
        })
    }
}

impl ManifestRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::new(VERSION);
        w.option(self.algorithm, |w, algorithm| {
            w.byte(algorithm_code(algorithm));
        });
        w.list(self.pieces.iter(), |w, piece| piece.write(w));
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new("manifest", VERSION, bytes)?;
        let algorithm = r.option(read_algorithm)?;
        let pieces = r.list(Piece::read)?;
        r.end()?;
        Ok(Self { algorithm, pieces })
    }
}

impl ShareRecord {
    /// The record's bytes.
    pub fn encode(self) -> Bytes {
        assert!(self.extra_owners > 0, "a content of one owner has no share record");
        let mut w = Writer::new(VERSION);
        w.number(self.extra_owners);
        w.finish()
    }

    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut r = Reader::new("share", VERSION, bytes)?;
        let extra_owners = r.number()?;
        if extra_owners == 0 {
            return Err(r.damaged("a further owner"));
        }
        r.end()?;
        Ok(Self { extra_owners })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    prop_compose! {
        fn piece()(number in 1u64..=10_000, kind in 0u8..3, id: u128, size: u64, md5: [u8; 16], checksum in vec(any::<u8>(), 0..32)) -> Piece {
            let kind = [ContentKind::Empty, ContentKind::Inline, ContentKind::Blob][usize::from(kind)];
            Piece { number: PartNumber::new(number).unwrap(), kind, id: ContentId(id), size, md5, checksum }
        }
    }

    proptest! {
        #[test]
        fn pieces_and_shares_read_back_as_they_were_written(which in proptest::option::of(0usize..5), pieces in vec(piece(), 0..20), extra_owners in 1u64..) {
            let algorithm = which.map(|n| ChecksumAlgorithm::ALL[n]);
            let manifest = ManifestRecord { algorithm, pieces };
            prop_assert_eq!(ManifestRecord::decode(&manifest.encode()), Ok(manifest));
            let share = ShareRecord { extra_owners };
            prop_assert_eq!(ShareRecord::decode(&share.encode()), Ok(share));
        }

        #[test]
        fn a_share_without_a_further_owner_is_damaged(extra_owners in 0u64..2) {
            let mut w = Writer::new(VERSION);
            w.number(extra_owners);
            prop_assert_eq!(ShareRecord::decode(&w.finish()).is_ok(), extra_owners > 0);
        }

        #[test]
        fn any_bytes_decode_or_are_damaged(bytes in vec(any::<u8>(), 0..200)) {
            let _ = ManifestRecord::decode(&bytes);
        }
    }
}
