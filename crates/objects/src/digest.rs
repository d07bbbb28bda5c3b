//! Digests of bodies, computed while they pass: always the MD5 (the etag), and one additional checksum.

use crc_fast::CrcAlgorithm;
use holdfast_model::{Checksum, ChecksumAlgorithm};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// A running checksum of one algorithm.
pub(crate) enum Running {
    Crc(ChecksumAlgorithm, Box<crc_fast::Digest>),
    Sha1(Sha1),
    Sha256(Sha256),
}

const fn crc_of(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

impl Running {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        match crc_of(algorithm) {
            Some(crc) => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            None if algorithm == ChecksumAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            None => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) const fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Crc(algorithm, _) => *algorithm,
            Self::Sha1(_) => ChecksumAlgorithm::Sha1,
            Self::Sha256(_) => ChecksumAlgorithm::Sha256,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc(algorithm, digest) => (algorithm, crc_bytes(algorithm, digest.finalize())),
            Self::Sha1(digest) => (ChecksumAlgorithm::Sha1, digest.finalize().to_vec()),
            Self::Sha256(digest) => (ChecksumAlgorithm::Sha256, digest.finalize().to_vec()),
        };
        Checksum::new(algorithm, &value).expect("a digest has the length of its algorithm")
    }
}

fn crc_bytes(algorithm: ChecksumAlgorithm, crc: u64) -> Vec<u8> {
    crc.to_be_bytes()[8 - algorithm.value_bytes()..].to_vec()
}

fn crc_value(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// The checksum of `first` followed by `second_len` bytes whose checksum is `second`; `None` if the algorithm cannot tell.
pub(crate) fn combine(algorithm: ChecksumAlgorithm, first: &[u8], second: &[u8], second_len: u64) -> Option<Vec<u8>> {
    let crc = crc_of(algorithm)?;
    let combined = crc_fast::checksum_combine(crc, crc_value(first), crc_value(second), second_len);
    Some(crc_bytes(algorithm, combined))
}

/// The checksum of some bytes.
pub(crate) fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut running = Running::new(algorithm);
    running.update(bytes);
    running.finish()
}

/// The MD5 of several byte strings, one after the other.
pub(crate) fn md5_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut digest = Md5::new();
    pieces.into_iter().for_each(|piece| digest.update(piece));
    digest.finalize().into()
}

/// A digest of some fields that tells field borders apart.
pub(crate) fn fingerprint<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for field in fields {
        digest.update((field.len() as u64).to_be_bytes());
        digest.update(field);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The check values of the CRC catalogue and of FIPS 180, for the text 123456789.
    #[test]
    fn checksums_are_those_of_the_published_algorithms() {
        for (algorithm, expect) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            assert_eq!(hex(checksum_of(algorithm, b"123456789").value()), expect, "{}", algorithm.name());
        }
    }

    #[test]
    fn crcs_of_two_halves_combine_to_the_crc_of_the_whole() {
        let whole: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        for algorithm in ChecksumAlgorithm::ALL {
            for cut in [0, 1, 70_000, 100_000] {
                let (a, b) = whole.split_at(cut);
                let combined = combine(algorithm, checksum_of(algorithm, a).value(), checksum_of(algorithm, b).value(), b.len() as u64);
                match crc_of(algorithm) {
                    Some(_) => {
                        assert_eq!(combined.as_deref(), Some(checksum_of(algorithm, &whole).value()), "{} at {cut}", algorithm.name());
                    }
                    None => assert_eq!(combined, None),
                }
            }
        }
    }
}
