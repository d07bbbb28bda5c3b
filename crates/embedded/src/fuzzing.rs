//! What fuzz targets need of the private readers: journals, and the ends of extent files. Only with the feature `fuzzing`.
//!
//! Nothing is decided here: each function calls the reader that recovery and reads call.
#![allow(missing_docs, clippy::missing_errors_doc, reason = "no part of the API")]

use holdfast_store::{BlobId, StoreError};

use crate::{
    extent_format::{Checksummer, TRAILER_BYTES, Trailer, extent_bytes, verify},
    journal,
};

/// Where a journal ends and whether its end is torn; or where it is damaged.
pub fn journal_end(bytes: &[u8]) -> Result<(usize, bool), usize> {
    journal::end_of(bytes)
}

/// What follows the data of an extent file; the data comes in pieces.
pub fn extent_footer<'a>(id: u128, data: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut sums, mut len) = (Checksummer::new(), 0);
    for piece in data {
        sums.update(piece);
        len += piece.len() as u64;
    }
    sums.footer(BlobId(id), len)
}

/// The data of a whole extent file, if every byte of the file is as it was written.
pub fn extent_data(id: u128, file: &[u8]) -> Result<&[u8], StoreError> {
    let start = file.len().saturating_sub(TRAILER_BYTES);
    let trailer = Trailer::parse(&file[start..], BlobId(id), file.len() as u64)?;
    let (data, checksums) = file[..start].split_at(trailer.len as usize);
    let sound = trailer.checksums == crate::extent_format::checksum(checksums) && verify(data, checksums);
    if sound { Ok(data) } else { Err(StoreError::Corrupt("a checksum is wrong".into())) }
}

/// The length of the data that a trailer alone claims.
pub fn extent_trailer(id: u128, trailer: &[u8], file_bytes: u64) -> Result<u64, StoreError> {
    Trailer::parse(trailer, BlobId(id), file_bytes).map(|trailer| trailer.len)
}

/// Bytes of the file of a blob of `len` bytes.
pub fn extent_file_bytes(len: u64) -> Option<u64> {
    extent_bytes(len)
}
