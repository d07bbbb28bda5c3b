//! Percent encoding of paths, queries and listed keys (RFC 3986 section 2.1).
//!
//! Everything is decoded exactly once, here; a sequence that cannot be decoded is refused, never guessed.

use std::borrow::Cow;

/// A text that is not percent-encoded UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEncoding {
    /// `%` without two hexadecimal digits behind it.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Sequence,
    /// The decoded bytes are not UTF-8.
    #[error("the decoded bytes are not UTF-8")]
    NotUtf8,
}

/// What an unencoded `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// Itself, as in a path.
    Literal,
    /// A space, as forms and query strings have it.
    Space,
}

/// Decodes `text` once.
///
/// # Errors
/// [`InvalidEncoding`] for half a sequence or bytes that are not UTF-8.
pub fn decode(text: &[u8], plus: Plus) -> Result<String, InvalidEncoding> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let (&[high, low], tail) = rest.split_first_chunk::<2>().ok_or(InvalidEncoding::Sequence)?;
                bytes.push(hex_digit(high)? << 4 | hex_digit(low)?);
                rest = tail;
            }
            b'+' if plus == Plus::Space => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| InvalidEncoding::NotUtf8)
}

fn hex_digit(byte: u8) -> Result<u8, InvalidEncoding> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(InvalidEncoding::Sequence),
    }
}

/// Encodes a key for `encoding-type=url`. A space becomes `%20`, which every client's decoder reads back, whether or not
/// it takes `+` for a space (botocore does); `/` stays.
pub fn encode_key(text: &str) -> Cow<'_, str> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let stays = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/');
    if text.bytes().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if stays(byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded_once_and_broken_sequences_are_refused() {
        for (text, path, query) in [
            ("a/b", Ok("a/b"), Ok("a/b")),
            ("a+b", Ok("a+b"), Ok("a b")),
            ("a%2Bb", Ok("a+b"), Ok("a+b")),
            ("a%20b", Ok("a b"), Ok("a b")),
            ("%2525", Ok("%25"), Ok("%25")),
            ("%F0%9f%A6%80", Ok("\u{1f980}"), Ok("\u{1f980}")),
            ("\u{1f980}", Ok("\u{1f980}"), Ok("\u{1f980}")),
            ("%00", Ok("\0"), Ok("\0")),
            ("%", Err(InvalidEncoding::Sequence), Err(InvalidEncoding::Sequence)),
            ("a%2", Err(InvalidEncoding::Sequence), Err(InvalidEncoding::Sequence)),
            ("%zz", Err(InvalidEncoding::Sequence), Err(InvalidEncoding::Sequence)),
            ("%+1", Err(InvalidEncoding::Sequence), Err(InvalidEncoding::Sequence)),
            ("%ff", Err(InvalidEncoding::NotUtf8), Err(InvalidEncoding::NotUtf8)),
            ("%ed%a0%80", Err(InvalidEncoding::NotUtf8), Err(InvalidEncoding::NotUtf8)),
            ("%c0%af", Err(InvalidEncoding::NotUtf8), Err(InvalidEncoding::NotUtf8)),
        ] {
            assert_eq!(decode(text.as_bytes(), Plus::Literal).as_deref().map_err(|e| *e), path, "{text}");
            assert_eq!(decode(text.as_bytes(), Plus::Space).as_deref().map_err(|e| *e), query, "{text}");
        }
    }

    #[test]
    fn encoded_keys_decode_to_themselves_by_either_reading_of_plus() {
        for (key, encoded) in
            [("asdf+b", "asdf%2Bb"), ("quux ab/thud", "quux%20ab/thud"), ("a%b", "a%25b"), ("\u{e9}\n", "%C3%A9%0A"), ("x_-.~", "x_-.~")]
        {
            assert_eq!(encode_key(key), encoded);
            assert_eq!(decode(encoded.as_bytes(), Plus::Space).unwrap(), key);
            assert_eq!(decode(encoded.as_bytes(), Plus::Literal).unwrap(), key);
        }
    }
}
