//! The judge of the judge: every order of a tiny history is tried, with the rules written down a second time and no shortcut.

use std::collections::BTreeMap;

use holdfast_verify::{
    history::{Condition, Content, Etag, History, Key, Operation, Outcome, Request},
    judge::Promises,
};

/// A content with an ETag, which may be unknown.
type Held = Option<(Option<Content>, Option<Etag>)>;
type State = BTreeMap<Key, Held>;

struct Oracle<'a> {
    history: &'a History,
    promises: Promises,
    owners: BTreeMap<Etag, Content>,
    copies: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Half {
    Whole,
    Source,
    Target,
}

/// Whether some order explains the history.
pub fn is_linearizable(history: &History, promises: Promises) -> bool {
    let copies = history.operations.iter().any(|operation| matches!(operation.request, Request::Copy { .. }));
    let mut oracle = Oracle { history, promises, owners: BTreeMap::new(), copies };
    if !oracle.facts_agree() {
        return false;
    }
    let mut state: State = (0..16).map(|key| (Key(key), None)).collect();
    for (key, content, etag) in &history.initial {
        state.insert(*key, Some((Some(*content), Some(etag.clone()))));
    }
    let mut parts: Vec<(&Operation, Half)> = Vec::new();
    for operation in &history.operations {
        match operation.request {
            Request::Copy { source, key, .. } if !promises.copy_is_atomic && source != key => {
                parts.extend([(operation, Half::Source), (operation, Half::Target)]);
            }
            _ => parts.push((operation, Half::Whole)),
        }
    }
    oracle.search(&state, &parts, 0)
}

