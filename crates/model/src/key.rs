//! Object keys: any UTF-8 of 1 to 1024 bytes. `//`, `..`, control characters and emoji are ordinary here,
//! because a key is never a path of a file system.

use std::{fmt, sync::Arc};

use crate::limits::KEY_BYTES_MAX;

/// A key inside a bucket. Keys order by their bytes, which for UTF-8 is the order of code points, as S3 lists them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

/// Why a text is not an object key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// No bytes at all.
    #[error("an object key has at least 1 byte")]
    Empty,
    /// More than 1024 bytes.
    #[error("an object key has at most 1024 bytes of UTF-8")]
    TooLong,
    /// Bytes that are no UTF-8.
    #[error("an object key is UTF-8")]
    NotUtf8,
}

impl ObjectKey {
    /// Checks the length of `key`.
    ///
    /// # Errors
    /// [`InvalidKey::Empty`] or [`InvalidKey::TooLong`].
    pub fn parse(key: &str) -> Result<Self, InvalidKey> {
        match key.len() {
            0 => Err(InvalidKey::Empty),
            n if n > KEY_BYTES_MAX => Err(InvalidKey::TooLong),
            _ => Ok(Self(key.into())),
        }
    }

    /// Checks bytes that came percent-decoded from a request.
    ///
    /// # Errors
    /// Any [`InvalidKey`].
    pub fn from_bytes(key: &[u8]) -> Result<Self, InvalidKey> {
        Self::parse(std::str::from_utf8(key).map_err(|_| InvalidKey::NotUtf8)?)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as bytes, in the order of listings.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_utf8_of_1_to_1024_bytes_is_a_key() {
        for good in ["/", "//", "..", "a/../b", "%2F+ ", "\u{1f980}", "\u{0}\u{1}\n", &"k".repeat(1024)] {
            assert_eq!(ObjectKey::parse(good).map(|k| k.as_str().to_owned()), Ok(good.to_owned()));
        }
        assert_eq!(ObjectKey::parse(""), Err(InvalidKey::Empty));
        assert_eq!(ObjectKey::parse(&"k".repeat(1025)), Err(InvalidKey::TooLong));
        assert_eq!(ObjectKey::from_bytes(&[0xff, 0xfe]), Err(InvalidKey::NotUtf8));
    }
}
