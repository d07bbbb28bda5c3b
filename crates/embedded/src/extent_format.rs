//! An extent file: the bytes of one blob from byte 0, then a footer that lets every piece be checked on its own.
//!
//! ```text
//! data                 len bytes
//! checksums            one CRC-32C (u32) for each chunk of 64 KiB of data, the last one shorter
//! trailer, 48 bytes    magic "HFEXTENT" | u32 version | u32 chunk bytes | u64 len | u128 blob id
//!                      | u32 CRC-32C of all checksums | u32 CRC-32C of the trailer before it
//! ```
//! Little-endian, but for the id, which is as in its name. Written once, front to back; a file without a valid trailer was
//! never sealed.

use crc_fast::{CrcAlgorithm, Digest};
use holdfast_store::{BlobId, StoreError};

/// Bytes that one checksum covers.
pub(crate) const CHUNK_BYTES: u64 = 64 * 1024;
/// Bytes of one checksum.
pub(crate) const CHECKSUM_BYTES: u64 = 4;
/// Bytes of the trailer.
pub(crate) const TRAILER_BYTES: usize = 48;

const MAGIC: &[u8; 8] = b"HFEXTENT";
const VERSION: u32 = 1;

pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The checksums of data that comes in pieces of any size.
pub(crate) struct Checksummer {
    current: Digest,
    in_current: u64,
    finished: Vec<u8>,
}

impl Checksummer {
    pub(crate) fn new() -> Self {
        Self { current: Digest::new(CrcAlgorithm::Crc32Iscsi), in_current: 0, finished: Vec::new() }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let take = bytes.len().min((CHUNK_BYTES - self.in_current) as usize);
            let (now, rest) = bytes.split_at(take);
            if self.in_current == 0 && take as u64 == CHUNK_BYTES {
                self.finished.extend_from_slice(&checksum(now).to_le_bytes());
            } else {
                self.current.update(now);
                self.in_current += take as u64;
                if self.in_current == CHUNK_BYTES {
                    self.finish_chunk();
                }
            }
            bytes = rest;
        }
    }

    fn finish_chunk(&mut self) {
        let checksum = self.current.finalize_reset() as u32;
        self.finished.extend_from_slice(&checksum.to_le_bytes());
        self.in_current = 0;
    }

    /// What follows the data.
    pub(crate) fn footer(mut self, id: BlobId, len: u64) -> Vec<u8> {
        if self.in_current > 0 {
            self.finish_chunk();
        }
        let mut footer = self.finished;
        assert_eq!(footer.len() as u64, len.div_ceil(CHUNK_BYTES) * CHECKSUM_BYTES, "every chunk has a checksum");
        let trailer = Trailer { id, len, checksums: checksum(&footer) }.to_bytes();
        footer.extend_from_slice(&trailer);
        footer
    }
}

/// The end of an extent file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) id: BlobId,
    pub(crate) len: u64,
    /// The checksum of all checksums.
    pub(crate) checksums: u32,
}

impl Trailer {
    fn to_bytes(self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(CHUNK_BYTES as u32).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.len.to_le_bytes());
        bytes[24..40].copy_from_slice(&self.id.to_bytes());
        bytes[40..44].copy_from_slice(&self.checksums.to_le_bytes());
        let own = checksum(&bytes[..44]);
        bytes[44..].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// Reads the trailer of the blob's file, which has `file_bytes` bytes.
    pub(crate) fn parse(bytes: &[u8], id: BlobId, file_bytes: u64) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("blob {id}: {what}"));
        let Ok(bytes) = <&[u8; TRAILER_BYTES]>::try_from(bytes) else { return Err(corrupt("the file is too short")) };
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if &bytes[..8] != MAGIC || u32_at(44) != checksum(&bytes[..44]) {
            return Err(corrupt("the file has no valid trailer"));
        }
        if u32_at(8) != VERSION || u64::from(u32_at(12)) != CHUNK_BYTES {
            return Err(corrupt("the file has an unknown format"));
        }
        let (mut len, mut found) = ([0; 8], [0; 16]);
        len.copy_from_slice(&bytes[16..24]);
        found.copy_from_slice(&bytes[24..40]);
        let trailer = Self { id: BlobId::from_bytes(found), len: u64::from_le_bytes(len), checksums: u32_at(40) };
        if trailer.id != id {
            return Err(corrupt("the file is that of another blob"));
        }
        if extent_bytes(trailer.len) != Some(file_bytes) {
            return Err(corrupt("the file has a wrong length"));
        }
        Ok(trailer)
    }
}

/// Bytes of the file of a blob of `len` bytes.
pub(crate) fn extent_bytes(len: u64) -> Option<u64> {
    (len.div_ceil(CHUNK_BYTES) * CHECKSUM_BYTES).checked_add(len)?.checked_add(TRAILER_BYTES as u64)
}

/// Checks data that begins at a chunk's first byte against its checksums.
pub(crate) fn verify(data: &[u8], checksums: &[u8]) -> bool {
    let chunks = data.chunks(CHUNK_BYTES as usize);
    chunks.len() == checksums.len() / CHECKSUM_BYTES as usize
        && chunks.zip(checksums.chunks_exact(CHECKSUM_BYTES as usize)).all(|(chunk, expect)| checksum(chunk).to_le_bytes() == expect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_do_not_depend_on_how_the_data_came() {
        let data: Vec<u8> = (0..200_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let id = BlobId(7);
        let whole = {
            let mut sums = Checksummer::new();
            sums.update(&data);
            sums.footer(id, data.len() as u64)
        };
        for piece in [1, 1000, 65_535, 65_536, 65_537, 131_072] {
            let mut sums = Checksummer::new();
            data.chunks(piece).for_each(|p| sums.update(p));
            assert_eq!(sums.footer(id, data.len() as u64), whole, "pieces of {piece}");
        }
        let (checksums, trailer) = whole.split_at(whole.len() - TRAILER_BYTES);
        assert!(verify(&data, checksums));
        assert_eq!(Trailer::parse(trailer, id, extent_bytes(200_000).unwrap()).unwrap().len, 200_000);
    }

    #[test]
    fn a_trailer_with_any_bit_changed_is_refused() {
        let id = BlobId(u128::MAX / 3);
        let bytes = Trailer { id, len: 65_537, checksums: 9 }.to_bytes();
        let file_bytes = extent_bytes(65_537).unwrap();
        Trailer::parse(&bytes, id, file_bytes).unwrap();
        for bit in 0..TRAILER_BYTES * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Trailer::parse(&damaged, id, file_bytes).is_err(), "bit {bit}");
        }
        assert!(Trailer::parse(&bytes, BlobId(1), file_bytes).is_err(), "another blob");
        assert!(Trailer::parse(&bytes, id, file_bytes - 1).is_err(), "a wrong length");
        assert!(Trailer::parse(&bytes[1..], id, file_bytes).is_err(), "too short");
    }
}
