//! What the S3 service knows about a request and the server does not: put into the response's extensions.
//!
//! A plain struct without ties to this crate, so that it can move to the crate that fills it.

/// Facts for the log line and the metrics of one request. None of them is a secret.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts {
    /// As in `x-amz-request-id`.
    pub request_id: String,
    /// S3's name of the operation (`PutObject`); a constant, so that it can label a metric.
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
