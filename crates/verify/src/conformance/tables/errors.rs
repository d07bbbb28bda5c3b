//! Section 8: what the body of an error says.

use super::{needs, row};
use crate::conformance::row::{Case, Operation, Row, Severity, Want};

const GROUP: &str = "Error bodies";
const ALWAYS: &[&str] = &["Code", "Message", "Resource", "RequestId", "HostId"];
const FAILED: &[&str] = &["Code", "Message", "Resource", "RequestId", "HostId", "Condition"];
const MISSING: &[&str] = &["Code", "Message", "Resource", "RequestId", "HostId", "Key"];

type Line = (&'static str, Operation, bool, &'static [(&'static str, &'static str)], Want, &'static [&'static str]);

const LINES: &[Line] = &[
    ("put-412-if-none-match", Operation::Put, true, &[("if-none-match", "*")], Want::failed("If-None-Match"), FAILED),
    ("put-412-if-match", Operation::Put, true, &[("if-match", "{other}")], Want::failed("If-Match"), FAILED),
    ("put-404", Operation::Put, false, &[("if-match", "{etag}")], Want::MISSING, MISSING),
    ("put-400", Operation::Put, true, &[("if-match", "{etag}"), ("if-none-match", "*")], Want::INVALID, ALWAYS),
    ("complete-412", Operation::Complete, true, &[("if-none-match", "*")], Want::failed("If-None-Match"), FAILED),
    ("complete-404", Operation::Complete, false, &[("if-match", "{etag}")], Want::MISSING, MISSING),
    (
        "copy-412-source",
        Operation::Copy,
        true,
        &[("x-amz-copy-source-if-match", "{other}")],
        Want::failed("x-amz-copy-source-If-Match"),
        FAILED,
    ),
    ("copy-412-destination", Operation::Copy, true, &[("if-none-match", "*")], Want::failed("If-None-Match"), FAILED),
    (
        "rename-412-source",
        Operation::Rename,
        true,
        &[("x-amz-rename-source-if-match", "{other}")],
        Want::failed("x-amz-rename-source-If-Match"),
        FAILED,
    ),
    ("rename-412-destination", Operation::Rename, true, &[("if-none-match", "*")], Want::failed("If-None-Match"), FAILED),
    ("delete-412", Operation::Delete, true, &[("if-match", "{other}")], Want::failed("If-Match"), FAILED),
    ("delete-404", Operation::Delete, false, &[("if-match", "{etag}")], Want::MISSING, MISSING),
    ("get-412", Operation::Get, true, &[("if-match", "{other}")], Want::failed("If-Match"), FAILED),
    ("get-404", Operation::Get, false, &[], Want::MISSING, MISSING),
];

pub(super) fn rows() -> Vec<Row> {
    let of_line = |(name, operation, present, headers, want, elements): &Line| {
        // Whether it was refused is judged elsewhere; here only what the refusal says.
        let worst = Severity::WrongCode;
        let mut needs = needs(*operation, true);
        if *operation == Operation::Delete {
            needs.push(crate::conformance::parts::Part::ConditionalDelete);
        }
        let case = Case { worst, elements, ..Case::new(*operation, *present, headers, want.clone()) };
        row(format!("error.{name}"), GROUP, &needs, case)
    };
    LINES.iter().map(of_line).collect()
}
