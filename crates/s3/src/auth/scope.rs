//! The time and the scope of a signature: `20130524T000000Z` and `AKIA.../20130524/us-east-1/s3/aws4_request`.
//!
//! Any region is accepted: a self-hosted store has none of its own, and clients send `us-east-1`, `auto` or a local name.
//! The region stays bound by the signing key that is derived from it.

use holdfast_model::{Timestamp, limits::REGION_BYTES_MAX};
use jiff::{civil::DateTime, tz::TimeZone};

use super::{credentials::is_access_key, error::Malformed};

/// The instant at which a client says that it signed, with its spelling in ISO 8601 basic format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AmzDate {
    text: [u8; 16],
    at: Timestamp,
}

impl AmzDate {
    /// Reads `YYYYMMDD'T'HHMMSS'Z'`, nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text: [u8; 16] = text.as_bytes().try_into().ok()?;
        if text[8] != b'T' || text[15] != b'Z' {
            return None;
        }
        let number =
            |from: usize, to: usize| text[from..to].iter().try_fold(0_i16, |n, b| b.is_ascii_digit().then(|| n * 10 + i16::from(b - b'0')));
        let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
        let civil = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0).ok()?;
        let at = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        Some(Self { text, at: Timestamp::from_secs(u64::try_from(at).ok()?) })
    }

    /// Reads a Date header: an HTTP date, or the ISO form that some clients put there.
    pub(super) fn parse_http(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| {
            let zoned = jiff::fmt::rfc2822::parse(text).ok()?.with_time_zone(TimeZone::UTC);
            Self::parse(&zoned.strftime("%Y%m%dT%H%M%SZ").to_string())
        })
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The day, as it stands in a scope.
    pub(super) fn day(&self) -> &[u8] {
        &self.text[..8]
    }
}

/// A parsed credential scope. `text` is the whole of it, as the client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    pub(super) text: &'a str,
    pub(super) access_key: &'a str,
    pub(super) date: &'a str,
    pub(super) region: &'a str,
}

impl<'a> Scope<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(Malformed::Credential);
        let (access_key, date, region, service, terminator) = (next()?, next()?, next()?, next()?, next()?);
        if parts.next().is_some() || !is_access_key(access_key) || !is_region(region) {
            return Err(Malformed::Credential);
        }
        if date.len() != 8 || !date.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed::ScopeDate);
        }
        if service != "s3" {
            return Err(Malformed::Service);
        }
        if terminator != "aws4_request" {
            return Err(Malformed::Terminator);
        }
        Ok(Self { text, access_key, date, region })
    }

    /// The scope without the access key, as a string to sign names it.
    pub(super) fn signed_part(&self) -> &'a str {
        &self.text[self.access_key.len() + 1..]
    }

    /// A scope is good for one day.
    pub(super) fn check_day(&self, date: &AmzDate) -> Result<(), Malformed> {
        if self.date.as_bytes() == date.day() { Ok(()) } else { Err(Malformed::ScopeDate) }
    }
}

fn is_region(text: &str) -> bool {
    (1..=REGION_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Parses a list of signed headers: lower-case names, each once. Clients sort it; the canonical request sorts it anyway.
pub(super) fn parse_signed_headers(text: &str) -> Result<Vec<&str>, Malformed> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b',');
    let mut names: Vec<&str> = Vec::with_capacity(12);
    for name in text.split(';') {
        if !is_name(name) {
            return Err(Malformed::SignedHeaders);
        }
        names.push(name);
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Malformed::SignedHeaders);
    }
    if names.binary_search(&"host").is_err() {
        return Err(Malformed::HostNotSigned);
    }
    Ok(names)
}

/// Parses a signature or digest: exactly 64 lower-case hex digits.
pub(super) fn parse_hex32(text: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    hex::decode_to_slice(text, &mut out).ok().map(|()| out)
}

/// 64 lower-case hex digits on the stack.
pub(super) fn hex32(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_strictly() {
        let good = AmzDate::parse("20130524T000000Z").unwrap();
        assert_eq!((good.at().secs(), good.day()), (1_369_353_600, &b"20130524"[..]));
        assert_eq!(AmzDate::parse_http("Fri, 24 May 2013 00:00:00 GMT"), Some(good));
        assert_eq!(AmzDate::parse_http("20130524T000000Z"), Some(good));
        for bad in [
            "",
            "20130524",
            "20130524T000000",
            "20130524t000000Z",
            "20130524T000000z",
            "20130532T000000Z",
            "20131324T000000Z",
            "20130524T240000Z",
            "20130524T006000Z",
            "2013-5-4T000000Z",
            "+0130524T000000Z",
            "19691231T235959Z",
            "20130524T000000Z ",
        ] {
            assert_eq!(AmzDate::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn scopes_are_read_strictly() {
        let good = Scope::parse("AK/20130524/us-east-1/s3/aws4_request").unwrap();
        assert_eq!((good.access_key, good.date, good.region), ("AK", "20130524", "us-east-1"));
        assert_eq!(good.signed_part(), "20130524/us-east-1/s3/aws4_request");
        for (bad, why) in [
            ("", Malformed::Credential),
            ("AK/20130524/us-east-1/s3", Malformed::Credential),
            ("/20130524/us-east-1/s3/aws4_request", Malformed::Credential),
            ("AK/20130524//s3/aws4_request", Malformed::Credential),
            ("AK/20130524/us east/s3/aws4_request", Malformed::Credential),
            ("A/B/20130524/us-east-1/s3/aws4_request", Malformed::Credential),
            ("AK/2013052/us-east-1/s3/aws4_request", Malformed::ScopeDate),
            ("AK/2013052x/us-east-1/s3/aws4_request", Malformed::ScopeDate),
            ("AK/20130524/us-east-1/S3/aws4_request", Malformed::Service),
            ("AK/20130524/us-east-1/sts/aws4_request", Malformed::Service),
            ("AK/20130524/us-east-1/s3/AWS4_request", Malformed::Terminator),
            ("AK/20130524/us-east-1/s3/aws4_request/", Malformed::Credential),
        ] {
            assert_eq!(Scope::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn hex_goes_both_ways() {
        let bytes: [u8; 32] = std::array::from_fn(|i| (i * 7 + 3) as u8);
        assert_eq!(parse_hex32(&hex32(&bytes)), Some(bytes));
        assert_eq!(parse_hex32(&hex32(&bytes).map(|b| b.to_ascii_uppercase())), None);
    }
}
