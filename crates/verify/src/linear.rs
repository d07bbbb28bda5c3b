//! The search for an order: Wing and Gong's, with Lowe's memory of configurations, and shortcuts that lose no order.
//!
//! A configuration is the set of steps that are ordered already and the state that they made. The next step is one that was called before any
//! other of the rest returned. The search goes depth first, without recursion, and is exhaustive unless its budget ends.
//!
//! **Why each shortcut is sound.** Let `s` be an order of the rest that explains everything, from the present configuration.
//! 1. *Looks are taken at once.* A step that never changes anything and is true now can be moved to the front of `s`: no state changes, and it may
//!    come first since it was called before any of the rest returned. One care: a possible step (an indefinite write) whose time ended before the
//!    look was called could not come any more. So only looks that were called before the time of any unused possible step ended are taken so.
//! 2. *Of equal steps the one that must be done first.* If `a` and `b` show and do the same, `a` returned first, and `s` has `b` before `a`, they can change
//!    places. The same care as in 1.
//! 3. *No content dies that is still needed.* A content with one writer, which is in no key any more, never comes back; if a step of the rest must
//!    find it, there is no `s`.
//! 4. *Only keys that matter.* Let `z` be the step that returned first of all the rest. Of the steps before `z` in `s`, those on keys that nothing ties to
//!    the keys of `z` can be moved behind it, in their order. Keys are tied by steps on two keys that may come now, and the care of 1 is taken by tying the keys of
//!    possible steps whose time ends before `z` returned.
//! 5. *A possible step that changes nothing is not taken*, and of two visits with the same steps that must be and the same state, the one that has used fewer
//!    of the possible ones can do all that the other can.

mod ahead;
mod probe;

use std::time::Instant;

use crate::{
    groups::{Problem, Step},
    memory::{Memory, bits_of_slot, bits_of_step},
    model::{ABSENT, Value, content_of},
};

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// There is an order.
    Ordered,
    /// There is none.
    Impossible,
    /// The budget or the time ended first.
    Spent,
}

/// What a search found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The longest order found, as numbers of steps.
    pub(crate) order: Vec<u32>,
    /// The step that could not come next although it had to.
    pub(crate) stuck: Option<u32>,
    /// The states in which it could not, some of them.
    pub(crate) states: Vec<Vec<Value>>,
    /// Configurations visited.
    pub(crate) visited: u64,
}

/// The marker of the ends of the list.
const END: u32 = u32::MAX;
/// How many of the states in which the search was stuck are kept.
const STATES_MAX: usize = 6;
/// The clock is looked at once for so many configurations.
const UNTIL_CLOCK: u64 = 32;

struct Taken {
    step: u32,
    here: Value,
    there: Value,
    latest: u64,
}

struct Frame {
    /// How long the trail was when the choice was made.
    trail: usize,
    /// Where its choices begin in the common stack; those left are above.
    choices: usize,
}

/// Possible steps of one class.
struct Pool {
    two_keys: bool,
    /// Those whose time ends, by that.
    ending: Vec<u32>,
    /// The longest time of one of those.
    longest: u64,
    /// Those whose time never ends, by their call.
    endless: Vec<u32>,
}

pub(crate) struct Search<'p> {
    problem: &'p Problem,
    state: Vec<Value>,
    needs: Vec<Option<u32>>,
    taken: Vec<bool>,
    /// The required steps of the rest, by their call: `next[n]` after step `n`, `next[len]` the first.
    next: Vec<u32>,
    previous: Vec<u32>,
    left: usize,
    pools: Vec<Pool>,
    /// The possible steps whose time ends, by that.
    ending: Vec<u32>,
    used: Vec<u32>,
    /// The latest call of a step that was taken: what ended before can come no more.
    latest: u64,
    /// The first return of the rest, when the choices were last made.
    front: u64,
    configuration: u128,
    trail: Vec<Taken>,
    frames: Vec<Frame>,
    choices: Vec<u32>,
    memory: Memory,
    visited: u64,
    best: Best,
    /// By class: the earliest call among the candidates that were kept, for the visit of that number.
    kept: Vec<(u64, u64)>,
    tied: Vec<bool>,
    /// Whether shortcut 3 is on.
    foresight: bool,
    /// The seed of the disorder in which choices are tried, and its extent in time. 0 for none.
    disorder: (u64, u64),
    /// When the search ends, whatever its budget.
    end: Option<Instant>,
}

