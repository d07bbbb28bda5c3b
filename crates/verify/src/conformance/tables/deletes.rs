//! Section 4: conditional deletes.

use super::{presence, row, short};
use crate::conformance::parts::Part;
use crate::conformance::row::{AWS, Case, Operation, RFC, Row, Want};

const SIZE: &str = "x-amz-if-match-size";
const TIME: &str = "x-amz-if-match-last-modified-time";
const GENERATION: &str = "x-holdfast-if-generation-match";

/// Name, headers, what must come where no object is, and where one is.
type Line = (&'static str, &'static [(&'static str, &'static str)], Option<Want>, Option<Want>);

const CONDITIONS: &[Line] = &[
    ("if-match-equal", &[("if-match", "{etag}")], Some(Want::MISSING), Some(Want::Done)),
    ("if-match-unquoted", &[("if-match", "{bare}")], Some(Want::MISSING), Some(Want::Done)),
    ("if-match-other", &[("if-match", "{other}")], Some(Want::MISSING), Some(Want::failed("If-Match"))),
    ("if-match-star", &[("if-match", "*")], Some(Want::MISSING), Some(Want::Done)),
];
/// Forms that cannot be judged.
const FORMS: &[(&str, &[(&str, &str)])] = &[
    ("if-match-weak", &[("if-match", "W/{etag}")]),
    ("if-match-list-of-others", &[("if-match", "{other}, \"x\"")]),
    ("if-match-empty", &[("if-match", "")]),
    ("if-match-twice", &[("if-match", "{other}"), ("if-match", "{other}")]),
];
const SIZES: &[Line] = &[
    ("size-equal", &[(SIZE, "{size}")], Some(Want::MISSING), Some(Want::Done)),
    ("size-other", &[(SIZE, "{size+1}")], Some(Want::MISSING), Some(Want::failed("x-amz-if-match-size"))),
    ("size-no-number", &[(SIZE, "many")], Some(Want::refused(400, "")), Some(Want::refused(400, ""))),
];
const TIMES: &[Line] = &[
    ("time-equal", &[(TIME, "{modified}")], Some(Want::MISSING), Some(Want::Done)),
    ("time-other", &[(TIME, "{before}")], Some(Want::MISSING), Some(Want::failed("x-amz-if-match-last-modified-time"))),
    ("time-no-date", &[(TIME, "yesterday")], Some(Want::refused(400, "")), Some(Want::refused(400, ""))),
];
const GENERATIONS: &[Line] = &[
    ("generation-equal", &[(GENERATION, "{generation}")], Some(Want::MISSING), Some(Want::Done)),
    ("generation-other", &[(GENERATION, "{generation+1}")], None, Some(Want::failed("x-holdfast-if-generation-match"))),
    ("generation-0", &[(GENERATION, "0")], Some(Want::Done), Some(Want::failed("x-holdfast-if-generation-match"))),
];
const TOGETHER: &[Line] = &[
    ("tag-and-size-equal", &[("if-match", "{etag}"), (SIZE, "{size}")], Some(Want::MISSING), Some(Want::Done)),
    ("tag-equal-size-other", &[("if-match", "{etag}"), (SIZE, "{size+1}")], None, Some(Want::failed("x-amz-if-match-size"))),
    ("tag-other-size-equal", &[("if-match", "{other}"), (SIZE, "{size}")], None, Some(Want::failed("If-Match"))),
];
/// DeleteObjects takes them as elements.
const ELEMENTS: &[Line] = &[
    ("plain", &[], Some(Want::Done), Some(Want::Done)),
    ("etag-equal", &[("ETag", "{etag}")], Some(Want::MISSING), Some(Want::Done)),
    ("etag-unquoted", &[("ETag", "{bare}")], Some(Want::MISSING), Some(Want::Done)),
    ("etag-other", &[("ETag", "{other}")], Some(Want::MISSING), Some(Want::refused(412, "PreconditionFailed"))),
    ("etag-star", &[("ETag", "*")], Some(Want::MISSING), Some(Want::Done)),
    ("size-equal", &[("Size", "{size}")], Some(Want::MISSING), Some(Want::Done)),
    ("size-other", &[("Size", "{size+1}")], Some(Want::MISSING), Some(Want::refused(412, "PreconditionFailed"))),
    ("time-equal", &[("LastModifiedTime", "{modified}")], Some(Want::MISSING), Some(Want::Done)),
    ("time-other", &[("LastModifiedTime", "{before}")], Some(Want::MISSING), Some(Want::refused(412, "PreconditionFailed"))),
    ("etag-equal-size-other", &[("ETag", "{etag}"), ("Size", "{size+1}")], None, Some(Want::refused(412, "PreconditionFailed"))),
];

pub(super) fn rows() -> Vec<Row> {
    let plain: &[Line] = &[("plain", &[], Some(Want::Done), Some(Want::Done))];
    let mut rows = of(plain, Operation::Delete, &[]);
    rows.extend(of(CONDITIONS, Operation::Delete, &[Part::ConditionalDelete]));
    rows.extend(forms());
    rows.extend(of(SIZES, Operation::Delete, &[Part::DeleteBySize]));
    rows.extend(of(TIMES, Operation::Delete, &[Part::DeleteByTime]));
    rows.extend(of(GENERATIONS, Operation::Delete, &[Part::Generations]));
    rows.extend(of(TOGETHER, Operation::Delete, &[Part::ConditionalDelete, Part::DeleteBySize]));
    rows.extend(of(&ELEMENTS[..1], Operation::DeleteObjects, &[]));
    rows.extend(of(&ELEMENTS[1..], Operation::DeleteObjects, &[Part::ConditionalDeleteObjects]));
    rows
}

fn of(lines: &[Line], operation: Operation, needs: &[Part]) -> Vec<Row> {
    let group = if operation == Operation::Delete { "DeleteObject" } else { "DeleteObjects" };
    let mut rows = Vec::new();
    for (name, headers, absent, present) in lines {
        for (is_present, want) in [(false, absent), (true, present)] {
            let Some(want) = want.clone() else { continue };
            // Sizes and times are of directory buckets; S3 says so of a general purpose bucket.
            let case = Case::new(operation, is_present, headers, want).also(Want::refused(501, "NotImplemented"), AWS);
            rows.push(row(format!("{}.{name}.{}", short(operation), presence(is_present)), group, needs, case));
        }
    }
    rows
}

fn forms() -> Vec<Row> {
    let form = |(name, headers): &(&str, &[(&'static str, &str)])| {
        let case = Case::new(Operation::Delete, true, headers, Want::INVALID)
            .also(Want::refused(412, "PreconditionFailed"), RFC)
            .also(Want::refused(501, "NotImplemented"), AWS);
        row(format!("delete.{name}.present"), "DeleteObject", &[Part::ConditionalDelete], case)
    };
    FORMS.iter().map(form).collect()
}
