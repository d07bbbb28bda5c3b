//! One keep-alive connection: writes a request, reads the answer, keeps of it only what a workload needs.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sign::Signer;

pub struct Client {
    stream: TcpStream,
    host: String,
    signer: Signer,
    buffer: Vec<u8>,
}

pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Canonical: sorted and encoded.
    pub query: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    /// The payload's SHA-256 in hex, or UNSIGNED-PAYLOAD.
    pub payload: &'a str,
    pub body: &'a [u8],
}

pub struct Answer {
    pub status: u16,
    pub etag: String,
    /// Bytes of the body.
    pub length: usize,
    /// The body, if it was asked for.
    pub body: Vec<u8>,
}

impl Client {
    pub async fn connect(address: &str, signer: Signer) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_owned(), signer, buffer: Vec::with_capacity(1 << 20) })
    }

    pub async fn send(&mut self, request: &Request<'_>, keep_body: bool) -> Result<Answer> {
        let Request { method, path, query, headers, payload, body } = *request;
        let mut head = self.signer.head(method, &self.host, path, query, headers, payload, body.len()).into_bytes();
        if body.len() <= 64 * 1024 {
            head.extend_from_slice(body);
            self.stream.write_all(&head).await?;
        } else {
            self.stream.write_all(&head).await?;
            self.stream.write_all(body).await?;
        }
        self.receive(keep_body).await
    }

    async fn receive(&mut self, keep_body: bool) -> Result<Answer> {
        self.buffer.clear();
        let head_length = loop {
            self.fill().await?;
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..head_length]).context("an answer's head that is not text")?;
        let status = head.get(9..12).context("a short status line")?.parse()?;
        let etag = header(head, "etag").unwrap_or_default().to_owned();
        let declared = header(head, "content-length").map(str::parse::<usize>).transpose()?;
        let chunked = header(head, "transfer-encoding") == Some("chunked");
        self.buffer.drain(..head_length);
        let (length, body) = match declared {
            Some(length) => self.receive_length(length, keep_body || status >= 300).await?,
            None if chunked => self.receive_chunks().await?,
            None => (0, Vec::new()),
        };
        Ok(Answer { status, etag, length, body })
    }

    async fn receive_length(&mut self, length: usize, keep: bool) -> Result<(usize, Vec<u8>)> {
        let mut left = length.checked_sub(self.buffer.len()).context("bytes beyond the answer")?;
        let mut kept = Vec::new();
        while left > 0 {
            if keep {
                kept.extend_from_slice(&self.buffer);
            }
            self.buffer.clear();
            left -= self.fill().await?;
        }
        if keep {
            kept.extend_from_slice(&self.buffer);
        }
        Ok((length, kept))
    }

    async fn receive_chunks(&mut self) -> Result<(usize, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let Some(end) = find(&self.buffer, b"\r\n") else {
                self.fill().await?;
                continue;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..end])?, 16)?;
            while self.buffer.len() < end + 2 + size + 2 {
                self.fill().await?;
            }
            body.extend_from_slice(&self.buffer[end + 2..end + 2 + size]);
            self.buffer.drain(..end + 2 + size + 2);
            if size == 0 {
                return Ok((body.len(), body));
            }
        }
    }

    async fn fill(&mut self) -> Result<usize> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => bail!("the server closed the connection in the middle of an answer"),
            read => Ok(read),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (given, value) = line.split_once(':')?;
        given.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
