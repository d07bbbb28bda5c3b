//! One connection: bytes are guarded, hyper reads HTTP/1 from them, requests are answered one after the other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::ResponseBody;
use crate::wire_guard::{Timeouts, Traffic, WireGuard};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Address of the peer.
    pub peer: SocketAddr,
    /// Address that the peer reached.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// How far a server is on its way from serving to stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Requests are welcome.
    Serving,
    /// What runs may finish.
    Draining,
    /// Nothing may go on.
    Closing,
}

/// Answers one request of a connection.
pub(crate) type Respond =
    Arc<dyn Fn(Request<Incoming>, ConnectionInfo, Arc<Traffic>) -> BoxFuture<'static, Response<ResponseBody>> + Send + Sync>;

/// What all connections of a listener have in common.
#[derive(Clone)]
pub(crate) struct ConnectionRules {
    pub(crate) respond: Respond,
    pub(crate) timeouts: Timeouts,
    pub(crate) idle_timeout: Duration,
    pub(crate) phase: watch::Receiver<Phase>,
}

impl ConnectionRules {
    /// Serves a connection until either side closes it, or the server does not wait for it any longer.
    pub(crate) async fn serve(mut self, stream: impl AsyncRead + AsyncWrite + Unpin, info: ConnectionInfo) {
        let traffic = Arc::new(Traffic::default());
        let guard = WireGuard::new(stream, self.timeouts, Arc::clone(&traffic));
        let (respond, requests) = (self.respond, AtomicU64::new(0));
        let service = service_fn(move |request| {
            let nth = requests.fetch_add(1, Ordering::Relaxed) + 1;
            let answer = respond(request, info, Arc::clone(&traffic));
            let traffic = Arc::clone(&traffic);
            async move {
                let mut response = answer.await;
                if traffic.in_body_of(nth) {
                    // The rest of the body will not be read, so no further request can follow on this connection.
                    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        // hyper's timeout runs from the end of one message to the end of the next head: the guard bounds the head itself.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.idle_timeout)
            .serve_connection(TokioIo::new(guard), service);
        tokio::pin!(connection);
        loop {
            let phase = *self.phase.borrow_and_update();
            match phase {
                Phase::Serving => {}
                Phase::Draining => connection.as_mut().graceful_shutdown(),
                Phase::Closing => return,
            }
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %info.peer, %error, "connection ended");
                    }
                    return;
                }
                changed = self.phase.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
