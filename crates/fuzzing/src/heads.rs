//! The guard in front of hyper: what it lets through has one reading, and hyper has the same.
//!
//! However the bytes are cut, the guard decides alike. What it let through is read here in the plainest way; hyper's requests are those,
//! in order, with the same bodies, until hyper stops for a reason of its own.

use holdfast_model::limits::HEAD_BYTES_MAX;
use holdfast_server::fuzzing::{End, Followed, Read, follow, served};

use crate::input::{Input, pieces};

pub(crate) fn http_heads(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let seed = input.u16();
    let wire = input.rest();
    if wire.len() > HEAD_BYTES_MAX {
        return;
    }
    let whole = follow([wire]);
    assert_eq!(follow(wire.chunks(1)), whole, "byte by byte");
    assert_eq!(follow(pieces(wire, seed)), whole, "in pieces");
    let expected = plain_reading(&whole);
    assert_eq!(expected.len() as u64, whole.heads, "every head that was let through is a request");
    for cut in [vec![wire.to_vec()], pieces(wire, seed).into_iter().map(<[u8]>::to_vec).collect()] {
        let found = served(cut);
        assert!(found.len() <= expected.len(), "hyper read requests that the guard did not see: {found:?}, {expected:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((&found.method, found.headers), (&expected.method, expected.headers));
            assert_eq!(path_of(&found.target), path_of(&expected.target));
            assert!(found.body.is_none() || found.body == expected.body, "hyper read another body: {found:?}, {expected:?}");
        }
    }
}

/// A target without scheme and authority, as `http::Uri` shows it.
fn path_of(target: &str) -> String {
    let lower = target.to_ascii_lowercase();
    let authority = if lower.starts_with("http://") {
        7
    } else if lower.starts_with("https://") {
        8
    } else {
        0
    };
    if authority == 0 {
        return target.to_owned();
    }
    let rest = &target[authority..];
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// The requests in bytes that were let through, read in the plainest way. A body that is not whole is `None`.
fn plain_reading(followed: &Followed) -> Vec<Read> {
    let (mut rest, mut requests) = (followed.judged.as_slice(), Vec::new());
    while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = std::str::from_utf8(&rest[..end]).map_or_else(|_| latin(&rest[..end]), str::to_owned);
        rest = &rest[end + 4..];
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap();
        let words: Vec<&str> = first.split(' ').collect();
        assert_eq!(words.len(), 3, "{first:?}");
        let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(':').expect("name: value")).collect();
        let value = |name: &str| fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        let body = match (value("content-length"), value("transfer-encoding")) {
            (None, None) => Some(Vec::new()),
            (Some(length), None) => take(&mut rest, length.parse().expect("a length")),
            (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => chunked(&mut rest),
            both => panic!("a body that can be read in two ways: {both:?}"),
        };
        let whole = body.is_some();
        requests.push(Read { method: words[0].to_owned(), target: words[1].to_owned(), headers: fields.len(), body });
        if !whole {
            return requests;
        }
    }
    assert!(!matches!(followed.end, End::Open { between_messages: true }) || rest.is_empty(), "bytes were let through without a head");
    requests
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn take(rest: &mut &[u8], n: usize) -> Option<Vec<u8>> {
    let body = rest.get(..n);
    *rest = &rest[n.min(rest.len())..];
    body.map(<[u8]>::to_vec)
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|window| window == b"\r\n");
    let line = &rest[..end?];
    *rest = &rest[end? + 2..];
    Some(line)
}

fn chunked(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(rest)?;
        let size = size.split(|byte| *byte == b';').next().unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend(take(rest, size)?);
        line(rest)?;
    }
    while !line(rest)?.is_empty() {}
    Some(body)
}
