//! Every kind of violation, put into a history that was correct before, is found and shown by a handful of operations.

mod common;

use std::time::Duration;

use common::{Rng, Shape, etag, is_create, seed, simulate, times};
use holdfast_verify::{
    history::{Condition, Content, History, Key, Operation, Outcome, Request},
    judge::{Options, Promises, Severity, check},
    timeline::render,
};

/// How many operations may be needed to show a violation.
const SHOWN_BY_MAX: usize = 6;

fn key_of(request: &Request) -> Key {
    match request {
        Request::Put { key, .. }
        | Request::Complete { key, .. }
        | Request::Delete { key, .. }
        | Request::Get { key }
        | Request::Head { key }
        | Request::Copy { key, .. }
        | Request::Rename { key, .. } => *key,
    }
}

fn content_of(request: &Request) -> Option<Content> {
    match request {
        Request::Put { content, .. } | Request::Complete { content, .. } => Some(*content),
        _ => None,
    }
}

fn found(content: Content) -> Outcome {
    Outcome::Found { content, etag: etag(content.0) }
}

fn is_read(operation: &Operation) -> bool {
    matches!(operation.request, Request::Get { .. } | Request::Head { .. })
}

fn before(a: &Operation, b: &Operation) -> bool {
    a.returned.is_some_and(|returned| returned < b.called)
}

/// Numbers of operations.
fn all(history: &History, wanted: impl Fn(&Operation) -> bool) -> Vec<usize> {
    (0..history.operations.len()).filter(|at| wanted(&history.operations[*at])).collect()
}

/// Whether an operation is of the same key as that one.
fn same_key(history: &History, a: usize) -> impl Fn(usize) -> bool + use<> {
    let keys: Vec<Key> = history.operations.iter().map(|operation| key_of(&operation.request)).collect();
    move |b| keys[a] == keys[b]
}

/// Puts the violation in, at a place that the seed says, or tells that it found none.
type Mutation = fn(&mut Rng, &mut History) -> Option<()>;

fn written(operation: &Operation) -> bool {
    matches!(operation.outcome, Outcome::Written(_))
}

/// The first of two writes in sequence is read after the second.
fn stale_read(rng: &mut Rng, history: &mut History) -> Option<()> {
    overwritten(rng, history, written)
}

fn resurrected_after_delete(rng: &mut Rng, history: &mut History) -> Option<()> {
    overwritten(rng, history, |operation| operation.outcome == Outcome::Deleted)
}

fn overwritten(rng: &mut Rng, history: &mut History, by: fn(&Operation) -> bool) -> Option<()> {
    let operations = &history.operations;
    let read = *rng.pick(&all(history, is_read));
    let same = same_key(history, read);
    let second = all(history, |operation| by(operation) && before(operation, &operations[read]));
    let second = *second.iter().rev().find(|at| same(**at))?;
    let first = all(history, |operation| written(operation) && before(operation, &operations[second]));
    let first = *first.iter().rev().find(|at| same(**at))?;
    history.operations[read].outcome = found(content_of(&history.operations[first].request)?);
    Some(())
}

/// A second write succeeds on the ETag that a first has replaced.
fn lost_update(rng: &mut Rng, history: &mut History) -> Option<()> {
    let operations = &history.operations;
    let is_swap = |operation: &Operation| match &operation.request {
        Request::Put { condition: Condition::Matches(_), .. } => written(operation),
        _ => false,
    };
    let first = *rng.pick(&all(history, is_swap));
    let same = same_key(history, first);
    let refused = all(history, |operation| {
        matches!((&operation.request, &operation.outcome), (Request::Put { .. }, Outcome::Failed { .. }))
            && before(&operations[first], operation)
    });
    let second = *refused.iter().find(|at| same(**at))?;
    let Request::Put { condition: stale, .. } = operations[first].request.clone() else { return None };
    let operation = &mut history.operations[second];
    let Request::Put { condition, content, .. } = &mut operation.request else { return None };
    *condition = stale;
    operation.outcome = Outcome::Written(Some(etag(content.0)));
    Some(())
}

fn etag_of_another_content(rng: &mut Rng, history: &mut History) -> Option<()> {
    let reads = all(history, |operation| matches!(operation.outcome, Outcome::Found { .. }));
    let (read, other) = (*rng.pick(&reads), *rng.pick(&reads));
    let Outcome::Found { content: other, .. } = history.operations[other].outcome else { return None };
    let Outcome::Found { content, etag: given } = &mut history.operations[read].outcome else { return None };
    *given = etag(other.0);
    (*content != other).then_some(())
}

