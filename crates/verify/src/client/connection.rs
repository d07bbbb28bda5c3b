//! HTTP/1.1 over one connection, by hand: what was sent and what was not is known at every moment, an answer that comes before
//! the body is finished is seen, and a body can take as long as its source likes.
//!
//! A connection is used again only after an answer that was read whole to a request that was sent whole.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::call::{Head, Lost, Pieces};
use super::target::{Target, Timeouts};

const HEAD_BYTES_MAX: usize = 256 << 10;
const HEADERS_MAX: usize = 200;
const READ_BYTES: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How the body of the answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Left(u64),
    /// Before the line with the size of a chunk.
    ChunkSize,
    Chunk(u64),
    /// Before the line end after a chunk.
    ChunkEnd,
    Trailers,
    ToTheEnd,
    Done,
}

pub(super) struct Connection {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    framing: Framing,
    timeouts: Timeouts,
    /// Whether the peer and the exchange so far allow another request.
    keeps: bool,
}

fn unknown(why: impl std::fmt::Display) -> Lost {
    Lost::Unknown(why.to_string())
}

impl Connection {
    /// Every failure here is definite.
    pub(super) async fn open(target: &Target, endpoint: usize, host: &str) -> Result<Self, Lost> {
        let to = &target.endpoints[endpoint];
        let nothing = |why: String| Lost::NothingSent(format!("no connection to {to}: {why}"));
        let opened = timeout(target.timeouts.connect, async {
            let tcp = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(|error| nothing(error.to_string()))?;
            tcp.set_nodelay(true).map_err(|error| nothing(error.to_string()))?;
            let Some(tls) = target.tls().filter(|_| to.tls) else { return Ok(Box::new(tcp) as Box<dyn Stream>) };
            let name = to.server_name(host).ok_or_else(|| nothing(format!("{host} is no name of a server")))?;
            let stream = tls.connect(name, tcp).await.map_err(|error| nothing(error.to_string()))?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        });
        let stream = opened.await.map_err(|_| nothing("it takes too long".to_owned()))??;
        Ok(Self { stream, buffer: BytesMut::new(), framing: Framing::Done, timeouts: target.timeouts, keeps: true })
    }

    /// Whether another request may be sent. Sees a peer that has closed.
    pub(super) async fn is_reusable(&mut self) -> bool {
        if !self.keeps || self.framing != Framing::Done || !self.buffer.is_empty() {
            return false;
        }
        // Nothing is to be read now: any byte, end or error disqualifies.
        std::future::poll_fn(|context| {
            let mut byte = [0];
            let mut read = tokio::io::ReadBuf::new(&mut byte);
            std::task::Poll::Ready(std::pin::Pin::new(&mut self.stream).poll_read(context, &mut read).is_pending())
        })
        .await
    }

    #[cfg(test)]
    pub(super) fn is_kept(&self) -> bool {
        self.keeps
    }

    /// Sends a request and reads the head of its answer. `length` is what `pieces` brings in all.
    pub(super) async fn exchange(&mut self, request: Request<'_, impl Pieces>) -> Result<Head, Lost> {
        self.keeps = false;
        let Request { head, method, length, pieces, expects } = request;
        self.stream.write_all(head).await.map_err(|error| unknown(format!("sending the head: {error}")))?;
        self.stream.flush().await.map_err(|error| unknown(format!("sending the head: {error}")))?;
        let mut continued = false;
        if expects {
            match timeout(self.timeouts.continued, self.head()).await {
                Ok(Ok(head)) if head.status == 100 => continued = true,
                Ok(Ok(head)) => return Ok(self.begin_body(method, head, length == 0)),
                Ok(Err(lost)) => return Err(lost),
                // A server that says nothing gets the body, as RFC 9110 has it.
                Err(_) => {}
            }
        }
        let (sent_whole, mut head) = self.send_body(length, pieces).await?;
        head.continued |= continued;
        Ok(self.begin_body(method, head, sent_whole))
    }

    /// Sends the body while it looks for the answer. Whether the body was sent whole, and the final head.
    async fn send_body(&mut self, length: u64, pieces: &mut impl Pieces) -> Result<(bool, Head), Lost> {
        let answer_in = self.timeouts.answer;
        let Self { stream, buffer, .. } = self;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut progress = Ok(());
        let mut sent_whole = false;
        let mut continued = false;
        let head = {
            let sending = write_pieces(&mut writer, length, pieces, answer_in);
            let reading = read_final_head(&mut reader, buffer, &mut continued);
            tokio::pin!(sending, reading);
            tokio::select! {
                // An answer that is there already wins over the rest of the body.
                biased;
                head = &mut reading => head,
                result = &mut sending => {
                    sent_whole = result.is_ok();
                    progress = result;
                    if progress == Err(Lost::GaveUp) {
                        return Err(Lost::GaveUp);
                    }
                    // Where sending broke, the reason may stand in an answer that is still to be read.
                    timeout(answer_in, &mut reading).await.unwrap_or_else(|_| Err(unknown("no answer came in time")))
                }
            }
        };
        let mut head = head.map_err(|lost| progress.err().unwrap_or(lost))?;
        head.continued = continued;
        Ok((sent_whole, head))
    }

    /// The next head, also one of 1xx.
    async fn head(&mut self) -> Result<Head, Lost> {
        read_head(&mut self.stream, &mut self.buffer).await
    }

