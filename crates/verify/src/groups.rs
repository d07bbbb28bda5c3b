//! From a history to independent problems: each operation reduced to what it shows and does, keys that an operation ties together in one
//! group, and the moments narrowed by what must come before what.
//!
//! Everything here is sound: an order exists for the history exactly if one exists for each of its problems.

use std::collections::HashMap;

use crate::{
    facts::Facts,
    foresight::Places,
    history::{Condition, History, Key, Operation, Outcome, Request},
    judge::Promises,
    model::{ABSENT, ANY_ETAG, Act, Effect, FIRST_CONTENT, Sight, UNNAMED_ETAG, UNSEEN, Value, WILD, value},
};

/// An operation, or one of the two halves of a copy, as the search sees it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) act: Act,
    /// It cannot have happened before; narrowed.
    pub(crate) called: u64,
    /// It cannot have happened after; narrowed. `u64::MAX` if there is no such moment.
    pub(crate) returned: u64,
    /// Whether it did happen; otherwise it may have.
    pub(crate) required: bool,
    /// Its number in the history.
    pub(crate) operation: usize,
    /// Steps of one class are told apart by their moments only.
    pub(crate) class: u32,
    /// See [`Act::observes`].
    pub(crate) observes: [u32; 3],
}

/// A group of keys and what happened to them. The keys of the steps are numbers within the group.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) keys: Vec<Key>,
    pub(crate) initial: Vec<Value>,
    /// By `called`.
    pub(crate) steps: Vec<Step>,
    pub(crate) classes: u32,
    /// By content: how many steps that did happen need it to be there. `None` if it has several writers, or none that is known.
    pub(crate) needs: Vec<Option<u32>>,
    /// What must be found where.
    pub(crate) places: Places,
}

/// Which operations take part, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Must be explained.
    Kept,
    /// A write may have happened within its time, whatever its condition; anything else is left out.
    Loose,
    /// Not of this history.
    Gone,
}

/// The problems of a history. `part` says how each operation takes part.
pub(crate) fn problems(history: &History, facts: &Facts, promises: Promises, part: impl Fn(usize) -> Part) -> Vec<Problem> {
    let mut steps = steps(history, facts, promises, part);
    forget_unseen(&mut steps, facts, |_| false);
    split(history, facts, steps)
}

/// The same with the contents of all writes told apart that must be explained: slower to search, better to read.
pub(crate) fn problems_to_read(history: &History, facts: &Facts, promises: Promises, part: impl Fn(usize) -> Part) -> Vec<Problem> {
    let mut steps = steps(history, facts, promises, part);
    forget_unseen(&mut steps, facts, |step| step.required);
    split(history, facts, steps)
}

fn steps(history: &History, facts: &Facts, promises: Promises, part: impl Fn(usize) -> Part) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        match part(at) {
            Part::Kept => reduce(operation, facts, promises, |act, required| steps.push(step(operation, at, act, required))),
            Part::Loose => loosen(operation, facts, promises, |act| steps.push(step(operation, at, act, false))),
            Part::Gone => {}
        }
    }
    steps
}

fn step(operation: &Operation, at: usize, act: Act, required: bool) -> Step {
    let returned = operation.returned.unwrap_or(u64::MAX);
    Step { act, called: operation.called, returned, required, operation: at, class: 0, observes: act.observes() }
}

