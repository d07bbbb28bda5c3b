//! A body as it comes in pieces: framing taken off, hash, signatures, lengths and trailers verified. Sans I/O.
//!
//! INVARIANT, and the reason why memory stays bounded: [`BodyDecoder::push`] hands payload bytes on BEFORE anything is proven about
//! them, since a signature can only be judged at the end of its chunk and a hash at the end of the body. They are to be staged where
//! nobody sees them. Only [`BodyDecoder::finish`] proves the whole body; whatever was staged is garbage until it has returned `Ok`,
//! and garbage for ever if it returned an error or was not reached.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    chunked::Chunked,
    header::single,
    payload::{PayloadKind, PayloadMode},
};

/// Decodes and verifies one body.
#[derive(Debug)]
pub struct BodyDecoder {
    lengths: Lengths,
    framing: Framing,
    failed: Option<BodyError>,
}

/// What a body that is whole and genuine ended with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyEnd {
    /// The trailers, exactly those that `x-amz-trailer` announced. The caller verifies the checksums in them.
    pub trailers: Vec<(HeaderName, HeaderValue)>,
    /// Payload bytes, framing not counted.
    pub length: u64,
    /// The payload's SHA-256, if the client declared it and it was therefore computed.
    pub sha256: Option<[u8; 32]>,
}

