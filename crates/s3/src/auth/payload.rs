//! What `x-amz-content-sha256` says about the body: nothing, its hash, or that it comes in chunks, signed or not, with a trailer or not.

use super::{scope::parse_hex32, signing::ChunkChain};

/// The declared kind of a body, as it stands in `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// `UNSIGNED-PAYLOAD`: the signature does not cover the body.
    Unsigned,
    /// The body's SHA-256.
    Sha256([u8; 32]),
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: aws-chunked, each chunk signed.
    SignedChunks,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: the same, with a signed trailer.
    SignedChunksTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: aws-chunked, nothing signed, with a trailer.
    UnsignedChunksTrailer,
}

impl PayloadKind {
    /// Reads the header's value; `None` for everything that S3 does not define or that we lack (SigV4A).
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "UNSIGNED-PAYLOAD" => Some(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Some(Self::SignedChunks),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Some(Self::SignedChunksTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(Self::UnsignedChunksTrailer),
            hash => parse_hex32(hash.as_bytes()).map(Self::Sha256),
        }
    }

    /// Whether the body is framed as aws-chunked, so that `aws-chunked` in Content-Encoding is framing and not content.
    pub fn is_chunked(self) -> bool {
        !matches!(self, Self::Unsigned | Self::Sha256(_))
    }
}

/// How a body proves itself: its kind, and for signed chunks the chain that begins at the request's signature.
#[derive(Clone, Debug)]
pub struct PayloadMode {
    kind: PayloadKind,
    chain: Option<ChunkChain>,
}

impl PayloadMode {
    pub(super) fn new(kind: PayloadKind, chain: impl FnOnce() -> ChunkChain) -> Self {
        let signed = matches!(kind, PayloadKind::SignedChunks | PayloadKind::SignedChunksTrailer);
        Self { kind, chain: signed.then(chain) }
    }

    /// The declared kind.
    pub fn kind(&self) -> PayloadKind {
        self.kind
    }

    pub(super) fn into_chain(self) -> Option<ChunkChain> {
        self.chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_values_of_s3_are_known() {
        assert_eq!(PayloadKind::parse(&"0f".repeat(32)), Some(PayloadKind::Sha256([15; 32])));
        for bad in [
            "",
            "unsigned-payload",
            "UNSIGNED-PAYLOAD ",
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            "STREAMING-UNSIGNED-PAYLOAD",
            &"0F".repeat(32),
            &"0".repeat(63),
            &"g".repeat(64),
        ] {
            assert_eq!(PayloadKind::parse(bad), None, "{bad}");
        }
    }
}
