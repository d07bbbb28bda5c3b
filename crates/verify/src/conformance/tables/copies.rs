//! Section 2: conditions on the source of CopyObject and UploadPartCopy.

use super::{needs, row, short};
use crate::conformance::parts::Part;
use crate::conformance::row::{Case, Operation, Row, Want};

const MATCH: &str = "x-amz-copy-source-if-match";
const NONE_MATCH: &str = "x-amz-copy-source-if-none-match";
const MODIFIED: &str = "x-amz-copy-source-if-modified-since";
const UNMODIFIED: &str = "x-amz-copy-source-if-unmodified-since";

const BY_MATCH: Want = Want::failed("x-amz-copy-source-If-Match");
const BY_NONE_MATCH: Want = Want::failed("x-amz-copy-source-If-None-Match");
const BY_MODIFIED: Want = Want::failed("x-amz-copy-source-If-Modified-Since");
const BY_UNMODIFIED: Want = Want::failed("x-amz-copy-source-If-Unmodified-Since");

type Line = (&'static str, &'static [(&'static str, &'static str)], Want);

const LINES: &[Line] = &[
    ("source-if-match-equal", &[(MATCH, "{etag}")], Want::Done),
    ("source-if-match-other", &[(MATCH, "{other}")], BY_MATCH),
    ("source-if-none-match-equal", &[(NONE_MATCH, "{etag}")], BY_NONE_MATCH),
    ("source-if-none-match-other", &[(NONE_MATCH, "{other}")], Want::Done),
    ("source-if-modified-since-before", &[(MODIFIED, "{before}")], Want::Done),
    ("source-if-modified-since-equal", &[(MODIFIED, "{modified}")], BY_MODIFIED),
    ("source-if-unmodified-since-equal", &[(UNMODIFIED, "{modified}")], Want::Done),
    ("source-if-unmodified-since-before", &[(UNMODIFIED, "{before}")], BY_UNMODIFIED),
    ("source-if-match-outweighs-unmodified-since", &[(MATCH, "{etag}"), (UNMODIFIED, "{before}")], Want::Done),
    ("source-if-match-false-and-unmodified-since", &[(MATCH, "{other}"), (UNMODIFIED, "{modified}")], BY_MATCH),
    ("source-if-none-match-false-and-modified-since", &[(NONE_MATCH, "{etag}"), (MODIFIED, "{before}")], BY_NONE_MATCH),
];

pub(super) fn rows() -> Vec<Row> {
    let operations = [(Operation::Copy, "CopyObject, source"), (Operation::UploadPartCopy, "UploadPartCopy, source")];
    operations.into_iter().flat_map(|(operation, group)| of(operation, group)).chain(both_sides()).collect()
}

fn of(operation: Operation, group: &'static str) -> Vec<Row> {
    let id = |name: &str| format!("{}.{name}", short(operation));
    let needs = [needs(operation, false), vec![Part::CopySource]].concat();
    let line = |(name, headers, want): &Line| row(id(name), group, &needs, Case::new(operation, true, headers, want.clone()));
    let mut rows: Vec<Row> = LINES.iter().map(line).collect();
    for (name, headers) in [("source-missing", &[][..]), ("source-missing-if-match", &[(MATCH, "{etag}")][..])] {
        let case = Case { source: false, ..Case::new(operation, true, headers, Want::MISSING) };
        rows.push(row(id(name), group, &needs, case));
    }
    rows
}

/// Both sides must hold.
const BOTH: &[(bool, Line)] = &[
    (false, ("source-true-destination-true", &[(MATCH, "{etag}"), ("if-none-match", "*")], Want::Done)),
    (true, ("source-true-destination-false", &[(MATCH, "{etag}"), ("if-none-match", "*")], Want::failed("If-None-Match"))),
    (true, ("source-false-destination-true", &[(MATCH, "{other}"), ("if-match", "{etag}")], BY_MATCH)),
    (true, ("source-true-destination-other", &[(MATCH, "{etag}"), ("if-match", "{other}")], Want::failed("If-Match"))),
];

fn both_sides() -> Vec<Row> {
    let needs = [Part::CopySource, Part::CopyDestination];
    let of_line = |(present, (name, headers, want)): &(bool, Line)| {
        row(format!("copy.{name}"), "CopyObject, both sides", &needs, Case::new(Operation::Copy, *present, headers, want.clone()))
    };
    BOTH.iter().map(of_line).collect()
}
