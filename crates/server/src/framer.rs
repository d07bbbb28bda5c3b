//! Follows a connection's messages: head, body, next head. Pure: bytes move from `unjudged` to `judged`, or the message is refused.
//!
//! What is in `judged` has one reading, and it is the one that hyper has. Bodies are only counted.

use bytes::{Buf, BytesMut};
use holdfast_model::limits::{HEAD_BYTES_MAX, TRANSFER_LINES_BYTES_MAX};

use crate::head_rules::{Framing, Refusal, judge_head, judge_trailer};

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A head, of which this many bytes are known to hold no line end that closes it.
    Head { scanned: usize },
    /// A body with this many bytes to come.
    Body { left: u64 },
    /// The line with a chunk's size.
    ChunkSize,
    /// A chunk with this many bytes to come.
    Chunk { left: u64 },
    /// The CRLF after a chunk.
    ChunkEnd,
    /// A line after the last chunk; `bytes` counts all of them.
    Trailer { bytes: usize },
}

/// Why nothing more of a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A head that is refused: there is somebody to answer.
    Head(Refusal),
    /// A body whose chunks cannot be followed: its request is under way.
    Body(&'static str),
}

/// Where a connection stands in its messages.
#[derive(Debug)]
pub(crate) struct Framer {
    place: Place,
    heads: u64,
}

impl Framer {
    pub(crate) fn new() -> Self {
        Framer { place: Place::Head { scanned: 0 }, heads: 0 }
    }

    /// Between two messages, or inside a head.
    pub(crate) fn in_head(&self) -> bool {
        matches!(self.place, Place::Head { .. })
    }

    /// How many heads have been judged good.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// How many of the next bytes need no look, because they are counted.
    pub(crate) fn counted(&self) -> u64 {
        match self.place {
            Place::Body { left } | Place::Chunk { left } => left,
            _ => 0,
        }
    }

    /// Counts bytes that were passed on without a look: at most [`Framer::counted`].
    pub(crate) fn passed(&mut self, bytes: u64) {
        self.place = match self.place {
            Place::Body { left } if left > bytes => Place::Body { left: left - bytes },
            Place::Body { left } if left == bytes => Place::Head { scanned: 0 },
            Place::Chunk { left } if left > bytes => Place::Chunk { left: left - bytes },
            Place::Chunk { left } if left == bytes => Place::ChunkEnd,
            place => unreachable!("{bytes} bytes counted in {place:?}"),
        };
    }

    /// Moves all bytes whose meaning is certain to `judged`; what stays needs more bytes.
    pub(crate) fn judge(&mut self, unjudged: &mut BytesMut, judged: &mut BytesMut) -> Result<(), Unreadable> {
        while self.step(unjudged, judged)? {}
        Ok(())
    }

    /// One move; `false` when more bytes are needed.
    fn step(&mut self, unjudged: &mut BytesMut, judged: &mut BytesMut) -> Result<bool, Unreadable> {
        match self.place {
            Place::Head { scanned } => self.head(scanned, unjudged, judged),
            Place::Body { .. } | Place::Chunk { .. } => {
                let bytes = self.counted().min(unjudged.len() as u64);
                judged.unsplit(unjudged.split_to(bytes as usize));
                if bytes > 0 {
                    self.passed(bytes);
                }
                Ok(bytes > 0)
            }
            Place::ChunkSize => {
                let Some(line) = take_line(unjudged, judged, TRANSFER_LINES_BYTES_MAX)? else { return Ok(false) };
                self.place = match chunk_size(&judged[line])? {
                    0 => Place::Trailer { bytes: 0 },
                    left => Place::Chunk { left },
                };
                Ok(true)
            }
            Place::ChunkEnd => {
                let Some(line) = take_line(unjudged, judged, 2)? else { return Ok(false) };
                if !line.is_empty() {
                    return Err(Unreadable::Body("a chunk is longer than its size"));
                }
                self.place = Place::ChunkSize;
                Ok(true)
            }
            Place::Trailer { bytes } => {
                let Some(line) = take_line(unjudged, judged, TRANSFER_LINES_BYTES_MAX - bytes)? else { return Ok(false) };
                self.place = if line.is_empty() {
                    Place::Head { scanned: 0 }
                } else {
                    judge_trailer(&judged[line.clone()]).map_err(|refusal| Unreadable::Body(refusal.message()))?;
                    Place::Trailer { bytes: bytes + line.len() + 2 }
                };
                Ok(true)
            }
        }
    }

