//! One request from its head to its answer: route, authenticate, authorise, refuse what is not honoured, operate, render.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::{BucketName, ObjectKey};
use holdfast_objects::{Caller, Objects, ObjectsError};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};

use crate::{
    access,
    auth::{Authenticator, Credentials, Identity},
    body::{BoxError, RequestBody, WireBody},
    conditions,
    error::{Code, S3Error},
    facts::RequestFacts,
    fields, headers, ops,
    route::{Operation, Route, Target, route},
    unsupported,
};

/// What the service needs to know besides the store.
#[derive(Clone, Debug, Default)]
pub struct ServiceConfig {
    /// Domains under which `bucket.domain` names a bucket.
    pub domains: Vec<String>,
    /// The region that is reported for buckets that asked for none.
    pub region: String,
    /// Whether clients reach it over TLS.
    pub tls: bool,
}

/// The S3 API of one store.
pub struct Service {
    pub(crate) objects: Objects,
    pub(crate) config: ServiceConfig,
    authenticator: Authenticator,
    host_id: String,
}

/// A request that may be carried out.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a Service,
    pub(crate) route: &'a Route,
    /// The headers, with the query parameters that stand for headers folded in.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) identity: &'a Identity,
    pub(crate) body: &'a mut RequestBody,
}

/// What an operation answers.
pub(crate) type Answer = Result<Response<WireBody>, S3Error>;

impl Service {
    /// The API of `objects` for whoever `credentials` knows.
    pub fn new(objects: Objects, credentials: Arc<dyn Credentials>, config: ServiceConfig) -> Self {
        Self { objects, config, authenticator: Authenticator::new(credentials), host_id: "holdfast".to_owned() }
    }

    /// Answers a request; errors are answers too. The facts ride on the response as an extension.
    pub async fn serve<B>(&self, request: Request<B>) -> Response<WireBody>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let mut body = RequestBody::new(body.map_err(Into::into).boxed(), &head.headers);
        let mut facts = RequestFacts { request_id: request_id(), ..RequestFacts::default() };
        let answered = self.answer(&head, &mut body, &mut facts).await;
        let mut response = match answered {
            Ok(response) => response,
            Err(error) => {
                facts.code = error.code().name();
                let text = error.response(head.method == Method::HEAD, head.uri.path(), &facts.request_id, &self.host_id);
                text.map(|xml| full(xml.into()))
            }
        };
        facts.verdict = facts.verdict.map(|_| verdict(facts.code));
        let fields = response.headers_mut();
        if !body.drain(facts.access_key.is_some()).await {
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(id) = HeaderValue::from_str(&facts.request_id) {
            fields.insert("x-amz-request-id", id);
        }
        if let Ok(id) = HeaderValue::from_str(&self.host_id) {
            fields.insert("x-amz-id-2", id);
        }
        response.extensions_mut().insert(facts);
        response
    }

    async fn answer(&self, head: &http::request::Parts, body: &mut RequestBody, facts: &mut RequestFacts) -> Answer {
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(head.uri.host());
        let target = Target { method: &head.method, host, path: head.uri.path(), query: head.uri.query(), headers: &head.headers };
        let route = route(target, &self.config.domains)?;
        facts.operation = route.operation.name();
        facts.bucket = route.bucket.as_ref().map(ToString::to_string);
        facts.key = route.key.as_ref().map(ToString::to_string);
        let identity = self.authenticator.authenticate(head, self.objects.now())?;
        facts.access_key = Some(identity.access_key.as_str().to_owned());
        let headers = fields::effective_headers(head.headers.clone(), &route.query)?;
        access::authorise(&identity, &route, &headers)?;
        conditions::refuse_unsupported(route.operation, &headers)?;
        unsupported::refuse_unsupported_features(route.operation, &headers)?;
        facts.verdict = (route.operation.is_write() && conditions::is_conditional(&headers)).then_some("");
        body.prepare(identity.payload.clone(), &headers)?;
        let mut call = Call { service: self, route: &route, headers: &headers, identity: &identity, body };
        ops::operate(&mut call).await
    }
}

impl Call<'_> {
    pub(crate) fn objects(&self) -> &Objects {
        &self.service.objects
    }

    pub(crate) fn operation(&self) -> Operation {
        self.route.operation
    }

    pub(crate) fn bucket(&self) -> Result<&BucketName, S3Error> {
        self.route.bucket.as_ref().ok_or_else(|| S3Error::invalid_uri("a bucket is needed"))
    }

    pub(crate) fn key(&self) -> Result<&ObjectKey, S3Error> {
        self.route.key.as_ref().ok_or_else(|| S3Error::invalid_uri("a key is needed"))
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller { principal: self.identity.principal.as_str().to_owned(), invocation: headers::invocation(self.headers).id }
    }

    /// How a fact of `objects` looks to the client of this request.
    pub(crate) fn refused(&self, error: ObjectsError) -> S3Error {
        S3Error::of_objects(error, self.route)
    }
}

fn request_id() -> String {
    let mut random = [0; 8];
    match getrandom::fill(&mut random) {
        Ok(()) => hex::encode_upper(random),
        Err(_) => "0000000000000000".to_owned(),
    }
}

fn verdict(code: &str) -> &'static str {
    if code.is_empty() {
        "met"
    } else if code == Code::ConditionalRequestConflict.name() {
        "conflict"
    } else if code == Code::PreconditionFailed.name() || code == Code::NoSuchKey.name() {
        "failed"
    } else {
        "unjudged"
    }
}

/// A body that is all there.
pub(crate) fn full(bytes: Bytes) -> WireBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
