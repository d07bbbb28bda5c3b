//! Each way to deviate gets the severity that it has, and the answer of the contract none.

use super::*;
use crate::client::Head;
use crate::conformance::row::{AWS, RFC};
use crate::conformance::state::Object;

fn object(body: &str, made: &str) -> Object {
    Object {
        body: body.to_owned().into(),
        etag: format!("tag of {body}"),
        metadata: vec![("x-amz-meta-made".to_owned(), made.to_owned())],
        tags: None,
        last_modified: "Fri, 24 May 2013 00:00:00 GMT".to_owned(),
        generation: None,
    }
}

fn state(object: Option<Object>) -> State {
    State { object, source: None, upload: None }
}

fn answer(status: u16, code: &str) -> Answer {
    let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
    Answer { head: Head { status, ..Head::default() }, body: body.into() }
}

fn weigh(case: &Case, answer: &Answer, before: &State, after: &State) -> Verdict {
    Tried { case, answer, before, after, new: "new" }.verdict()
}

fn create_only(present: bool) -> Case {
    let want = if present { Want::failed("If-None-Match") } else { Want::Done };
    Case::new(Operation::Put, present, &[("if-none-match", "*")], want)
}

#[test]
fn a_refusal_must_leave_everything_and_have_its_code() {
    let (case, old) = (create_only(true), state(Some(object("old", "old"))));
    let new = state(Some(object("new", "new")));
    let marked = state(Some(object("old", "new")));
    for (answered, after, expected) in [
        (answer(412, "PreconditionFailed"), &old, None),
        (answer(200, ""), &new, Some(Severity::DataLoss)),
        (answer(412, "PreconditionFailed"), &new, Some(Severity::DataLoss)),
        (answer(412, "PreconditionFailed"), &marked, Some(Severity::DataLoss)),
        (answer(412, "PreconditionFailed"), &state(None), Some(Severity::DataLoss)),
        (answer(200, ""), &old, Some(Severity::FalseSuccess)),
        (answer(412, "Other"), &old, Some(Severity::WrongCode)),
        (answer(500, "InternalError"), &old, Some(Severity::WrongCode)),
    ] {
        let verdict = weigh(&case, &answered, &old, after);
        assert_eq!(verdict.severity(), expected, "{answered:?} {verdict:?}");
        assert_eq!(verdict == Verdict::Holds, expected.is_none());
    }
}

#[test]
fn a_condition_that_was_accepted_and_not_honoured_is_marked() {
    let (old, new) = (state(Some(object("old", "old"))), state(Some(object("new", "new"))));
    let verdict = weigh(&create_only(true), &answer(200, ""), &old, &new);
    assert!(matches!(verdict, Verdict::Deviates { ignored: true, .. }), "{verdict:?}");
}

#[test]
fn a_write_must_be_there_when_it_is_acknowledged() {
    let (case, none) = (create_only(false), state(None));
    for (answered, after, expected) in [
        (answer(200, ""), state(Some(object("new", "new"))), None),
        (answer(200, ""), none.clone(), Some(Severity::DataLoss)),
        (answer(200, ""), state(Some(object("ne", "new"))), Some(Severity::DataLoss)),
        (answer(412, "PreconditionFailed"), none.clone(), Some(Severity::WrongAnswer)),
        (answer(412, "PreconditionFailed"), state(Some(object("new", "new"))), Some(Severity::DataLoss)),
    ] {
        assert_eq!(weigh(&case, &answered, &none, &after).severity(), expected, "{answered:?}");
    }
}

#[test]
fn other_documents_and_missing_features_are_no_violations() {
    let (old, none) = (state(Some(object("old", "old"))), state(None));
    let not_implemented = Want::refused(501, "NotImplemented");
    let case =
        Case::new(Operation::Put, true, &[], Want::INVALID).also(not_implemented, AWS).also(Want::refused(412, "PreconditionFailed"), RFC);
    assert_eq!(weigh(&case, &answer(501, "NotImplemented"), &old, &old), Verdict::accepted(AWS));
    assert_eq!(weigh(&case, &answer(412, "PreconditionFailed"), &old, &old), Verdict::accepted(RFC));
    let verdict = weigh(&create_only(true), &answer(501, "NotImplemented"), &old, &old);
    assert!(matches!(verdict, Verdict::NotSupported { .. }), "{verdict:?}");
    // 501 that lost the object is no missing feature.
    assert_eq!(weigh(&create_only(true), &answer(501, "NotImplemented"), &old, &none).severity(), Some(Severity::DataLoss));
}

#[test]
fn the_worst_of_a_row_bounds_its_severity_and_elements_are_demanded() {
    let (old, new) = (state(Some(object("old", "old"))), state(Some(object("new", "new"))));
    let case = Case { worst: Severity::WrongAnswer, ..create_only(true) };
    assert_eq!(weigh(&case, &answer(200, ""), &old, &new).severity(), Some(Severity::WrongAnswer));
    let case = Case { elements: &["Code", "Condition"], ..create_only(true) };
    assert_eq!(weigh(&case, &answer(412, "PreconditionFailed"), &old, &old).severity(), Some(Severity::WrongCode));
}

#[test]
fn a_lost_upload_is_lost_data_and_an_error_behind_200_is_no_success() {
    let with = |upload: Option<Vec<(String, String)>>| State { upload, ..state(Some(object("old", "old"))) };
    let case = Case::new(Operation::Complete, true, &[("if-none-match", "*")], Want::failed("If-None-Match"));
    let parts = Some(vec![("1".to_owned(), "tag".to_owned())]);
    let verdict = weigh(&case, &answer(412, "PreconditionFailed"), &with(parts.clone()), &with(None));
    assert_eq!(verdict.severity(), Some(Severity::DataLoss));
    let verdict = weigh(&case, &answer(200, "PreconditionFailed"), &with(parts.clone()), &with(parts));
    assert_eq!(verdict.severity(), Some(Severity::WrongCode));
}

#[test]
fn the_error_of_a_key_counts_like_an_error_of_a_delete() {
    let old = state(Some(object("old", "old")));
    let body = "<DeleteResult><Error><Key>k</Key><Code>PreconditionFailed</Code></Error></DeleteResult>";
    let answered = Answer { head: Head { status: 200, ..Head::default() }, body: body.into() };
    let case = Case::new(Operation::DeleteObjects, true, &[("ETag", "{other}")], Want::refused(412, "PreconditionFailed"));
    assert_eq!(weigh(&case, &answered, &old, &old), Verdict::Holds);
    assert_eq!(weigh(&case, &answered, &old, &state(None)).severity(), Some(Severity::DataLoss));
}
