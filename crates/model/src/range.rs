//! Byte ranges (RFC 9110 section 14). S3 serves one range a request; a header that asks for several, or that is
//! malformed, is ignored and the whole object is sent, as RFC 9110 section 14.2 allows and S3 does.

/// What a `Range` header asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=a-b`, both inclusive.
    FromTo(u64, u64),
    /// `bytes=a-`.
    From(u64),
    /// `bytes=-n`: the last `n` bytes.
    Last(u64),
}

/// Bytes `start..end` of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSpan {
    /// First byte.
    pub start: u64,
    /// One past the last byte; never less than `start`.
    pub end: u64,
}

/// The range lies wholly outside the object: 416.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range lies outside the object, which has {size} bytes")]
pub struct UnsatisfiableRange {
    /// Size of the object in bytes.
    pub size: u64,
}

impl ByteRange {
    /// Reads a `Range` header; `None` if it is to be ignored.
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, set) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = set.trim().split_once('-')?;
        match (first.trim_end(), last.trim_start()) {
            ("", n) => Some(Self::Last(digits(n)?)),
            (a, "") => Some(Self::From(digits(a)?)),
            (a, b) => {
                let (a, b) = (digits(a)?, digits(b)?);
                (a <= b).then_some(Self::FromTo(a, b))
            }
        }
    }

    /// The bytes of an object of `size` bytes that this range names.
    ///
    /// # Errors
    /// [`UnsatisfiableRange`] if there is no such byte.
    pub fn resolve(self, size: u64) -> Result<ByteSpan, UnsatisfiableRange> {
        let span = match self {
            Self::FromTo(a, b) => ByteSpan { start: a, end: b.saturating_add(1).min(size) },
            Self::From(a) => ByteSpan { start: a, end: size },
            Self::Last(n) => ByteSpan { start: size.saturating_sub(n), end: size },
        };
        if span.start < span.end { Ok(span) } else { Err(UnsatisfiableRange { size }) }
    }
}

/// Decimal digits only; more than a `u64` holds saturates, since it lies behind every object anyway.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

impl ByteSpan {
    /// The whole of an object of `size` bytes.
    pub const fn whole(size: u64) -> Self {
        Self { start: 0, end: size }
    }

    /// How many bytes.
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is no byte.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_resolved_as_rfc_9110_says() {
        let whole = ByteSpan { start: 0, end: 10 };
        for (header, expect) in [
            ("bytes=0-0", Some(Ok(ByteSpan { start: 0, end: 1 }))),
            ("bytes=0-99", Some(Ok(whole))),
            ("bytes=3-", Some(Ok(ByteSpan { start: 3, end: 10 }))),
            ("bytes=-3", Some(Ok(ByteSpan { start: 7, end: 10 }))),
            ("bytes=-99", Some(Ok(whole))),
            ("Bytes = 1-2", Some(Ok(ByteSpan { start: 1, end: 3 }))),
            ("bytes=0-18446744073709551615", Some(Ok(whole))),
            ("bytes=0-99999999999999999999999", Some(Ok(whole))),
            ("bytes=10-", Some(Err(UnsatisfiableRange { size: 10 }))),
            ("bytes=-0", Some(Err(UnsatisfiableRange { size: 10 }))),
            ("bytes=5-3", None),
            ("bytes=0-1,3-4", None),
            ("bytes=a-b", None),
            ("bytes=-", None),
            ("lines=0-1", None),
            ("bytes=+1-2", None),
        ] {
            assert_eq!(ByteRange::parse(header).map(|r| r.resolve(10)), expect, "{header}");
        }
        assert!(ByteRange::Last(1).resolve(0).is_err());
    }
}
