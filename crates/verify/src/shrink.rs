//! The least part of a failing history that still fails.
//!
//! Leaving an operation out must not make a good history bad. So a read or refusal is left out, and a write is made loose: it may have happened within its
//! time or not, whatever its condition. A history that has an order still has one then; so what still fails proves that the whole fails.

use std::time::{Duration, Instant};

use crate::{
    groups::{Part, Problem, problems, problems_to_read},
    history::{History, Outcome},
    judge::{Case, Promises},
    linear::{Finding, Halt, Search},
    words,
};

/// Configurations that one trial may visit.
const TRIAL_MAX: u64 = 20_000;
/// The widest part that is tried, to each side of the place where the search was stuck.
const WINDOW_MAX: usize = 4096;

/// How long the search for what is told may take.
const PICTURE_TIME_MAX: Duration = Duration::from_secs(2);

/// A part of a history that has no order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shrunk {
    pub(crate) operations: Vec<usize>,
    pub(crate) unordered: Vec<usize>,
    pub(crate) order: Vec<(usize, u64)>,
    pub(crate) states: Vec<String>,
}

/// A group's operations, and the trials on parts of it.
struct Trials<'a> {
    case: &'a Case<'a>,
    promises: Promises,
    /// Ascending by number.
    members: &'a [usize],
    /// When the trials end; what they have not shown by then is not shown.
    end: Instant,
}

/// The operations around one that the search was stuck at, and some more, if they alone have no order.
pub(crate) fn window_fails(case: &Case<'_>, promises: Promises, members: &[usize], stuck: usize, more: &[usize]) -> Option<Vec<usize>> {
    let trials = Trials::new(case, promises, members);
    let operations = &case.history.operations;
    let mut by_call = members.to_vec();
    by_call.sort_by_key(|at| (operations[*at].called, *at));
    let end = operations[stuck].returned.unwrap_or(operations[stuck].called);
    let place = by_call.partition_point(|at| operations[*at].called <= end);
    let mut width = 16;
    loop {
        let mut kept = by_call[place.saturating_sub(width)..(place + width / 4).min(by_call.len())].to_vec();
        let outside: Vec<usize> = more.iter().filter(|at| !kept.contains(at)).copied().collect();
        kept.extend(outside);
        if trials.fails(&kept).is_some() {
            return Some(kept);
        }
        if !trials.may_go_on() || width > WINDOW_MAX || width > by_call.len() {
            return None;
        }
        width *= 4;
    }
}

/// Whether these operations of a group have no order.
pub(crate) fn fail_alone(case: &Case<'_>, promises: Promises, members: &[usize], kept: &[usize]) -> bool {
    Trials::new(case, promises, members).fails(kept).is_some()
}

/// Whether these operations of a group have an order, as far as that can be told in time.
pub(crate) fn is_explained_alone(case: &Case<'_>, promises: Promises, members: &[usize], kept: &[usize]) -> bool {
    let trials = Trials::new(case, promises, members);
    let all = problems(case.history, case.facts, promises, trials.part(kept));
    all.iter().all(|problem| Search::new(problem).until(trials.end).run(TRIAL_MAX) == Halt::Ordered)
}

/// Shrinks a group that has no order, for as long as the options allow. `suspects` is a part of it that has none, or nothing.
pub(crate) fn shrink(case: &Case<'_>, promises: Promises, members: &[usize], suspects: &[usize]) -> Shrunk {
    let trials = Trials::new(case, promises, members);
    let mut kept = match suspects {
        [] => members.to_vec(),
        known => known.to_vec(),
    };
    let mut size = kept.len().div_ceil(2);
    while size > 0 && trials.may_go_on() {
        let before = kept.len();
        trials.without_chunks(&mut kept, size);
        size = if size == 1 && kept.len() < before { 1 } else { size / 2 };
    }
    trials.picture(&kept)
}