fn refused_write_seen(rng: &mut Rng, history: &mut History) -> Option<()> {
    let operations = &history.operations;
    let refused = all(history, |operation| {
        content_of(&operation.request).is_some()
            && matches!(operation.outcome, Outcome::Failed { .. } | Outcome::Conflict | Outcome::Missing)
    });
    let refused = *rng.pick(&refused);
    let same = same_key(history, refused);
    let reads = all(history, |operation| is_read(operation) && before(&operations[refused], operation));
    let read = *reads.iter().find(|at| same(**at))?;
    history.operations[read].outcome = found(content_of(&history.operations[refused].request)?);
    Some(())
}

fn read_from_the_future(rng: &mut Rng, history: &mut History) -> Option<()> {
    let operations = &history.operations;
    let write = *rng.pick(&all(history, |operation| written(operation) && content_of(&operation.request).is_some()));
    let same = same_key(history, write);
    let reads = all(history, |operation| is_read(operation) && before(operation, &operations[write]));
    let read = *reads.iter().rev().find(|at| same(**at))?;
    history.operations[read].outcome = found(content_of(&history.operations[write].request)?);
    Some(())
}

/// Two creators of one key both get 200, and nothing deletes it between: the history has no delete of that key.
fn two_creators(rng: &mut Rng, history: &mut History) -> Option<()> {
    let created = *rng.pick(&all(history, |operation| is_create(&operation.request) && written(operation)));
    let key = key_of(&history.operations[created].request);
    let deletes = |operation: &Operation| matches!(operation.request, Request::Delete { key: deleted, .. } if deleted == key);
    history
        .operations
        .retain(|operation| !deletes(operation) || operation.outcome != Outcome::Deleted && operation.outcome != Outcome::Unknown);
    let refused =
        |operation: &Operation| is_create(&operation.request) && matches!(operation.outcome, Outcome::Failed { .. } | Outcome::Conflict);
    let loser = *all(history, |operation| refused(operation) && key_of(&operation.request) == key).first()?;
    let content = content_of(&history.operations[loser].request)?;
    history.operations[loser].outcome = Outcome::Written(Some(etag(content.0)));
    // Only who created, so that the deletes that went do not matter.
    history.operations.retain(|operation| key_of(&operation.request) != key || (is_create(&operation.request) && written(operation)));
    (all(history, |operation| key_of(&operation.request) == key).len() > 1).then_some(())
}

const MUTATIONS: [(&str, Mutation); 7] = [
    ("stale read", stale_read),
    ("lost update", lost_update),
    ("resurrected after delete", resurrected_after_delete),
    ("ETag of another content", etag_of_another_content),
    ("refused write seen", refused_write_seen),
    ("read from the future", read_from_the_future),
    ("two creators", two_creators),
];

#[test]
fn every_violation_is_found_and_shown_by_a_handful() {
    let first = seed(1);
    for (name, mutation) in MUTATIONS {
        let mut tried = 0;
        for number in first..first + 8 * times() {
            let mut rng = Rng(number);
            let shape = Shape { operations: 400, clients: 2 + rng.below(30) as u32, keys: 1 + rng.below(3) as u32, ..Shape::default() };
            let mut history = simulate(&mut rng, shape);
            if mutation(&mut rng, &mut history).is_none() {
                continue;
            }
            tried += 1;
            let verdict = check(&history, &Options::default());
            let violation = verdict.violations.first().unwrap_or_else(|| panic!("{name}: not found, VERIFY_SEED={number}"));
            let told = violation.describe(&history);
            assert_eq!(violation.severity, Severity::Data, "{name}: VERIFY_SEED={number}\n{told}");
            assert!(violation.operations.len() <= SHOWN_BY_MAX, "{name}: VERIFY_SEED={number}\n{told}");
            assert!(!violation.unordered.is_empty(), "{name}: VERIFY_SEED={number}\n{told}");
        }
        assert!(tried >= 4, "{name}: tried {tried} times only");
    }
}

fn operation(client: u32, request: Request, outcome: Outcome, called: u64, returned: u64) -> Operation {
    Operation { client, request, outcome, called, returned: Some(returned), endpoint: 0 }
}

fn put(client: u32, key: u32, content: u64, called: u64, returned: u64) -> Operation {
    let request = Request::Put { key: Key(key), condition: Condition::None, content: Content(content) };
    operation(client, request, Outcome::Written(Some(etag(content))), called, returned)
}

fn get(client: u32, key: u32, outcome: Outcome, called: u64, returned: u64) -> Operation {
    operation(client, Request::Get { key: Key(key) }, outcome, called, returned)
}

