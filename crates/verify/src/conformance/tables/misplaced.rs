//! Section 1, number 6: a condition on a write that cannot honour it is refused, never ignored. Reads ignore the conditions of
//! HTTP that they do not define.

use super::{needs, row, short};
use crate::conformance::row::{Case, Operation, Row, Severity, Want};

const GROUP: &str = "Conditions where they cannot be honoured";

/// The operation, the headers, and how bad it is to ignore them.
const REFUSED: &[(Operation, &str, &str, Severity)] = &[
    (Operation::UploadPart, "if-match", "{other}", Severity::WrongAnswer),
    (Operation::UploadPart, "if-none-match", "*", Severity::WrongAnswer),
    (Operation::UploadPartCopy, "if-none-match", "*", Severity::WrongAnswer),
    (Operation::UploadPartCopy, "if-match", "{other}", Severity::WrongAnswer),
    (Operation::CreateUpload, "if-none-match", "*", Severity::WrongAnswer),
    (Operation::CreateUpload, "if-match", "{other}", Severity::WrongAnswer),
    (Operation::AbortUpload, "if-match", "{other}", Severity::WrongAnswer),
    (Operation::AbortUpload, "if-none-match", "*", Severity::WrongAnswer),
    (Operation::PutTagging, "if-match", "{other}", Severity::FalseSuccess),
    (Operation::PutTagging, "if-none-match", "*", Severity::FalseSuccess),
    (Operation::DeleteTagging, "if-match", "{other}", Severity::FalseSuccess),
    (Operation::DeleteBucket, "if-match", "{other}", Severity::WrongCode),
    (Operation::Delete, "if-none-match", "*", Severity::FalseSuccess),
    (Operation::Delete, "if-unmodified-since", "{past}", Severity::FalseSuccess),
    (Operation::Delete, "if-modified-since", "{modified}", Severity::FalseSuccess),
    (Operation::Put, "if-unmodified-since", "{past}", Severity::FalseSuccess),
    (Operation::Put, "if-modified-since", "{modified}", Severity::FalseSuccess),
    (Operation::Put, "x-amz-if-match-size", "{size+1}", Severity::FalseSuccess),
    (Operation::Complete, "if-unmodified-since", "{past}", Severity::FalseSuccess),
    (Operation::Complete, "if-modified-since", "{modified}", Severity::FalseSuccess),
    (Operation::Copy, "if-unmodified-since", "{past}", Severity::FalseSuccess),
    (Operation::Copy, "if-modified-since", "{modified}", Severity::FalseSuccess),
];

const IGNORED_BY_READS: &[(Operation, &str, &str)] = &[
    (Operation::List, "if-none-match", "*"),
    (Operation::List, "if-match", "{other}"),
    (Operation::GetTagging, "if-none-match", "*"),
    (Operation::GetTagging, "if-match", "{other}"),
];

pub(super) fn rows() -> Vec<Row> {
    let refused = REFUSED.iter().map(|(operation, name, value, worst)| {
        let case = Case { worst: *worst, ..Case::new(*operation, true, &[(name, value)], Want::INVALID) };
        row(format!("misplaced.{}.{name}", short(*operation)), GROUP, &needs(*operation, false), case)
    });
    let ignored = IGNORED_BY_READS.iter().map(|(operation, name, value)| {
        let case = Case { worst: Severity::WrongAnswer, ..Case::new(*operation, true, &[(name, value)], Want::Done) };
        row(format!("misplaced.{}.{name}", short(*operation)), GROUP, &needs(*operation, false), case)
    });
    refused.chain(ignored).collect()
}
