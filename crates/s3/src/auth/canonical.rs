//! The canonical request: the one text that client and server both make of a request and sign.
//!
//! S3 does not normalise the path: `//` and `..` are ordinary parts of a key. Path and query are decoded and encoded again by the
//! AWS rules, so that every way to write the same key signs alike; `+` in a query is a space, as S3 reads it. Some clients sign the
//! text that they send although it is encoded in another way ([`Spelling::AsSent`]); that text decodes to the same key, so it binds the same request.

use std::{borrow::Cow, ops::Range};

use http::request::Parts;

/// How path and query are written into the canonical request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Decoded and encoded by the AWS rules: only `A-Z a-z 0-9 - . _ ~`, and `/` in the path, stay.
    Aws,
    /// As the client wrote it. The query is sorted all the same.
    AsSent,
}

/// A percent sign without two hex digits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidEncoding;

/// Builds the canonical request. `signed_headers` is sorted; `payload` is its last line.
pub(super) fn canonical_request(
    head: &Parts,
    signed_headers: &[&str],
    payload: &str,
    spelling: Spelling,
) -> Result<Vec<u8>, InvalidEncoding> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b'\n');
    append_path(&mut out, head.uri.path(), spelling)?;
    out.push(b'\n');
    append_query(&mut out, head.uri.query().unwrap_or_default(), spelling)?;
    out.push(b'\n');
    for name in signed_headers {
        append_header(&mut out, head, name);
    }
    out.push(b'\n');
    append_joined(&mut out, signed_headers.iter().map(|name| name.as_bytes()), b';');
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    Ok(out)
}

/// The name-value pairs of a query, still encoded. A name without `=` has an empty value.
pub(super) fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Decodes one name or value of a query: `%XX`, and `+` as a space.
pub(super) fn decode_query(text: &str) -> Result<Cow<'_, str>, InvalidEncoding> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    for_each_decoded(text.as_bytes(), true, |b| bytes.push(b))?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| InvalidEncoding)
}

fn append_path(out: &mut Vec<u8>, path: &str, spelling: Spelling) -> Result<(), InvalidEncoding> {
    match spelling {
        Spelling::Aws => for_each_decoded(path.as_bytes(), false, |b| if b == b'/' { out.push(b) } else { push_encoded(out, b) }),
        Spelling::AsSent => {
            out.extend_from_slice(path.as_bytes());
            Ok(())
        }
    }
}

/// Writes the query sorted by encoded name, then value, without the signature itself.
fn append_query(out: &mut Vec<u8>, query: &str, spelling: Spelling) -> Result<(), InvalidEncoding> {
    if query.is_empty() {
        return Ok(());
    }
    let mut text = Vec::with_capacity(query.len() + 32);
    let mut pairs: Vec<(Range<usize>, Range<usize>)> = Vec::with_capacity(16);
    for (name, value) in query_pairs(query) {
        let start = text.len();
        append_query_part(&mut text, name, spelling)?;
        if &text[start..] == b"X-Amz-Signature" {
            text.truncate(start);
            continue;
        }
        let middle = text.len();
        append_query_part(&mut text, value, spelling)?;
        pairs.push((start..middle, middle..text.len()));
    }
    pairs.sort_by(|a, b| (&text[a.0.clone()], &text[a.1.clone()]).cmp(&(&text[b.0.clone()], &text[b.1.clone()])));
    for (i, (name, value)) in pairs.into_iter().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(&text[name]);
        out.push(b'=');
        out.extend_from_slice(&text[value]);
    }
    Ok(())
}

