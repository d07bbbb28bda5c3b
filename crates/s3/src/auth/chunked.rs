//! The aws-chunked framing, as a machine that takes bytes in any pieces:
//!
//! ```text
//! <hex size>[;chunk-signature=<hex>] CR LF <size bytes> CR LF      each chunk, the last one of size 0 and without bytes
//! <name>:<value> CR LF                                             each trailer
//! [x-amz-trailer-signature:<hex> CR LF]                            where chunks are signed
//! CR LF
//! ```
//!
//! Payload is handed on as it comes, before its chunk's signature is judged: see the invariant of `body.rs`. Only a line is ever
//! buffered, and it is bounded. S3's lower bound of 8 KiB for chunks is not enforced: it protects S3, and some clients are below it.
//! Trailer lines may end with LF alone, and an older way of writing them (`name:value LF CR LF`) is understood; chunk lines may not.

use bytes::{Buf, Bytes};
use holdfast_model::limits::{CHUNK_BYTES_MAX, CHUNK_LINE_BYTES_MAX};
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{body::BodyError, scope::parse_hex32, signing::ChunkChain};

#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    signing: Option<ChunkSigning>,
    trailers: Trailers,
}

#[derive(Debug)]
enum State {
    ChunkLine,
    Payload {
        left: u64,
    },
    PayloadEnd,
    TrailerLine,
    /// The empty line has come. `spare` is what may still follow: the CR LF of the older way of writing trailers.
    End {
        spare: &'static [u8],
    },
}

#[derive(Debug)]
struct ChunkSigning {
    chain: ChunkChain,
    hasher: Sha256,
    claimed: [u8; 32],
    index: u64,
    must_sign_trailer: bool,
}

#[derive(Debug, Default)]
struct Trailers {
    announced: Vec<HeaderName>,
    received: Vec<(HeaderName, HeaderValue)>,
    signature_seen: bool,
    /// The line before ended with LF alone.
    after_bare_lf: bool,
}

impl Chunked {
    pub(super) fn new(chain: Option<ChunkChain>, announced: Vec<HeaderName>, must_sign_trailer: bool) -> Self {
        let signing = chain.map(|chain| ChunkSigning { chain, hasher: Sha256::new(), claimed: [0; 32], index: 0, must_sign_trailer });
        Self { state: State::ChunkLine, line: Vec::new(), signing, trailers: Trailers { announced, ..Trailers::default() } }
    }

    pub(super) fn announced(&self) -> &[HeaderName] {
        &self.trailers.announced
    }

    /// Takes bytes and passes the payload in them to `emit`.
    pub(super) fn push(&mut self, mut input: Bytes, emit: &mut dyn FnMut(Bytes) -> Result<(), BodyError>) -> Result<(), BodyError> {
        while !input.is_empty() {
            match self.state {
                State::ChunkLine => self.take_line(&mut input, Self::chunk_line)?,
                State::Payload { left } => emit(self.take_payload(left, &mut input)?)?,
                State::PayloadEnd => self.take_line(&mut input, Self::payload_end)?,
                State::TrailerLine => self.take_line(&mut input, Self::trailer_line)?,
                State::End { spare } => {
                    let rest = spare.strip_prefix(&input[..1]).ok_or(BodyError::BytesAfterEnd)?;
                    input.advance(1);
                    self.state = State::End { spare: rest };
                }
            }
        }
        Ok(())
    }

    /// The trailers of a body that came to its end; `None` if it did not.
    pub(super) fn finish(self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        matches!(self.state, State::End { .. }).then_some(self.trailers.received)
    }