#[derive(Default)]
struct Best {
    order: Vec<u32>,
    /// How much of it the trail still agrees with.
    agrees: usize,
    left: Option<usize>,
    stuck: Option<u32>,
    states: Vec<Vec<Value>>,
}

impl<'p> Search<'p> {
    pub(crate) fn new(problem: &'p Problem) -> Self {
        let (next, previous, left) = link(&problem.steps);
        let possible = |at: &u32| !problem.steps[*at as usize].required;
        let mut ending: Vec<u32> = (0..problem.steps.len() as u32).filter(possible).collect();
        let pools = pools(problem, &ending);
        ending.retain(|at| problem.steps[*at as usize].returned != u64::MAX);
        ending.sort_by_key(|at| problem.steps[*at as usize].returned);
        Self {
            problem,
            state: problem.initial.clone(),
            needs: problem.needs.clone(),
            taken: vec![false; problem.steps.len()],
            next,
            previous,
            left,
            pools,
            ending,
            used: Vec::new(),
            latest: 0,
            front: 0,
            configuration: problem.initial.iter().enumerate().fold(0, |bits, (key, value)| bits ^ bits_of_slot(key, *value)),
            trail: Vec::new(),
            frames: Vec::new(),
            choices: Vec::new(),
            memory: Memory::default(),
            visited: 0,
            best: Best::default(),
            kept: vec![(0, 0); problem.classes as usize],
            tied: vec![false; problem.keys.len()],
            foresight: true,
            disorder: (0, 0),
            end: None,
        }
    }

    /// To this moment at most.
    pub(crate) fn until(mut self, end: Instant) -> Self {
        self.end = Some(end);
        self
    }

