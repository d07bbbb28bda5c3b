//! Section 3: conditions of RenameObject on its source, and dates on its destination.

use super::row;
use crate::conformance::parts::Part;
use crate::conformance::row::{Case, Operation, Row, Want};

const MATCH: &str = "x-amz-rename-source-if-match";
const NONE_MATCH: &str = "x-amz-rename-source-if-none-match";
const MODIFIED: &str = "x-amz-rename-source-if-modified-since";
const UNMODIFIED: &str = "x-amz-rename-source-if-unmodified-since";

const BY_MATCH: Want = Want::failed("x-amz-rename-source-If-Match");
const BY_NONE_MATCH: Want = Want::failed("x-amz-rename-source-If-None-Match");
const BY_MODIFIED: Want = Want::failed("x-amz-rename-source-If-Modified-Since");
const BY_UNMODIFIED: Want = Want::failed("x-amz-rename-source-If-Unmodified-Since");
const BY_DESTINATION_MODIFIED: Want = Want::failed("If-Modified-Since");
const BY_DESTINATION_UNMODIFIED: Want = Want::failed("If-Unmodified-Since");

/// Name, destination present, source present, headers, what must come.
type Line = (&'static str, bool, bool, &'static [(&'static str, &'static str)], Want);

const LINES: &[Line] = &[
    ("source-if-match-equal", true, true, &[(MATCH, "{etag}")], Want::Done),
    ("source-if-match-other", true, true, &[(MATCH, "{other}")], BY_MATCH),
    ("source-if-match-other-destination-absent", false, true, &[(MATCH, "{other}")], BY_MATCH),
    ("source-if-none-match-equal", true, true, &[(NONE_MATCH, "{etag}")], BY_NONE_MATCH),
    ("source-if-none-match-other", true, true, &[(NONE_MATCH, "{other}")], Want::Done),
    ("source-if-modified-since-before", true, true, &[(MODIFIED, "{before}")], Want::Done),
    ("source-if-modified-since-equal", true, true, &[(MODIFIED, "{modified}")], BY_MODIFIED),
    ("source-if-unmodified-since-equal", true, true, &[(UNMODIFIED, "{modified}")], Want::Done),
    ("source-if-unmodified-since-before", true, true, &[(UNMODIFIED, "{before}")], BY_UNMODIFIED),
    ("source-if-match-outweighs-unmodified-since", true, true, &[(MATCH, "{etag}"), (UNMODIFIED, "{before}")], Want::Done),
    ("source-missing", true, false, &[], Want::MISSING),
    ("source-missing-destination-absent", false, false, &[], Want::MISSING),
    ("source-missing-if-match", true, false, &[(MATCH, "{etag}")], Want::MISSING),
    ("if-modified-since-before", true, true, &[("if-modified-since", "{before}")], Want::Done),
    ("if-modified-since-equal", true, true, &[("if-modified-since", "{modified}")], BY_DESTINATION_MODIFIED),
    ("if-unmodified-since-equal", true, true, &[("if-unmodified-since", "{modified}")], Want::Done),
    ("if-unmodified-since-before", true, true, &[("if-unmodified-since", "{before}")], BY_DESTINATION_UNMODIFIED),
    ("source-true-destination-true", false, true, &[(MATCH, "{etag}"), ("if-none-match", "*")], Want::Done),
    ("source-true-destination-false", true, true, &[(MATCH, "{etag}"), ("if-none-match", "*")], Want::failed("If-None-Match")),
    ("source-false-destination-true", true, true, &[(MATCH, "{other}"), ("if-match", "{etag}")], BY_MATCH),
];

pub(super) fn rows() -> Vec<Row> {
    let of_line = |(name, present, source, headers, want): &Line| {
        let case = Case { source: *source, ..Case::new(Operation::Rename, *present, headers, want.clone()) };
        row(format!("rename.{name}"), "RenameObject, source", &[Part::Rename], case)
    };
    LINES.iter().map(of_line).collect()
}
