//! The header fields of a request as operations see them.
//!
//! A signed URL may carry `x-amz-*` fields and conditions as query parameters (SDKs "hoist" them there); they count exactly
//! like headers. [`effective_headers`] folds them in once, so that no operation can overlook one. The signature is checked
//! against the request as it came, before folding.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    error::{Code, S3Error},
    query::Query,
};

/// Query parameters of the signature itself; they belong to `auth`.
const SIGNATURE_PARAMETERS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Conditions without an `x-` in front.
const STANDARD_CONDITIONS: [&str; 5] = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];

/// Whether a query parameter stands for the header of its name, in any case.
pub fn is_hoisted_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let of_a_vendor = (name.starts_with("x-amz-") || name.starts_with("x-holdfast-")) && !SIGNATURE_PARAMETERS.contains(&name.as_str());
    of_a_vendor || STANDARD_CONDITIONS.contains(&name.as_str())
}

/// The headers with the query parameters that stand for headers folded in.
///
/// # Errors
/// 400 InvalidRequest if a field is given both ways with different values, 400 InvalidArgument if a value cannot be a header's.
pub fn effective_headers(mut headers: HeaderMap, query: &Query) -> Result<HeaderMap, S3Error> {
    for (name, value) in query.iter().filter(|(name, _)| is_hoisted_header(name)) {
        let unfit = || S3Error::invalid_argument(name, value, "This query parameter stands for a header and cannot be one.");
        let field = HeaderName::try_from(name).map_err(|_| unfit())?;
        let folded = HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes())).map_err(|_| unfit())?;
        let mut given = headers.get_all(&field).iter();
        match (given.next(), given.next()) {
            (None, _) => {
                headers.insert(field, folded);
            }
            (Some(header), None) if header.as_bytes().trim_ascii() == folded.as_bytes().trim_ascii() => {}
            _ => {
                let message = format!("{name} is given as a header and as a query parameter with different values; send it one way.");
                return Err(S3Error::invalid_header(field.as_str(), message));
            }
        }
    }
    Ok(headers)
}

/// The only value of a header, without surrounding white space; empty if it came empty.
///
/// # Errors
/// 400 InvalidRequest if the header comes twice or has bytes outside ASCII.
pub fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, S3Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(S3Error::invalid_header(name, format!("The header {name} is given twice; send it once.")));
    }
    ascii(name, value).map(Some)
}

/// Like [`single`], and an empty value is refused.
///
/// # Errors
/// 400 InvalidRequest as [`single`], and if the value is empty.
pub fn single_filled<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, S3Error> {
    match single(headers, name)? {
        Some("") => Err(S3Error::invalid_header(name, format!("The header {name} is empty; give it a value or leave it out."))),
        value => Ok(value),
    }
}

/// A header value as ASCII text without surrounding white space.
pub(crate) fn ascii<'h>(name: &str, value: &'h HeaderValue) -> Result<&'h str, S3Error> {
    let text = value.to_str().map_err(|_| S3Error::invalid_header(name, format!("The header {name} has bytes that are not ASCII.")))?;
    Ok(text.trim_matches([' ', '\t']))
}

/// A header that is a whole number in decimal digits.
///
/// # Errors
/// 400 InvalidArgument for anything else, 400 InvalidRequest if it comes twice.
pub fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, S3Error> {
    let Some(text) = single(headers, name)? else { return Ok(None) };
    digits(text).map(Some).ok_or_else(|| S3Error::invalid_argument(name, text, format!("{name} must be a whole number of at least 0.")))
}

/// Decimal digits that fit.
pub(crate) fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A response header value made from text of ours; `InternalError` cannot happen for what the parsers let in.
///
/// # Errors
/// 500 InternalError if the text has control characters.
pub fn header_value(text: &str) -> Result<HeaderValue, S3Error> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| S3Error::new(Code::InternalError))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn query_parameters_that_stand_for_headers_count_like_headers() {
        for (given, query, expect) in [
            (&[][..], "If-None-Match=%2A", Ok(Some("*"))),
            (&[], "if-none-match=*", Ok(Some("*"))),
            (&[("if-none-match", "*")], "If-None-Match=*", Ok(Some("*"))),
            (&[("if-none-match", "*")], "", Ok(Some("*"))),
            (&[("if-none-match", "\"a\"")], "If-None-Match=*", Err(Code::InvalidRequest)),
            (&[("if-none-match", "*"), ("if-none-match", "*")], "If-None-Match=*", Err(Code::InvalidRequest)),
            (&[], "If-None-Match=%0A", Err(Code::InvalidArgument)),
            (&[], "X-Amz-Signature=1", Ok(None)),
        ] {
            let folded = effective_headers(headers(given), &Query::parse(Some(query)).unwrap());
            let value = folded.as_ref().map(|h| h.get("if-none-match").map(|v| v.to_str().unwrap())).map_err(S3Error::code);
            assert_eq!(value, expect, "{given:?} {query}");
        }
        let folded =
            effective_headers(HeaderMap::new(), &Query::parse(Some("x-amz-meta-a=%C3%A9&X-Amz-Expires=1&x-id=PutObject")).unwrap())
                .unwrap();
        assert_eq!(folded["x-amz-meta-a"].as_bytes(), "\u{e9}".as_bytes());
        assert_eq!(folded.len(), 1);
    }

    #[test]
    fn a_header_is_given_once_and_in_ascii() {
        let name = "if-match";
        for (given, expect) in [
            (&[][..], Ok(None)),
            (&[(name, " \"a\" ")], Ok(Some("\"a\""))),
            (&[(name, "")], Err(Code::InvalidRequest)),
            (&[(name, "a"), (name, "a")], Err(Code::InvalidRequest)),
            (&[(name, "\u{e9}")], Err(Code::InvalidRequest)),
        ] {
            assert_eq!(single_filled(&headers(given), name).map_err(|e| e.code()), expect, "{given:?}");
        }
    }

    #[test]
    fn numbers_are_plain_digits() {
        for (text, expect) in [("0", Some(0)), ("18446744073709551615", Some(u64::MAX))] {
            assert_eq!(number(&headers(&[("x-amz-if-match-size", text)]), "x-amz-if-match-size").unwrap(), expect);
        }
        for text in ["", "-1", "+1", "1.0", "0x1", "18446744073709551616"] {
            assert!(number(&headers(&[("x-amz-if-match-size", text)]), "x-amz-if-match-size").is_err(), "{text}");
        }
    }
}