    fn is_late(&self) -> bool {
        self.visited.is_multiple_of(UNTIL_CLOCK) && self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Without shortcut 3: then the search is stuck where a person would be, at the read of what is gone, not at the write that would make it go.
    pub(crate) fn without_foresight(mut self) -> Self {
        self.foresight = false;
        self
    }

    /// Searches on until an order is found, there is none, or that many configurations were visited in all.
    pub(crate) fn run(&mut self, budget: u64) -> Halt {
        while self.visited < budget && !self.is_late() {
            self.visited += 1;
            self.look_around();
            if self.left == 0 {
                self.note();
                return Halt::Ordered;
            }
            self.choose();
            if !self.go_on() {
                return Halt::Impossible;
            }
        }
        Halt::Spent
    }

    pub(crate) fn finding(&self) -> Finding {
        let Best { order, stuck, states, .. } = &self.best;
        Finding { order: order.clone(), stuck: *stuck, states: states.clone(), visited: self.visited }
    }

    /// Takes all looks that are true now.
    fn look_around(&mut self) {
        loop {
            let before = self.trail.len();
            let bound = self.horizon().0.min(self.first_end());
            let mut at = self.next[self.problem.steps.len()];
            while at != END && self.step(at).called <= bound {
                let following = self.next[at as usize];
                let act = &self.step(at).act;
                if act.only_looks() && act.holds(&self.state) {
                    self.take(at);
                }
                at = following;
            }
            if self.trail.len() == before {
                return;
            }
        }
    }

    /// The steps that may come next and are worth it, on top of the common stack, the best last; or none if the search was here.
    fn choose(&mut self) {
        self.frames.push(Frame { trail: self.trail.len(), choices: self.choices.len() });
        if !self.memory.enter(self.configuration, &self.used) {
            return self.note();
        }
        let (horizon, first) = self.horizon();
        self.front = horizon;
        self.tie(horizon, first);
        let bound = self.first_end();
        let begin = self.choices.len();
        let mut at = self.next[self.problem.steps.len()];
        while at != END && self.step(at).called <= horizon {
            if self.is_worth_it(at) {
                self.choices.push(at);
            }
            at = self.next[at as usize];
        }
        let steps = &self.problem.steps;
        self.choices[begin..].sort_unstable_by_key(|at| (steps[*at as usize].returned, *at));
        self.drop_equals(begin, bound);
        self.choose_possible(horizon, bound);
        self.rank(begin, first);
        self.choices[begin..].reverse();
        if self.choices.len() == begin {
            self.note();
        }
    }

    fn is_worth_it(&self, at: u32) -> bool {
        let act = &self.step(at).act;
        act.keys().any(|key| self.tied[key as usize]) && act.holds(&self.state) && !self.kills(at)
    }

    /// Shortcut 2. The choices are in the order of their returns.
    fn drop_equals(&mut self, begin: usize, bound: u64) {
        let mut to = begin;
        for from in begin..self.choices.len() {
            let at = self.choices[from];
            if self.keep(at, bound) {
                self.choices[to] = at;
                to += 1;
            }
        }
        self.choices.truncate(to);
    }

    /// Whether no step of its class that returned before was kept instead of it.
    fn keep(&mut self, at: u32, bound: u64) -> bool {
        let Step { class, called, .. } = self.problem.steps[at as usize];
        let visited = self.visited;
        let kept = &mut self.kept[class as usize];
        if kept.0 == visited && kept.1 <= bound.max(called) {
            return false;
        }
        *kept = (visited, called);
        true
    }

    fn choose_possible(&mut self, horizon: u64, bound: u64) {
        let pools = std::mem::take(&mut self.pools);
        for pool in &pools {
            let begin = pool.ending.partition_point(|at| self.step(*at).returned < self.latest);
            for at in &pool.ending[begin..] {
                // It was called after this. A step that was called later than one that was kept is no better.
                let after = self.step(*at).returned.saturating_sub(pool.longest);
                let kept = self.kept[self.step(*at).class as usize];
                if after > horizon || (kept.0 == self.visited && after >= kept.1) {
                    break;
                }
                if self.is_possible(*at, horizon) && (!self.keep_possible(*at, bound) || self.step(*at).called <= bound) {
                    break;
                }
            }
            if let Some(at) = pool.endless.iter().find(|at| self.is_unused(**at))
                && self.is_possible(*at, horizon)
            {
                self.keep_possible(*at, bound);
            }
        }
        self.pools = pools;
    }

    fn keep_possible(&mut self, at: u32, bound: u64) -> bool {
        let act = &self.step(at).act;
        let changes = act.result(&self.state) != self.state[act.key as usize] || act.empties().is_some();
        if !act.holds(&self.state) || !changes || self.kills(at) || !act.keys().any(|key| self.tied[key as usize]) {
            // Its equals do no better.
            return false;
        }
        if self.keep(at, bound) {
            self.choices.push(at);
        }
        true
    }

    fn is_possible(&self, at: u32, horizon: u64) -> bool {
        self.step(at).called <= horizon && self.step(at).called <= self.step(at).returned && self.is_unused(at)
    }

    fn is_unused(&self, at: u32) -> bool {
        self.used.binary_search(&at).is_err()
    }

    /// Shortcut 4: marks the keys that matter to the step which has to come first.
    fn tie(&mut self, horizon: u64, first: u32) {
        if self.tied.len() == 1 {
            self.tied[0] = true;
            return;
        }
        self.tied.fill(false);
        let mut ties: Vec<(u32, u32)> = Vec::new();
        let steps = &self.problem.steps;
        let mark = |at: u32, tied: &mut Vec<bool>| steps[at as usize].act.keys().for_each(|key| tied[key as usize] = true);
        mark(first, &mut self.tied);
        let begin = self.ending.partition_point(|at| steps[*at as usize].returned < self.latest);
        for at in self.ending[begin..].iter().take_while(|at| steps[**at as usize].returned < horizon) {
            mark(*at, &mut self.tied);
        }
        let mut at = self.next[steps.len()];
        while at != END && steps[at as usize].called <= horizon {
            ties.extend(steps[at as usize].act.source.map(|(source, _)| (source, steps[at as usize].act.key)));
            at = self.next[at as usize];
        }
        for pool in self.pools.iter().filter(|pool| pool.two_keys) {
            if let Some(at) = pool.ending.first().or(pool.endless.first()) {
                let act = &steps[*at as usize].act;
                ties.extend(act.source.map(|(source, _)| (source, act.key)));
            }
        }
        spread(&ties, &mut self.tied);
    }

    /// Shortcut 3: whether a content is gone after this step that another must still find.
    fn kills(&self, at: u32) -> bool {
        let step = self.step(at);
        let (act, lost) = (&step.act, content_of(self.state[step.act.key as usize]));
        if act.only_looks() || lost == 0 || !self.foresight {
            return false;
        }
        let own = u32::from(step.required && step.observes.contains(&lost));
        if self.needs[lost as usize].is_none_or(|needed| needed <= own) || content_of(act.result(&self.state)) == lost {
            return false;
        }
        let remains = |(key, value): (usize, &Value)| {
            content_of(*value) == lost && key != act.key as usize && act.empties().is_none_or(|emptied| emptied as usize != key)
        };
        !self.state.iter().enumerate().any(remains)
    }

    /// Takes the next choice, of the last frame that has one. False if none has.
    fn go_on(&mut self) -> bool {
        while let Some(frame) = self.frames.last() {
            let (trail, choices) = (frame.trail, frame.choices);
            self.put_back(trail);
            if self.choices.len() > choices
                && let Some(at) = self.choices.pop()
            {
                self.take(at);
                return true;
            }
            self.frames.pop();
        }
        false
    }

    fn take(&mut self, at: u32) {
        let problem = self.problem;
        let step = &problem.steps[at as usize];
        let key = step.act.key as usize;
        let emptied = step.act.empties();
        let there = emptied.map_or(ABSENT, |key| self.state[key as usize]);
        self.taken[at as usize] = true;
        self.trail.push(Taken { step: at, here: self.state[key], there, latest: self.latest });
        let result = step.act.result(&self.state);
        self.set(key, result);
        if let Some(emptied) = emptied {
            self.set(emptied as usize, ABSENT);
        }
        self.latest = self.latest.max(step.called);
        if step.required {
            self.configuration ^= bits_of_step(at as usize);
            self.left -= 1;
            self.unlink(at);
        } else if let Err(place) = self.used.binary_search(&at) {
            self.used.insert(place, at);
        }
        self.count(step, u32::wrapping_sub);
    }

    fn put_back(&mut self, length: usize) {
        self.best.agrees = self.best.agrees.min(length);
        while self.trail.len() > length {
            let Some(Taken { step: at, here, there, latest }) = self.trail.pop() else { return };
            self.taken[at as usize] = false;
            let problem = self.problem;
            let step = &problem.steps[at as usize];
            if let Some(emptied) = step.act.empties() {
                self.set(emptied as usize, there);
            }
            self.set(step.act.key as usize, here);
            self.latest = latest;
            if step.required {
                self.configuration ^= bits_of_step(at as usize);
                self.left += 1;
                self.relink(at);
            } else if let Ok(place) = self.used.binary_search(&at) {
                self.used.remove(place);
            }
            self.count(step, u32::wrapping_add);
        }
    }

    fn count(&mut self, step: &Step, by: fn(u32, u32) -> u32) {
        for content in step.observes.into_iter().filter(|content| step.required && *content != 0) {
            if let Some(needed) = &mut self.needs[content as usize] {
                *needed = by(*needed, 1);
            }
        }
    }

    fn set(&mut self, key: usize, value: Value) {
        self.configuration ^= bits_of_slot(key, self.state[key]) ^ bits_of_slot(key, value);
        self.state[key] = value;
    }

    fn unlink(&mut self, at: u32) {
        let (before, after) = (self.previous[at as usize], self.next[at as usize]);
        self.next[before as usize] = after;
        if after != END {
            self.previous[after as usize] = before;
        }
    }

    fn relink(&mut self, at: u32) {
        let (before, after) = (self.previous[at as usize], self.next[at as usize]);
        self.next[before as usize] = at;
        if after != END {
            self.previous[after as usize] = at;
        }
    }

    /// The first return of the rest, and whose it is. Whatever was called later cannot come next.
    fn horizon(&self) -> (u64, u32) {
        let mut first = (u64::MAX, END);
        let mut at = self.next[self.problem.steps.len()];
        while at != END && self.step(at).called <= first.0 {
            if self.step(at).returned < first.0 || first.1 == END {
                first = (self.step(at).returned, at);
            }
            at = self.next[at as usize];
        }
        first
    }

    /// When the time of the first unused possible step ends that can still come.
    fn first_end(&self) -> u64 {
        let begin = self.ending.partition_point(|at| self.step(*at).returned < self.latest);
        self.ending[begin..].iter().find(|at| self.is_unused(**at)).map_or(u64::MAX, |at| self.step(*at).returned)
    }

    /// Remembers how far this went.
    fn note(&mut self) {
        if self.best.left.is_some_and(|left| left < self.left) {
            return;
        }
        let stuck = self.horizon().1;
        let best = &mut self.best;
        if best.left != Some(self.left) {
            best.order.truncate(best.agrees);
            best.order.extend(self.trail[best.agrees..].iter().map(|taken| taken.step));
            best.agrees = self.trail.len();
            best.left = Some(self.left);
            best.states.clear();
            best.stuck = Some(stuck).filter(|at| *at != END);
        }
        if best.states.len() < STATES_MAX && !best.states.contains(&self.state) {
            best.states.push(self.state.clone());
        }
    }

    fn step(&self, at: u32) -> &'p Step {
        &self.problem.steps[at as usize]
    }
}

