//! The verdict on a history: is there an order of its operations that explains every answer, and if not, what is the least that proves it.
//!
//! Never silent: a search that ran out of its budget is reported as undecided, not as passed.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use crate::{
    facts::{Facts, contradictions},
    groups::{Part, Problem, problems},
    history::{History, Key},
    linear::{Halt, Search},
    model::{FIRST_CONTENT, content_of},
    shrink::{Shrunk, fail_alone, is_explained_alone, shrink, window_fails},
    words,
    zones::overlap,
};

/// What the endpoint promises beyond the conditions themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promises {
    /// A copy reads its source and writes its key at one instant. Otherwise at two, in any order: what plain S3 promises.
    pub copy_is_atomic: bool,
    /// A 409 for `If-None-Match: *` says that the key was present at some instant within the request. Otherwise it says nothing.
    pub conflict_means_present: bool,
    /// 412 may come where the contract says 404, a 404 where there is nothing to miss, and 204 for the delete of nothing whatever its condition.
    pub missing_may_fail: bool,
}

impl Promises {
    /// What Holdfast promises.
    pub const STRICT: Self = Self { copy_is_atomic: true, conflict_means_present: true, missing_may_fail: false };
    /// What plain S3 promises, with any code for an object that is not there.
    pub const LENIENT: Self = Self { copy_is_atomic: false, conflict_means_present: false, missing_may_fail: true };
}

/// How to check.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is held against the endpoint.
    pub promises: Promises,
    /// How many configurations one group's search may visit; each takes about 60 bytes.
    pub configurations_max: u64,
    /// How long one group's search may take.
    pub search_time_max: Duration,
    /// How long the search for a smaller failing part may take, for each violation, and again the search for what would explain it.
    pub shrink_time_max: Duration,
    /// How many violations are shrunk and told; the groups after that are counted only.
    pub violations_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            promises: Promises::STRICT,
            configurations_max: 5_000_000,
            search_time_max: Duration::from_secs(40),
            shrink_time_max: Duration::from_secs(10),
            violations_max: 20,
        }
    }
}

/// How bad a violation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The answers make sense, but some status code is not the contract's.
    Code,
    /// Only a promise that goes beyond plain S3 is broken.
    Promise,
    /// No leniency explains it: data was lost, or a success or refusal was false.
    Data,
}

/// A part of the history that no order explains.
#[derive(Clone, Debug)]
pub struct Violation {
    /// How bad it is.
    pub severity: Severity,
    /// What would explain it, if something does.
    pub explained_by: Option<&'static str>,
    /// The keys of the group.
    pub keys: Vec<Key>,
    /// One sentence.
    pub reason: String,
    /// The least found that has no order, as numbers of operations, by their call. All other writes may or may not have happened: it does not help.
    pub operations: Vec<usize>,
    /// Those of them that the longest order has no place for.
    pub unordered: Vec<usize>,
    /// The longest order of the others, each with a possible instant.
    pub order: Vec<(usize, u64)>,
    /// The states in which the first of the unordered could not come.
    pub states: Vec<String>,
}

/// A group whose search did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The keys of the group.
    pub keys: Vec<Key>,
    /// How many operations it has.
    pub operations: usize,
    /// How many of them were ordered at most.
    pub ordered: usize,
    /// How many configurations were visited.
    pub configurations: u64,
}

/// What the check found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// How many operations were checked.
    pub operations: usize,
    /// How many groups of keys they made.
    pub groups: usize,
    /// How many configurations were visited.
    pub configurations: u64,
    /// The longest search of a group.
    pub longest: Duration,
    /// What has no explanation, the worst first.
    pub violations: Vec<Violation>,
    /// How many more groups have violations than were told.
    pub more_violations: usize,
    /// What was not decided.
    pub undecided: Vec<Undecided>,
}

impl Verdict {
    /// Whether every operation was explained.
    pub fn is_linearizable(&self) -> bool {
        self.violations.is_empty() && self.undecided.is_empty()
    }
}

/// Checks a history. Contents must be unique to a write for the check to be sharp; it is right in any case.
pub fn check(history: &History, options: &Options) -> Verdict {
    let facts = Facts::of(history);
    let mut verdict = Verdict { operations: history.operations.len(), ..Verdict::default() };
    contradict(history, &mut verdict);
    let groups = problems(history, &facts, options.promises, |_| Part::Kept);
    verdict.groups = groups.len();
    for group in &groups {
        check_group(&Case { history, facts: &facts, options }, group, &mut verdict);
    }
    verdict.violations.sort_by_key(|violation| std::cmp::Reverse(violation.severity));
    verdict
}

