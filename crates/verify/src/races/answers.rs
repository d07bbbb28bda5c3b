//! From answers to outcomes: what is definite, what is not, and what each status means for the keys.

use std::sync::Arc;

use crate::{
    client::{Answer, Lost},
    history::{Etag, Outcome, Request},
};

/// What became of a write or a delete.
pub(super) fn outcome(request: &Request, answer: &Answer, definite_503: bool) -> Outcome {
    if answer.is_success() {
        return match request {
            Request::Delete { .. } => Outcome::Deleted,
            _ => Outcome::Written(answer.etag().map(Etag::from)),
        };
    }
    failure(answer, definite_503)
}

/// What an answer other than success says.
pub(super) fn failure(answer: &Answer, definite_503: bool) -> Outcome {
    let code = answer.code();
    // A multipart complete may say 200 first and fail in its document: there the code alone counts.
    match (answer.status(), code.as_deref()) {
        (412, _) | (200..300, Some("PreconditionFailed")) => Outcome::Failed { of_source: is_of_source(answer) },
        (409, _) | (200..300, Some("ConditionalRequestConflict")) => Outcome::Conflict,
        (404, None | Some("NoSuchKey")) | (200..300, Some("NoSuchKey")) => Outcome::Missing,
        (503, _) if definite_503 => Outcome::Refused,
        (300..=499 | 501, _) => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

fn is_of_source(answer: &Answer) -> bool {
    answer.condition().is_some_and(|name| name.to_ascii_lowercase().contains("source"))
}

/// What a request without an answer says; none if nothing was sent.
pub(super) fn lost(lost: &Lost) -> Option<Outcome> {
    (!lost.is_definite()).then_some(Outcome::Unknown)
}

/// The ETag of a read.
pub(super) fn etag(answer: &Answer) -> Option<Etag> {
    answer.head.etag().map(Arc::from)
}

/// The name of an operation and of what came back, for figures.
pub(super) fn names(request: &Request, outcome: &Outcome) -> (&'static str, &'static str) {
    let operation = match request {
        Request::Put { .. } => "PutObject",
        Request::Complete { .. } => "CompleteMultipartUpload",
        Request::Copy { .. } => "CopyObject",
        Request::Rename { .. } => "RenameObject",
        Request::Delete { .. } => "DeleteObject",
        Request::Get { .. } => "GetObject",
        Request::Head { .. } => "HeadObject",
    };
    let outcome = match outcome {
        Outcome::Written(_) => "written",
        Outcome::Deleted => "deleted",
        Outcome::Found { .. } => "found",
        Outcome::Missing => "missing",
        Outcome::Failed { .. } => "412",
        Outcome::Conflict => "409",
        Outcome::Refused => "refused",
        Outcome::Unknown => "unknown",
    };
    (operation, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Head;

    fn said(status: u16, code: &str) -> Answer {
        let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
        Answer { head: Head { status, ..Head::default() }, body: body.into() }
    }

    #[test]
    fn only_what_is_documented_as_definite_is_definite() {
        let failed = |status, code: &str| failure(&said(status, code), false);
        assert_eq!(failed(412, "PreconditionFailed"), Outcome::Failed { of_source: false });
        assert_eq!(failed(409, "ConditionalRequestConflict"), Outcome::Conflict);
        assert_eq!(failed(404, "NoSuchKey"), Outcome::Missing);
        assert_eq!(failed(404, ""), Outcome::Missing);
        assert_eq!(failed(404, "NoSuchUpload"), Outcome::Refused);
        assert_eq!(failed(400, "InvalidRequest"), Outcome::Refused);
        assert_eq!(failed(501, "NotImplemented"), Outcome::Refused);
        assert_eq!(failed(500, "InternalError"), Outcome::Unknown);
        assert_eq!(failed(503, "SlowDown"), Outcome::Unknown);
        assert_eq!(failure(&said(503, "SlowDown"), true), Outcome::Refused);
        // An error behind a 200.
        assert_eq!(failed(200, "PreconditionFailed"), Outcome::Failed { of_source: false });
        assert_eq!(failed(200, "InternalError"), Outcome::Unknown);
    }
}