    fn head(&mut self, scanned: usize, unjudged: &mut BytesMut, judged: &mut BytesMut) -> Result<bool, Unreadable> {
        // RFC 9112, 2.2: empty lines before a request line are ignored.
        if scanned == 0 && unjudged.starts_with(b"\r\n") {
            unjudged.advance(2);
            return Ok(true);
        }
        let Some(end) = head_end(unjudged, scanned).map_err(Unreadable::Head)? else {
            if unjudged.len() > HEAD_BYTES_MAX {
                return Err(Unreadable::Head(Refusal::HeadTooLarge));
            }
            // The last three bytes may begin the end, and CRLF in front of a request line must stay recognisable.
            self.place = Place::Head { scanned: unjudged.len().saturating_sub(3) };
            return Ok(false);
        };
        if end > HEAD_BYTES_MAX {
            return Err(Unreadable::Head(Refusal::HeadTooLarge));
        }
        let framing = judge_head(&unjudged[..end]).map_err(Unreadable::Head)?;
        judged.unsplit(unjudged.split_to(end));
        self.heads += 1;
        self.place = match framing {
            Framing::Length(0) => Place::Head { scanned: 0 },
            Framing::Length(left) => Place::Body { left },
            Framing::Chunked => Place::ChunkSize,
        };
        Ok(true)
    }
}

/// The length of the head that `bytes` begins with, if its end is there.
fn head_end(bytes: &[u8], scanned: usize) -> Result<Option<usize>, Refusal> {
    for at in scanned..bytes.len() {
        if bytes[at] == b'\n' {
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Refusal::BareLineFeed);
            }
            if at >= 3 && &bytes[at - 3..at] == b"\r\n\r" {
                return Ok(Some(at + 1));
            }
        }
    }
    Ok(None)
}

/// Moves one line to `judged` and says where it lies there, without its CRLF.
fn take_line(unjudged: &mut BytesMut, judged: &mut BytesMut, bytes_max: usize) -> Result<Option<std::ops::Range<usize>>, Unreadable> {
    let Some(end) = unjudged.iter().position(|&byte| byte == b'\n') else {
        let too_long = unjudged.len() >= bytes_max;
        return if too_long { Err(Unreadable::Body("a line between chunks is too long")) } else { Ok(None) };
    };
    if end == 0 || unjudged[end - 1] != b'\r' {
        return Err(Unreadable::Body("a line between chunks ends in LF alone"));
    }
    if end >= bytes_max {
        return Err(Unreadable::Body("a line between chunks is too long"));
    }
    let start = judged.len();
    judged.unsplit(unjudged.split_to(end + 1));
    Ok(Some(start..start + end - 1))
}

/// A size in hex, followed by nothing or by extensions, which mean nothing here.
fn chunk_size(line: &[u8]) -> Result<u64, Unreadable> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let extension_is_plain = match line.get(digits) {
        None => true,
        Some(b';') => line[digits..].iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)),
        Some(_) => false,
    };
    if !(1..=15).contains(&digits) || !extension_is_plain {
        return Err(Unreadable::Body("a chunk's size is not a hexadecimal number"));
    }
    let value = |digit: &u8| u64::from(char::from(*digit).to_digit(16).unwrap_or(0));
    Ok(line[..digits].iter().fold(0, |size, digit| size * 16 + value(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces that end where `cuts` says, and returns what passed and how it ended.
    fn follow(input: &[u8], piece: usize) -> (Vec<u8>, Result<bool, Unreadable>) {
        let (mut framer, mut unjudged, mut judged) = (Framer::new(), BytesMut::new(), BytesMut::new());
        for part in input.chunks(piece) {
            unjudged.extend_from_slice(part);
            if let Err(why) = framer.judge(&mut unjudged, &mut judged) {
                return (judged.to_vec(), Err(why));
            }
        }
        (judged.to_vec(), Ok(framer.in_head() && unjudged.is_empty()))
    }

    #[test]
    fn whole_messages_pass_unchanged_however_they_are_cut() {
        let messages: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\nGET /x HTTP/1.1\nContent-Length:",
            b"PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\nA;x=y\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n",
            b"PUT /k HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nHost: a\r\n\r\n0\r\n\r\n",
            b"PUT /k HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
        ];
        let stream = messages.concat();
        for piece in 1..=stream.len() {
            let (judged, end) = follow(&stream, piece);
            assert_eq!(end, Ok(true), "pieces of {piece}");
            assert_eq!(judged, stream, "pieces of {piece}");
        }
    }

    #[test]
    fn chunks_with_two_readings_are_refused_however_they_are_cut() {
        let head = b"PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice();
        let bodies: [&[u8]; 11] = [
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhellox\r\n0\r\n\r\n",
            b"\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"1000000000000000000\r\nhello\r\n",
            b"0\r\nContent-Length: 5\r\n\r\n",
            b"0\r\n folded\r\n\r\n",
        ];
        for body in bodies {
            let stream = [head, body].concat();
            for piece in 1..=stream.len() {
                let (_, end) = follow(&stream, piece);
                assert!(matches!(end, Err(Unreadable::Body(_))), "{:?} in pieces of {piece}: {end:?}", String::from_utf8_lossy(body));
            }
        }
    }

    #[test]
    fn heads_of_any_size_are_bounded() {
        let endless = vec![b'a'; HEAD_BYTES_MAX + 2];
        assert_eq!(follow(&endless, 4096).1, Err(Unreadable::Head(Refusal::HeadTooLarge)));
        let mut stream = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".to_vec();
        stream.extend(b"x: y\r\n".repeat(TRANSFER_LINES_BYTES_MAX / 6 + 1));
        assert!(matches!(follow(&stream, 1000).1, Err(Unreadable::Body(_))));
    }
}
