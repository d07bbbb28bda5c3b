//! Where a copy or a rename takes its object from.

use holdfast_model::{BucketName, ObjectKey};
use http::HeaderMap;

use crate::{
    error::{Code, S3Error},
    fields::digits,
    uri::{Plus, decode},
};

const COPY_SOURCE: &str = "x-amz-copy-source";
const RENAME_SOURCE: &str = "x-amz-rename-source";
const COPY_SOURCE_RANGE: &str = "x-amz-copy-source-range";

/// The source of CopyObject or UploadPartCopy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
}

/// Reads `x-amz-copy-source`.
///
/// # Errors
/// 400 InvalidArgument for a text that names no object, 404 NoSuchVersion for a version other than `null`.
pub fn copy_source(headers: &HeaderMap) -> Result<CopySource, S3Error> {
    parse_copy_source(only_value(headers, COPY_SOURCE)?)
}

/// Reads `[/]bucket/key[?versionId=null]`, where the part before the `?` is percent-encoded and `+` is a space (clients
/// that encode it as a form send `%2B` for a plus).
///
/// # Errors
/// As [`copy_source`].
pub fn parse_copy_source(value: &[u8]) -> Result<CopySource, S3Error> {
    let shown = String::from_utf8_lossy(value);
    let refused = |why: &str| {
        let message = format!("Copy Source must mention the source bucket and key: sourcebucket/sourcekey ({why})");
        S3Error::invalid_argument(COPY_SOURCE, &shown, message)
    };
    let (path, version) = match value.windows(VERSION.len()).rposition(|w| w == VERSION) {
        Some(at) => (&value[..at], Some(&value[at + VERSION.len()..])),
        None => (value, None),
    };
    let decoded = decode(path, Plus::Space).map_err(|e| refused(&e.to_string()))?;
    let text = decoded.strip_prefix('/').unwrap_or(&decoded);
    let (bucket, key) = text.split_once('/').ok_or_else(|| refused("there is no key"))?;
    let bucket = BucketName::parse(bucket).map_err(|e| refused(&e.to_string()))?;
    let key = ObjectKey::parse(key).map_err(|e| refused(&e.to_string()))?;
    match version {
        None | Some(b"null") => Ok(CopySource { bucket, key }),
        Some(id) => Err(S3Error::new(Code::NoSuchVersion).with_field("VersionId", &String::from_utf8_lossy(id))),
    }
}

const VERSION: &[u8] = b"?versionId=";

/// `x-amz-copy-source-range`: bytes `first..=last` of the source; `None` for the whole.
///
/// # Errors
/// 400 InvalidArgument for anything but `bytes=first-last`.
pub fn copy_source_range(headers: &HeaderMap) -> Result<Option<(u64, u64)>, S3Error> {
    if !headers.contains_key(COPY_SOURCE_RANGE) {
        return Ok(None);
    }
    let value = only_value(headers, COPY_SOURCE_RANGE)?;
    let text = String::from_utf8_lossy(value);
    let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
    parse_copy_source_range(&text).map(Some).ok_or_else(|| S3Error::invalid_argument(COPY_SOURCE_RANGE, &text, message))
}

/// Reads `bytes=first-last`.
pub fn parse_copy_source_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (digits(first)?, digits(last)?);
    (first <= last && last < u64::MAX).then_some((first, last))
}

/// The source of RenameObject, in both readings: the text may be a key, or the key behind the name of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameSource {
    /// The whole text as a key: tried first.
    pub literal: ObjectKey,
    /// What follows `/bucket/` or `bucket/`, if the text begins with this request's bucket: tried when there is no object
    /// under the literal key.
    pub behind_bucket: Option<ObjectKey>,
    /// The bucket that `/other/key` may name: renaming never leaves a bucket, so this is 400 when nothing has the literal key.
    pub other_bucket: Option<BucketName>,
}

impl RenameSource {
    /// The keys to try, in order, each once.
    pub fn candidates(&self) -> Vec<ObjectKey> {
        let mut keys = vec![self.literal.clone()];
        keys.extend(self.behind_bucket.clone().filter(|key| *key != self.literal));
        keys
    }
}

/// Reads `x-amz-rename-source`.
///
/// # Errors
/// 400 InvalidArgument if it is missing, empty, too long or not percent-encoded UTF-8.
pub fn rename_source(headers: &HeaderMap, bucket: &BucketName) -> Result<RenameSource, S3Error> {
    parse_rename_source(only_value(headers, RENAME_SOURCE)?, bucket)
}

