//! Signature Version 4, written from AWS's description: a canonical request, a string to sign, four HMACs.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::target::Credentials;

/// Everything but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A path keeps its slashes.
const ENCODED_IN_PATHS: &AsciiSet = &ENCODED.remove(b'/');

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// Long enough for a run, short enough for a log file.
const PRESIGNED_SECS: &str = "3600";

/// What a signature covers. Query and headers as the caller has them: not encoded, in any order, perhaps twice.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a [(String, String)],
    pub(super) headers: &'a [(String, String)],
    /// None: the payload is not signed.
    pub(super) payload: Option<&'a [u8]>,
}

/// When and with what.
pub(super) struct Signer<'a> {
    pub(super) credentials: &'a Credentials,
    pub(super) region: &'a str,
    /// As `20260102T030405Z`.
    pub(super) stamp: &'a str,
}

pub(super) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, ENCODED_IN_PATHS).to_string()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

pub(super) fn encode_query(query: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| match value.as_str() {
        "" => encode(name),
        value => format!("{}={}", encode(name), encode(value)),
    };
    query.iter().map(pair).collect::<Vec<_>>().join("&")
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Signer<'_> {
    /// The headers to send beside those of the request: date, payload hash, token, `Authorization`.
    pub(super) fn headers(&self, request: &Unsigned<'_>) -> Vec<(String, String)> {
        let payload = request.payload.map_or_else(|| UNSIGNED.to_owned(), sha256_hex);
        let mut added = vec![pair("x-amz-content-sha256", &payload), pair("x-amz-date", self.stamp)];
        added.extend(self.credentials.session_token.iter().map(|token| pair("x-amz-security-token", token)));
        let all: Vec<_> = [pair("host", request.host)].into_iter().chain(added.clone()).chain(request.headers.iter().cloned()).collect();
        let (names, lines) = canonical_headers(&all);
        let signature = self.signature(request, request.query, &names, &lines, &payload);
        let credential = format!("{}/{}", self.credentials.access_key, self.scope());
        added.push(pair("authorization", &format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}")));
        added
    }

    /// The query to send instead of the request's, as a presigned URL has it. The request's headers are signed too.
    pub(super) fn query(&self, request: &Unsigned<'_>) -> Vec<(String, String)> {
        let all: Vec<_> = [pair("host", request.host)].into_iter().chain(request.headers.iter().cloned()).collect();
        let (names, lines) = canonical_headers(&all);
        let mut query = request.query.to_vec();
        query.extend([
            pair("X-Amz-Algorithm", ALGORITHM),
            pair("X-Amz-Credential", &format!("{}/{}", self.credentials.access_key, self.scope())),
            pair("X-Amz-Date", self.stamp),
            pair("X-Amz-Expires", PRESIGNED_SECS),
            pair("X-Amz-SignedHeaders", &names),
        ]);
        query.extend(self.credentials.session_token.iter().map(|token| pair("X-Amz-Security-Token", token)));
        let signature = self.signature(request, &query, &names, &lines, UNSIGNED);
        query.push(pair("X-Amz-Signature", &signature));
        query
    }

    fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", self.date(), self.region)
    }

    fn date(&self) -> &str {
        &self.stamp[..8]
    }

    fn signature(&self, request: &Unsigned<'_>, query: &[(String, String)], names: &str, lines: &str, payload: &str) -> String {
        let Unsigned { method, path, .. } = request;
        let canonical = format!("{method}\n{}\n{}\n{lines}\n{names}\n{payload}", encode_path(path), canonical_query(query));
        let to_sign = format!("{ALGORITHM}\n{}\n{}\n{}", self.stamp, self.scope(), sha256_hex(canonical.as_bytes()));
        let secret = format!("AWS4{}", self.credentials.secret_key);
        let scope = [self.date(), self.region, "s3", "aws4_request"];
        let key = scope.iter().fold(secret.into_bytes(), |key, part| hmac(&key, part));
        hex::encode(hmac(&key, &to_sign))
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Sorted by encoded name, then by encoded value; every name has its `=`.
fn canonical_query(query: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The signed names, joined by `;`, and the lines. Values of one name are joined by commas in the order in which they are sent.
fn canonical_headers(headers: &[(String, String)]) -> (String, String) {
    let mut sorted: Vec<(String, String)> = headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), one_space(v))).collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut names: Vec<&str> = sorted.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    let values = |name: &str| sorted.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",");
    let lines = names.iter().map(|name| format!("{name}:{}\n", values(name))).collect();
    (names.join(";"), lines)
}

fn one_space(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
