//! One request as data, one answer as data, and the honest third: nobody knows what happened.

use std::future::Future;

use bytes::Bytes;

use super::xml;

/// How the body is covered by the signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payload {
    /// By its SHA-256.
    #[default]
    Signed,
    /// Not at all: `UNSIGNED-PAYLOAD`. Always so for bodies that are sent in pieces.
    Unsigned,
}

/// How the request proves who sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// The `Authorization` header; every header of the call is signed.
    #[default]
    Header,
    /// Query parameters, as in a presigned URL; every header of the call is signed.
    Presigned,
}

/// A request. Queries and headers are sent as they are given: also twice, also empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `PUT`, ...
    pub method: &'static str,
    /// None: the service itself.
    pub bucket: Option<String>,
    /// None: the bucket itself. Not encoded.
    pub key: Option<String>,
    /// Not encoded. A name with an empty value is sent without `=`.
    pub query: Vec<(String, String)>,
    /// In any order. `host`, `content-length`, `x-amz-date` and the signature are added.
    pub headers: Vec<(String, String)>,
    /// The whole body; `send_pieces` sends another one.
    pub body: Bytes,
    /// How the body is signed.
    pub payload: Payload,
    /// How the request is signed.
    pub proof: Proof,
}

impl Call {
    /// A request without query, headers and body.
    pub fn new(method: &'static str, bucket: &str, key: Option<&str>) -> Self {
        Self { method, bucket: Some(bucket.to_owned()), key: key.map(str::to_owned), ..Self::default() }
    }

    /// A request for an object.
    pub fn object(method: &'static str, bucket: &str, key: &str) -> Self {
        Self::new(method, bucket, Some(key))
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header, beside any of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds headers.
    #[must_use]
    pub fn headers(mut self, headers: &[(String, String)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Signs with query parameters.
    #[must_use]
    pub fn presigned(mut self) -> Self {
        self.proof = Proof::Presigned;
        self
    }

    /// Leaves the body out of the signature.
    #[must_use]
    pub fn unsigned_payload(mut self) -> Self {
        self.payload = Payload::Unsigned;
        self
    }
}

/// The head of an answer. Names of headers are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// As they came.
    pub headers: Vec<(String, String)>,
    /// Whether a `100 Continue` came before it.
    pub continued: bool,
}

impl Head {
    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The ETag without quotes.
    pub fn etag(&self) -> Option<&str> {
        self.header("etag").map(|tag| tag.trim_matches('"'))
    }
}

/// An answer that came whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status and headers.
    pub head: Head,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The ETag of the header, or else of the document (CopyObject, CompleteMultipartUpload), without quotes.
    pub fn etag(&self) -> Option<String> {
        let of_document = || xml::first(&self.body, "ETag").map(|tag| tag.trim_matches('"').to_owned());
        self.head.etag().map(str::to_owned).or_else(of_document)
    }

    /// Whether it says that the request was done: 2xx, and no `<Error>` document behind a 200.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status()) && !xml::is_error(&self.body)
    }

    /// `<Code>` of an error document.
    pub fn code(&self) -> Option<String> {
        self.error_field("Code")
    }

    /// `<Condition>` of an error document.
    pub fn condition(&self) -> Option<String> {
        self.error_field("Condition")
    }

    /// Any element of an error document, also of one behind a 200.
    pub fn error_field(&self, name: &str) -> Option<String> {
        xml::is_error(&self.body).then(|| xml::first(&self.body, name)).flatten()
    }

    /// `412 PreconditionFailed`, for people.
    pub fn in_short(&self) -> String {
        match (self.code(), self.condition()) {
            (Some(code), Some(condition)) => format!("{} {code} ({condition})", self.status()),
            (Some(code), None) => format!("{} {code}", self.status()),
            (None, _) => self.status().to_string(),
        }
    }
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Definite: not one byte of the request left.
    #[error("nothing was sent: {0}")]
    NothingSent(String),
    /// Indefinite: the connection broke, or no answer came in time, after something was sent.
    #[error("nobody knows whether it was done: {0}")]
    Unknown(String),
    /// The source of the body ended before its announced length, and the connection was closed. A server that
    /// does anything with such a body is broken.
    #[error("the sender gave up in the middle of the body")]
    GaveUp,
}

impl Lost {
    /// Whether the request certainly had no effect.
    pub fn is_definite(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

/// Where a body comes from that is sent in pieces. What it awaits is up to it.
pub trait Pieces: Send {
    /// The next piece, or None at the end. An end before the announced length closes the connection.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// A body in one piece.
pub(super) struct Whole(pub(super) Option<Bytes>);

impl Pieces for Whole {
    async fn next(&mut self) -> Option<Bytes> {
        self.0.take()
    }
}

/// A channel is a source of pieces; it ends when its senders are gone.
impl Pieces for tokio::sync::mpsc::Receiver<Bytes> {
    async fn next(&mut self) -> Option<Bytes> {
        self.recv().await
    }
}
