//! Stands between a connection and hyper, so that hyper sees only requests that have one reading.
//!
//! A head is held back until it is whole and judged. A refused head is replaced by a request of our own, whose method
//! no client can send; its answer comes in order after the answers to the requests before it, and nothing more is read. Bodies are
//! only counted. Also here, because only here the place in the message is known: patience with slow peers, and
//! the lingering close that lets an early answer arrive.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use holdfast_model::limits::{LINGER_BYTES_MAX, LINGER_SECS, STALL_BYTES_MIN};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::framer::{Framer, Unreadable};
use crate::head_rules::Refusal;
use crate::stall::Patience;

/// The method of the request that stands for a refused one; the rules for heads refuse it from clients.
pub(crate) const REFUSED_METHOD: &str = "HOLDFAST-REFUSED";

/// How long a peer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From the first to the last byte of a head.
    pub(crate) head: Duration,
    /// For [`STALL_BYTES_MIN`] bytes of a body, in either direction.
    pub(crate) stall: Duration,
}

/// What the requests of a connection may know about its bytes.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    bytes_read: AtomicU64,
    bytes_taken: AtomicU64,
    heads: AtomicU64,
    in_body: AtomicBool,
}

impl Traffic {
    /// Bytes read since the last call, heads and chunk lines included: those of one request, if each request calls once at its end.
    pub(crate) fn take_bytes(&self) -> u64 {
        let read = self.bytes_read.load(Ordering::Relaxed);
        read - self.bytes_taken.swap(read, Ordering::Relaxed)
    }

    /// Whether the body of the connection's `nth` request (from 1) has not been received to its end.
    pub(crate) fn in_body_of(&self, nth: u64) -> bool {
        self.heads.load(Ordering::Relaxed) == nth && self.in_body.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
enum Reading {
    Open,
    /// A refused head: its replacement is judged, nothing more is read.
    Refused,
    /// A body that cannot be followed.
    Broken(&'static str),
}

#[derive(Debug)]
enum Closing {
    Open,
    Lingering { bytes_left: u64, patience: Patience },
    Closed,
}

/// A connection whose requests are judged before they are read.
#[derive(Debug)]
pub(crate) struct WireGuard<S> {
    inner: S,
    framer: Framer,
    reading: Reading,
    closing: Closing,
    unjudged: BytesMut,
    judged: BytesMut,
    traffic: Arc<Traffic>,
    head_patience: Patience,
    body_patience: Patience,
    write_patience: Patience,
}

impl<S> WireGuard<S> {
    pub(crate) fn new(inner: S, timeouts: Timeouts, traffic: Arc<Traffic>) -> Self {
        WireGuard {
            inner,
            framer: Framer::new(),
            reading: Reading::Open,
            closing: Closing::Open,
            unjudged: BytesMut::new(),
            judged: BytesMut::new(),
            traffic,
            head_patience: Patience::new(timeouts.head, u64::MAX),
            body_patience: Patience::new(timeouts.stall, STALL_BYTES_MIN),
            write_patience: Patience::new(timeouts.stall, STALL_BYTES_MIN),
        }
    }

    fn judge(&mut self) {
        match self.framer.judge(&mut self.unjudged, &mut self.judged) {
            Ok(()) => {}
            Err(Unreadable::Head(refusal)) => self.refuse(refusal),
            Err(Unreadable::Body(why)) => self.reading = Reading::Broken(why),
        }
        if !self.framer.in_head() || self.unjudged.is_empty() {
            self.head_patience.restart();
        }
        self.traffic.heads.store(self.framer.heads(), Ordering::Relaxed);
        self.traffic.in_body.store(!self.framer.in_head(), Ordering::Relaxed);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.reading = Reading::Refused;
        self.unjudged.clear();
        let stand_in = format!("{REFUSED_METHOD} /{} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n", refusal.slug());
        self.judged.extend_from_slice(stand_in.as_bytes());
    }

    /// Looks at bytes that were read straight into hyper's buffer, and takes back what hyper may not see yet.
    fn arrived(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let bytes = (buf.filled().len() - before) as u64;
        self.traffic.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        if !self.framer.in_head() {
            self.body_patience.progressed(bytes);
        }
        let counted = if self.unjudged.is_empty() { self.framer.counted().min(bytes) } else { 0 };
        if counted > 0 {
            self.framer.passed(counted);
        }
        let passed = before + counted as usize;
        self.unjudged.extend_from_slice(&buf.filled()[passed..]);
        buf.set_filled(passed);
        self.judge();
        if self.framer.in_head() {
            self.body_patience.restart();
        }
    }

    /// The peer has sent nothing for now: an error if it has been waited for too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.framer.in_head() {
            if !self.unjudged.is_empty() && self.head_patience.poll_lost(cx).is_ready() {
                self.refuse(Refusal::HeadTooSlow);
            }
        } else if self.body_patience.poll_lost(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the request body stopped arriving"));
        }
        Ok(())
    }

    /// Whether the peer may still be sending what nobody will read.
    fn has_rest(&self) -> bool {
        !matches!(self.reading, Reading::Open) || !self.framer.in_head() || !self.unjudged.is_empty() || !self.judged.is_empty()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WireGuard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let guard = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if !guard.judged.is_empty() {
                let bytes = guard.judged.len().min(buf.remaining());
                buf.put_slice(&guard.judged[..bytes]);
                guard.judged.advance(bytes);
                return Poll::Ready(Ok(()));
            }
            match guard.reading {
                Reading::Open => {}
                Reading::Refused => return Poll::Pending,
                Reading::Broken(why) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why))),
            }
            let before = buf.filled().len();
            match Pin::new(&mut guard.inner).poll_read(cx, buf) {
                Poll::Ready(Ok(())) if buf.filled().len() == before => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => guard.arrived(buf, before),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    guard.wait(cx)?;
                    if guard.judged.is_empty() {
                        return Poll::Pending;
                    }
                }
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WireGuard<S> {
    fn wrote(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => self.write_patience.progressed(bytes as u64),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                if self.write_patience.poll_lost(cx).is_ready() {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the response stopped being taken")));
                }
            }
        }
        written
    }

    /// Reads and drops what the peer still sends, so that closing does not reset away the answer.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Closing::Lingering { bytes_left, patience } = &mut self.closing else { return Poll::Ready(()) };
        let mut scratch = [0; 8 * 1024];
        while *bytes_left > 0 {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => *bytes_left = bytes_left.saturating_sub(buf.filled().len() as u64),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(patience.poll_lost(cx));
                    break;
                }
            }
        }
        self.closing = Closing::Closed;
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WireGuard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = &mut *self;
        if matches!(guard.closing, Closing::Open) {
            ready!(Pin::new(&mut guard.inner).poll_shutdown(cx))?;
            let patience = Patience::new(Duration::from_secs(LINGER_SECS), u64::MAX);
            guard.closing = if guard.has_rest() { Closing::Lingering { bytes_left: LINGER_BYTES_MAX, patience } } else { Closing::Closed };
        }
        guard.poll_linger(cx).map(Ok)
    }
}
