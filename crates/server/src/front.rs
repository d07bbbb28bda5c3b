//! The front door of the S3 endpoint, before any S3: refused heads, health, admission; then the S3 service.

use std::fmt::Write;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::config::{Config, LogKeys};
use crate::connection::{ConnectionInfo, Respond};
use crate::head_rules::Refusal;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::request_trace::RequestTrace;
use crate::wire_guard::{REFUSED_METHOD, Traffic};
use crate::{Handler, ResponseBody, body};
use holdfast_s3::RequestFacts;

/// What a client should wait before it tries again after SlowDown, in seconds.
const RETRY_AFTER_SECS: HeaderValue = HeaderValue::from_static("1");

/// Everything between a connection and the S3 service.
pub(crate) struct Front {
    handler: Handler,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    admission: Arc<Semaphore>,
    log_keys: LogKeys,
    /// `.domain` for each domain of virtual-hosted addressing.
    bucket_suffixes: Vec<String>,
}

impl Front {
    pub(crate) fn new(config: &Config, handler: Handler, health: Arc<Health>, metrics: Arc<Metrics>) -> Self {
        Front {
            handler,
            health,
            metrics,
            admission: Arc::new(Semaphore::new(config.max_requests)),
            log_keys: config.log_keys,
            bucket_suffixes: config.domains.iter().map(|domain| format!(".{domain}")).collect(),
        }
    }

    pub(crate) fn respond(self) -> Respond {
        let front = Arc::new(self);
        Arc::new(move |request, info, traffic| {
            let front = Arc::clone(&front);
            Box::pin(async move { front.answer(request, info, &traffic).await })
        })
    }

    async fn answer(&self, request: Request<Incoming>, info: ConnectionInfo, traffic: &Arc<Traffic>) -> Response<ResponseBody> {
        let method = request.method().clone();
        let trace = |permit| RequestTrace::start(&self.metrics, self.log_keys, info, traffic, method.clone(), permit);
        if let Some((response, refusal)) = refusal_answer(&request) {
            tracing::debug!(peer = %info.peer, refusal = refusal.slug(), "request head refused");
            return trace(None).answer(response);
        }
        if !self.names_a_bucket(&request)
            && let Some(response) = self.health.answer(request.method(), request.uri().path()).await
        {
            return response;
        }
        let Ok(permit) = Arc::clone(&self.admission).try_acquire_owned() else {
            self.metrics.slow_downs.add(1);
            return trace(None).answer(slow_down());
        };
        let trace = trace(Some(permit));
        let response = (self.handler)(request, info).await;
        trace.answer(response)
    }

    /// Virtual-hosted addressing: the whole path is a key, `/health/live` too.
    fn names_a_bucket(&self, request: &Request<Incoming>) -> bool {
        if self.bucket_suffixes.is_empty() {
            return false;
        }
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        let host = host.rsplit_once(':').map_or(host, |(name, _port)| name).trim_end_matches('.').to_ascii_lowercase();
        self.bucket_suffixes.iter().any(|suffix| host.ends_with(suffix))
    }
}

/// The answer to the stand-in of a refused head; `None` for a client's own request.
pub(crate) fn refusal_answer(request: &Request<Incoming>) -> Option<(Response<ResponseBody>, Refusal)> {
    if request.method().as_str() != REFUSED_METHOD {
        return None;
    }
    let refusal = Refusal::from_slug(request.uri().path().trim_start_matches('/'))?;
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = error(status, refusal.code(), refusal.message());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some((response, refusal))
}

fn slow_down() -> Response<ResponseBody> {
    let message = "The server is at its limit of concurrent requests; reduce your request rate and try again.";
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", message);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECS);
    response
}

/// An S3 error for a request that the S3 service never sees.
fn error(status: StatusCode, code: &'static str, message: &str) -> Response<ResponseBody> {
    let request_id = request_id();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let _ = write!(xml, "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>");
    let mut response = Response::new(body(xml));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    response.extensions_mut().insert(RequestFacts { request_id, code, ..RequestFacts::default() });
    response
}

fn request_id() -> String {
    let mut bytes = [0; 8];
    // An id that is not unique is a worse log line, nothing else.
    let _ = getrandom::fill(&mut bytes);
    hex::encode_upper(bytes)
}
