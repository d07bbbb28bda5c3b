//! The front door of the S3 endpoint, before any S3: refused heads, health, admission; then the S3 service.

use std::sync::Arc;

use holdfast_s3::RequestFacts;
use holdfast_s3::error::S3Error;
use http::{HeaderValue, Request, Response, header};
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

/// What errors give as HostId, as the S3 service does.
const HOST_ID: &str = "holdfast";

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
            return trace(None).answer(answer_of(&S3Error::slow_down(), request.uri().path()));
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
    let mut response = answer_of(&S3Error::new(refusal.code()).with_message(refusal.message()), "");
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some((response, refusal))
}

/// The answer to a request that the S3 service never sees.
fn answer_of(error: &S3Error, resource: &str) -> Response<ResponseBody> {
    let request_id = request_id();
    let mut response = error.response(false, resource, &request_id, HOST_ID).map(body);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    response.extensions_mut().insert(RequestFacts { request_id, code: error.code().name(), ..RequestFacts::default() });
    response
}

fn request_id() -> String {
    let mut bytes = [0; 8];
    // An id that is not unique is a worse log line, nothing else.
    let _ = getrandom::fill(&mut bytes);
    hex::encode_upper(bytes)
}
