//! Facts of the layers below -> S3 errors. Each fact has exactly one code.

use holdfast_model::limits::PART_BYTES_MIN;
use holdfast_objects::{ObjectsError, StoreError};
use http::{HeaderValue, header};

use super::{Code, S3Error};
use crate::{
    auth::{AuthError, BodyError},
    dates::{http_date, iso8601},
    headers::invalid_tags,
    route::Route,
};

impl From<AuthError> for S3Error {
    fn from(error: AuthError) -> Self {
        let text = error.to_string();
        let with = |code| Self::new(code).with_message(sentence(&text));
        match error {
            AuthError::Anonymous | AuthError::MissingDate => with(Code::AccessDenied),
            AuthError::SignedTwice | AuthError::UnsupportedMechanism => with(Code::InvalidRequest),
            AuthError::MalformedHeader(_) => with(Code::AuthorizationHeaderMalformed),
            AuthError::MalformedQuery(_) => with(Code::AuthorizationQueryParametersError),
            AuthError::InvalidUri => with(Code::InvalidUri),
            AuthError::TimeTooSkewed { request_time, server_time } => with(Code::RequestTimeTooSkewed)
                .with_field("RequestTime", &iso8601(request_time))
                .with_field("ServerTime", &iso8601(server_time))
                .with_field("MaxAllowedSkewMilliseconds", "900000"),
            AuthError::NotYetValid { server_time, .. } => with(Code::AccessDenied).with_field("ServerTime", &iso8601(server_time)),
            AuthError::Expired { expires_secs, expired_at, server_time } => Self::new(Code::AccessDenied)
                .with_message(format!("Request has expired: {text}."))
                .with_field("X-Amz-Expires", &expires_secs.to_string())
                .with_field("Expires", &iso8601(expired_at))
                .with_field("ServerTime", &iso8601(server_time)),
            AuthError::UnknownAccessKey { access_key } => with(Code::InvalidAccessKeyId).with_field("AWSAccessKeyId", &access_key),
            AuthError::SecurityToken => with(Code::InvalidToken),
            AuthError::UnsignedHeaders { names } => Self::new(Code::AccessDenied)
                .with_message("There were headers present in the request which were not signed. Sign them too.")
                .with_field("HeadersNotSigned", &names.join(", ")),
            AuthError::MissingPayloadHash => with(Code::MissingSecurityHeader).with_field("MissingHeaderName", "x-amz-content-sha256"),
            AuthError::UnknownPayloadHash { value } => Self::invalid_argument("x-amz-content-sha256", &value, sentence(&text)),
            AuthError::SignatureMismatch(mismatch) => Self::new(Code::SignatureDoesNotMatch)
                .with_field("AWSAccessKeyId", &mismatch.access_key)
                .with_field("StringToSign", &mismatch.string_to_sign)
                .with_field("SignatureProvided", &mismatch.signature_provided)
                .with_field("CanonicalRequest", &mismatch.canonical_request),
        }
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::MissingDecodedLength => Code::MissingContentLength,
            BodyError::InvalidLength { .. } => Code::InvalidArgument,
            BodyError::Incomplete { .. } => Code::IncompleteBody,
            BodyError::PayloadHashMismatch { .. } => Code::XAmzContentSha256Mismatch,
            BodyError::ChunkSignatureMismatch { .. } | BodyError::TrailerSignatureMismatch => Code::SignatureDoesNotMatch,
            BodyError::InvalidChunkSize => Code::InvalidChunkSize,
            BodyError::MalformedTrailer(_) | BodyError::TrailerUnannounced | BodyError::TrailerMissing { .. } => Code::MalformedTrailer,
            BodyError::TrailerNotPossible
            | BodyError::TrailerNotSupported
            | BodyError::TooLong { .. }
            | BodyError::MalformedChunk(_)
            | BodyError::BytesAfterEnd => Code::InvalidRequest,
        };
        Self::new(code).with_message(format!("{} Nothing was written.", sentence(&error.to_string())))
    }
}

