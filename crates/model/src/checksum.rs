//! The additional checksums of S3
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>). Here they are values;
//! computing them is the work of `objects`.

/// An algorithm that a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME; the default of current SDKs' server side.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name in XML documents and in `x-amz-checksum-algorithm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The algorithm of that name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of a value, before Base64.
    pub const fn value_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The kind that a multipart upload gets when it names none.
    pub const fn default_kind(self) -> ChecksumKind {
        match self {
            Self::Crc64Nvme => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        }
    }

    /// Whether a multipart object may have a checksum of this algorithm and kind.
    pub const fn allows(self, kind: ChecksumKind) -> bool {
        match kind {
            ChecksumKind::FullObject => matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64Nvme),
            ChecksumKind::Composite => !matches!(self, Self::Crc64Nvme),
        }
    }
}

/// What a checksum of an object of several parts covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// All bytes of the object.
    FullObject,
    /// The checksums of the parts, one after the other.
    Composite,
}

impl ChecksumKind {
    /// The name in `x-amz-checksum-type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// The kind of that name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite].into_iter().find(|k| k.name().eq_ignore_ascii_case(name))
    }
}

/// A value whose length fits its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: Vec<u8>,
}

/// The value has a length that the algorithm never gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {} checksum has {} bytes before Base64", .0.name(), .0.value_bytes())]
pub struct InvalidChecksum(pub ChecksumAlgorithm);

impl Checksum {
    /// Pairs an algorithm with its value.
    ///
    /// # Errors
    /// [`InvalidChecksum`] if the length does not fit.
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Result<Self, InvalidChecksum> {
        if value.len() == algorithm.value_bytes() { Ok(Self { algorithm, value: value.to_vec() }) } else { Err(InvalidChecksum(algorithm)) }
    }

    /// How the value was computed.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The bytes of the value.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_kinds_follow_the_table_of_s3() {
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(ChecksumAlgorithm::parse(&algorithm.name().to_lowercase()), Some(algorithm));
            assert!(algorithm.allows(algorithm.default_kind()));
            assert!(Checksum::new(algorithm, &[0; 3]).is_err());
        }
        assert!(!ChecksumAlgorithm::Sha256.allows(ChecksumKind::FullObject));
        assert!(!ChecksumAlgorithm::Crc64Nvme.allows(ChecksumKind::Composite));
        assert!(ChecksumAlgorithm::Crc32.allows(ChecksumKind::FullObject));
    }
}