/// What an operation shows and does, given that it ended so.
fn reduce(operation: &Operation, facts: &Facts, promises: Promises, mut push: impl FnMut(Act, bool)) {
    let of = Reduction { facts, promises };
    let outcome = &operation.outcome;
    match &operation.request {
        Request::Get { key } | Request::Head { key } => {
            let sight = match outcome {
                Outcome::Found { content, etag } => Sight::Is(facts.content(*content), facts.etag(etag)),
                Outcome::Missing => Sight::Absent,
                Outcome::Unknown | Outcome::Refused | Outcome::Conflict => Sight::Anything,
                Outcome::Written(_) | Outcome::Deleted | Outcome::Failed { .. } => Sight::Nothing,
            };
            Reduction::look(key.0, sight, &mut push);
        }
        Request::Put { key, condition, .. } | Request::Complete { key, condition, .. } => {
            let effect = Effect::Put(of.written(operation));
            match outcome {
                Outcome::Written(_) => push(Act::on(key.0, of.holds(condition), effect), true),
                Outcome::Unknown => push(Act::on(key.0, of.holds(condition), effect), false),
                _ => Reduction::look(key.0, of.refusal(condition, outcome), &mut push),
            }
        }
        Request::Delete { key, condition } => match outcome {
            Outcome::Deleted => push(Act::on(key.0, of.deletes(condition), Effect::Delete), true),
            Outcome::Unknown => push(Act::on(key.0, of.holds(condition), Effect::Delete), false),
            Outcome::Missing if *condition == Condition::None && promises.missing_may_fail => {
                Reduction::look(key.0, Sight::Absent, &mut push);
            }
            _ => Reduction::look(key.0, of.refusal(condition, outcome), &mut push),
        },
        Request::Copy { .. } | Request::Rename { .. } => of.moves(operation, &mut push),
    }
}

/// A write that is only known to be possible. Its condition is dropped too, which allows more, never less.
fn loosen(operation: &Operation, facts: &Facts, promises: Promises, mut push: impl FnMut(Act)) {
    if !matches!(operation.outcome, Outcome::Written(_) | Outcome::Deleted | Outcome::Unknown) {
        return;
    }
    let unconditional = match operation.request.clone() {
        Request::Put { key, content, .. } => Request::Put { key, condition: Condition::None, content },
        Request::Complete { key, content, .. } => Request::Complete { key, condition: Condition::None, content },
        Request::Delete { key, .. } => Request::Delete { key, condition: Condition::None },
        Request::Copy { source, key, .. } => Request::Copy { source, source_condition: Condition::None, key, condition: Condition::None },
        Request::Rename { source, key, .. } => {
            Request::Rename { source, source_condition: Condition::None, key, condition: Condition::None }
        }
        Request::Get { .. } | Request::Head { .. } => return,
    };
    let loose = Operation { request: unconditional, ..operation.clone() };
    reduce(&loose, facts, promises, |act, _| {
        if !act.only_looks() {
            push(act);
        }
    });
}

struct Reduction<'a> {
    facts: &'a Facts,
    promises: Promises,
}