impl Oracle<'_> {
    fn facts_agree(&mut self) -> bool {
        let mut etags: BTreeMap<Content, Etag> = BTreeMap::new();
        let mut agree = true;
        let mut add = |content: Content, etag: &Etag| {
            agree &= *self.owners.entry(etag.clone()).or_insert(content) == content;
            agree &= etags.entry(content).or_insert(etag.clone()) == etag || self.copies;
        };
        for (_, content, etag) in &self.history.initial {
            add(*content, etag);
        }
        for operation in &self.history.operations {
            match (&operation.request, &operation.outcome) {
                (_, Outcome::Found { content, etag })
                | (Request::Put { content, .. } | Request::Complete { content, .. }, Outcome::Written(Some(etag))) => add(*content, etag),
                _ => {}
            }
        }
        agree && self.history.operations.iter().all(|operation| self.was_written(operation))
    }

    /// Whether bytes that were read had been sent to be written, in the whole history, by a request that was not refused.
    fn was_written(&self, read: &Operation) -> bool {
        let Outcome::Found { content: wanted, .. } = &read.outcome else { return true };
        let initial = self.history.initial.iter().any(|(_, content, _)| content == wanted);
        initial
            || self.history.operations.iter().any(|write| {
                let (Request::Put { content, .. } | Request::Complete { content, .. }) = &write.request else { return false };
                let refused = matches!(write.outcome, Outcome::Missing | Outcome::Failed { .. } | Outcome::Conflict | Outcome::Refused);
                content == wanted && !refused && write.called <= read.returned.unwrap_or(u64::MAX)
            })
    }

    fn search(&self, state: &State, rest: &[(&Operation, Half)], latest: u64) -> bool {
        let certain = |(operation, _): &&(&Operation, Half)| operation.outcome != Outcome::Unknown;
        if !rest.iter().any(|part| certain(&part)) {
            return true;
        }
        let first = rest.iter().filter(certain).map(|(operation, _)| operation.returned.unwrap_or(u64::MAX)).min().expect("one is certain");
        (0..rest.len()).any(|at| {
            let (operation, half) = rest[at];
            if operation.called > first || operation.returned.is_some_and(|returned| returned < latest) {
                return false;
            }
            let Some(after) = self.explain(state, operation, half) else { return false };
            let others: Vec<_> = rest.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, part)| *part).collect();
            self.search(&after, &others, latest.max(operation.called))
        })
    }

    fn may_be(&self, held: &(Option<Content>, Option<Etag>), wanted: &Etag) -> bool {
        match (&held.1, self.owners.get(wanted)) {
            (Some(etag), _) => etag == wanted,
            (None, None) => true,
            (None, Some(owner)) => held.0.is_none_or(|content| content == *owner),
        }
    }

    fn holds(&self, condition: &Condition, held: &Held) -> bool {
        match (condition, held) {
            (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => true,
            (Condition::Absent, Some(_)) | (Condition::Present | Condition::Matches(_), None) => false,
            (Condition::Matches(etag), Some(held)) => self.may_be(held, etag),
        }
    }

    /// Whether a 412 is right.
    fn fails(&self, condition: &Condition, held: &Held) -> bool {
        match (condition, held) {
            (Condition::Absent, held) => held.is_some(),
            (Condition::Matches(etag), Some((_, known))) => known.as_ref() != Some(etag),
            (Condition::Matches(_) | Condition::Present, None) => self.promises.missing_may_fail,
            _ => false,
        }
    }

    /// Whether a 404 is right, of a write that needs its key.
    fn misses(condition: &Condition, held: &Held) -> bool {
        matches!(condition, Condition::Present | Condition::Matches(_)) && held.is_none()
    }

    fn explain(&self, state: &State, operation: &Operation, half: Half) -> Option<State> {
        let same = |yes: bool| yes.then(|| state.clone());
        let outcome = &operation.outcome;
        match &operation.request {
            Request::Get { key } | Request::Head { key } => match outcome {
                Outcome::Found { content, etag } => {
                    let held = state[key].as_ref()?;
                    let content_agrees = held.0.is_none_or(|held| held == *content);
                    same(content_agrees && (held.0.is_none() || held.1.as_ref().is_none_or(|held| held == etag)))
                }
                Outcome::Missing => same(state[key].is_none()),
                Outcome::Unknown | Outcome::Refused | Outcome::Conflict => same(true),
                _ => None,
            },
            Request::Put { key, condition, content } | Request::Complete { key, condition, content } => match outcome {
                Outcome::Written(_) | Outcome::Unknown => {
                    let given = if let Outcome::Written(Some(etag)) = outcome { Some(etag.clone()) } else { self.settled(*content) };
                    self.holds(condition, &state[key]).then(|| with(state, *key, Some((Some(*content), given))))
                }
                _ => same(self.refuses(condition, &state[key], outcome)),
            },
            Request::Delete { key, condition } => match outcome {
                Outcome::Deleted => {
                    let nothing_to_do = self.promises.missing_may_fail && *condition != Condition::Absent && state[key].is_none();
                    (self.holds(condition, &state[key]) || nothing_to_do).then(|| with(state, *key, None))
                }
                Outcome::Unknown => self.holds(condition, &state[key]).then(|| with(state, *key, None)),
                Outcome::Missing if *condition == Condition::None => same(self.promises.missing_may_fail && state[key].is_none()),
                _ => same(self.refuses(condition, &state[key], outcome)),
            },
            Request::Copy { source, source_condition, key, condition } | Request::Rename { source, source_condition, key, condition } => {
                self.moves(state, operation, half, (*source, source_condition), (*key, condition))
            }
        }
    }

    fn settled(&self, content: Content) -> Option<Etag> {
        self.owners.iter().filter(|_| !self.copies).find(|(_, owner)| **owner == content).map(|(etag, _)| etag.clone())
    }

    fn refuses(&self, condition: &Condition, held: &Held, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Refused => true,
            Outcome::Conflict => *condition != Condition::Absent || !self.promises.conflict_means_present || held.is_some(),
            Outcome::Failed { .. } => self.fails(condition, held),
            Outcome::Missing if self.promises.missing_may_fail && matches!(condition, Condition::None | Condition::Absent) => true,
            Outcome::Missing => Self::misses(condition, held),
            _ => false,
        }
    }

    fn moves(
        &self,
        state: &State,
        operation: &Operation,
        half: Half,
        (source, source_condition): (Key, &Condition),
        (key, condition): (Key, &Condition),
    ) -> Option<State> {
        let same = |yes: bool| yes.then(|| state.clone());
        let (from, to) = (&state[&source], &state[&key]);
        match &operation.outcome {
            Outcome::Written(given) => self.moved(state, operation, half, (source, source_condition), (key, condition), given.as_ref()),
            Outcome::Unknown => self.moved(state, operation, half, (source, source_condition), (key, condition), None),
            Outcome::Failed { of_source: true } => same(half == Half::Target || self.fails(source_condition, from)),
            outcome @ (Outcome::Failed { .. } | Outcome::Missing) => {
                let missing = *outcome == Outcome::Missing;
                let why_source = |held: &Held| if missing { held.is_none() } else { self.fails(source_condition, held) };
                let why_key = |held: &Held| if missing { Self::misses(condition, held) } else { self.fails(condition, held) };
                let can_key = if missing {
                    matches!(condition, Condition::Present | Condition::Matches(_))
                } else {
                    can_fail(condition, self.promises)
                };
                let can_source = missing || can_fail(source_condition, self.promises);
                same(match half {
                    Half::Whole => why_source(from) || why_key(to),
                    // Of two moments: only where there is one possible reason is anything known.
                    Half::Source => can_key || why_source(from),
                    Half::Target => can_source || why_key(to),
                })
            }
            outcome => same(half == Half::Source || self.refuses(condition, to, outcome)),
        }
    }

    fn moved(
        &self,
        state: &State,
        operation: &Operation,
        half: Half,
        (source, source_condition): (Key, &Condition),
        (key, condition): (Key, &Condition),
        given: Option<&Etag>,
    ) -> Option<State> {
        let (from, to) = (&state[&source], &state[&key]);
        let copies = matches!(operation.request, Request::Copy { .. });
        let owner = given.and_then(|etag| self.owners.get(etag)).copied().filter(|_| copies);
        if half == Half::Source {
            let unknown = operation.outcome == Outcome::Unknown;
            return (unknown || (from.is_some() && self.holds(source_condition, from))).then(|| state.clone());
        }
        if half == Half::Target {
            return self.holds(condition, to).then(|| with(state, key, Some((owner, given.cloned()))));
        }
        let moved = from.clone()?;
        if !self.holds(source_condition, from) || !self.holds(condition, to) {
            return None;
        }
        if !copies {
            return Some(with(&with(state, source, None), key, Some(moved)));
        }
        let content = moved.0;
        (owner.is_none() || content.is_none() || owner == content).then(|| with(state, key, Some((content.or(owner), given.cloned()))))
    }
}

fn can_fail(condition: &Condition, promises: Promises) -> bool {
    match condition {
        Condition::None => false,
        Condition::Absent | Condition::Matches(_) => true,
        Condition::Present => promises.missing_may_fail,
    }
}

fn with(state: &State, key: Key, held: Held) -> State {
    let mut state = state.clone();
    state.insert(key, held);
    state
}