fn link(steps: &[Step]) -> (Vec<u32>, Vec<u32>, usize) {
    let (mut next, mut previous) = (vec![END; steps.len() + 1], vec![END; steps.len() + 1]);
    let (mut last, mut left) = (steps.len() as u32, 0);
    for at in (0..steps.len() as u32).filter(|at| steps[*at as usize].required) {
        next[last as usize] = at;
        previous[at as usize] = last;
        (last, left) = (at, left + 1);
    }
    (next, previous, left)
}

/// `possible` is in the order of the calls.
fn pools(problem: &Problem, possible: &[u32]) -> Vec<Pool> {
    let mut pools: Vec<Option<Pool>> = Vec::new();
    pools.resize_with(problem.classes as usize, || None);
    for at in possible {
        let step = &problem.steps[*at as usize];
        let two_keys = step.act.source.is_some();
        let new = || Pool { two_keys, ending: Vec::new(), longest: 0, endless: Vec::new() };
        let pool = pools[step.class as usize].get_or_insert_with(new);
        if step.returned == u64::MAX {
            pool.endless.push(*at);
        } else {
            pool.ending.push(*at);
            pool.longest = pool.longest.max(step.returned.saturating_sub(step.called));
        }
    }
    let mut pools: Vec<Pool> = pools.into_iter().flatten().collect();
    for pool in &mut pools {
        pool.ending.sort_by_key(|at| problem.steps[*at as usize].returned);
    }
    pools
}

fn spread(ties: &[(u32, u32)], tied: &mut [bool]) {
    let mut changed = true;
    while changed {
        changed = false;
        for (a, b) in ties {
            let either = tied[*a as usize] || tied[*b as usize];
            changed |= tied[*a as usize] != tied[*b as usize];
            tied[*a as usize] = either;
            tied[*b as usize] = either;
        }
    }
}