    fn begin_body(&mut self, method: &str, head: Head, sent_whole: bool) -> Head {
        self.framing = framing(method, &head);
        let closes = head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.keeps = sent_whole && !closes && self.framing != Framing::ToTheEnd;
        head
    }

    /// The next piece of the answer's body, or None at its end.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, Lost> {
        match timeout(self.timeouts.answer, self.piece()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(lost)) => self.broken(lost),
            Err(_) => self.broken(unknown("the body of the answer stopped coming")),
        }
    }

    fn broken<T>(&mut self, lost: Lost) -> Result<T, Lost> {
        self.keeps = false;
        Err(lost)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Lost> {
        loop {
            match self.framing {
                Framing::Done | Framing::Left(0) => {
                    self.framing = Framing::Done;
                    return Ok(None);
                }
                Framing::Left(left) => {
                    let piece = self.some(left).await?;
                    self.framing = Framing::Left(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Framing::Chunk(0) => self.framing = Framing::ChunkEnd,
                Framing::Chunk(left) => {
                    let piece = self.some(left).await?;
                    self.framing = Framing::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Framing::ChunkEnd => {
                    self.line().await?;
                    self.framing = Framing::ChunkSize;
                }
                Framing::ChunkSize => {
                    let line = self.line().await?;
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(digits, 16).map_err(|_| unknown("the answer's chunks cannot be read"))?;
                    self.framing = if size == 0 { Framing::Trailers } else { Framing::Chunk(size) };
                }
                Framing::Trailers => {
                    if self.line().await?.is_empty() {
                        self.framing = Framing::Done;
                    }
                }
                Framing::ToTheEnd => {
                    if self.buffer.is_empty() && self.more().await? == 0 {
                        self.framing = Framing::Done;
                        return Ok(None);
                    }
                    return Ok(Some(self.buffer.split().freeze()));
                }
            }
        }
    }

    /// At least one byte, at most `left`.
    async fn some(&mut self, left: u64) -> Result<Bytes, Lost> {
        if self.buffer.is_empty() && self.more().await? == 0 {
            return Err(unknown("the connection broke in the middle of the answer"));
        }
        let take = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        Ok(self.buffer.split_to(take).freeze())
    }

    async fn line(&mut self) -> Result<String, Lost> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.advance(end + 2);
                return Ok(line);
            }
            if self.buffer.len() > HEAD_BYTES_MAX || self.more().await? == 0 {
                return Err(unknown("the answer's chunks break off"));
            }
        }
    }

    async fn more(&mut self) -> Result<usize, Lost> {
        self.buffer.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.buffer).await.map_err(|error| unknown(format!("reading the answer: {error}")))
    }
}

/// What goes out.
pub(super) struct Request<'a, P> {
    /// Encoded, with the empty line.
    pub(super) head: &'a [u8],
    pub(super) method: &'a str,
    pub(super) length: u64,
    pub(super) pieces: &'a mut P,
    /// Whether to wait for `100 Continue` before the body.
    pub(super) expects: bool,
}

async fn write_pieces(
    writer: &mut (impl AsyncWrite + Unpin),
    length: u64,
    pieces: &mut impl Pieces,
    stalled_after: Duration,
) -> Result<(), Lost> {
    let mut left = length;
    while left > 0 {
        let piece = pieces.next().await.ok_or(Lost::GaveUp)?;
        let piece = piece.slice(..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        left -= piece.len() as u64;
        let writing = async {
            writer.write_all(&piece).await?;
            writer.flush().await
        };
        let written = timeout(stalled_after, writing).await.map_err(|_| unknown("the body is not taken any more"))?;
        written.map_err(|error| unknown(format!("sending the body: {error}")))?;
    }
    Ok(())
}

async fn read_final_head(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut, continued: &mut bool) -> Result<Head, Lost> {
    loop {
        let head = read_head(stream, buffer).await?;
        *continued |= head.status == 100;
        if head.status >= 200 {
            return Ok(head);
        }
    }
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<Head, Lost> {
    loop {
        if let Some((head, length)) = parse(buffer)? {
            buffer.advance(length);
            return Ok(head);
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(unknown("the head of the answer does not end"));
        }
        buffer.reserve(READ_BYTES);
        let read = stream.read_buf(buffer).await.map_err(|error| unknown(format!("reading the answer: {error}")))?;
        if read == 0 {
            return Err(unknown("the connection was closed before an answer"));
        }
    }
}

/// The head at the beginning of `buffer` and its length, once it is there whole.
fn parse(buffer: &[u8]) -> Result<Option<(Head, usize)>, Lost> {
    let mut space = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut space);
    let parsed = response.parse(buffer).map_err(|error| unknown(format!("the answer is no HTTP: {error}")))?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut headers: Vec<_> = response.headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect();
    if response.version == Some(0) && !headers.iter().any(|(name, _)| name == "connection") {
        headers.push(("connection".to_owned(), "close".to_owned()));
    }
    Ok(Some((Head { status: response.code.unwrap_or_default(), headers, continued: false }, length)))
}

fn framing(method: &str, head: &Head) -> Framing {
    let chunked = head.header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
    let length = head.header("content-length").and_then(|value| value.parse().ok());
    match (head.status, length) {
        _ if method == "HEAD" => Framing::Done,
        (204 | 304, _) => Framing::Done,
        _ if chunked => Framing::ChunkSize,
        (_, Some(length)) => Framing::Left(length),
        (_, None) => Framing::ToTheEnd,
    }
}