/// A history under judgement.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) history: &'a History,
    pub(crate) facts: &'a Facts,
    pub(crate) options: &'a Options,
}

/// What needs no search. One of each kind for each content is enough.
fn contradict(history: &History, verdict: &mut Verdict) {
    let mut told: Vec<String> = Vec::new();
    for found in contradictions(history) {
        if told.contains(&found.reason) {
            continue;
        }
        told.push(found.reason.clone());
        let operations = &history.operations;
        let mut keys: Vec<Key> = found.operations.iter().flat_map(|at| words::keys_of(&operations[*at].request)).collect();
        keys.sort();
        keys.dedup();
        let unordered = found.operations.last().copied().into_iter().collect();
        verdict.violations.push(Violation {
            severity: Severity::Data,
            explained_by: None,
            keys,
            reason: found.reason,
            operations: found.operations,
            unordered,
            order: Vec::new(),
            states: Vec::new(),
        });
        if verdict.violations.len() == 50 {
            break;
        }
    }
}

fn check_group(case: &Case<'_>, group: &Problem, verdict: &mut Verdict) {
    let began = Instant::now();
    let mut members: Vec<usize> = group.steps.iter().map(|step| step.operation).collect();
    members.sort_unstable();
    members.dedup();
    let found = decide(case, case.options.promises, group, &members, began + case.options.search_time_max);
    verdict.longest = verdict.longest.max(began.elapsed());
    verdict.configurations += found.visited;
    match found.halt {
        Halt::Ordered => {}
        Halt::Spent => verdict.undecided.push(Undecided {
            keys: group.keys.clone(),
            operations: group.steps.len(),
            ordered: found.ordered,
            configurations: found.visited,
        }),
        Halt::Impossible if verdict.violations.iter().any(|told| told.keys.iter().any(|key| group.keys.contains(key))) => {}
        Halt::Impossible if verdict.violations.len() >= case.options.violations_max => verdict.more_violations += 1,
        Halt::Impossible => {
            let (violation, rest) = blame(case, group, &members, &found.suspects);
            verdict.violations.push(violation);
            verdict.undecided.extend(rest);
        }
    }
}

struct Decision {
    halt: Halt,
    /// Operations that show by themselves that it is impossible, if a few were found.
    suspects: Vec<usize>,
    ordered: usize,
    visited: u64,
}

/// Searches for an order of a group. When the search does not get on, first whether a short part of the history around the place has none: then the whole has
/// none, and the rest need not be searched. Then less thoroughly, then to the end of the budget.
fn decide(case: &Case<'_>, promises: Promises, group: &Problem, members: &[usize], end: Instant) -> Decision {
    let max = case.options.configurations_max;
    let half = Instant::now() + end.saturating_duration_since(Instant::now()) / 2;
    if let Some(suspects) = overlap(group)
        && fail_alone(case, promises, members, &suspects)
    {
        return Decision { halt: Halt::Impossible, suspects, ordered: 0, visited: 0 };
    }
    let mut search = Search::new(group).until(end);
    let mut halt = search.run(max.min(20_000 + 2 * group.steps.len() as u64));
    let mut visited = 0;
    if halt == Halt::Spent {
        if let Some(suspects) = around(case, promises, members, &search, group) {
            return Decision { halt: Halt::Impossible, suspects, ordered: search.finding().order.len(), visited: search.finding().visited };
        }
        let mut probe = Search::new(group).until(half);
        halt = probe.probe(max / 2);
        visited = probe.finding().visited;
    }
    if halt == Halt::Spent {
        halt = search.run(max);
    }
    let finding = search.finding();
    let found = if halt == Halt::Ordered { None } else { around(case, promises, members, &search, group) };
    if found.is_some() {
        halt = Halt::Impossible;
    }
    let suspects = found.unwrap_or_default();
    Decision { halt, suspects, ordered: finding.order.len(), visited: visited + finding.visited }
}

/// The operations around the place where a search was stuck, if they have no order. It can be stuck long before the read that is to blame, because that read still needs
/// what would go: so those that need what was there are among them.
fn around(case: &Case<'_>, promises: Promises, members: &[usize], search: &Search<'_>, group: &Problem) -> Option<Vec<usize>> {
    let finding = search.finding();
    let stuck = group.steps[finding.stuck? as usize].operation;
    let mut contents: Vec<u32> =
        finding.states.iter().flatten().map(|held| content_of(*held)).filter(|content| *content >= FIRST_CONTENT).collect();
    contents.sort_unstable();
    contents.dedup();
    let last = |content: &u32| group.steps.iter().rev().find(|step| step.required && step.observes.contains(content));
    let finders: Vec<usize> = contents.iter().filter_map(last).map(|step| step.operation).collect();
    window_fails(case, promises, members, stuck, &finders)
}