impl Reduction<'_> {
    fn look(key: u32, sight: Sight, push: &mut impl FnMut(Act, bool)) {
        if sight != Sight::Anything {
            push(Act::on(key, sight, Effect::None), true);
        }
    }

    fn written(&self, operation: &Operation) -> Value {
        let content = crate::facts::written_content(&operation.request).map_or(WILD, |content| self.facts.content(content));
        let etag = match &operation.outcome {
            Outcome::Written(Some(etag)) => self.facts.etag(etag),
            _ => self.facts.usual_etag(content),
        };
        value(content, etag)
    }

    fn matches(&self, etag: &crate::history::Etag) -> (u32, u32) {
        let etag = self.facts.etag(etag);
        (etag, self.facts.owner(etag))
    }

    fn holds(&self, condition: &Condition) -> Sight {
        match condition {
            Condition::None => Sight::Anything,
            Condition::Absent => Sight::Absent,
            Condition::Present => Sight::Present,
            Condition::Matches(etag) => {
                let (etag, owner) = self.matches(etag);
                Sight::Matches(etag, owner)
            }
        }
    }

    /// What a 204 shows. A lenient server sends it too where there was nothing to delete.
    fn deletes(&self, condition: &Condition) -> Sight {
        match (self.holds(condition), self.promises.missing_may_fail) {
            (Sight::Present, true) => Sight::Anything,
            (Sight::Matches(etag, owner), true) => Sight::AbsentOrMatches(etag, owner),
            (sight, _) => sight,
        }
    }

    /// What a 412 shows.
    fn fails(&self, condition: &Condition) -> Sight {
        match (condition, self.promises.missing_may_fail) {
            (Condition::None, _) | (Condition::Present, false) => Sight::Nothing,
            (Condition::Absent, _) => Sight::Present,
            (Condition::Present, true) => Sight::Absent,
            (Condition::Matches(etag), false) => Sight::Differs(self.matches(etag).0),
            (Condition::Matches(etag), true) => Sight::AbsentOrDiffers(self.matches(etag).0),
        }
    }

    /// What a 404 shows.
    fn misses(condition: &Condition) -> Sight {
        match condition {
            Condition::Present | Condition::Matches(_) => Sight::Absent,
            Condition::None | Condition::Absent => Sight::Nothing,
        }
    }

    /// What a refused write of one key shows.
    fn refusal(&self, condition: &Condition, outcome: &Outcome) -> Sight {
        match outcome {
            Outcome::Conflict if *condition == Condition::Absent && self.promises.conflict_means_present => Sight::Present,
            Outcome::Conflict | Outcome::Refused => Sight::Anything,
            Outcome::Failed { .. } => self.fails(condition),
            Outcome::Missing if self.promises.missing_may_fail => match Self::misses(condition) {
                Sight::Nothing => Sight::Anything,
                sight => sight,
            },
            Outcome::Missing => Self::misses(condition),
            _ => Sight::Nothing,
        }
    }

    fn moves(&self, operation: &Operation, push: &mut impl FnMut(Act, bool)) {
        let (source, source_condition, key, condition, copies) = match &operation.request {
            Request::Copy { source, source_condition, key, condition } => (source.0, source_condition, key.0, condition, true),
            Request::Rename { source, source_condition, key, condition } => (source.0, source_condition, key.0, condition, false),
            _ => return,
        };
        let split = copies && !self.promises.copy_is_atomic && source != key;
        let required = matches!(operation.outcome, Outcome::Written(_));
        match &operation.outcome {
            Outcome::Written(_) | Outcome::Unknown => {
                let from = self.found(source_condition);
                let etag = match &operation.outcome {
                    Outcome::Written(Some(etag)) => self.facts.etag(etag),
                    _ => ANY_ETAG,
                };
                let owner = if etag == ANY_ETAG { 0 } else { self.facts.owner(etag) };
                let effect = if copies { Effect::Copy(etag, owner) } else { Effect::Rename };
                if split {
                    self.halves(source, from, key, condition, effect, required, push);
                } else {
                    push(Act { source: Some((source, from)), ..Act::on(key, self.holds(condition), effect) }, required);
                }
            }
            Outcome::Missing => Self::one_of((key, Self::misses(condition)), (source, Sight::Absent), split, push),
            Outcome::Failed { of_source: true } => Self::look(source, self.fails(source_condition), push),
            Outcome::Failed { of_source: false } => {
                Self::one_of((key, self.fails(condition)), (source, self.fails(source_condition)), split, push);
            }
            outcome => Self::look(key, self.refusal(condition, outcome), push),
        }
    }

    /// A source that was copied or renamed was there.
    fn found(&self, condition: &Condition) -> Sight {
        match self.holds(condition) {
            Sight::Anything => Sight::Present,
            sight => sight,
        }
    }

    /// A copy that reads the source at one moment and writes the key at another. That the write comes second is let go, which allows more: it would be an order
    /// between two keys, which could then not be checked apart.
    #[expect(clippy::too_many_arguments, reason = "the two sides of one copy")]
    fn halves(
        &self,
        source: u32,
        from: Sight,
        key: u32,
        condition: &Condition,
        effect: Effect,
        required: bool,
        push: &mut impl FnMut(Act, bool),
    ) {
        let Effect::Copy(etag, owner) = effect else { return };
        if required {
            // Which ETag the source had is not told: a copy may get one of its own.
            Self::look(source, from, push);
        }
        let content = if owner == 0 { WILD } else { owner };
        push(Act::on(key, self.holds(condition), Effect::Put(value(content, etag))), required);
    }

    /// Either of two reasons. When they are of two moments, nothing is known unless one of them is impossible.
    fn one_of(here: (u32, Sight), there: (u32, Sight), split: bool, push: &mut impl FnMut(Act, bool)) {
        match (here.1, there.1) {
            (Sight::Nothing, _) => Self::look(there.0, there.1, push),
            (_, Sight::Nothing) => Self::look(here.0, here.1, push),
            _ if split => {}
            _ => push(Act { source: Some(there), either: true, ..Act::on(here.0, here.1, Effect::None) }, true),
        }
    }
}