    /// Gives a whole line with its line feed to `parse`; keeps what is there of an unfinished one.
    fn take_line(&mut self, input: &mut Bytes, parse: fn(&mut Self, &[u8]) -> Result<(), BodyError>) -> Result<(), BodyError> {
        let line_feed = input.iter().take(CHUNK_LINE_BYTES_MAX).position(|b| *b == b'\n');
        let taken = input.split_to(line_feed.map_or(input.len().min(CHUNK_LINE_BYTES_MAX), |at| at + 1));
        if self.line.len() + taken.len() > CHUNK_LINE_BYTES_MAX {
            return Err(self.malformed("a line is too long"));
        }
        match (line_feed, self.line.is_empty()) {
            (Some(_), true) => parse(self, &taken),
            (Some(_), false) => {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&taken);
                parse(self, &line)
            }
            (None, _) => {
                self.line.extend_from_slice(&taken);
                Ok(())
            }
        }
    }

    fn chunk_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let line = line.strip_suffix(b"\r\n").ok_or(BodyError::MalformedChunk("a chunk's line must end with CR LF"))?;
        let (size, extension) = match line.iter().position(|b| *b == b';') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        let size = parse_size(size)?;
        match (&mut self.signing, extension) {
            (Some(signing), Some(extension)) => signing.begin(extension)?,
            (Some(_), None) => return Err(BodyError::MalformedChunk("a chunk must carry ;chunk-signature=")),
            (None, Some(_)) => return Err(BodyError::MalformedChunk("an unsigned chunk has no extension")),
            (None, None) => {}
        }
        if size > 0 {
            self.state = State::Payload { left: size };
            return Ok(());
        }
        self.state = State::TrailerLine;
        self.signing.as_mut().map_or(Ok(()), ChunkSigning::end)
    }

    fn take_payload(&mut self, left: u64, input: &mut Bytes) -> Result<Bytes, BodyError> {
        let taken = input.split_to(usize::try_from(left).unwrap_or(usize::MAX).min(input.len()));
        if let Some(signing) = &mut self.signing {
            signing.hasher.update(&taken);
        }
        let left = left - taken.len() as u64;
        if left > 0 {
            self.state = State::Payload { left };
            return Ok(taken);
        }
        self.state = State::PayloadEnd;
        if let Some(signing) = &mut self.signing {
            signing.end()?;
        }
        Ok(taken)
    }

    fn payload_end(&mut self, line: &[u8]) -> Result<(), BodyError> {
        self.state = State::ChunkLine;
        if line == b"\r\n" { Ok(()) } else { Err(BodyError::MalformedChunk("a chunk's bytes must end with CR LF where its size says")) }
    }

    fn trailer_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (text, bare_lf) = line.strip_suffix(b"\r").map_or((line, true), |text| (text, false));
        if text.is_empty() {
            return self.trailer_end(bare_lf);
        }
        self.trailers.after_bare_lf = bare_lf;
        let (name, value) = split_trailer(text)?;
        if self.trailers.signature_seen {
            return Err(BodyError::MalformedTrailer("x-amz-trailer-signature must come last"));
        }
        if name != "x-amz-trailer-signature" {
            return self.trailers.receive(name, value);
        }
        let signing = self.signing.as_ref().filter(|signing| signing.must_sign_trailer);
        let signing = signing.ok_or(BodyError::MalformedTrailer("x-amz-trailer-signature belongs to signed trailers only"))?;
        let claimed = parse_hex32(value.as_bytes()).ok_or(BodyError::MalformedTrailer("a signature has 64 lower-case hex digits"))?;
        if !bool::from(signing.chain.trailer(&self.trailers.sha256()).ct_eq(&claimed)) {
            return Err(BodyError::TrailerSignatureMismatch);
        }
        self.trailers.signature_seen = true;
        Ok(())
    }

    fn trailer_end(&mut self, bare_lf: bool) -> Result<(), BodyError> {
        let must_sign = self.signing.as_ref().is_some_and(|signing| signing.must_sign_trailer);
        if must_sign && !self.trailers.signature_seen {
            if self.trailers.after_bare_lf && !bare_lf {
                self.trailers.after_bare_lf = false;
                return Ok(());
            }
            return Err(BodyError::MalformedTrailer("x-amz-trailer-signature is missing"));
        }
        self.trailers.check_all_came()?;
        self.state = State::End { spare: if self.trailers.after_bare_lf && !bare_lf { b"\r\n" } else { b"" } };
        Ok(())
    }

    /// A line that cannot be, named after the place where it stands.
    fn malformed(&self, what: &'static str) -> BodyError {
        match self.state {
            State::TrailerLine => BodyError::MalformedTrailer(what),
            _ => BodyError::MalformedChunk(what),
        }
    }
}

impl ChunkSigning {
    fn begin(&mut self, extension: &[u8]) -> Result<(), BodyError> {
        let signature = extension.strip_prefix(b"chunk-signature=").and_then(parse_hex32);
        self.claimed =
            signature.ok_or(BodyError::MalformedChunk("a chunk's extension must be chunk-signature= and 64 lower-case hex digits"))?;
        Ok(())
    }

    fn end(&mut self) -> Result<(), BodyError> {
        let sha256 = self.hasher.finalize_reset().into();
        if !bool::from(self.chain.chunk(&sha256).ct_eq(&self.claimed)) {
            return Err(BodyError::ChunkSignatureMismatch { index: self.index });
        }
        self.index += 1;
        Ok(())
    }
}

impl Trailers {
    fn receive(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), BodyError> {
        if !self.announced.contains(&name) {
            return Err(BodyError::TrailerUnannounced);
        }
        if self.received.iter().any(|(known, _)| *known == name) {
            return Err(BodyError::MalformedTrailer("each trailer comes once"));
        }
        self.received.push((name, value));
        Ok(())
    }

    /// The hash of the trailers as they are signed: a line `name:value` for each, sorted by name.
    fn sha256(&self) -> [u8; 32] {
        let mut lines: Vec<_> = self.received.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect();
        lines.sort_unstable();
        let mut hasher = Sha256::new();
        for (name, value) in lines {
            for part in [name, b":", value, b"\n"] {
                hasher.update(part);
            }
        }
        hasher.finalize().into()
    }

    fn check_all_came(&self) -> Result<(), BodyError> {
        let came = |name: &HeaderName| self.received.iter().any(|(known, _)| known == name);
        match self.announced.iter().find(|name| !came(name)) {
            Some(name) => Err(BodyError::TrailerMissing { name: name.clone() }),
            None => Ok(()),
        }
    }
}

fn parse_size(text: &[u8]) -> Result<u64, BodyError> {
    if !(1..=16).contains(&text.len()) {
        return Err(BodyError::InvalidChunkSize);
    }
    let digit = |b: &u8| char::from(*b).to_digit(16).map(u64::from).ok_or(BodyError::InvalidChunkSize);
    let size = text.iter().try_fold(0_u64, |size, b| Ok(size << 4 | digit(b)?))?;
    if size > CHUNK_BYTES_MAX { Err(BodyError::InvalidChunkSize) } else { Ok(size) }
}

fn split_trailer(line: &[u8]) -> Result<(HeaderName, HeaderValue), BodyError> {
    let malformed = || BodyError::MalformedTrailer("each line must be name:value");
    let at = line.iter().position(|b| *b == b':').ok_or_else(malformed)?;
    let name = HeaderName::from_bytes(&line[..at]).map_err(|_| malformed())?;
    let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii()).map_err(|_| malformed())?;
    Ok((name, value))
}