impl S3Error {
    /// What an operation on `route` answers for a fact of `objects`.
    pub fn of_objects(error: ObjectsError, route: &Route) -> Self {
        let key = route.key.as_ref().map_or("", holdfast_model::ObjectKey::as_str);
        let bucket = route.bucket.as_ref().map_or("", holdfast_model::BucketName::as_str);
        let text = sentence(&error.to_string());
        let with = |code| Self::new(code).with_message(text.clone());
        match error {
            ObjectsError::NoSuchBucket => Self::no_such_bucket(bucket),
            ObjectsError::NoSuchSourceBucket => Self::new(Code::NoSuchBucket).with_message(text),
            ObjectsError::BucketAlreadyOwnedByYou => Self::new(Code::BucketAlreadyOwnedByYou).with_field("BucketName", bucket),
            ObjectsError::BucketNotEmpty => Self::new(Code::BucketNotEmpty).with_field("BucketName", bucket),
            ObjectsError::TooManyBuckets => Self::new(Code::TooManyBuckets),
            ObjectsError::NoSuchTagSet => Self::new(Code::NoSuchTagSet).with_field("BucketName", bucket),
            ObjectsError::Tags(why) => invalid_tags(why),
            ObjectsError::NoSuchKey => Self::no_such_key(key),
            ObjectsError::NoSuchSource { key } => Self::no_such_key(&key).with_message(text),
            ObjectsError::Write(refusal) => Self::write_refused(refusal, key),
            ObjectsError::SourcePrecondition(condition) | ObjectsError::ReadPrecondition(condition) => Self::precondition_failed(condition),
            ObjectsError::NotModified { etag, last_modified } => not_modified(&etag, last_modified),
            ObjectsError::InvalidWriteOffset { size } => {
                Self::new(Code::InvalidWriteOffset).with_message(text).with_field("ObjectSize", &size.to_string())
            }
            ObjectsError::SelfCopy => Self::invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, \
                 storage class, website redirect location or encryption attributes.",
            ),
            ObjectsError::TokenMismatch => Self::new(Code::IdempotencyParameterMismatch),
            ObjectsError::NoSuchUpload => {
                Self::new(Code::NoSuchUpload).with_field("UploadId", route.upload_id().as_ref().map_or("", |id| id.as_str()))
            }
            ObjectsError::InvalidPart { part } => Self::new(Code::InvalidPart).with_field("PartNumber", &part.to_string()),
            ObjectsError::InvalidPartOrder => Self::new(Code::InvalidPartOrder),
            ObjectsError::NoParts => with(Code::MalformedXml),
            ObjectsError::PartTooSmall { part, size, etag, .. } => Self::new(Code::EntityTooSmall)
                .with_field("ProposedSize", &size.to_string())
                .with_field("MinSizeAllowed", &PART_BYTES_MIN.to_string())
                .with_field("PartNumber", &part.to_string())
                .with_field("ETag", etag.as_str()),
            ObjectsError::TooManyParts => Self::new(Code::TooManyParts),
            ObjectsError::EntityTooLarge { size, max } => Self::entity_too_large(size, max),
            ObjectsError::SelfRename
            | ObjectsError::ObjectSizeMismatch { .. }
            | ObjectsError::ChecksumAlgorithmMismatch { .. }
            | ObjectsError::ChecksumMissing { .. }
            | ObjectsError::ChecksumKindImpossible(_) => with(Code::InvalidRequest),
            ObjectsError::BadContentMd5 | ObjectsError::BadChecksum(_) => with(Code::BadDigest),
            ObjectsError::UnsatisfiableRange(range) => Self::invalid_range("", range),
            ObjectsError::NoSuchPart { parts } => Self::new(Code::InvalidPartNumber).with_field("ActualPartCount", &parts.to_string()),
            ObjectsError::Contended => Self::slow_down().with_message(text),
            ObjectsError::Damaged(damaged) => Self::internal(&damaged),
            ObjectsError::Store(error) => Self::of_store(error),
        }
    }

    /// 400 EntityTooLarge with both sizes.
    pub fn entity_too_large(size: u64, max: u64) -> Self {
        Self::new(Code::EntityTooLarge).with_field("ProposedSize", &size.to_string()).with_field("MaxSizeAllowed", &max.to_string())
    }

    /// A definite failure of the store is 503, and nothing was written; an indefinite one is 500.
    fn of_store(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::slow_down(),
            StoreError::Full(_) => {
                Self::slow_down().with_message("The disk is full. Nothing was written; delete objects or add space, then try again.")
            }
            StoreError::Unavailable(why) => {
                tracing::warn!(why, "the store does not accept requests");
                Self::new(Code::ServiceUnavailable).with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
            }
            StoreError::Indefinite(_) | StoreError::Corrupt(_) | StoreError::Read(_) | StoreError::NoSuchBlob => Self::internal(&error),
        }
    }

    /// 500; what happened is for the log, not for the client.
    pub fn internal(why: &dyn std::fmt::Display) -> Self {
        tracing::error!(%why, "internal error");
        Self::new(Code::InternalError)
    }
}

fn not_modified(etag: &holdfast_model::ETag, last_modified: holdfast_model::Timestamp) -> S3Error {
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let mut error = S3Error::not_modified();
    if let Some(etag) = value(&etag.quoted()) {
        error = error.with_header(header::ETAG, etag);
    }
    match value(&http_date(last_modified)) {
        Some(date) => error.with_header(header::LAST_MODIFIED, date),
        None => error,
    }
}

/// The text as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).chain(['.']).collect()
}
