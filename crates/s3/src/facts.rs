//! What a request turned out to be, for the log line and the metrics. It rides on the response as an extension.

/// The facts of one request. Never a secret: no signature, no query, no credential but the access key's id.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts {
    /// As in `x-amz-request-id`.
    pub request_id: String,
    /// S3's name of the operation (`PutObject`); a constant, so that it can label a metric. Empty if the request names none.
    pub operation: &'static str,
    /// The bucket that the request names.
    pub bucket: Option<String>,
    /// The key that the request names.
    pub key: Option<String>,
    /// The access key id that signed.
    pub access_key: Option<String>,
    /// S3's error code; empty when there was no error.
    pub code: &'static str,
    /// How a condition was judged (`met`, `failed`, `conflict`); `None` without a condition.
    pub verdict: Option<&'static str>,
}
