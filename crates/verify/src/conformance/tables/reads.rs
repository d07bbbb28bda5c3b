//! Section 5: conditions on reads, in their order.

use super::{row, short};
use crate::conformance::row::{Case, Operation, RFC, Row, Severity, Want};

const MATCH: &str = "if-match";
const NONE: &str = "if-none-match";
const MODIFIED: &str = "if-modified-since";
const UNMODIFIED: &str = "if-unmodified-since";

const NOT_MODIFIED: Want = Want::refused(304, "");
const BY_MATCH: Want = Want::failed("If-Match");
const BY_UNMODIFIED: Want = Want::failed("If-Unmodified-Since");

type Line = (&'static str, &'static [(&'static str, &'static str)], Want);

const LINES: &[Line] = &[
    ("plain", &[], Want::Done),
    ("if-match-equal", &[(MATCH, "{etag}")], Want::Done),
    ("if-match-unquoted", &[(MATCH, "{bare}")], Want::Done),
    ("if-match-other", &[(MATCH, "{other}")], BY_MATCH),
    ("if-match-star", &[(MATCH, "*")], Want::Done),
    ("if-match-list", &[(MATCH, "{other}, {etag}")], Want::Done),
    ("if-match-list-of-others", &[(MATCH, "{other}, \"x\"")], BY_MATCH),
    ("if-none-match-equal", &[(NONE, "{etag}")], NOT_MODIFIED),
    ("if-none-match-unquoted", &[(NONE, "{bare}")], NOT_MODIFIED),
    ("if-none-match-other", &[(NONE, "{other}")], Want::Done),
    ("if-none-match-star", &[(NONE, "*")], NOT_MODIFIED),
    ("if-none-match-list", &[(NONE, "{other}, {etag}")], NOT_MODIFIED),
    ("if-none-match-list-of-others", &[(NONE, "{other}, \"x\"")], Want::Done),
    ("if-none-match-weak", &[(NONE, "W/{etag}")], NOT_MODIFIED),
    ("if-modified-since-equal", &[(MODIFIED, "{modified}")], NOT_MODIFIED),
    ("if-modified-since-before", &[(MODIFIED, "{before}")], Want::Done),
    ("if-modified-since-past", &[(MODIFIED, "{past}")], Want::Done),
    ("if-modified-since-no-date", &[(MODIFIED, "yesterday")], Want::Done),
    ("if-unmodified-since-equal", &[(UNMODIFIED, "{modified}")], Want::Done),
    ("if-unmodified-since-before", &[(UNMODIFIED, "{before}")], BY_UNMODIFIED),
    ("if-unmodified-since-future", &[(UNMODIFIED, "{future}")], Want::Done),
    ("if-unmodified-since-no-date", &[(UNMODIFIED, "yesterday")], Want::Done),
    ("if-match-outweighs-unmodified-since", &[(MATCH, "{etag}"), (UNMODIFIED, "{past}")], Want::Done),
    ("if-match-false-and-unmodified-since", &[(MATCH, "{other}"), (UNMODIFIED, "{modified}")], BY_MATCH),
    ("if-none-match-outweighs-modified-since", &[(NONE, "{other}"), (MODIFIED, "{modified}")], Want::Done),
    ("if-none-match-false-and-modified-since", &[(NONE, "{etag}"), (MODIFIED, "{past}")], NOT_MODIFIED),
    ("if-match-and-if-none-match", &[(MATCH, "{etag}"), (NONE, "{etag}")], NOT_MODIFIED),
    ("if-match-false-and-if-none-match-false", &[(MATCH, "{other}"), (NONE, "{etag}")], BY_MATCH),
    ("if-unmodified-since-false-and-if-none-match-false", &[(UNMODIFIED, "{past}"), (NONE, "{etag}")], BY_UNMODIFIED),
    ("if-match-and-if-modified-since-equal", &[(MATCH, "{etag}"), (MODIFIED, "{modified}")], NOT_MODIFIED),
];

pub(super) fn rows() -> Vec<Row> {
    [Operation::Get, Operation::Head].into_iter().flat_map(of).collect()
}

fn of(operation: Operation) -> Vec<Row> {
    let group = if operation == Operation::Get { "GetObject" } else { "HeadObject" };
    let id = |name: &str| format!("{}.{name}", short(operation));
    let at_worst = |case: Case| Case { worst: Severity::WrongAnswer, ..case };
    let mut rows: Vec<Row> = LINES
        .iter()
        .map(|(name, headers, want)| row(id(name), group, &[], at_worst(Case::new(operation, true, headers, want.clone()))))
        .collect();
    let future = Case::new(operation, true, &[(MODIFIED, "{future}")], Want::Done).also(NOT_MODIFIED, RFC);
    rows.push(row(id("if-modified-since-future"), group, &[], at_worst(future)));
    for (name, headers) in [("missing", &[][..]), ("missing-if-none-match-star", &[(NONE, "*")][..])] {
        rows.push(row(id(name), group, &[], at_worst(Case::new(operation, false, headers, Want::MISSING))));
    }
    let missing = Case::new(operation, false, &[(MATCH, "{etag}")], Want::MISSING).also(Want::refused(412, "PreconditionFailed"), RFC);
    rows.push(row(id("missing-if-match"), group, &[], at_worst(missing)));
    rows
}
