//! The care that each shortcut of the search takes: correct histories that a careless shortcut would call impossible.

mod common;

use common::etag;
use holdfast_verify::{
    history::{Condition, Content, History, Key, Operation, Outcome, Request},
    judge::{Options, check},
};

const A: Key = Key(0);
const B: Key = Key(1);

fn operation(request: Request, outcome: Outcome, called: u64, returned: impl Into<Option<u64>>) -> Operation {
    Operation { client: 0, request, outcome, called, returned: returned.into(), endpoint: 0 }
}

fn put(key: Key, condition: Condition, content: u64) -> Request {
    Request::Put { key, condition, content: Content(content) }
}

fn written(content: u64) -> Outcome {
    Outcome::Written(Some(etag(content)))
}

fn delete(key: Key) -> Request {
    Request::Delete { key, condition: Condition::None }
}

/// 412 for `If-Match`: something else is there.
fn differs(key: Key, from: u64, called: u64, returned: u64) -> Operation {
    operation(put(key, Condition::Matches(etag(from)), 900 + called), Outcome::Failed { of_source: false }, called, returned)
}

fn accepted(initial: Vec<(Key, Content, holdfast_verify::history::Etag)>, operations: Vec<Operation>) {
    let mut history = History { keys: vec!["a".into(), "b".into()], initial, operations, ..History::default() };
    for (client, operation) in history.operations.iter_mut().enumerate() {
        operation.client = client as u32;
    }
    assert!(common::oracle::is_linearizable(&history, Options::default().promises), "the example itself");
    let verdict = check(&history, &Options::default());
    assert!(verdict.is_linearizable(), "{:?}", verdict.violations);
}

#[test]
fn of_two_equal_deletes_the_later_called_is_not_first_when_a_possible_write_ends_before_its_call() {
    // Only the delete that was called early can make room for the create whose time ends at 50.
    accepted(
        vec![(A, Content(100), etag(100))],
        vec![
            operation(delete(A), Outcome::Deleted, 0, 100),
            operation(delete(A), Outcome::Deleted, 60, 90),
            operation(put(A, Condition::Absent, 1), Outcome::Unknown, 0, 50),
            differs(A, 100, 0, 95),
        ],
    );
}

#[test]
fn a_key_matters_where_the_time_of_a_possible_write_ends() {
    // The put of `a` returns first, and nothing that may come now ties the keys. But after it the create of `b` comes too late.
    accepted(
        vec![(B, Content(100), etag(100))],
        vec![
            operation(put(A, Condition::None, 2), written(2), 60, 100),
            operation(delete(B), Outcome::Deleted, 0, 200),
            operation(put(B, Condition::Absent, 1), Outcome::Unknown, 0, 50),
            differs(B, 100, 0, 300),
            operation(
                Request::Rename { source: A, source_condition: Condition::None, key: B, condition: Condition::None },
                Outcome::Written(None),
                400,
                500,
            ),
        ],
    );
}

#[test]
fn a_state_is_new_if_another_possible_write_is_still_in_hand() {
    // Either unknown write explains the first refusal. Only the one without a condition can come again after the put.
    accepted(
        Vec::new(),
        vec![
            operation(put(A, Condition::None, 1), Outcome::Unknown, 0, None),
            operation(put(A, Condition::Absent, 2), Outcome::Unknown, 1, None),
            operation(put(A, Condition::Absent, 3), Outcome::Failed { of_source: false }, 10, 20),
            operation(put(A, Condition::None, 5), written(5), 30, 40),
            operation(Request::Get { key: A }, Outcome::Found { content: Content(5), etag: etag(5) }, 50, 60),
            differs(A, 5, 70, 80),
        ],
    );
}