/// Why a body is not what its head declared. The S3 code of each variant stands in its first sentence. Nothing of such a body may be committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// MissingContentLength: an aws-chunked body without its decoded length.
    #[error("x-amz-decoded-content-length is missing; an aws-chunked body must say how long it is without its framing")]
    MissingDecodedLength,
    /// InvalidArgument: a length that is no decimal number, is given twice, or contradicts the other one.
    #[error("{header} must be one decimal number that agrees with the body")]
    InvalidLength {
        /// Which header.
        header: &'static str,
    },
    /// InvalidRequest: trailers announced for a body that cannot have any.
    #[error("x-amz-trailer needs x-amz-content-sha256 to be one of the STREAMING-...-TRAILER values")]
    TrailerNotPossible,
    /// InvalidRequest: a trailer that is no checksum, is announced twice, or is no header name.
    #[error("the value specified in x-amz-trailer is not supported; announce x-amz-checksum-* headers, each once")]
    TrailerNotSupported,
    /// IncompleteBody: the body ended in the middle, or before its declared length.
    #[error("the body ended after {received} of its bytes; send all that was declared")]
    Incomplete {
        /// Payload bytes that came.
        received: u64,
    },
    /// InvalidRequest: more bytes than declared.
    #[error("the body is longer than the {declared} bytes that were declared; correct the length")]
    TooLong {
        /// The declared length.
        declared: u64,
    },
    /// XAmzContentSHA256Mismatch: the body is not the one that was signed.
    #[error("the x-amz-content-sha256 that was signed is not the hash of the body that came; send the body unchanged")]
    PayloadHashMismatch {
        /// What the client declared.
        declared: [u8; 32],
        /// What came.
        computed: [u8; 32],
    },
    /// SignatureDoesNotMatch: a chunk whose signature is not the one of its bytes and its place.
    #[error("the signature of chunk {index} does not match; sign each chunk over the signature before it")]
    ChunkSignatureMismatch {
        /// Which chunk, from 0.
        index: u64,
    },
    /// SignatureDoesNotMatch: the trailer's signature is not the one of the trailers.
    #[error("x-amz-trailer-signature does not match; sign the trailers as name:value lines over the last chunk's signature")]
    TrailerSignatureMismatch,
    /// InvalidRequest: a chunk whose head or end is not as aws-chunked defines it.
    #[error("the aws-chunked framing is malformed: {0}")]
    MalformedChunk(&'static str),
    /// InvalidChunkSizeError: a chunk size that is no hexadecimal number, or is beyond all bounds.
    #[error("a chunk size must be a hexadecimal number of at most 5 GiB")]
    InvalidChunkSize,
    /// MalformedTrailerError: trailer lines that cannot be read, or a signature that is missing or misplaced.
    #[error("the trailer is malformed: {0}")]
    MalformedTrailer(&'static str),
    /// MalformedTrailerError: a trailer that `x-amz-trailer` did not announce.
    #[error("a trailer came that x-amz-trailer did not announce; announce exactly the trailers that are sent")]
    TrailerUnannounced,
    /// MalformedTrailerError: a trailer that was announced did not come.
    #[error("the trailer {name} was announced and did not come; announce exactly the trailers that are sent")]
    TrailerMissing {
        /// Which one.
        name: HeaderName,
    },
    /// InvalidRequest: bytes behind the end of the aws-chunked body.
    #[error("bytes follow the end of the aws-chunked body; end it with one empty line")]
    BytesAfterEnd,
}

#[derive(Debug)]
struct Lengths {
    /// Content-Length: all bytes, framing included.
    encoded: Option<u64>,
    encoded_received: u64,
    /// The payload's length.
    decoded: Option<u64>,
    decoded_received: u64,
}

#[derive(Debug)]
enum Framing {
    Plain { sha256: Option<([u8; 32], Sha256)> },
    Chunked(Box<Chunked>),
}

const CONTENT_LENGTH: &str = "content-length";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

impl BodyDecoder {
    /// Prepares for the body of a request with these headers, whose authentication gave `payload`.
    ///
    /// # Errors
    /// Lengths or announced trailers that cannot be: before a byte of the body is read.
    pub fn new(payload: PayloadMode, headers: &HeaderMap) -> Result<Self, BodyError> {
        let kind = payload.kind();
        let lengths = Lengths::declared(headers, kind.is_chunked())?;
        let announced = announced_trailers(headers)?;
        let may_trail = matches!(kind, PayloadKind::SignedChunksTrailer | PayloadKind::UnsignedChunksTrailer);
        if !announced.is_empty() && !may_trail {
            return Err(BodyError::TrailerNotPossible);
        }
        let framing = match kind {
            PayloadKind::Unsigned => Framing::Plain { sha256: None },
            PayloadKind::Sha256(declared) => Framing::Plain { sha256: Some((declared, Sha256::new())) },
            _ => {
                let must_sign_trailer = kind == PayloadKind::SignedChunksTrailer;
                Framing::Chunked(Box::new(Chunked::new(payload.into_chain(), announced, must_sign_trailer)))
            }
        };
        Ok(Self { lengths, framing, failed: None })
    }

    /// The declared length of the payload without framing; `None` if the client gave none (then a write that needs it is refused).
    pub fn length(&self) -> Option<u64> {
        self.lengths.decoded
    }

    /// The names that `x-amz-trailer` announced: which checksums the end of the body will bring.
    pub fn announced_trailers(&self) -> &[HeaderName] {
        match &self.framing {
            Framing::Plain { .. } => &[],
            Framing::Chunked(chunked) => chunked.announced(),
        }
    }

    /// Takes the next bytes from the wire and appends the payload in them to `out`, without copying. UNPROVEN until [`Self::finish`].
    ///
    /// # Errors
    /// The first thing that is wrong; from then on every call repeats it.
    pub fn push(&mut self, input: Bytes, out: &mut Vec<Bytes>) -> Result<(), BodyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.take(input, out).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn take(&mut self, input: Bytes, out: &mut Vec<Bytes>) -> Result<(), BodyError> {
        self.lengths.count_encoded(input.len())?;
        match &mut self.framing {
            Framing::Chunked(chunked) => chunked.push(input, &mut |payload| {
                self.lengths.count_decoded(payload.len())?;
                out.push(payload);
                Ok(())
            }),
            Framing::Plain { sha256 } => {
                self.lengths.count_decoded(input.len())?;
                if let Some((_, hasher)) = sha256 {
                    hasher.update(&input);
                }
                if !input.is_empty() {
                    out.push(input);
                }
                Ok(())
            }
        }
    }

    /// The wire has ended: judges the whole body. Only `Ok` makes what [`Self::push`] gave out true.
    ///
    /// # Errors
    /// What is wrong with the body: it was cut short, is not the one that was signed, or lacks its trailer.
    pub fn finish(self) -> Result<BodyEnd, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let length = self.lengths.decoded_received;
        let end = match self.framing {
            Framing::Chunked(chunked) => {
                BodyEnd { trailers: chunked.finish().ok_or(BodyError::Incomplete { received: length })?, length, sha256: None }
            }
            Framing::Plain { sha256: None } => BodyEnd { trailers: Vec::new(), length, sha256: None },
            Framing::Plain { sha256: Some((declared, hasher)) } => {
                self.lengths.check_complete()?;
                let computed: [u8; 32] = hasher.finalize().into();
                if !bool::from(computed.ct_eq(&declared)) {
                    return Err(BodyError::PayloadHashMismatch { declared, computed });
                }
                BodyEnd { trailers: Vec::new(), length, sha256: Some(computed) }
            }
        };
        self.lengths.check_complete()?;
        Ok(end)
    }
}

