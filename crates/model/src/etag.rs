//! Entity tags. Ours are the hex MD5 of the bytes, or the hex MD5 of the parts' MD5s with `-N`
//! (RFC 9110 section 8.8.3; S3's form). They are kept and compared without quotes, and rendered with them.

use std::{fmt, sync::Arc};

/// A strong entity tag without its quotes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ETag(Arc<str>);

/// Why a text is not one strong entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidETag {
    /// `W/"..."`.
    #[error("a weak entity tag cannot guard a write; send the strong tag that a response gave")]
    Weak,
    /// Several tags, or a comma or quote inside one.
    #[error("exactly one entity tag is expected, not a list")]
    List,
    /// Nothing between the quotes, or nothing at all.
    #[error("the entity tag is empty")]
    Empty,
    /// A control character or white space.
    #[error("the entity tag has a character that no entity tag has")]
    Character,
}

impl ETag {
    /// Reads one strong tag, quoted or not, as clients send it.
    ///
    /// ```
    /// # use holdfast_model::ETag;
    /// assert_eq!(ETag::parse("\"abc\""), ETag::parse("abc"));
    /// assert!(ETag::parse("W/\"abc\"").is_err());
    /// ```
    ///
    /// # Errors
    /// Any [`InvalidETag`]; a text with half a pair of quotes counts as a list.
    pub fn parse(text: &str) -> Result<Self, InvalidETag> {
        if text.starts_with("W/") {
            return Err(InvalidETag::Weak);
        }
        let bare = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or(InvalidETag::List)?,
            None => text,
        };
        if bare.is_empty() {
            return Err(InvalidETag::Empty);
        }
        if bare.contains(['"', ',']) {
            return Err(InvalidETag::List);
        }
        if !bare.bytes().all(|b| matches!(b, 0x21..=0x7e | 0x80..)) {
            return Err(InvalidETag::Character);
        }
        Ok(Self(bare.into()))
    }

    /// The tag of bytes that were written in one piece.
    pub fn of_md5(md5: [u8; 16]) -> Self {
        Self(hex(&md5).into())
    }

    /// The tag of an object of `count` parts, where `md5` is the MD5 of the parts' MD5s one after the other.
    pub fn of_parts(md5: [u8; 16], count: usize) -> Self {
        Self(format!("{}-{count}", hex(&md5)).into())
    }

    /// The tag without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag with quotes, as every response carries it.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_strong_tag_is_read_with_or_without_quotes() {
        for (text, expect) in [
            ("abc", Ok("abc")),
            ("\"abc\"", Ok("abc")),
            ("d41d8cd98f00b204e9800998ecf8427e-12", Ok("d41d8cd98f00b204e9800998ecf8427e-12")),
            ("bad-char_/", Ok("bad-char_/")),
            ("W/\"abc\"", Err(InvalidETag::Weak)),
            ("\"a\",\"b\"", Err(InvalidETag::List)),
            ("a, b", Err(InvalidETag::List)),
            ("\"abc", Err(InvalidETag::List)),
            ("abc\"", Err(InvalidETag::List)),
            ("", Err(InvalidETag::Empty)),
            ("\"\"", Err(InvalidETag::Empty)),
            ("a b", Err(InvalidETag::Character)),
        ] {
            assert_eq!(ETag::parse(text).as_ref().map(ETag::as_str).map_err(|e| *e), expect, "{text:?}");
        }
    }

    #[test]
    fn tags_are_the_hex_md5_with_the_count_of_parts() {
        let md5 = [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0, 0xb2, 4, 0xe9, 0x80, 9, 0x98, 0xec, 0xf8, 0x42, 0x7e];
        assert_eq!(ETag::of_md5(md5).quoted(), "\"d41d8cd98f00b204e9800998ecf8427e\"");
        assert_eq!(ETag::of_parts(md5, 3).as_str(), "d41d8cd98f00b204e9800998ecf8427e-3");
    }
}
