//! The only file that knows S3's error codes and their HTTP status
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
//!
//! A failed HEAD has the status and no body, and so has 304. Messages are worded as S3 words them where its text is
//! known, and then say what the client can do next.

use std::{borrow::Cow, fmt};

use holdfast_model::{Condition, UnsatisfiableRange, WriteRefusal};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::xml::XmlWriter;

mod mapping;

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $message:literal;)*) => {
        /// An S3 error code. What it means is in S3's list of error responses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each is the S3 code of its name")]
        pub enum Code { $($variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as `<Code>` has it, and as logs and metrics count it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status, as a number.
            pub const fn status_number(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What S3 says when there is nothing more exact to say.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

codes! {
    NotModified "NotModified" 304 "Not modified.";
    AuthorizationHeaderMalformed "AuthorizationHeaderMalformed" 400 "The authorization header that you provided is not valid.";
    AuthorizationQueryParametersError "AuthorizationQueryParametersError" 400 "The query parameters that carry the signature are not valid.";
    BadDigest "BadDigest" 400 "The Content-MD5 or checksum value that you specified did not match what the server received. Nothing was written; send the body again.";
    BadRequest "BadRequest" 400 "Bad Request";
    EntityTooLarge "EntityTooLarge" 400 "Your proposed upload exceeds the maximum allowed object size. Use a multipart upload for larger objects.";
    EntityTooSmall "EntityTooSmall" 400 "Your proposed upload is smaller than the minimum allowed object size. Every part but the last has at least 5 MiB.";
    IdempotencyParameterMismatch "IdempotencyParameterMismatch" 400 "The client token was used before with other parameters. Send a new token for a new request.";
    IncompleteBody "IncompleteBody" 400 "You did not provide the number of bytes specified by the Content-Length HTTP header. Nothing was written.";
    IncorrectEndpoint "IncorrectEndpoint" 400 "The specified bucket exists at another endpoint.";
    InvalidArgument "InvalidArgument" 400 "Invalid Argument";
    InvalidBucketName "InvalidBucketName" 400 "The specified bucket is not valid.";
    InvalidChunkSize "InvalidChunkSizeError" 400 "Only the last chunk is allowed to have a size less than 8192 bytes.";
    InvalidDigest "InvalidDigest" 400 "The Content-MD5 or checksum value that you specified is not valid.";
    InvalidEncryptionAlgorithm "InvalidEncryptionAlgorithmError" 400 "The encryption request that you specified is not valid.";
    InvalidLocationConstraint "InvalidLocationConstraint" 400 "The specified location constraint is not valid.";
    InvalidPart "InvalidPart" 400 "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    InvalidPartOrder "InvalidPartOrder" 400 "The list of parts was not in ascending order. The parts list must be specified in order by part number.";
    InvalidRequest "InvalidRequest" 400 "Invalid Request";
    InvalidStorageClass "InvalidStorageClass" 400 "The storage class that you specified is not valid.";
    InvalidTag "InvalidTag" 400 "The tag provided was not a valid tag.";
    InvalidToken "InvalidToken" 400 "The provided token is malformed or otherwise not valid.";
    InvalidUri "InvalidURI" 400 "Couldn't parse the specified URI.";
    InvalidWriteOffset "InvalidWriteOffset" 400 "The write offset value that you specified does not match the current object size. Read the size with HeadObject and try again.";
    KeyTooLong "KeyTooLongError" 400 "Your key is too long. A key has at most 1024 bytes of UTF-8.";
    MalformedTrailer "MalformedTrailerError" 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MalformedXml "MalformedXML" 400 "The XML you provided was not well-formed or did not validate against our published schema.";
    MaxMessageLengthExceeded "MaxMessageLengthExceeded" 400 "Your request was too large.";
    MetadataTooLarge "MetadataTooLarge" 400 "Your metadata headers exceed the maximum allowed metadata size. Names and values together have at most 2048 bytes.";
    MissingRequestBody "MissingRequestBodyError" 400 "Request body is empty.";
    MissingSecurityHeader "MissingSecurityHeader" 400 "Your request is missing a required header.";
    RequestHeaderSectionTooLarge "RequestHeaderSectionTooLarge" 400 "The request header and query parameters used to make the request exceed the maximum allowed size.";
    RequestTimeout "RequestTimeout" 400 "Your socket connection to the server was not read from or written to within the timeout period. Nothing was written; send the request again.";
    TooManyBuckets "TooManyBuckets" 400 "You have attempted to create more buckets than are allowed. Delete a bucket first.";
    TooManyParts "TooManyParts" 400 "You have attempted to add more parts than the maximum of 10,000 that are allowed for this object.";
    UserKeyMustBeSpecified "UserKeyMustBeSpecified" 400 "The bucket POST must contain the specified field name. If it is specified, check the order of the fields.";
    XAmzContentSha256Mismatch "XAmzContentSHA256Mismatch" 400 "The provided 'x-amz-content-sha256' header does not match what was computed. Nothing was written; send the body again.";
    AccessDenied "AccessDenied" 403 "Access Denied";
    AccessForbidden "AccessForbidden" 403 "CORSResponse: CORS is not enabled for this bucket.";
    InvalidAccessKeyId "InvalidAccessKeyId" 403 "The AWS access key ID that you provided does not exist in our records.";
    RequestTimeTooSkewed "RequestTimeTooSkewed" 403 "The difference between the request time and the server's time is too large. Set the client's clock.";
    SignatureDoesNotMatch "SignatureDoesNotMatch" 403 "The request signature that the server calculated does not match the signature that you provided. Check your secret key and signing method.";
    NoSuchBucket "NoSuchBucket" 404 "The specified bucket does not exist";
    NoSuchKey "NoSuchKey" 404 "The specified key does not exist.";
    NoSuchTagSet "NoSuchTagSet" 404 "The TagSet does not exist";
    NoSuchUpload "NoSuchUpload" 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    NoSuchVersion "NoSuchVersion" 404 "The version ID specified in the request does not match an existing version. Objects here have one version, named null.";
    MethodNotAllowed "MethodNotAllowed" 405 "The specified method is not allowed against this resource.";
    BucketAlreadyExists "BucketAlreadyExists" 409 "The requested bucket name is not available. Select a different name and try again.";
    BucketAlreadyOwnedByYou "BucketAlreadyOwnedByYou" 409 "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty "BucketNotEmpty" 409 "The bucket you tried to delete is not empty. Delete its objects and abort its uploads first.";
    ConditionalRequestConflict "ConditionalRequestConflict" 409 "The conditional request cannot succeed due to a conflicting operation against this resource.";
    OperationAborted "OperationAborted" 409 "A conflicting conditional action is currently in progress against this resource. Try again.";
    MissingContentLength "MissingContentLength" 411 "You must provide the Content-Length HTTP header.";
    PreconditionFailed "PreconditionFailed" 412 "At least one of the pre-conditions you specified did not hold";
    InvalidRange "InvalidRange" 416 "The requested range is not satisfiable";
    InvalidPartNumber "InvalidPartNumber" 416 "The requested partnumber is not satisfiable";
    InternalError "InternalError" 500 "We encountered an internal error. The request may or may not have taken effect; read the object before trying again.";
    NotImplemented "NotImplemented" 501 "A header you provided implies functionality that is not implemented";
    ServiceUnavailable "ServiceUnavailable" 503 "The service cannot take the request now. Nothing was written; try again later.";
    SlowDown "SlowDown" 503 "Please reduce your request rate. Nothing was written; try again later.";
}

impl Code {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A refusal or failure as a client sees it. Boxed inside, so that `Result`s stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Error(Box<Facts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    code: Code,
    message: Cow<'static, str>,
    resource: Option<String>,
    condition: Option<Condition>,
    key: Option<String>,
    fields: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl S3Error {
    /// An error with the message that S3 gives.
    pub fn new(code: Code) -> Self {
        let message = Cow::Borrowed(code.message());
        Self(Box::new(Facts { code, message, resource: None, condition: None, key: None, fields: Vec::new(), headers: Vec::new() }))
    }

    /// 400 InvalidArgument that names the argument and its value.
    pub fn invalid_argument(name: &str, value: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument).with_message(message).with_field("ArgumentName", name).with_field("ArgumentValue", value)
    }

    /// 400 InvalidRequest.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest).with_message(message)
    }

    /// 400 InvalidRequest about one header.
    pub fn invalid_header(name: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid_request(message).with_field("Header", name)
    }

    /// 400 InvalidURI.
    pub fn invalid_uri(why: impl fmt::Display) -> Self {
        Self::new(Code::InvalidUri).with_message(format!("Couldn't parse the specified URI: {why}."))
    }

    /// 400 MalformedXML.
    pub fn malformed_xml(why: impl fmt::Display) -> Self {
        Self::new(Code::MalformedXml).with_message(format!("{} ({why})", Code::MalformedXml.message()))
    }

    /// 501 NotImplemented for a header with a meaning that we lack.
    pub fn header_not_implemented(name: &str) -> Self {
        Self::new(Code::NotImplemented)
            .with_message(format!(
                "A header you provided implies functionality that is not implemented: {name}. Send the request without it."
            ))
            .with_field("Header", name)
    }

    /// 501 NotImplemented for a sub-resource that we lack.
    pub fn resource_not_implemented(name: &str) -> Self {
        Self::new(Code::NotImplemented)
            .with_message(format!("This server does not implement the sub-resource \"{name}\". Nothing was changed."))
            .with_field("ResourceType", name)
    }

    /// 404 NoSuchKey with the key.
    pub fn no_such_key(key: &str) -> Self {
        Self::new(Code::NoSuchKey).with_key(key)
    }

    /// 404 NoSuchBucket with the name.
    pub fn no_such_bucket(bucket: &str) -> Self {
        Self::new(Code::NoSuchBucket).with_field("BucketName", bucket)
    }

    /// 412 PreconditionFailed, naming the condition.
    pub fn precondition_failed(condition: Condition) -> Self {
        let message = format!("{}: {}. Nothing was changed.", Code::PreconditionFailed.message(), condition.name());
        Self::new(Code::PreconditionFailed).with_message(message).with_condition(condition)
    }

    /// 304, without a body; the caller adds ETag and Last-Modified as headers.
    pub fn not_modified() -> Self {
        Self::new(Code::NotModified)
    }

    /// 416 InvalidRange with what was asked for and what there is.
    pub fn invalid_range(requested: &str, range: UnsatisfiableRange) -> Self {
        let error =
            Self::new(Code::InvalidRange).with_field("RangeRequested", requested).with_field("ActualObjectSize", &range.size.to_string());
        match HeaderValue::from_str(&format!("bytes */{}", range.size)) {
            Ok(value) => error.with_header(header::CONTENT_RANGE, value),
            Err(_) => error,
        }
    }

    /// 503 SlowDown: definite, nothing was submitted.
    pub fn slow_down() -> Self {
        Self::new(Code::SlowDown).with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// A write precondition that did not hold for `key`: 404, 409 or 412.
    pub fn write_refused(refusal: WriteRefusal, key: &str) -> Self {
        match refusal {
            WriteRefusal::NoSuchKey(condition) => Self::no_such_key(key)
                .with_message(format!("The specified key does not exist, so {} cannot hold. Create it with If-None-Match: *.", condition.name())),
            WriteRefusal::PreconditionFailed(condition) => Self::precondition_failed(condition),
            WriteRefusal::Conflict(condition) => Self::new(Code::ConditionalRequestConflict)
                .with_message(format!(
                    "{} Another request created the object while this one was under way, so {} no longer holds. Read the object before trying again.",
                    Code::ConditionalRequestConflict.message(),
                    condition.name()
                ))
                .with_condition(condition)
                .with_key(key),
        }
    }

    /// Replaces the message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Adds `<Condition>`.
    #[must_use]
    pub fn with_condition(mut self, condition: Condition) -> Self {
        self.0.condition = Some(condition);
        self
    }

    /// Adds `<Key>`.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.0.key = Some(key.to_owned());
        self
    }

    /// Sets `<Resource>`, which otherwise is the path of the request.
    #[must_use]
    pub fn with_resource(mut self, resource: &str) -> Self {
        self.0.resource = Some(resource.to_owned());
        self
    }

    /// Adds an element of this code's own, such as `BucketName` or `StringToSign`.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: &str) -> Self {
        self.0.fields.push((name, value.to_owned()));
        self
    }

    /// Adds a response header, such as `Allow` or `Content-Range`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The condition that failed, if one did.
    pub fn condition(&self) -> Option<Condition> {
        self.0.condition
    }

    /// An element of this code's own.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// The XML body. `resource` is the path of the request.
    pub fn body(&self, resource: &str, request_id: &str, host_id: &str) -> String {
        let mut xml = XmlWriter::document(512);
        xml.open("Error");
        xml.text("Code", self.0.code.name());
        xml.legible("Message", &self.0.message);
        if let Some(condition) = self.0.condition {
            xml.text("Condition", condition.name());
        }
        if let Some(key) = &self.0.key {
            xml.legible("Key", key);
        }
        for (name, value) in &self.0.fields {
            xml.legible(name, value);
        }
        xml.legible("Resource", self.0.resource.as_deref().unwrap_or(resource));
        xml.text("RequestId", request_id);
        xml.text("HostId", host_id);
        xml.close("Error");
        xml.finish()
    }

    /// The whole response. `head` is whether the request was a HEAD; then, and for 304, there is no body.
    pub fn response(&self, head: bool, resource: &str, request_id: &str, host_id: &str) -> Response<String> {
        let bare = head || self.0.code == Code::NotModified;
        let mut response = Response::new(if bare { String::new() } else { self.body(resource, request_id, host_id) });
        *response.status_mut() = self.status();
        if !bare {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        for (name, value) in &self.0.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.name(), self.0.message)
    }
}

impl std::error::Error for S3Error {}

impl From<Code> for S3Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_a_valid_status_and_a_message() {
        for (i, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.status().as_u16(), code.status_number());
            assert!(!code.message().is_empty());
            assert!(Code::ALL[..i].iter().all(|earlier| earlier.name() != code.name()), "{}", code.name());
        }
    }

    #[test]
    fn refusals_carry_what_section_8_of_the_contract_promises() {
        use Condition::{IfMatch, IfNoneMatch};
        for (refusal, status, expect) in [
            (
                WriteRefusal::PreconditionFailed(IfNoneMatch),
                412,
                vec!["<Code>PreconditionFailed</Code>", "<Condition>If-None-Match</Condition>"],
            ),
            (
                WriteRefusal::Conflict(IfNoneMatch),
                409,
                vec!["<Code>ConditionalRequestConflict</Code>", "<Condition>If-None-Match</Condition>", "<Key>a&lt;b</Key>"],
            ),
            (WriteRefusal::NoSuchKey(IfMatch), 404, vec!["<Code>NoSuchKey</Code>", "<Key>a&lt;b</Key>"]),
        ] {
            let response = S3Error::write_refused(refusal, "a<b").response(false, "/bucket/a%3Cb", "4442587FB7D0A2F9", "host");
            assert_eq!(response.status().as_u16(), status);
            let common = ["<Resource>/bucket/a%3Cb</Resource>", "<RequestId>4442587FB7D0A2F9</RequestId>", "<HostId>host</HostId></Error>"];
            for part in expect.iter().chain(&common) {
                assert!(response.body().contains(part), "{part} in {}", response.body());
            }
        }
    }

    #[test]
    fn a_failed_head_and_a_304_have_no_body() {
        for (error, head) in [(S3Error::no_such_key("k"), true), (S3Error::not_modified(), false)] {
            let response = error.response(head, "/", "r", "h");
            assert_eq!(response.body(), "");
            assert!(!response.headers().contains_key(header::CONTENT_TYPE));
        }
    }

    #[test]
    fn an_unsatisfiable_range_tells_the_size() {
        let response = S3Error::invalid_range("bytes=9-", UnsatisfiableRange { size: 5 }).response(false, "/", "r", "h");
        assert_eq!(response.status().as_u16(), 416);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */5");
        assert!(response.body().contains("<RangeRequested>bytes=9-</RangeRequested><ActualObjectSize>5</ActualObjectSize>"));
    }
}
