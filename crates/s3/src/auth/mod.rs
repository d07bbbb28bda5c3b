//! Who sent this request: AWS Signature Version 4, in the Authorization header or in the query, and the decoding of signed bodies.
//!
//! No I/O and no clock: the caller passes the head of a request and the time, later the bytes of its body.
//! [`Authenticator::authenticate`] answers with an [`Identity`], whose [`PayloadMode`] opens a [`BodyDecoder`].
//! What must stay true: signatures are compared in constant time; every header that could change what a signature allows is
//! signed or refused; nothing of a body may be committed before [`BodyDecoder::finish`] has said that it is whole and genuine.

mod body;
mod canonical;
mod chunked;
mod credentials;
mod error;
mod header;
mod payload;
mod presigned;
mod scope;
mod signing;

use std::sync::Arc;

pub use body::{BodyDecoder, BodyEnd, BodyError};
pub use credentials::{AccessKeyId, Credential, Credentials, InvalidAccessKeyId, Principal, SecretKey, StaticCredentials};
pub use error::{AuthError, Malformed, SignatureMismatch};
use holdfast_model::{Timestamp, limits::CLOCK_SKEW_SECS};
use http::{HeaderMap, request::Parts};
pub use payload::{PayloadKind, PayloadMode};
pub use presigned::SignedQuery;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use canonical::{Spelling, canonical_request};
use presigned::{Presigned, QuerySignature};
use scope::{AmzDate, Scope, hex32};
use signing::{ChunkChain, SigningKey, SigningKeys};

/// Where a request carries its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// In the Authorization header.
    Header,
    /// In the query: a presigned URL.
    Query,
}

/// Who sent a request, and what of it the signature vouches for.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who acts.
    pub principal: Principal,
    /// The access key that signed.
    pub access_key: AccessKeyId,
    /// Where the signature was.
    pub signed_by: SignedBy,
    /// How the body proves itself; opens the [`BodyDecoder`].
    pub payload: PayloadMode,
    /// The parameters of a presigned URL besides its signature, each of which counts like a signed header. Empty for [`SignedBy::Header`].
    pub signed_query: SignedQuery,
}

/// Verifies signatures against known credentials.
pub struct Authenticator {
    credentials: Arc<dyn Credentials>,
    keys: SigningKeys,
}

/// The headers that a presigned URL need not sign though they begin with `x-amz-`: the first is bound as the last line of the
/// canonical request, the second is superseded by X-Amz-Date, and SDKs leave the others out because they change no meaning
/// (the AWS SDK for Rust excludes exactly these two when it presigns). Any other could widen what the URL's author allowed:
/// an `x-amz-copy-source` turns a put into a copy.
const PRESIGNED_UNSIGNED_ALLOWED: [&str; 4] = ["x-amz-content-sha256", "x-amz-date", "x-amz-user-agent", "x-amz-checksum-mode"];

/// A signature with everything that it claims, from either place.
struct Claim<'a> {
    scope: Scope<'a>,
    date: AmzDate,
    signed_headers: Vec<&'a str>,
    signature: [u8; 32],
    payload_hash: &'a str,
    kind: PayloadKind,
}

impl Authenticator {
    /// Verifies against `credentials`, which are asked once for each request.
    pub fn new(credentials: Arc<dyn Credentials>) -> Self {
        Self { credentials, keys: SigningKeys::default() }
    }

    /// Establishes who sent the request with this head. `now` is the server's time.
    ///
    /// # Errors
    /// An [`AuthError`]: the fact that stands in the way. [`AuthError::Anonymous`] if there is no signature at all.
    pub fn authenticate(&self, head: &Parts, now: Timestamp) -> Result<Identity, AuthError> {
        let in_query = presigned::detect(head.uri.query().unwrap_or_default())?;
        match (head.headers.contains_key(http::header::AUTHORIZATION), in_query) {
            (true, QuerySignature::None) => self.by_header(head, now),
            (true, _) => Err(AuthError::SignedTwice),
            (false, QuerySignature::V4) => self.by_query(head, now),
            (false, QuerySignature::V2) => Err(AuthError::UnsupportedMechanism),
            (false, QuerySignature::None) => Err(AuthError::Anonymous),
        }
    }

    fn by_header(&self, head: &Parts, now: Timestamp) -> Result<Identity, AuthError> {
        let headers = &head.headers;
        let claimed = header::Authorization::parse(headers)?;
        let date = header::signing_time(headers)?;
        claimed.scope.check_day(&date).map_err(AuthError::MalformedHeader)?;
        check_skew(date.at(), now)?;
        if headers.contains_key("x-amz-security-token") {
            return Err(AuthError::SecurityToken);
        }
        let payload_hash = declared_payload(headers)?.ok_or(AuthError::MissingPayloadHash)?;
        check_signed(headers, &claimed.signed_headers, &[])?;
        let header::Authorization { scope, signed_headers, signature } = claimed;
        let claim = Claim { scope, date, signed_headers, signature, payload_hash, kind: parse_payload(payload_hash)? };
        self.verify(head, &claim, SignedBy::Header, SignedQuery::default())
    }

