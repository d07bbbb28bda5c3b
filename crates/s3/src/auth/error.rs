//! Why a request's author could not be established: one variant for each fact.
//!
//! Nothing here names an S3 error code; the one file that does maps every variant to exactly one code.
//! Messages say what the client can change.

use holdfast_model::Timestamp;

/// Why a request was not authenticated. The S3 code of each variant stands in its first sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// AccessDenied: the request carries no credentials at all.
    #[error("this request is not signed; sign it with AWS Signature Version 4, anonymous access is not allowed")]
    Anonymous,
    /// InvalidRequest: both an Authorization header and a signature in the query.
    #[error("the request is signed twice; keep either the Authorization header or the X-Amz-* signature parameters, not both")]
    SignedTwice,
    /// InvalidRequest: SigV2, SigV4A, Basic, Bearer or something unknown.
    #[error("this authorization mechanism is not supported; sign with AWS4-HMAC-SHA256 (Signature Version 4)")]
    UnsupportedMechanism,
    /// AuthorizationHeaderMalformed: the Authorization header cannot be read.
    #[error("the Authorization header is malformed: {0}")]
    MalformedHeader(Malformed),
    /// AuthorizationQueryParametersError: the signature parameters of the query cannot be read.
    #[error("the presigned URL is malformed: {0}; generate it anew and use it unchanged")]
    MalformedQuery(Malformed),
    /// InvalidURI: a percent-encoding that does not decode.
    #[error("the request target has an invalid percent-encoding; encode each byte as % and two hex digits")]
    InvalidUri,
    /// AccessDenied: no X-Amz-Date and no Date, or one that cannot be read.
    #[error("a signed request needs the time of signing; send x-amz-date as YYYYMMDD'T'HHMMSS'Z' (UTC)")]
    MissingDate,
    /// RequestTimeTooSkewed: signed too long ago or too far ahead.
    #[error("the difference between the request time and the server's time is too large; set the client's clock")]
    TimeTooSkewed {
        /// When the client says that it signed.
        request_time: Timestamp,
        /// The server's clock.
        server_time: Timestamp,
    },
    /// AccessDenied: a presigned URL whose time lies ahead by more than the clock skew.
    #[error("this presigned URL is not valid yet; set the clock of the machine that signs")]
    NotYetValid {
        /// The URL's X-Amz-Date.
        request_time: Timestamp,
        /// The server's clock.
        server_time: Timestamp,
    },
    /// AccessDenied ("Request has expired"): a presigned URL whose time is over.
    #[error("this presigned URL has expired; generate a new one")]
    Expired {
        /// X-Amz-Expires in seconds.
        expires_secs: u64,
        /// When it ended.
        expired_at: Timestamp,
        /// The server's clock.
        server_time: Timestamp,
    },
    /// InvalidAccessKeyId: nobody has this access key.
    #[error("the access key id is not known here; check the configured credentials and the endpoint")]
    UnknownAccessKey {
        /// As the client sent it.
        access_key: String,
    },
    /// InvalidToken: a session token, which this server never issued.
    #[error("this server issues no session tokens; unset AWS_SESSION_TOKEN and use a long-lived access key")]
    SecurityToken,
    /// AccessDenied ("There were headers present in the request which were not signed").
    #[error("headers that must be signed were not: {}; name them in SignedHeaders and sign again", names.join(", "))]
    UnsignedHeaders {
        /// Lower-cased names, for S3's `HeadersNotSigned` element.
        names: Vec<String>,
    },
    /// MissingSecurityHeader: a signed header request without x-amz-content-sha256.
    #[error("x-amz-content-sha256 is missing; send the body's SHA-256 in hex, or UNSIGNED-PAYLOAD, and sign it")]
    MissingPayloadHash,
    /// InvalidArgument: x-amz-content-sha256 is none of the values that S3 defines, or given twice.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a SHA-256 of 64 lower-case hex digits"
    )]
    UnknownPayloadHash {
        /// As the client sent it.
        value: String,
    },
    /// SignatureDoesNotMatch: everything could be read, but the signature is not the one of this request and secret.
    #[error("the signature does not match the one calculated here; check the secret key, and that nothing changes the request on its way")]
    SignatureMismatch(Box<SignatureMismatch>),
}

/// What S3 shows of a signature that does not match, so that a client can be debugged. It holds no secret key,
/// but the values of the client's own headers: it is for the answer to that client, not for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureMismatch {
    /// The access key id that signed.
    pub access_key: String,
    /// What the server hashed, in S3's spelling.
    pub canonical_request: String,
    /// What the server signed.
    pub string_to_sign: String,
    /// The signature that the client sent, in hex.
    pub signature_provided: String,
}

/// What is wrong with an Authorization header or with the signature parameters of a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The header is given more than once, or is not ASCII.
    #[error("it must be given exactly once, in ASCII")]
    NotOneValue,
    /// A component is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A component is there twice.
    #[error("{0} is given more than once")]
    Duplicate(&'static str),
    /// A component that SigV4 does not define.
    #[error("only Credential, SignedHeaders and Signature belong here, separated by commas")]
    UnknownComponent,
    /// A parameter with the right letters in the wrong case.
    #[error("{0} must be spelled so")]
    WrongCase(&'static str),
    /// Not `<key>/<date>/<region>/s3/aws4_request`.
    #[error("the credential must be <access key>/<YYYYMMDD>/<region>/s3/aws4_request")]
    Credential,
    /// The scope names another service.
    #[error("the credential's service must be s3")]
    Service,
    /// The scope does not end as it must.
    #[error("the credential must end with aws4_request")]
    Terminator,
    /// The scope's date is no date, or not the day of the request's time.
    #[error("the credential's date must be the day of X-Amz-Date")]
    ScopeDate,
    /// Names that are empty, not lower case, twice, or no header names.
    #[error("SignedHeaders must be lower-case header names, each once, separated by semicolons")]
    SignedHeaders,
    /// The Host header decides the bucket, so it is always signed.
    #[error("SignedHeaders must contain host")]
    HostNotSigned,
    /// Not 64 lower-case hex digits.
    #[error("the signature must be 64 lower-case hex digits")]
    Signature,
    /// X-Amz-Algorithm is something else.
    #[error("X-Amz-Algorithm must be AWS4-HMAC-SHA256")]
    Algorithm,
    /// X-Amz-Date is no ISO 8601 basic time.
    #[error("X-Amz-Date must be YYYYMMDD'T'HHMMSS'Z' (UTC)")]
    Date,
    /// X-Amz-Expires is no number of seconds between 1 and 604800.
    #[error("X-Amz-Expires must be a number of seconds from 1 to 604800 (7 days)")]
    Expires,
}
