//! AWS Signature Version 4, written from its documentation and sharing no code with the server.

use hmac::{Hmac, KeyInit, Mac};
use holdfast_model::Timestamp;
use sha2::{Digest, Sha256};

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer {
    pub(crate) access_key: &'static str,
    pub(crate) secret_key: &'static str,
}

pub(crate) const ROOT: Signer = Signer { access_key: "conformance", secret_key: "a secret of the conformance tests" };
pub(crate) const ANOTHER: Signer = Signer { access_key: "another", secret_key: "another secret of the conformance tests" };
pub(crate) const REGION: &str = "us-east-1";

/// Headers that describe the transfer and not the request: not signed.
const UNSIGNED: [&str; 5] = ["authorization", "content-length", "expect", "connection", "transfer-encoding"];

pub(crate) type Pairs = Vec<(String, String)>;

/// What is signed of a request. `path` and the query are encoded as they go to the wire.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a Pairs,
    pub(crate) headers: &'a Pairs,
    pub(crate) payload: &'a str,
    pub(crate) signer: Signer,
}

/// A signature, and what chunks of the body are signed with.
pub(crate) struct Signed {
    pub(crate) authorization: String,
    pub(crate) signature: String,
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// `20260102T030405Z`.
pub(crate) fn amz_date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(i64::try_from(at.secs()).expect("near")).expect("near");
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// `2026-01-02T03:04:05Z`.
pub(crate) fn iso_date(at: Timestamp) -> String {
    jiff::Timestamp::from_second(i64::try_from(at.secs()).expect("near")).expect("near").to_string()
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`, so many seconds away.
pub(crate) fn http_date(at: Timestamp, away: i64) -> String {
    let at = jiff::Timestamp::from_second(i64::try_from(at.secs()).expect("near") + away).expect("near");
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn scope(date: &str) -> String {
    format!("{}/{REGION}/s3/aws4_request", &date[..8])
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Signs a text with the key of the day.
fn sign_text(signer: Signer, date: &str, text: &str) -> String {
    let day = hmac(format!("AWS4{}", signer.secret_key).as_bytes(), &date[..8]);
    let key = hmac(&hmac(&hmac(&day, REGION), "s3"), "aws4_request");
    hex::encode(hmac(&key, text))
}

/// Signs one chunk of an aws-chunked body.
pub(crate) fn sign_chunk(date: &str, before: &str, chunk: &[u8]) -> String {
    let empty = sha256_hex(b"");
    let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{}\n{before}\n{empty}\n{}", scope(date), sha256_hex(chunk));
    sign_text(ROOT, date, &text)
}

/// Signs the trailer of an aws-chunked body, whose lines end with LF.
pub(crate) fn sign_trailer(date: &str, before: &str, lines: &str) -> String {
    let text = format!("AWS4-HMAC-SHA256-TRAILER\n{date}\n{}\n{before}\n{}", scope(date), sha256_hex(lines.as_bytes()));
    sign_text(ROOT, date, &text)
}

fn signed_names(headers: &Pairs) -> String {
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).filter(|name| !UNSIGNED.contains(name)).collect();
    names.sort_unstable();
    names.dedup();
    names.join(";")
}

fn signature(request: &Signable<'_>, date: &str) -> String {
    let mut query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    query.sort_unstable();
    let names = signed_names(request.headers);
    let value = |wanted: &str| {
        let given = request.headers.iter().filter(|(name, _)| name == wanted);
        given.map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(",")
    };
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", value(name))).collect();
    let (method, path) = (request.method, request.path);
    let canonical = format!("{method}\n{path}\n{}\n{headers}\n{names}\n{}", query.join("&"), request.payload);
    sign_text(request.signer, date, &format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope(date), sha256_hex(canonical.as_bytes())))
}

/// Signs in the Authorization header; `x-amz-date` must be among the headers.
pub(crate) fn sign(request: &Signable<'_>, date: &str) -> Signed {
    let signature = signature(request, date);
    let (access_key, scope, names) = (request.signer.access_key, scope(date), signed_names(request.headers));
    let authorization = format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}");
    Signed { authorization, signature }
}

/// Adds the signature's parameters to the query.
pub(crate) fn presign(request: &Signable<'_>, date: &str, expires_secs: u64) -> Pairs {
    let mut query = request.query.clone();
    let credential = format!("{}/{}", request.signer.access_key, scope(date)).replace('/', "%2F");
    for (name, value) in [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("X-Amz-Credential", credential),
        ("X-Amz-Date", date.to_owned()),
        ("X-Amz-Expires", expires_secs.to_string()),
        ("X-Amz-SignedHeaders", signed_names(request.headers).replace(';', "%3B")),
    ] {
        query.push((name.to_owned(), value));
    }
    let signature = signature(&Signable { query: &query, ..*request }, date);
    query.push(("X-Amz-Signature".to_owned(), signature));
    query
}
