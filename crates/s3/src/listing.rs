//! Query parameters of the listings: pages, markers, prefixes.
//!
//! A continuation token is opaque to clients: the URL-safe Base64 of the key or common prefix after which the listing goes on.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use holdfast_model::limits::{KEY_BYTES_MAX, LIST_PAGE_MAX, PARTS_MAX};

use crate::{error::S3Error, fields::digits, query::Query};

/// ListObjects, version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjectsQuery {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Fold keys behind this; never empty.
    pub delimiter: Option<String>,
    /// List what comes after this.
    pub marker: String,
    /// At most so many entries, 0 to 1000.
    pub max_keys: usize,
    /// `encoding-type=url`.
    pub url_encoded: bool,
}

/// ListObjectsV2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjectsV2Query {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Fold keys behind this; never empty.
    pub delimiter: Option<String>,
    /// `start-after`, as it came.
    pub start_after: Option<String>,
    /// `continuation-token`, as it came.
    pub continuation_token: Option<String>,
    /// List what comes after this: the token's text, else `start-after`.
    pub after: String,
    /// At most so many entries, 0 to 1000.
    pub max_keys: usize,
    /// `encoding-type=url`.
    pub url_encoded: bool,
    /// Entries name their owner.
    pub fetch_owner: bool,
}

/// ListMultipartUploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListUploadsQuery {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Fold keys behind this; never empty.
    pub delimiter: Option<String>,
    /// List uploads of keys after this one.
    pub key_marker: String,
    /// With `key_marker`: also uploads of that key with a greater id. Empty without `key_marker`.
    pub upload_id_marker: String,
    /// At most so many entries, 0 to 1000.
    pub max_uploads: usize,
    /// `encoding-type=url`.
    pub url_encoded: bool,
}

/// ListParts, and the page of parts of GetObjectAttributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartsPage {
    /// List parts after this number; 0 from the beginning.
    pub part_number_marker: u16,
    /// At most so many entries, 0 to 1000.
    pub max_parts: usize,
}

/// ListBuckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListBucketsQuery {
    /// Only names that begin with this.
    pub prefix: Option<String>,
    /// List what comes after this name.
    pub after: String,
    /// At most so many entries; `None` for all.
    pub max_buckets: Option<usize>,
}

/// Reads the parameters of ListObjects.
///
/// # Errors
/// 400 InvalidArgument that names the parameter.
pub fn list_objects(query: &Query) -> Result<ListObjectsQuery, S3Error> {
    Ok(ListObjectsQuery {
        prefix: text(query, "prefix"),
        delimiter: delimiter(query),
        marker: text(query, "marker"),
        max_keys: page(query, "max-keys")?,
        url_encoded: url_encoded(query)?,
    })
}

/// Reads the parameters of ListObjectsV2.
///
/// # Errors
/// 400 InvalidArgument that names the parameter.
pub fn list_objects_v2(query: &Query) -> Result<ListObjectsV2Query, S3Error> {
    let start_after = query.get("start-after").map(str::to_owned);
    let continuation_token = query.get("continuation-token").map(str::to_owned);
    let after = match &continuation_token {
        Some(token) => continue_after(token)?,
        None => start_after.clone().unwrap_or_default(),
    };
    let fetch_owner = match query.get("fetch-owner") {
        None | Some("" | "false" | "False") => false,
        Some("true" | "True") => true,
        Some(other) => return Err(S3Error::invalid_argument("fetch-owner", other, "fetch-owner must be true or false.")),
    };
    Ok(ListObjectsV2Query {
        prefix: text(query, "prefix"),
        delimiter: delimiter(query),
        start_after,
        continuation_token,
        after,
        max_keys: page(query, "max-keys")?,
        url_encoded: url_encoded(query)?,
        fetch_owner,
    })
}

/// Reads the parameters of ListMultipartUploads.
///
/// # Errors
/// 400 InvalidArgument that names the parameter.
pub fn list_uploads(query: &Query) -> Result<ListUploadsQuery, S3Error> {
    let key_marker = text(query, "key-marker");
    let upload_id_marker = if key_marker.is_empty() { String::new() } else { text(query, "upload-id-marker") };
    Ok(ListUploadsQuery {
        prefix: text(query, "prefix"),
        delimiter: delimiter(query),
        key_marker,
        upload_id_marker,
        max_uploads: page(query, "max-uploads")?,
        url_encoded: url_encoded(query)?,
    })
}

/// Reads the parameters of ListParts.
///
/// # Errors
/// 400 InvalidArgument that names the parameter.
pub fn list_parts(query: &Query) -> Result<PartsPage, S3Error> {
    parts_page(query.get("max-parts"), query.get("part-number-marker"), ["max-parts", "part-number-marker"])
}

/// Reads `x-amz-max-parts` and `x-amz-part-number-marker` of GetObjectAttributes.
///
/// # Errors
/// 400 InvalidArgument that names the header.
pub fn attributes_parts(headers: &http::HeaderMap) -> Result<PartsPage, S3Error> {
    const NAMES: [&str; 2] = ["x-amz-max-parts", "x-amz-part-number-marker"];
    parts_page(crate::fields::single(headers, NAMES[0])?, crate::fields::single(headers, NAMES[1])?, NAMES)
}

/// Reads the parameters of ListBuckets.
///
/// # Errors
/// 400 InvalidArgument that names the parameter.
pub fn list_buckets(query: &Query) -> Result<ListBucketsQuery, S3Error> {
    let after = query.get("continuation-token").map(continue_after).transpose()?.unwrap_or_default();
    let max_buckets = match query.get("max-buckets") {
        None | Some("") => None,
        Some(number) => Some(bounded(number, "max-buckets", 10_000)?),
    };
    Ok(ListBucketsQuery { prefix: query.get("prefix").map(str::to_owned), after, max_buckets })
}