/// Contents that no observation and no condition names are one content: no step tells them apart, so an order for the one is an order for the
/// other. Their ETags are unnamed too, unless unknown. `remembered` are the writes that keep theirs.
fn forget_unseen(steps: &mut [Step], facts: &Facts, remembered: impl Fn(&Step) -> bool) {
    let mut named = vec![false; facts.contents()];
    let mut compared = vec![false; facts.etags()];
    for step in steps.iter() {
        for content in step.act.observes() {
            named[content as usize] = true;
        }
        let sights = [Some(step.act.sight), step.act.source.map(|(_, sight)| sight)];
        for sight in sights.into_iter().flatten() {
            named[sight.names() as usize] = true;
            compared[sight.compares() as usize] = true;
            named[facts.owner(sight.compares()) as usize] = true;
        }
    }
    for step in steps {
        if let Effect::Put(written) = step.act.effect
            && !remembered(step)
        {
            step.act.effect = Effect::Put(unless_named(written, &named, &compared));
        }
    }
}

fn unless_named(written: Value, named: &[bool], compared: &[bool]) -> Value {
    let (content, etag) = (crate::model::content_of(written), crate::model::etag_of(written));
    if content == WILD || named[content as usize] || (etag != ANY_ETAG && compared[etag as usize]) {
        return written;
    }
    value(UNSEEN, if etag == ANY_ETAG { ANY_ETAG } else { UNNAMED_ETAG })
}

/// Keys that no step ties together are checked apart: linearizability is local.
fn split(history: &History, facts: &Facts, steps: Vec<Step>) -> Vec<Problem> {
    let keys = steps.iter().flat_map(|step| step.act.keys()).chain(history.initial.iter().map(|(key, ..)| key.0)).max();
    let mut parents: Vec<u32> = (0..keys.map_or(0, |key| key + 1)).collect();
    for step in &steps {
        if let Some((source, _)) = step.act.source {
            let (a, b) = (root(&mut parents, step.act.key), root(&mut parents, source));
            parents[a as usize] = b;
        }
    }
    let mut numbers: HashMap<u32, usize> = HashMap::new();
    let mut groups: Vec<Problem> = Vec::new();
    let mut places: HashMap<u32, u32> = HashMap::new();
    for mut step in steps {
        let group = root(&mut parents, step.act.key);
        let number = *numbers.entry(group).or_insert_with(|| {
            groups.push(Problem {
                keys: Vec::new(),
                initial: Vec::new(),
                steps: Vec::new(),
                classes: 0,
                needs: Vec::new(),
                places: Places::default(),
            });
            groups.len() - 1
        });
        let problem = &mut groups[number];
        let mut place = |key: u32| {
            *places.entry(key).or_insert_with(|| {
                problem.keys.push(Key(key));
                problem.initial.push(initial(history, facts, Key(key)));
                problem.keys.len() as u32 - 1
            })
        };
        step.act.key = place(step.act.key);
        step.act.source = step.act.source.map(|(source, sight)| (place(source), sight));
        problem.steps.push(step);
    }
    for problem in &mut groups {
        problem.prepare(facts);
    }
    groups
}

fn root(parents: &mut [u32], mut key: u32) -> u32 {
    while parents[key as usize] != key {
        parents[key as usize] = parents[parents[key as usize] as usize];
        key = parents[key as usize];
    }
    key
}