fn rename(client: u32, source: u32, key: u32, called: u64, returned: u64) -> Operation {
    let request = Request::Rename { source: Key(source), source_condition: Condition::None, key: Key(key), condition: Condition::None };
    operation(client, request, Outcome::Written(None), called, returned)
}

fn history(operations: Vec<Operation>) -> History {
    History { keys: vec!["a".into(), "b".into()], operations, ..History::default() }
}

#[test]
fn a_rename_that_is_seen_half_is_found() {
    let object = || found(Content(1));
    // Present at both keys, and present at neither.
    for (first, second) in [((1, object()), (0, object())), ((0, Outcome::Missing), (1, Outcome::Missing))] {
        let history = history(vec![
            put(0, 0, 1, 0, 10),
            rename(0, 0, 1, 20, 100),
            get(1, first.0, first.1, 30, 40),
            get(1, second.0, second.1, 50, 60),
        ]);
        let verdict = check(&history, &Options::default());
        assert_eq!(verdict.violations.len(), 1, "{verdict:?}");
        assert_eq!(verdict.violations[0].severity, Severity::Data);
        assert!(verdict.violations[0].operations.len() <= 4);
    }
}

#[test]
fn a_copy_seen_at_two_moments_breaks_only_the_stricter_promise() {
    let copy = Request::Copy { source: Key(0), source_condition: Condition::None, key: Key(1), condition: Condition::None };
    // The key gets what the source had before it was overwritten, after somebody saw the overwrite and not yet the copy.
    let history = history(vec![
        put(0, 0, 1, 0, 10),
        operation(0, copy, Outcome::Written(Some(etag(1))), 20, 100),
        put(1, 0, 2, 30, 40),
        get(1, 1, Outcome::Missing, 50, 60),
    ]);
    let verdict = check(&history, &Options::default());
    assert_eq!(verdict.violations.len(), 1, "{verdict:?}");
    assert_eq!(verdict.violations[0].severity, Severity::Promise);
    let promises = Promises { copy_is_atomic: false, ..Promises::STRICT };
    assert!(check(&history, &Options { promises, ..Options::default() }).is_linearizable());
}

#[test]
fn a_conflict_without_a_rival_breaks_only_the_stricter_promise() {
    let create = Request::Put { key: Key(0), condition: Condition::Absent, content: Content(1) };
    let history = history(vec![operation(0, create, Outcome::Conflict, 0, 10)]);
    let verdict = check(&history, &Options::default());
    assert_eq!(verdict.violations[0].severity, Severity::Promise, "{verdict:?}");
    let promises = Promises { conflict_means_present: false, ..Promises::STRICT };
    assert!(check(&history, &Options { promises, ..Options::default() }).is_linearizable());
}

#[test]
fn a_412_for_a_key_that_is_not_there_is_only_a_wrong_code() {
    let swap = Request::Put { key: Key(0), condition: Condition::Matches(etag(7)), content: Content(1) };
    let history = history(vec![operation(0, swap, Outcome::Failed { of_source: false }, 0, 10)]);
    let verdict = check(&history, &Options::default());
    assert_eq!(verdict.violations[0].severity, Severity::Code, "{verdict:?}");
    let promises = Promises { missing_may_fail: true, ..Promises::STRICT };
    assert!(check(&history, &Options { promises, ..Options::default() }).is_linearizable());
}

#[test]
fn an_unknown_write_may_come_late_or_never_but_not_twice() {
    let unknown = Operation { outcome: Outcome::Unknown, returned: None, ..put(0, 0, 1, 0, 0) };
    let late = history(vec![unknown.clone(), put(1, 0, 2, 100, 110), get(1, 0, found(Content(1)), 120, 130)]);
    assert!(check(&late, &Options::default()).is_linearizable());
    let never = history(vec![unknown.clone(), get(1, 0, Outcome::Missing, 120, 130)]);
    assert!(check(&never, &Options::default()).is_linearizable());
    let twice = history(vec![
        unknown.clone(),
        get(1, 0, found(Content(1)), 20, 30),
        put(1, 0, 2, 100, 110),
        get(1, 0, found(Content(1)), 120, 130),
    ]);
    assert!(!check(&twice, &Options::default()).is_linearizable());
    let after_the_end = history(vec![
        Operation { returned: Some(50), ..unknown },
        get(1, 0, Outcome::Missing, 60, 70),
        get(1, 0, found(Content(1)), 120, 130),
    ]);
    assert!(!check(&after_the_end, &Options::default()).is_linearizable());
}

