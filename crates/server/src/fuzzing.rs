//! What fuzz targets need of the private head guard: what it lets through, and what hyper makes of that. Only with the feature `fuzzing`.
#![allow(missing_docs, clippy::missing_panics_doc, reason = "no part of the API")]

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::framer::{Framer, Unreadable};
use crate::wire_guard::{REFUSED_METHOD, Timeouts, WireGuard};

/// What the framer let through, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Followed {
    pub judged: Vec<u8>,
    pub heads: u64,
    pub end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing is refused; whether the bytes end between two messages.
    Open { between_messages: bool },
    /// A head was refused.
    Head,
    /// A body cannot be followed.
    Body,
}

/// Follows a connection whose bytes come in these pieces.
pub fn follow<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Followed {
    let (mut framer, mut unjudged, mut judged) = (Framer::new(), BytesMut::new(), BytesMut::new());
    let mut end = None;
    for piece in pieces {
        unjudged.extend_from_slice(piece);
        if let Err(why) = framer.judge(&mut unjudged, &mut judged) {
            end = Some(if matches!(why, Unreadable::Head(_)) { End::Head } else { End::Body });
            break;
        }
    }
    let open = || End::Open { between_messages: framer.in_head() && unjudged.is_empty() };
    Followed { heads: framer.heads(), end: end.unwrap_or_else(open), judged: judged.to_vec() }
}

/// A request as hyper read it behind the guard. Without a body if that did not come whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub method: String,
    pub target: String,
    pub headers: usize,
    pub body: Option<Vec<u8>>,
}

/// The requests that hyper reads of a connection whose bytes come in these pieces, through the guard. Refused heads are left out.
pub fn served(pieces: Vec<Vec<u8>>) -> Vec<Read> {
    let read = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let timeouts = Timeouts { head: Duration::from_hours(1), stall: Duration::from_hours(1) };
        let guard = WireGuard::new(Peer { pieces, next: 0, yielded: false }, timeouts, Arc::default());
        let service = service_fn(|request: Request<Incoming>| record(request, Arc::clone(&read)));
        // How a connection ends is hyper's affair; what it read of it is ours.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(guard), service).await;
    });
    let mut read = read.lock().expect("no request panicked");
    std::mem::take(&mut *read)
}

async fn record(request: Request<Incoming>, read: Arc<Mutex<Vec<Read>>>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
    if head.method.as_str() != REFUSED_METHOD {
        let method = head.method.to_string();
        read.lock().expect("no request panicked").push(Read { method, target: head.uri.to_string(), headers: head.headers.len(), body });
    }
    Ok(Response::new(Empty::new()))
}

/// A peer that sends these pieces, then ends, and takes every answer.
struct Peer {
    pieces: Vec<Vec<u8>>,
    next: usize,
    yielded: bool,
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Nothing is there between two pieces, so that the guard sees each of them alone.
        if !std::mem::replace(&mut self.yielded, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.next;
        let Some(piece) = self.pieces.get_mut(next) else { return Poll::Ready(Ok(())) };
        let taken = piece.len().min(buf.remaining());
        buf.put_slice(&piece[..taken]);
        piece.drain(..taken);
        if piece.is_empty() {
            self.next += 1;
            self.yielded = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