fn append_query_part(out: &mut Vec<u8>, text: &str, spelling: Spelling) -> Result<(), InvalidEncoding> {
    match spelling {
        Spelling::Aws => for_each_decoded(text.as_bytes(), true, |b| push_encoded(out, b)),
        Spelling::AsSent => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
}

/// Writes `name:value,value` and a newline. A signed header that did not arrive counts as empty, so its absence breaks the signature.
fn append_header(out: &mut Vec<u8>, head: &Parts, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut values = head.headers.get_all(name).iter();
    match values.next() {
        Some(first) => append_trimmed(out, first.as_bytes()),
        // HTTP/2 has no Host header; its authority stands in the target.
        None if name == "host" => out.extend_from_slice(head.uri.authority().map_or("", |a| a.as_str()).as_bytes()),
        None => {}
    }
    for value in values {
        out.push(b',');
        append_trimmed(out, value.as_bytes());
    }
    out.push(b'\n');
}

/// Writes `value` without outer spaces and with inner runs of spaces as one. Only spaces: a tab stays, as in S3.
fn append_trimmed(out: &mut Vec<u8>, value: &[u8]) {
    append_joined(out, value.split(|b| *b == b' ').filter(|word| !word.is_empty()), b' ');
}

fn append_joined<'a>(out: &mut Vec<u8>, parts: impl Iterator<Item = &'a [u8]>, separator: u8) {
    for (i, part) in parts.enumerate() {
        if i > 0 {
            out.push(separator);
        }
        out.extend_from_slice(part);
    }
}

fn for_each_decoded(text: &[u8], plus_is_space: bool, mut push: impl FnMut(u8)) -> Result<(), InvalidEncoding> {
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'%' => {
                let [high, low, tail @ ..] = tail else { return Err(InvalidEncoding) };
                push(hex_value(*high)? << 4 | hex_value(*low)?);
                rest = tail;
            }
            b'+' if plus_is_space => push(b' '),
            other => push(*other),
        }
    }
    Ok(())
}

fn hex_value(digit: u8) -> Result<u8, InvalidEncoding> {
    char::from(digit).to_digit(16).map(|n| n as u8).ok_or(InvalidEncoding)
}

fn push_encoded(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        out.push(byte);
    } else {
        out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(target: &str, spelling: Spelling) -> Result<String, InvalidEncoding> {
        let (head, ()) = http::Request::get(target)
            .header("host", "h")
            .header("x-amz-meta-a", "  one   two  ")
            .header("x-amz-meta-a", "three\tfour")
            .body(())
            .unwrap()
            .into_parts();
        canonical_request(&head, &["host", "x-amz-meta-a"], "P", spelling).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn path_and_query_are_spelled_the_aws_way() {
        for (target, path, query) in [
            ("/", "/", ""),
            ("/b//a/../c", "/b//a/../c", ""),
            ("/b/a%2fb", "/b/a/b", ""),
            ("/b/%41+%2B!*'()~", "/b/A%2B%2B%21%2A%27%28%29~", ""),
            ("/b/%f0%9f%a6%80%00", "/b/%F0%9F%A6%80%00", ""),
            ("/?acl", "/", "acl="),
            ("/?b=2&a=2&a=1&a-=0&&", "/", "a=1&a=2&a-=0&b=2"),
            ("/?k=a+b%20c%2Bd=e/f", "/", "k=a%20b%20c%2Bd%3De%2Ff"),
            ("/?B=1&X-Amz-Signature=00&a=2&%58-Amz-Signature=3", "/", "B=1&a=2"),
        ] {
            let want = format!("GET\n{path}\n{query}\nhost:h\nx-amz-meta-a:one two,three\tfour\n\nhost;x-amz-meta-a\nP");
            assert_eq!(canonical(target, Spelling::Aws), Ok(want), "{target}");
        }
        let want = "GET\n/b/a%2fb(c)\na=(1)&b=+\nhost:h\nx-amz-meta-a:one two,three\tfour\n\nhost;x-amz-meta-a\nP";
        assert_eq!(canonical("/b/a%2fb(c)?b=+&a=(1)", Spelling::AsSent).as_deref(), Ok(want));
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for bad in ["/%", "/%2", "/%zz", "/%2x", "/?%", "/?a=%f", "/?a=%+1"] {
            assert_eq!(canonical(bad, Spelling::Aws), Err(InvalidEncoding), "{bad}");
        }
        assert_eq!(decode_query("%ff"), Err(InvalidEncoding));
        assert_eq!(decode_query("a+%2B").as_deref(), Ok("a +"));
    }
}
