//! What the admin listener serves: `/metrics` and the health paths, to GET and HEAD.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::ResponseBody;
use crate::connection::Respond;
use crate::front::refusal_answer;
use crate::health::{Health, method_not_allowed, text};
use crate::metrics::Metrics;

/// Answers the requests of the admin listener.
pub(crate) fn respond(health: Arc<Health>, metrics: Arc<Metrics>) -> Respond {
    Arc::new(move |request, _, _| {
        let (health, metrics) = (Arc::clone(&health), Arc::clone(&metrics));
        Box::pin(async move { answer(&health, &metrics, &request).await })
    })
}

async fn answer(health: &Health, metrics: &Metrics, request: &Request<Incoming>) -> Response<ResponseBody> {
    if let Some((response, _)) = refusal_answer(request) {
        return response;
    }
    if let Some(response) = health.answer(request.method(), request.uri().path()).await {
        return response;
    }
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, "here are /metrics, /health/live and /health/ready\n".to_owned());
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return method_not_allowed();
    }
    let mut response = text(StatusCode::OK, metrics.render());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}