#[test]
fn a_search_without_budget_is_undecided_not_passed() {
    let history = simulate(&mut Rng(seed(1)), Shape { keys: 1, ..Shape::default() });
    let verdict = check(&history, &Options { configurations_max: 3, ..Options::default() });
    assert!(!verdict.is_linearizable());
    assert!(verdict.violations.is_empty());
    assert_eq!(verdict.undecided.len(), 1);
}

#[test]
fn a_search_without_time_is_undecided_not_passed() {
    let history = simulate(&mut Rng(seed(1)), Shape { keys: 1, ..Shape::default() });
    let verdict = check(&history, &Options { search_time_max: Duration::ZERO, ..Options::default() });
    assert!(!verdict.is_linearizable());
    assert_eq!((verdict.violations.len(), verdict.undecided.len()), (0, 1));
}

#[test]
fn a_violation_is_told_without_time_to_shrink_it() {
    let object = || found(Content(1));
    let history = history(vec![put(0, 0, 1, 0, 10), get(1, 0, object(), 20, 30), put(1, 0, 2, 40, 50), get(1, 0, object(), 60, 70)]);
    let verdict = check(&history, &Options { shrink_time_max: Duration::ZERO, ..Options::default() });
    assert_eq!((verdict.violations.len(), verdict.violations[0].severity), (1, Severity::Data), "{verdict:?}");
}

/// The last read gets what the first of its key got. Its number is given.
fn make_last_stale(history: &mut History) -> usize {
    let reads = all(history, |operation| matches!(operation.outcome, Outcome::Found { .. }));
    let last = *reads.last().expect("there are reads");
    let request = history.operations[last].request.clone();
    let first = reads.iter().find(|at| history.operations[**at].request == request).expect("there are reads");
    history.operations[last].outcome = history.operations[*first].outcome.clone();
    last
}

#[test]
fn a_stale_read_at_the_end_of_a_long_history_is_what_is_told() {
    let mut history =
        simulate(&mut Rng(seed(7)), Shape { operations: 20_000, clients: 64, keys: 1, unknown_percent: 1, ..Shape::default() });
    let last = make_last_stale(&mut history);
    let verdict = check(&history, &Options::default());
    let violation = &verdict.violations[0];
    assert!(violation.unordered == [last] && violation.operations.len() <= SHOWN_BY_MAX, "{}", violation.describe(&history));
}

#[test]
fn a_stale_read_long_after_the_search_was_stuck_is_in_the_part_that_is_told() {
    let shape = Shape { operations: 10_000, clients: 8, keys: 4, unknown_percent: 1, moves: true, ..Shape::default() };
    let mut history = simulate(&mut Rng(seed(7)), shape);
    let last = make_last_stale(&mut history);
    let verdict = check(&history, &Options { shrink_time_max: Duration::from_secs(6), ..Options::default() });
    let violation = &verdict.violations[0];
    assert!(violation.operations.contains(&last) && violation.operations.len() <= 20, "{}", violation.describe(&history));
}

#[test]
fn tied_keys_with_endless_writes_are_decided_in_time() {
    let shape = Shape { operations: 10_000, clients: 8, keys: 4, unknown_percent: 1, moves: true, ..Shape::default() };
    let history = simulate(&mut Rng(seed(7)), shape);
    let verdict = check(&history, &Options { search_time_max: Duration::from_secs(5), ..Options::default() });
    assert!(verdict.is_linearizable(), "{:?}", verdict.undecided);
}

#[test]
fn a_history_is_the_same_after_a_file() {
    let history = simulate(&mut Rng(seed(1)), Shape { moves: true, kill_every: 50, ..Shape::default() });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.json");
    history.write(&path).unwrap();
    assert_eq!(History::read(&path).unwrap(), history);
}

#[test]
fn the_picture_shows_every_operation_and_marks_what_cannot_be_ordered() {
    let history = history(vec![put(0, 0, 1, 0, 10), put(1, 0, 2, 20, 30), get(2, 0, found(Content(1)), 40, 50)]);
    let verdict = check(&history, &Options::default());
    let page = render(&history, &verdict.violations);
    for shown in ["client 0", "client 1", "client 2", "put a #1 → 200 e1", "put a #2 → 200 e2"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(page.contains("<text class=\"say wrong\"") && page.contains("get a → #1 e1"), "{page}");
    assert_eq!(page.matches("class=\"bar bad\"").count(), 1);
    assert!(!page.contains("<script") && !page.contains("http"), "self-contained");
}