/// The token after which the next page begins behind `last`, a key or a common prefix.
pub fn continuation_token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// What a token of [`continuation_token`] stands for.
///
/// # Errors
/// 400 InvalidArgument for a token that is none of ours.
pub fn continue_after(token: &str) -> Result<String, S3Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|b| !b.is_empty() && b.len() <= KEY_BYTES_MAX);
    bytes
        .and_then(|b| String::from_utf8(b).ok())
        .ok_or_else(|| S3Error::invalid_argument("continuation-token", token, "The continuation token provided is incorrect"))
}

fn text(query: &Query, name: &str) -> String {
    query.get(name).unwrap_or_default().to_owned()
}

fn delimiter(query: &Query) -> Option<String> {
    query.get("delimiter").filter(|d| !d.is_empty()).map(str::to_owned)
}

fn url_encoded(query: &Query) -> Result<bool, S3Error> {
    match query.get("encoding-type") {
        None | Some("") => Ok(false),
        Some("url") => Ok(true),
        Some(other) => Err(S3Error::invalid_argument("encoding-type", other, "Invalid Encoding Method specified in Request")),
    }
}

fn page(query: &Query, name: &str) -> Result<usize, S3Error> {
    match query.get(name) {
        None | Some("") => Ok(LIST_PAGE_MAX),
        Some(number) => bounded(number, name, LIST_PAGE_MAX),
    }
}

/// A number up to `i32::MAX`, as S3 has it, cut off at `max`.
fn bounded(number: &str, name: &str, max: usize) -> Result<usize, S3Error> {
    let value = digits(number).filter(|n| i32::try_from(*n).is_ok()).and_then(|n| usize::try_from(n).ok());
    let message = || format!("Argument {name} must be an integer between 0 and 2147483647");
    value.map(|n| n.min(max)).ok_or_else(|| S3Error::invalid_argument(name, number, message()))
}

fn parts_page(max: Option<&str>, marker: Option<&str>, names: [&'static str; 2]) -> Result<PartsPage, S3Error> {
    let read = |text: Option<&str>, name, default: usize, max| match text {
        None | Some("") => Ok(default),
        Some(number) => bounded(number, name, max),
    };
    let marker = read(marker, names[1], 0, usize::from(PARTS_MAX))?;
    let max_parts = read(max, names[0], LIST_PAGE_MAX, LIST_PAGE_MAX)?;
    Ok(PartsPage { part_number_marker: u16::try_from(marker).unwrap_or(PARTS_MAX), max_parts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn query(text: &str) -> Query {
        Query::parse(Some(text)).unwrap()
    }

    #[test]
    fn pages_are_clamped_above_and_refused_below() {
        for (text, expect) in [
            ("", Ok(1000)),
            ("max-keys=", Ok(1000)),
            ("max-keys=0", Ok(0)),
            ("max-keys=7", Ok(7)),
            ("max-keys=1001", Ok(1000)),
            ("max-keys=2147483647", Ok(1000)),
            ("max-keys=2147483648", Err("max-keys")),
            ("max-keys=-1", Err("max-keys")),
            ("max-keys=blah", Err("max-keys")),
            ("max-keys=%2B1", Err("max-keys")),
        ] {
            let v1 = list_objects(&query(text)).map(|q| q.max_keys);
            let v2 = list_objects_v2(&query(text)).map(|q| q.max_keys);
            assert_eq!(v1, v2);
            let named = v1.as_ref().copied().map_err(|e| (e.code(), e.field("ArgumentName").unwrap()));
            assert_eq!(named, expect.map_err(|name| (Code::InvalidArgument, name)), "{text}");
        }
    }

    #[test]
    fn listings_read_their_parameters() {
        let v1 = list_objects(&query("prefix=a%2F&delimiter=%2F&marker=a%2Fb&encoding-type=url")).unwrap();
        let expect =
            ListObjectsQuery { prefix: "a/".into(), delimiter: Some("/".into()), marker: "a/b".into(), max_keys: 1000, url_encoded: true };
        assert_eq!(v1, expect);
        let v2 = list_objects_v2(&query("start-after=k&delimiter=&fetch-owner=true")).unwrap();
        assert_eq!((v2.after.as_str(), v2.delimiter, v2.fetch_owner, v2.prefix.as_str()), ("k", None, true, ""));
        let resumed = list_objects_v2(&query(&format!("start-after=k&continuation-token={}", continuation_token("z\u{1f980}")))).unwrap();
        assert_eq!((resumed.after.as_str(), resumed.start_after.as_deref()), ("z\u{1f980}", Some("k")));
        let uploads = list_uploads(&query("upload-id-marker=u")).unwrap();
        assert_eq!(uploads.upload_id_marker, "", "an upload id marker means nothing without a key marker");
        assert_eq!(list_uploads(&query("key-marker=k&upload-id-marker=u")).unwrap().upload_id_marker, "u");
        assert_eq!(
            list_parts(&query("part-number-marker=20000&max-parts=3")).unwrap(),
            PartsPage { part_number_marker: 10_000, max_parts: 3 }
        );
        assert_eq!(list_buckets(&query("max-buckets=2&prefix=a")).unwrap().max_buckets, Some(2));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in [
            "encoding-type=base64",
            "encoding-type=URL",
            "fetch-owner=yes",
            "continuation-token=",
            "continuation-token=%21",
            "continuation-token=_w",
        ] {
            assert_eq!(list_objects_v2(&query(text)).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
        for text in ["part-number-marker=x", "max-parts=-1"] {
            assert!(list_parts(&query(text)).is_err(), "{text}");
        }
    }
}
