//! Headers with a meaning that Holdfast lacks: refused with 501 that names the header, never ignored.

use http::HeaderMap;

use crate::{error::S3Error, fields::single, route::Operation};

/// What a header's value must be for the request to be served.
enum Served {
    Never,
    Only(&'static [&'static str]),
}

/// Matched in order by the beginning of a header's name.
const FEATURES: &[(&str, Served)] = &[
    ("x-amz-server-side-encryption", Served::Never),
    ("x-amz-copy-source-server-side-encryption", Served::Never),
    ("x-amz-object-lock-", Served::Never),
    ("x-amz-bucket-object-lock-enabled", Served::Only(&["false", "False"])),
    ("x-amz-bucket-namespace", Served::Only(&["global"])),
    ("x-amz-object-ownership", Served::Only(&["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])),
    ("x-amz-acl", Served::Only(&["private", "bucket-owner-full-control", "bucket-owner-read"])),
    ("x-amz-grant-", Served::Never),
    ("x-amz-storage-class", Served::Only(&["STANDARD"])),
    ("x-amz-mfa", Served::Never),
];

/// Headers that turn a write into another one, elsewhere. A partial PUT would replace the whole object (RFC 9110 section 9.3.4
/// asks for 400); the others are other vendors' ways to say "create only", or another method.
const REDIRECTING: [&str; 6] =
    ["content-range", "x-oss-forbid-overwrite", "x-cos-forbid-overwrite", "x-http-method", "x-http-method-override", "x-method-override"];

/// Refuses features that Holdfast does not have.
///
/// # Errors
/// 501 NotImplemented that names the header.
pub fn refuse_unsupported_features(operation: Operation, headers: &HeaderMap) -> Result<(), S3Error> {
    for name in headers.keys().map(http::HeaderName::as_str) {
        if operation.is_write() && REDIRECTING.contains(&name) {
            let message =
                format!("{} cannot honour the header {name}; nothing was changed. Send the request without it.", operation.name());
            return Err(S3Error::invalid_header(name, message));
        }
        if !name.starts_with("x-amz-") {
            continue;
        }
        let Some((feature, served)) = FEATURES.iter().find(|(feature, _)| name.starts_with(feature)) else { continue };
        let served = match served {
            Served::Never => false,
            Served::Only(values) => name == *feature && values.contains(&single(headers, feature)?.unwrap_or_default()),
        };
        if !served {
            return Err(S3Error::header_not_implemented(name));
        }
    }
    if headers.contains_key("x-amz-tagging") && !takes_tags(operation) && operation.is_write() {
        return Err(S3Error::invalid_header(
            "x-amz-tagging",
            format!("{} does not take tags; nothing was changed. Use PutObjectTagging.", operation.name()),
        ));
    }
    Ok(())
}

const fn takes_tags(operation: Operation) -> bool {
    matches!(operation, Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::error::Code;

    #[test]
    fn features_that_we_lack_are_refused_by_name() {
        for (name, value, served) in [
            ("x-amz-server-side-encryption", "AES256", false),
            ("x-amz-server-side-encryption", "aws:kms", false),
            ("x-amz-server-side-encryption-customer-key", "k", false),
            ("x-amz-server-side-encryption-bucket-key-enabled", "true", false),
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256", false),
            ("x-amz-object-lock-mode", "GOVERNANCE", false),
            ("x-amz-object-lock-legal-hold", "OFF", false),
            ("x-amz-bucket-object-lock-enabled", "true", false),
            ("x-amz-bucket-object-lock-enabled", "false", true),
            ("x-amz-acl", "private", true),
            ("x-amz-acl", "bucket-owner-full-control", true),
            ("x-amz-acl", "public-read", false),
            ("x-amz-grant-read", "id=1", false),
            ("x-amz-storage-class", "STANDARD", true),
            ("x-amz-storage-class", "GLACIER", false),
            ("x-amz-mfa", "1 2", false),
            ("x-amz-request-payer", "requester", true),
            ("x-amz-website-redirect-location", "/", true),
            ("x-amz-meta-x-amz-acl", "public-read", true),
            ("content-type", "text/plain", true),
        ] {
            let map = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            match refuse_unsupported_features(Operation::PutObject, &map) {
                Ok(()) => assert!(served, "{name}: {value}"),
                Err(error) => {
                    assert!(!served, "{name}: {value}");
                    assert_eq!((error.code(), error.field("Header")), (Code::NotImplemented, Some(name)));
                }
            }
        }
    }

    #[test]
    fn headers_that_would_make_a_write_another_one_are_refused() {
        for name in REDIRECTING {
            let map = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
            assert_eq!(refuse_unsupported_features(Operation::PutObject, &map).map_err(|e| e.code()), Err(Code::InvalidRequest), "{name}");
            assert!(refuse_unsupported_features(Operation::GetObject, &map).is_ok(), "{name}");
        }
    }

    #[test]
    fn tags_on_a_write_that_would_drop_them_are_refused() {
        let map = HeaderMap::from_iter([(HeaderName::from_static("x-amz-tagging"), HeaderValue::from_static("a=1"))]);
        for (operation, taken) in [(Operation::PutObject, true), (Operation::CompleteMultipartUpload, false), (Operation::GetObject, true)]
        {
            assert_eq!(refuse_unsupported_features(operation, &map).is_ok(), taken, "{operation:?}");
        }
    }
}
