//! Signatures in the query: presigned URLs.
//!
//! Every parameter of such a URL is signed, so what it carries besides the signature (`If-None-Match`, hoisted `x-amz-*` headers)
//! counts like a signed header; [`SignedQuery`] hands it on.

use holdfast_model::{
    Timestamp,
    limits::{CLOCK_SKEW_SECS, PRESIGN_EXPIRY_SECS_MAX},
};

use super::{
    canonical::{decode_query, query_pairs},
    error::{AuthError, Malformed},
    scope::{AmzDate, parse_hex32},
};

/// The parameters of a presigned URL that are no part of the signature, decoded, in the order of the URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedQuery(Vec<(String, String)>);

impl SignedQuery {
    /// All pairs.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The values of `name`, whatever its case: a header that was moved into the query keeps its meaning.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Where a query says that it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuerySignature {
    None,
    V4,
    /// `AWSAccessKeyId` and `Signature` of Signature Version 2.
    V2,
}

const CORE: [&str; 6] = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"];
const ALGORITHM: usize = 0;
const CREDENTIAL: usize = 1;
const DATE: usize = 2;
const EXPIRES: usize = 3;
const SIGNED_HEADERS: usize = 4;
const SIGNATURE: usize = 5;

/// Looks for a signature without judging it.
pub(super) fn detect(query: &str) -> Result<QuerySignature, AuthError> {
    let mut found = QuerySignature::None;
    for (name, _) in query_pairs(query) {
        let name = decode_query(name).map_err(|_| AuthError::InvalidUri)?;
        match core_parameter(&name) {
            Some(ALGORITHM | CREDENTIAL | SIGNED_HEADERS | SIGNATURE) => return Ok(QuerySignature::V4),
            _ if name == "AWSAccessKeyId" || name == "Signature" => found = QuerySignature::V2,
            _ => {}
        }
    }
    Ok(found)
}

fn core_parameter(name: &str) -> Option<usize> {
    name.get(..6).filter(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))?;
    CORE.iter().position(|core| core.eq_ignore_ascii_case(name))
}

/// What the query of a presigned URL claims, decoded and checked for form. The scope is still text.
#[derive(Debug)]
pub(super) struct Presigned {
    pub(super) credential: String,
    pub(super) signed_headers: String,
    pub(super) date: AmzDate,
    pub(super) expires_secs: u64,
    pub(super) signature: [u8; 32],
    pub(super) payload_hash: Option<String>,
    pub(super) has_security_token: bool,
    pub(super) rest: SignedQuery,
}

impl Presigned {
    pub(super) fn parse(query: &str) -> Result<Self, AuthError> {
        let mut core: [Option<String>; 6] = Default::default();
        let (mut payload_hash, mut has_security_token, mut rest) = (None, false, Vec::new());
        for (name, value) in query_pairs(query) {
            let name = decode_query(name).map_err(|_| AuthError::InvalidUri)?;
            let value = decode_query(value).map_err(|_| AuthError::InvalidUri)?.into_owned();
            if let Some(i) = core_parameter(&name) {
                set_once(&mut core[i], value, CORE[i])?;
                if name != CORE[i] {
                    return Err(AuthError::MalformedQuery(Malformed::WrongCase(CORE[i])));
                }
            } else if name.eq_ignore_ascii_case("x-amz-content-sha256") {
                set_once(&mut payload_hash, value, "X-Amz-Content-Sha256")?;
            } else if name.eq_ignore_ascii_case("x-amz-security-token") {
                has_security_token = true;
            } else {
                rest.push((name.into_owned(), value));
            }
        }
        let mut take = |i: usize| core[i].take().ok_or(Malformed::Missing(CORE[i]));
        let mut parse = || {
            if take(ALGORITHM)? != "AWS4-HMAC-SHA256" {
                return Err(Malformed::Algorithm);
            }
            Ok(Self {
                credential: take(CREDENTIAL)?,
                signed_headers: take(SIGNED_HEADERS)?,
                date: AmzDate::parse(&take(DATE)?).ok_or(Malformed::Date)?,
                expires_secs: parse_expires(&take(EXPIRES)?).ok_or(Malformed::Expires)?,
                signature: parse_hex32(take(SIGNATURE)?.as_bytes()).ok_or(Malformed::Signature)?,
                payload_hash: payload_hash.take(),
                has_security_token,
                rest: SignedQuery(std::mem::take(&mut rest)),
            })
        };
        parse().map_err(AuthError::MalformedQuery)
    }

    /// Whether the URL is in its time: not ahead of `now` by more than the clock skew, and not over.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        let (request_time, server_time) = (self.date.at(), now);
        if request_time.secs_since(now) > CLOCK_SKEW_SECS {
            return Err(AuthError::NotYetValid { request_time, server_time });
        }
        let expired_at = Timestamp::from_secs(request_time.secs() + self.expires_secs);
        if now > expired_at {
            return Err(AuthError::Expired { expires_secs: self.expires_secs, expired_at, server_time });
        }
        Ok(())
    }
}

fn set_once(slot: &mut Option<String>, value: String, name: &'static str) -> Result<(), AuthError> {
    if slot.replace(value).is_some() { Err(AuthError::MalformedQuery(Malformed::Duplicate(name))) } else { Ok(()) }
}

fn parse_expires(text: &str) -> Option<u64> {
    let digits = (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|secs| digits && (1..=PRESIGN_EXPIRY_SECS_MAX).contains(secs))
}