impl<'a> Trials<'a> {
    fn new(case: &'a Case<'a>, promises: Promises, members: &'a [usize]) -> Self {
        Self { case, promises, members, end: Instant::now() + case.options.shrink_time_max }
    }

    fn may_go_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// Leaves out every run of `size` operations that is not needed to fail, the latest first.
    fn without_chunks(&self, kept: &mut Vec<usize>, size: usize) {
        let mut to = kept.len();
        while to > 0 && self.may_go_on() {
            let from = to.saturating_sub(size);
            let fewer: Vec<usize> = kept[..from].iter().chain(&kept[to..]).copied().collect();
            if !fewer.is_empty() && self.fails(&fewer).is_some() {
                *kept = fewer;
            }
            to = from;
        }
    }

    fn part(&self, kept: &[usize]) -> impl Fn(usize) -> Part {
        let operations = &self.case.history.operations;
        let certain = |at: &&usize| operations[**at].outcome != Outcome::Unknown;
        // What was called after all of them returned comes after all of them.
        let end = kept.iter().filter(certain).map(|at| operations[*at].returned.unwrap_or(u64::MAX)).max().unwrap_or(0);
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        move |at: usize| {
            if kept.binary_search(&at).is_ok() {
                Part::Kept
            } else if operations[at].called <= end && self.members.binary_search(&at).is_ok() {
                Part::Loose
            } else {
                Part::Gone
            }
        }
    }

    /// The group that has no order when only these must be explained.
    fn fails(&self, kept: &[usize]) -> Option<Problem> {
        let fails = |problem: &Problem| Search::new(problem).until(self.end).run(TRIAL_MAX) == Halt::Impossible;
        problems(self.case.history, self.case.facts, self.promises, self.part(kept)).into_iter().find(|problem| fails(problem))
    }

    /// What is told of a part that fails: where a person would be stuck if that can be found in a moment, else where the trial was.
    fn picture(&self, kept: &[usize]) -> Shrunk {
        let end = || Instant::now() + PICTURE_TIME_MAX;
        let to_read = problems_to_read(self.case.history, self.case.facts, self.promises, self.part(kept));
        let told = to_read.iter().find_map(|problem| {
            let mut search = Search::new(problem).without_foresight().until(end());
            (search.run(TRIAL_MAX) == Halt::Impossible).then(|| tell(self.case, problem, &search.finding()))
        });
        told.or_else(|| {
            let problem = Self { end: end(), ..*self }.fails(kept)?;
            let mut search = Search::new(&problem);
            search.run(TRIAL_MAX);
            Some(tell(self.case, &problem, &search.finding()))
        })
        // It was not possible to show it on a part: then it is the whole.
        .unwrap_or_else(|| Shrunk { operations: kept.to_vec(), ..Shrunk::default() })
    }
}

fn tell(case: &Case<'_>, problem: &Problem, finding: &Finding) -> Shrunk {
    let history: &History = case.history;
    let number = |at: &u32| problem.steps[*at as usize].operation;
    let mut instant = 0;
    let mut order = Vec::new();
    for at in &finding.order {
        instant = instant.max(problem.steps[*at as usize].called);
        order.push((number(at), instant));
    }
    let ordered = |at: usize| finding.order.contains(&(at as u32));
    let mut unordered: Vec<usize> = finding.stuck.iter().map(number).collect();
    let required = || problem.steps.iter().enumerate().filter(|(_, step)| step.required);
    for (_, step) in required().filter(|(at, _)| !ordered(*at)) {
        if !unordered.contains(&step.operation) {
            unordered.push(step.operation);
        }
    }
    let mut operations: Vec<usize> = required().map(|(_, step)| step.operation).collect();
    operations.sort_by_key(|at| (history.operations[*at].called, *at));
    operations.dedup();
    order.retain(|(at, _)| operations.contains(at));
    let states = finding.states.iter().map(|state| words::state(history, case.facts, &problem.keys, state)).collect();
    Shrunk { operations, unordered, order, states }
}
