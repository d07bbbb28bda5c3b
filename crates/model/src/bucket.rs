//! Bucket names, by S3's rules for general purpose buckets
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).

use std::{fmt, sync::Arc};

use crate::limits::{BUCKET_NAME_BYTES_MAX, BUCKET_NAME_BYTES_MIN};

/// A valid bucket name: 3 to 63 of `a-z`, `0-9`, `-` and `.`, usable as a DNS label sequence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(Arc<str>);

/// Why a text is not a bucket name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBucketName {
    /// Shorter than 3 or longer than 63 bytes.
    #[error("a bucket name has 3 to 63 characters")]
    Length,
    /// A character outside `a-z 0-9 - .`.
    #[error("a bucket name has only lower case letters, digits, hyphens and dots")]
    Character,
    /// Begins or ends with something else than a letter or digit, or two dots meet, or a dot meets a hyphen.
    #[error("every part of a bucket name between dots begins and ends with a letter or a digit")]
    Label,
    /// Reads as an IPv4 address.
    #[error("a bucket name is not formatted as an IP address")]
    IpAddress,
    /// Has a prefix or suffix that S3 keeps for itself.
    #[error("this beginning or ending of a bucket name is reserved")]
    Reserved,
}

const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 4] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3"];

impl BucketName {
    /// Checks `name` by the rules.
    ///
    /// # Errors
    /// The first rule that `name` breaks.
    pub fn parse(name: &str) -> Result<Self, InvalidBucketName> {
        if !(BUCKET_NAME_BYTES_MIN..=BUCKET_NAME_BYTES_MAX).contains(&name.len()) {
            return Err(InvalidBucketName::Length);
        }
        if !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')) {
            return Err(InvalidBucketName::Character);
        }
        let label_is_good = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        if !name.split('.').all(label_is_good) {
            return Err(InvalidBucketName::Label);
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(InvalidBucketName::IpAddress);
        }
        if RESERVED_PREFIXES.iter().any(|p| name.starts_with(p)) || RESERVED_SUFFIXES.iter().any(|s| name.ends_with(s)) {
            return Err(InvalidBucketName::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_by_the_rules_of_s3() {
        for good in ["abc", "my-bucket", "a.b.c", "0ab", "logs.2026", &"a".repeat(63)] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("ab", InvalidBucketName::Length),
            (&*"a".repeat(64), InvalidBucketName::Length),
            ("Abc", InvalidBucketName::Character),
            ("a_b", InvalidBucketName::Character),
            ("a/b", InvalidBucketName::Character),
            ("-ab", InvalidBucketName::Label),
            ("ab-", InvalidBucketName::Label),
            ("a..b", InvalidBucketName::Label),
            ("a.-b", InvalidBucketName::Label),
            (".ab", InvalidBucketName::Label),
            ("192.168.1.1", InvalidBucketName::IpAddress),
            ("xn--abc", InvalidBucketName::Reserved),
            ("abc-s3alias", InvalidBucketName::Reserved),
        ] {
            assert_eq!(BucketName::parse(bad), Err(why), "{bad}");
        }
    }
}
