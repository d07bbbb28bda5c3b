//! The Authorization header, read strictly:
//! `AWS4-HMAC-SHA256 Credential=<scope>, SignedHeaders=<names>, Signature=<hex>`, the three in any order, each exactly once.

use http::{HeaderMap, header};

use super::{
    error::{AuthError, Malformed},
    scope::{AmzDate, Scope, parse_hex32, parse_signed_headers},
};

/// What an Authorization header claims.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) signed_headers: Vec<&'a str>,
    pub(super) signature: [u8; 32],
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(headers: &'a HeaderMap) -> Result<Self, AuthError> {
        let not_one = AuthError::MalformedHeader(Malformed::NotOneValue);
        let value = single(headers, header::AUTHORIZATION.as_str()).ok().flatten().ok_or(not_one)?;
        let (algorithm, components) = value.split_once(' ').unwrap_or((value, ""));
        if algorithm != "AWS4-HMAC-SHA256" {
            return Err(AuthError::UnsupportedMechanism);
        }
        Self::parse_components(components).map_err(AuthError::MalformedHeader)
    }

    fn parse_components(text: &'a str) -> Result<Self, Malformed> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in text.split(',') {
            let (name, value) = component.trim_matches(' ').split_once('=').ok_or(Malformed::UnknownComponent)?;
            let (slot, name) = match name {
                "Credential" => (&mut credential, "Credential"),
                "SignedHeaders" => (&mut signed_headers, "SignedHeaders"),
                "Signature" => (&mut signature, "Signature"),
                _ => return Err(Malformed::UnknownComponent),
            };
            if slot.replace(value).is_some() {
                return Err(Malformed::Duplicate(name));
            }
        }
        Ok(Self {
            scope: Scope::parse(credential.ok_or(Malformed::Missing("Credential"))?)?,
            signed_headers: parse_signed_headers(signed_headers.ok_or(Malformed::Missing("SignedHeaders"))?)?,
            signature: parse_hex32(signature.ok_or(Malformed::Missing("Signature"))?.as_bytes()).ok_or(Malformed::Signature)?,
        })
    }
}

/// When a header-signed request says it was signed: `x-amz-date`, or `Date` where that is absent.
pub(super) fn signing_time(headers: &HeaderMap) -> Result<AmzDate, AuthError> {
    let missing = |_: NotOneValue| AuthError::MissingDate;
    let date = match single(headers, "x-amz-date").map_err(missing)? {
        Some(text) => AmzDate::parse(text),
        None => single(headers, "date").map_err(missing)?.and_then(AmzDate::parse_http),
    };
    date.ok_or(AuthError::MissingDate)
}

/// A header that is given twice or is not ASCII, where one value is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotOneValue;

/// The one value of a header; `None` if it is absent.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, NotOneValue> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() { Err(NotOneValue) } else { first.to_str().map(Some).map_err(|_| NotOneValue) }
}