fn initial(history: &History, facts: &Facts, key: Key) -> Value {
    let held = history.initial.iter().find(|(held, ..)| *held == key);
    held.map_or(ABSENT, |(_, content, etag)| value(facts.content(*content), facts.etag(etag)))
}

/// Who writes a content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Nobody,
    Step(usize),
    Initial,
    Several,
}

impl Problem {
    fn prepare(&mut self, facts: &Facts) {
        self.steps.sort_by_key(|step| (step.called, step.operation));
        let writers = self.writers(facts.contents());
        self.narrow(&writers);
        self.steps.sort_by_key(|step| (step.called, step.operation));
        self.count_needs(&writers);
        self.places = Places::of(&self.steps);
        let mut classes: HashMap<(Act, bool), u32> = HashMap::new();
        for step in &mut self.steps {
            let next = classes.len() as u32;
            step.class = *classes.entry((step.act, step.required)).or_insert(next);
        }
        self.classes = classes.len() as u32;
    }

    fn writers(&self, contents: usize) -> Vec<Writer> {
        let mut writers = vec![Writer::Nobody; contents];
        let mut add = |content: u32, writer: Writer| {
            let known = &mut writers[content as usize];
            *known = if *known == Writer::Nobody { writer } else { Writer::Several };
        };
        for held in &self.initial {
            add(crate::model::content_of(*held), Writer::Initial);
        }
        let mut wild = false;
        for (at, step) in self.steps.iter().enumerate() {
            if let Effect::Put(written) = step.act.effect {
                wild |= crate::model::content_of(written) == WILD;
                add(crate::model::content_of(written), Writer::Step(at));
            }
        }
        // The bytes of a copy that tells nothing may be any: then no content has one writer.
        let known = FIRST_CONTENT as usize..if wild { 0 } else { contents };
        writers.iter().enumerate().map(|(at, writer)| if known.contains(&at) { *writer } else { Writer::Several }).collect()
    }

    /// What was seen was written, and before it was seen. So a write with one writer that somebody saw did happen, before whoever saw it
    /// returned; and who saw it did so after the write was called. Every order obeys this anyway: telling the search saves it the trial.
    fn narrow(&mut self, writers: &[Writer]) {
        for _ in 0..64 {
            let mut changed = false;
            for at in (0..self.steps.len()).rev() {
                changed |= self.hasten_writers(at, writers);
            }
            for at in 0..self.steps.len() {
                changed |= self.delay_observer(at, writers);
            }
            if !changed {
                return;
            }
        }
    }

    fn hasten_writers(&mut self, at: usize, writers: &[Writer]) -> bool {
        let mut changed = false;
        let Step { required, observes, returned, .. } = self.steps[at];
        for content in observes.into_iter().filter(|content| required && *content != 0) {
            if let Writer::Step(writer) = writers[content as usize]
                && writer != at
            {
                let writer = &mut self.steps[writer];
                changed |= !writer.required || writer.returned > returned;
                writer.required = true;
                writer.returned = writer.returned.min(returned);
            }
        }
        changed
    }

    fn delay_observer(&mut self, at: usize, writers: &[Writer]) -> bool {
        let mut called = self.steps[at].called;
        for content in self.steps[at].observes.into_iter().filter(|content| *content != 0) {
            if let Writer::Step(writer) = writers[content as usize] {
                called = called.max(self.steps[writer].called);
            }
        }
        let changed = called > self.steps[at].called;
        self.steps[at].called = called;
        changed
    }

    fn count_needs(&mut self, writers: &[Writer]) {
        self.needs = writers.iter().map(|writer| (*writer != Writer::Several).then_some(0)).collect();
        for step in &self.steps {
            for content in step.observes.into_iter().filter(|content| step.required && *content != 0) {
                if let Some(needed) = &mut self.needs[content as usize] {
                    *needed += 1;
                }
            }
        }
    }
}
