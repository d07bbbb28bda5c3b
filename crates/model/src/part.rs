//! Parts of a multipart upload.

use std::{fmt, num::NonZeroU16, sync::Arc};

use crate::limits::PARTS_MAX;

/// The number of a part: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(NonZeroU16);

/// A number that is no part number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part number is a whole number from 1 to 10000")]
pub struct InvalidPartNumber;

impl PartNumber {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`InvalidPartNumber`] below 1 or above 10,000.
    pub fn new(number: u64) -> Result<Self, InvalidPartNumber> {
        match u16::try_from(number).ok().and_then(NonZeroU16::new) {
            Some(n) if n.get() <= PARTS_MAX => Ok(Self(n)),
            _ => Err(InvalidPartNumber),
        }
    }

    /// Reads decimal digits.
    ///
    /// # Errors
    /// [`InvalidPartNumber`] for anything but digits within the bounds.
    pub fn parse(text: &str) -> Result<Self, InvalidPartNumber> {
        if text.is_empty() || text.len() > 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidPartNumber);
        }
        Self::new(text.parse().map_err(|_| InvalidPartNumber)?)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a multipart upload, unguessable and never used twice. Only what Holdfast gave out is found again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(Arc<str>);

impl UploadId {
    /// Takes any text; an unknown one finds no upload.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_numbers_are_1_to_10000_in_plain_digits() {
        for (text, expect) in [("1", Some(1)), ("10000", Some(10_000)), ("007", Some(7))] {
            assert_eq!(PartNumber::parse(text).ok().map(PartNumber::get), expect);
        }
        for bad in ["0", "10001", "-1", "+1", " 1", "", "1.0", "99999999999999999999", "\u{661}"] {
            assert!(PartNumber::parse(bad).is_err(), "{bad:?}");
        }
    }
}