/// Reads a percent-encoded rename source; `+` is itself.
///
/// # Errors
/// As [`rename_source`].
pub fn parse_rename_source(value: &[u8], bucket: &BucketName) -> Result<RenameSource, S3Error> {
    let refused = |why: String| S3Error::invalid_argument(RENAME_SOURCE, &String::from_utf8_lossy(value), format!("Rename source: {why}."));
    let text = decode(value, Plus::Literal).map_err(|e| refused(e.to_string()))?;
    // A bucket's name and two slashes may stand before a key of full length.
    let rooted = text.strip_prefix('/');
    let (first, rest) = rooted.unwrap_or(&text).split_once('/').unwrap_or_default();
    let behind_bucket = if first == bucket.as_str() { ObjectKey::parse(rest).ok() } else { None };
    let literal = match (ObjectKey::parse(&text), &behind_bucket) {
        (Ok(literal), _) => literal,
        (Err(_), Some(key)) => key.clone(),
        (Err(why), None) => return Err(refused(why.to_string())),
    };
    let names_another = rooted.is_some() && first != bucket.as_str() && !rest.is_empty();
    let other_bucket = if names_another { BucketName::parse(first).ok() } else { None };
    Ok(RenameSource { literal, behind_bucket, other_bucket })
}

fn only_value<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h [u8], S3Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_bytes().trim_ascii()),
        (None, _) => Err(S3Error::invalid_argument(name, "", format!("The header {name} is missing."))),
        (Some(_), Some(_)) => Err(S3Error::invalid_argument(name, "", format!("The header {name} is given twice; send it once."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_sources_name_a_bucket_and_a_key() {
        for (value, expect) in [
            ("bucket/key", Ok(("bucket", "key"))),
            ("/bucket/key", Ok(("bucket", "key"))),
            ("bucket%2Fa%2Fb", Ok(("bucket", "a/b"))),
            ("/bucket//a/../b", Ok(("bucket", "/a/../b"))),
            ("bucket/a+b%2Bc%20d", Ok(("bucket", "a b+c d"))),
            ("bucket/\u{e9}", Ok(("bucket", "\u{e9}"))),
            ("bucket/%25?versionId=null", Ok(("bucket", "%"))),
            ("bucket/what%3FversionId=1", Ok(("bucket", "what?versionId=1"))),
            ("bucket/a?b", Ok(("bucket", "a?b"))),
            ("bucket/key?versionId=abc", Err(Code::NoSuchVersion)),
            ("bucket/key?versionId=", Err(Code::NoSuchVersion)),
            ("bucket/", Err(Code::InvalidArgument)),
            ("bucket", Err(Code::InvalidArgument)),
            ("", Err(Code::InvalidArgument)),
            ("Bu_cket/key", Err(Code::InvalidArgument)),
            ("bucket/100%", Err(Code::InvalidArgument)),
            ("bucket/%ff", Err(Code::InvalidArgument)),
            ("arn:aws:s3:us-east-1:1:accesspoint/ap/object/k", Err(Code::InvalidArgument)),
        ] {
            let got = parse_copy_source(value.as_bytes());
            assert_eq!(got.as_ref().map(|s| (s.bucket.as_str(), s.key.as_str())).map_err(S3Error::code), expect, "{value}");
        }
        assert!(parse_copy_source(format!("bucket/{}", "k".repeat(1025)).as_bytes()).is_err());
    }

    #[test]
    fn copy_ranges_have_both_ends() {
        for (text, expect) in [("bytes=0-0", Some((0, 0))), ("bytes=5-9", Some((5, 9)))] {
            assert_eq!(parse_copy_source_range(text), expect);
        }
        for bad in
            ["", "0-1", "bytes=1-", "bytes=-1", "bytes=2-1", "bytes=a-b", "bytes=0-1,2-3", "bytes=0-18446744073709551615", "bytes= 0-1"]
        {
            assert_eq!(parse_copy_source_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn rename_sources_have_a_literal_reading_and_one_behind_the_bucket() {
        let bucket = BucketName::parse("bucket").unwrap();
        for (value, literal, behind, other) in [
            ("key", "key", None, None),
            ("a+b%20c", "a+b c", None, None),
            ("bucket/key", "bucket/key", Some("key"), None),
            ("/bucket/key", "/bucket/key", Some("key"), None),
            ("%2Fbucket%2Fkey", "/bucket/key", Some("key"), None),
            ("bucket//key", "bucket//key", Some("/key"), None),
            ("bucket/", "bucket/", None, None),
            ("/bucket", "/bucket", None, None),
            ("/other/key", "/other/key", None, Some("other")),
            ("other/key", "other/key", None, None),
            ("//key", "//key", None, None),
        ] {
            let got = parse_rename_source(value.as_bytes(), &bucket).unwrap();
            assert_eq!(got.literal.as_str(), literal, "{value}");
            assert_eq!(got.behind_bucket.as_ref().map(ObjectKey::as_str), behind, "{value}");
            assert_eq!(got.other_bucket.as_ref().map(BucketName::as_str), other, "{value}");
        }
        let long = format!("/bucket/{}", "k".repeat(1024));
        assert_eq!(parse_rename_source(long.as_bytes(), &bucket).unwrap().behind_bucket.unwrap().as_bytes().len(), 1024);
        for bad in ["", "%", "%ff", &"k".repeat(1025)] {
            assert_eq!(parse_rename_source(bad.as_bytes(), &bucket).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }
}