/// What is lifted, the name of it, and what it means if that alone explains a group.
fn leniencies(promises: Promises) -> [(Promises, &'static str, Severity); 4] {
    let code = Promises { missing_may_fail: true, ..promises };
    let conflict = Promises { conflict_means_present: false, ..promises };
    let copy = Promises { copy_is_atomic: false, ..promises };
    [
        (code, "412 where 404 is due, or the other way round", Severity::Code),
        (conflict, "a 409 although the key was never there during the request", Severity::Promise),
        (copy, "a copy that reads and writes at two moments", Severity::Promise),
        (Promises::LENIENT, "several leniencies together", Severity::Promise),
    ]
}

/// Shows a violation, and says how bad it is. What it shows may be harmless and yet hide worse in the same group: so the whole group is searched for that, and told
/// as undecided if the time does not allow it.
fn blame(case: &Case<'_>, group: &Problem, members: &[usize], suspects: &[usize]) -> (Violation, Option<Undecided>) {
    let strict = case.options.promises;
    let shown = shrink(case, strict, members, suspects);
    let as_data = |shown| (tell(case, group, shown, Severity::Data, None), None);
    if fail_alone(case, Promises::LENIENT, members, &shown.operations) {
        return as_data(shown);
    }
    let end = Instant::now() + case.options.shrink_time_max;
    let lenient = explain(case, Promises::LENIENT, members, end);
    if lenient.halt == Halt::Impossible {
        return as_data(shrink(case, Promises::LENIENT, members, &lenient.suspects));
    }
    let part = &shown.operations;
    let explains = |promises: Promises| match lenient.halt {
        Halt::Ordered => promises == Promises::LENIENT || explain(case, promises, members, end).halt == Halt::Ordered,
        _ => is_explained_alone(case, promises, members, part),
    };
    let lifted = leniencies(strict).into_iter().find(|(promises, ..)| explains(*promises));
    let (severity, explained_by) = lifted.map_or((Severity::Data, None), |(_, name, how_bad)| (how_bad, Some(name)));
    let rest =
        Undecided { keys: group.keys.clone(), operations: group.steps.len(), ordered: lenient.ordered, configurations: lenient.visited };
    (tell(case, group, shown, severity, explained_by), (lenient.halt == Halt::Spent).then_some(rest))
}

/// Whether other promises explain a group. They may tie its keys less, so it can be several groups then.
fn explain(case: &Case<'_>, promises: Promises, members: &[usize], end: Instant) -> Decision {
    let part = |at: usize| if members.binary_search(&at).is_ok() { Part::Kept } else { Part::Gone };
    let mut all = Decision { halt: Halt::Ordered, suspects: Vec::new(), ordered: 0, visited: 0 };
    for group in problems(case.history, case.facts, promises, part) {
        let mut of_group: Vec<usize> = group.steps.iter().map(|step| step.operation).collect();
        of_group.sort_unstable();
        of_group.dedup();
        let decision = decide(case, promises, &group, &of_group, end);
        all.ordered += decision.ordered;
        all.visited += decision.visited;
        match decision.halt {
            Halt::Impossible => return Decision { ordered: all.ordered, visited: all.visited, ..decision },
            Halt::Spent => all.halt = Halt::Spent,
            Halt::Ordered => {}
        }
    }
    all
}

fn tell(case: &Case<'_>, group: &Problem, shrunk: Shrunk, severity: Severity, explained_by: Option<&'static str>) -> Violation {
    let history = case.history;
    let reason = match shrunk.unordered.first() {
        Some(at) => format!("no order explains {}", words::sentence(history, *at)),
        None => "no order explains these operations".to_owned(),
    };
    Violation {
        severity,
        explained_by,
        keys: group.keys.clone(),
        reason,
        operations: shrunk.operations,
        unordered: shrunk.unordered,
        order: shrunk.order,
        states: shrunk.states,
    }
}

impl Violation {
    /// The violation as text: a line for each operation, marked where it could not be ordered.
    pub fn describe(&self, history: &History) -> String {
        let mut text = format!("{}: {}\n", words::severity(self.severity), self.reason);
        if let Some(leniency) = self.explained_by {
            let _ = writeln!(text, "  it would be explained by {leniency}");
        }
        for at in &self.operations {
            let mark = if self.unordered.contains(at) { '!' } else { ' ' };
            let _ = writeln!(text, "{mark} {}", words::line(history, *at));
        }
        for state in &self.states {
            let _ = writeln!(text, "  possible before it: {state}");
        }
        text
    }
}
