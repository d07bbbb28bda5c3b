//! `/health/live` and `/health/ready`: is the process there, and would a write be durable.
//!
//! Anyone may ask, so asking is cheap: one probe at a time, and its answer stands for a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{ResponseBody, body};

/// How long the answer of a probe stands.
const PROBE_VALID: Duration = Duration::from_secs(1);
/// A probe that takes longer has failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the store can do its work.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Makes a probe write durable, or says why that is not possible.
    async fn ready(&self) -> Result<(), String>;
}

/// The health of this server.
pub(crate) struct Health {
    readiness: Arc<dyn Readiness>,
    stopping: AtomicBool,
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Health {
    pub(crate) fn new(readiness: Arc<dyn Readiness>) -> Self {
        Health { readiness, stopping: AtomicBool::new(false), last: Mutex::new(None) }
    }

    /// From now on the server is not ready, so that a load balancer sends requests elsewhere.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The answer, if `path` is a health path.
    pub(crate) async fn answer(&self, method: &Method, path: &str) -> Option<Response<ResponseBody>> {
        if path != "/health/live" && path != "/health/ready" {
            return None;
        }
        if method != Method::GET && method != Method::HEAD {
            return Some(method_not_allowed());
        }
        let verdict = if path == "/health/live" { Ok(()) } else { self.ready().await };
        Some(match verdict {
            Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
        })
    }

    async fn ready(&self) -> Result<(), String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err("the server is stopping".to_owned());
        }
        let mut last = self.last.lock().await;
        if let Some((at, verdict)) = last.as_ref().filter(|(at, _)| at.elapsed() < PROBE_VALID) {
            let _ = at;
            return verdict.clone();
        }
        let verdict = tokio::time::timeout(PROBE_TIMEOUT, self.readiness.ready()).await;
        let verdict = verdict.unwrap_or_else(|_| Err("a probe write is not durable after 10 seconds".to_owned()));
        *last = Some((Instant::now(), verdict.clone()));
        verdict
    }
}

/// A short answer for people and probes.
pub(crate) fn text(status: StatusCode, text: String) -> Response<ResponseBody> {
    let mut response = Response::new(body(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// The answer to a method that a path does not have.
pub(crate) fn method_not_allowed() -> Response<ResponseBody> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    response
}
