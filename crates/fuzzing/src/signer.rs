//! A second implementation of Signature Version 4, from the documentation alone. It shares no code with the one under test.

use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use sha2::{Digest, Sha256};

pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const STAMP: &str = "20130524T000000Z";
pub(crate) const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
/// [`STAMP`] in seconds.
pub(crate) const STAMP_SECS: u64 = 1_369_353_600;

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

/// The signature of a string to sign in a scope `date/region/s3/aws4_request`.
pub(crate) fn signature(scope: &str, string_to_sign: &str) -> String {
    let key = scope.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    hex::encode(hmac(&key, string_to_sign.as_bytes()))
}

/// The signature of a request, from its canonical request.
pub(crate) fn request_signature(stamp: &str, scope: &str, canonical: &[u8]) -> String {
    signature(scope, &format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256_hex(canonical)))
}

/// Percent-decodes; `None` for half a sequence.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut chars = text.bytes();
    while let Some(byte) = chars.next() {
        match byte {
            b'%' => {
                let digits = [chars.next()?, chars.next()?];
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'+' if plus_is_space => out.push(b' '),
            other => out.push(other),
        }
    }
    Some(out)
}

pub(crate) fn encode(bytes: &[u8], slash_stays: bool) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(*byte)),
            b'/' if slash_stays => out.push('/'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The canonical request: by AWS's rules, or with path and query as they were sent.
pub(crate) fn canonical(head: &Parts, signed: &[String], payload: &str, as_sent: bool) -> Option<Vec<u8>> {
    let path = head.uri.path();
    let path = if as_sent { path.to_owned() } else { encode(&decode(path, false)?, true) };
    let mut pairs = Vec::new();
    for pair in head.uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let spelled = |text: &str| if as_sent { Some(text.to_owned()) } else { Some(encode(&decode(text, true)?, false)) };
        pairs.push((spelled(name)?, spelled(value)?));
    }
    pairs.retain(|(name, _)| name != "X-Amz-Signature");
    pairs.sort();
    let query: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut out = format!("{}\n{path}\n{}\n", head.method, query.join("&")).into_bytes();
    for name in signed {
        let values: Vec<Vec<u8>> = head.headers.get_all(name).iter().map(|value| one_space(value.as_bytes())).collect();
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        // HTTP/2 has no Host header: the authority of the target stands for it.
        match (values.is_empty(), head.uri.authority()) {
            (true, Some(authority)) if name == "host" => out.extend_from_slice(authority.as_str().as_bytes()),
            _ => out.extend_from_slice(&values.join(&b","[..])),
        }
        out.push(b'\n');
    }
    out.extend_from_slice(format!("\n{}\n{payload}", signed.join(";")).as_bytes());
    Some(out)
}

/// Without spaces at the ends, and one space where there were several.
fn one_space(value: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    words.join(&b" "[..])
}
