//! One request from its head to the last byte of its answer: in flight, counted, logged, on every way out.
//!
//! The trace ends by being dropped, so a client that goes away and a response that breaks off are logged too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::config::LogKeys;
use crate::connection::ConnectionInfo;
use crate::metrics::{Finished, Metrics};
use crate::telemetry::logged_key;
use crate::wire_guard::Traffic;
use crate::{BoxError, ResponseBody};
use holdfast_s3::RequestFacts;

/// A request under way.
pub(crate) struct RequestTrace {
    metrics: Arc<Metrics>,
    log_keys: LogKeys,
    traffic: Arc<Traffic>,
    connection: ConnectionInfo,
    method: Method,
    started: Instant,
    bytes_sent: u64,
    /// `None` until there is an answer.
    status: Option<StatusCode>,
    complete: bool,
    facts: RequestFacts,
    /// Held as long as the request counts against the limit.
    _permit: Option<OwnedSemaphorePermit>,
}

impl RequestTrace {
    pub(crate) fn start(
        metrics: &Arc<Metrics>,
        log_keys: LogKeys,
        connection: ConnectionInfo,
        traffic: &Arc<Traffic>,
        method: Method,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        metrics.requests_in_flight.add(1);
        RequestTrace {
            metrics: Arc::clone(metrics),
            log_keys,
            traffic: Arc::clone(traffic),
            connection,
            method,
            started: Instant::now(),
            bytes_sent: 0,
            status: None,
            complete: false,
            facts: RequestFacts::default(),
            _permit: permit,
        }
    }

    /// Follows the answer until its body ends or is dropped.
    pub(crate) fn answer(mut self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        self.status = Some(response.status());
        self.facts = response.extensions_mut().remove::<RequestFacts>().unwrap_or_default();
        response.map(|inner| {
            let expected = inner.size_hint().exact();
            self.complete = inner.is_end_stream() || self.method == Method::HEAD;
            ResponseBody::new(TracedBody { inner, expected, trace: self })
        })
    }

    /// S3's code, or the status, which is one of few constants.
    fn code(&self) -> &'static str {
        match (self.facts.code, self.status) {
            ("", Some(status)) => status_label(status),
            ("", None) => "aborted",
            (code, _) => code,
        }
    }

    fn log(&self, finished: &Finished) {
        let key = self.facts.key.as_deref().map(|key| logged_key(key, self.log_keys));
        tracing::info!(
            target: "holdfast::request",
            request_id = self.facts.request_id,
            method = self.method.as_str(),
            operation = finished.operation,
            bucket = self.facts.bucket,
            key,
            access_key = self.facts.access_key,
            status = self.status.map(|status| status.as_u16()),
            code = finished.code,
            verdict = finished.verdict,
            complete = self.complete,
            bytes_in = finished.bytes_received,
            bytes_out = finished.bytes_sent,
            micros = finished.duration.as_micros() as u64,
            peer = %self.connection.peer,
            "request"
        );
    }
}

impl Drop for RequestTrace {
    fn drop(&mut self) {
        self.metrics.requests_in_flight.add(-1);
        let operation = if self.facts.operation.is_empty() { "Unknown" } else { self.facts.operation };
        let finished = Finished {
            operation,
            code: self.code(),
            verdict: self.facts.verdict,
            duration: self.started.elapsed(),
            bytes_received: self.traffic.take_bytes(),
            bytes_sent: self.bytes_sent,
        };
        self.metrics.finished(&finished);
        if tracing::enabled!(target: "holdfast::request", tracing::Level::INFO) {
            self.log(&finished);
        }
    }
}

fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        204 => "204",
        206 => "206",
        304 => "304",
        307 => "307",
        400 => "400",
        403 => "403",
        404 => "404",
        405 => "405",
        409 => "409",
        412 => "412",
        416 => "416",
        500 => "500",
        501 => "501",
        503 => "503",
        _ => "other",
    }
}

struct TracedBody {
    inner: ResponseBody,
    expected: Option<u64>,
    trace: RequestTrace,
}

impl Body for TracedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = &mut *self;
        let frame = ready!(Pin::new(&mut body.inner).poll_frame(cx));
        match &frame {
            None => body.trace.complete = true,
            Some(Ok(frame)) => {
                body.trace.bytes_sent += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                body.trace.complete |= body.expected == Some(body.trace.bytes_sent);
            }
            Some(Err(error)) => tracing::warn!(%error, "a response broke off"),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