impl Lengths {
    fn declared(headers: &HeaderMap, chunked: bool) -> Result<Self, BodyError> {
        let encoded = length_header(headers, CONTENT_LENGTH)?;
        let decoded = length_header(headers, DECODED_LENGTH)?;
        let decoded = match (chunked, encoded, decoded) {
            (true, _, None) => return Err(BodyError::MissingDecodedLength),
            (true, Some(encoded), Some(decoded)) if decoded > encoded => return Err(BodyError::InvalidLength { header: DECODED_LENGTH }),
            (false, Some(encoded), Some(decoded)) if decoded != encoded => return Err(BodyError::InvalidLength { header: DECODED_LENGTH }),
            (true, ..) => decoded,
            (false, ..) => encoded.or(decoded),
        };
        Ok(Self { encoded, encoded_received: 0, decoded, decoded_received: 0 })
    }

    fn count_encoded(&mut self, bytes: usize) -> Result<(), BodyError> {
        count(&mut self.encoded_received, bytes, self.encoded)
    }

    fn count_decoded(&mut self, bytes: usize) -> Result<(), BodyError> {
        count(&mut self.decoded_received, bytes, self.decoded)
    }

    fn check_complete(&self) -> Result<(), BodyError> {
        let is_whole = |received: u64, declared: Option<u64>| declared.is_none_or(|declared| received == declared);
        if is_whole(self.encoded_received, self.encoded) && is_whole(self.decoded_received, self.decoded) {
            return Ok(());
        }
        Err(BodyError::Incomplete { received: self.decoded_received })
    }
}

fn count(received: &mut u64, bytes: usize, declared: Option<u64>) -> Result<(), BodyError> {
    *received += bytes as u64;
    match declared {
        Some(declared) if *received > declared => Err(BodyError::TooLong { declared }),
        _ => Ok(()),
    }
}

fn length_header(headers: &HeaderMap, header: &'static str) -> Result<Option<u64>, BodyError> {
    let invalid = BodyError::InvalidLength { header };
    let Ok(value) = single(headers, header) else { return Err(invalid) };
    let Some(text) = value else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Some).ok_or(invalid)
}

fn announced_trailers(headers: &HeaderMap) -> Result<Vec<HeaderName>, BodyError> {
    let mut names: Vec<HeaderName> = Vec::new();
    for value in headers.get_all("x-amz-trailer") {
        for name in value.as_bytes().split(|b| *b == b',') {
            let name = HeaderName::from_bytes(name.trim_ascii()).map_err(|_| BodyError::TrailerNotSupported)?;
            if !name.as_str().starts_with("x-amz-checksum-") || names.contains(&name) {
                return Err(BodyError::TrailerNotSupported);
            }
            names.push(name);
        }
    }
    Ok(names)
}