    fn by_query(&self, head: &Parts, now: Timestamp) -> Result<Identity, AuthError> {
        let mut claimed = Presigned::parse(head.uri.query().unwrap_or_default())?;
        let rest = std::mem::take(&mut claimed.rest);
        let scope = Scope::parse(&claimed.credential).map_err(AuthError::MalformedQuery)?;
        let signed_headers = scope::parse_signed_headers(&claimed.signed_headers).map_err(AuthError::MalformedQuery)?;
        scope.check_day(&claimed.date).map_err(AuthError::MalformedQuery)?;
        claimed.check_time(now)?;
        if claimed.has_security_token || head.headers.contains_key("x-amz-security-token") {
            return Err(AuthError::SecurityToken);
        }
        let payload_hash = presigned_payload(claimed.payload_hash.as_deref(), declared_payload(&head.headers)?)?;
        check_signed(&head.headers, &signed_headers, &PRESIGNED_UNSIGNED_ALLOWED)?;
        let kind = parse_payload(payload_hash)?;
        let claim = Claim { scope, date: claimed.date, signed_headers, signature: claimed.signature, payload_hash, kind };
        self.verify(head, &claim, SignedBy::Query, rest)
    }

    fn verify(&self, head: &Parts, claim: &Claim<'_>, signed_by: SignedBy, signed_query: SignedQuery) -> Result<Identity, AuthError> {
        let known = self
            .credentials
            .lookup(claim.scope.access_key)
            .ok_or_else(|| AuthError::UnknownAccessKey { access_key: claim.scope.access_key.to_owned() })?;
        let kept = self.keys.get(&claim.scope, &known.secret);
        let is_new = kept.is_none();
        let key = kept.unwrap_or_else(|| SigningKey::derive(&known.secret, &claim.scope));
        claim.check_signature(head, &key)?;
        if is_new {
            self.keys.keep(&claim.scope, &known.secret, &key);
        }
        let payload = PayloadMode::new(claim.kind, || ChunkChain::new(key, &claim.date, &claim.scope, &claim.signature));
        Ok(Identity { principal: known.principal, access_key: known.access_key, signed_by, payload, signed_query })
    }
}

impl Claim<'_> {
    fn check_signature(&self, head: &Parts, key: &SigningKey) -> Result<(), AuthError> {
        let canonical = self.canonical(head, Spelling::Aws)?;
        if self.is_signed(&canonical, key) {
            return Ok(());
        }
        let as_sent = self.canonical(head, Spelling::AsSent)?;
        if as_sent != canonical && self.is_signed(&as_sent, key) {
            return Ok(());
        }
        Err(AuthError::SignatureMismatch(Box::new(self.mismatch(&canonical))))
    }

    fn canonical(&self, head: &Parts, spelling: Spelling) -> Result<Vec<u8>, AuthError> {
        canonical_request(head, &self.signed_headers, self.payload_hash, spelling).map_err(|_| AuthError::InvalidUri)
    }

    fn is_signed(&self, canonical: &[u8], key: &SigningKey) -> bool {
        let hash = hex32(&Sha256::digest(canonical).into());
        key.sign(&self.string_to_sign(&hash)).ct_eq(&self.signature).into()
    }

    fn string_to_sign<'a>(&'a self, hash: &'a [u8; 64]) -> [&'a [u8]; 6] {
        [b"AWS4-HMAC-SHA256\n", self.date.as_bytes(), b"\n", self.scope.signed_part().as_bytes(), b"\n", hash]
    }

    fn mismatch(&self, canonical: &[u8]) -> SignatureMismatch {
        let hash = hex32(&Sha256::digest(canonical).into());
        SignatureMismatch {
            access_key: self.scope.access_key.to_owned(),
            canonical_request: String::from_utf8_lossy(canonical).into_owned(),
            string_to_sign: String::from_utf8_lossy(&self.string_to_sign(&hash).concat()).into_owned(),
            signature_provided: hex::encode(self.signature),
        }
    }
}

fn check_skew(request_time: Timestamp, server_time: Timestamp) -> Result<(), AuthError> {
    let apart = request_time.secs_since(server_time).max(server_time.secs_since(request_time));
    if apart > CLOCK_SKEW_SECS { Err(AuthError::TimeTooSkewed { request_time, server_time }) } else { Ok(()) }
}

/// The value of x-amz-content-sha256, if there is one.
fn declared_payload(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    header::single(headers, "x-amz-content-sha256").map_err(|_| AuthError::UnknownPayloadHash { value: String::new() })
}

/// A presigned URL names its payload in the query or, as S3 allows, in a header; without either the payload is unsigned.
fn presigned_payload<'a>(in_query: Option<&'a str>, in_header: Option<&'a str>) -> Result<&'a str, AuthError> {
    match (in_query, in_header) {
        (Some(query), Some(header)) if query != header => Err(AuthError::UnknownPayloadHash { value: header.to_owned() }),
        (query, header) => Ok(query.or(header).unwrap_or("UNSIGNED-PAYLOAD")),
    }
}

fn parse_payload(text: &str) -> Result<PayloadKind, AuthError> {
    PayloadKind::parse(text).ok_or_else(|| AuthError::UnknownPayloadHash { value: text.to_owned() })
}

/// Every header of S3's own (and of ours) must be signed; the standard headers of HTTP need not be, as in S3.
fn check_signed(headers: &HeaderMap, signed: &[&str], exempt: &[&str]) -> Result<(), AuthError> {
    let must_sign = |name: &str| name.starts_with("x-amz-") || name.starts_with("x-holdfast-");
    let is_signed = |name: &str| signed.binary_search(&name).is_ok() || exempt.contains(&name);
    let names: Vec<String> =
        headers.keys().map(http::HeaderName::as_str).filter(|name| must_sign(name) && !is_signed(name)).map(str::to_owned).collect();
    if names.is_empty() { Ok(()) } else { Err(AuthError::UnsignedHeaders { names }) }
}
