//! Histories for the tests of the checker: a seeded simulation of a correct store, so that every history has an order by construction.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

pub mod oracle;

use std::collections::BTreeMap;

use holdfast_verify::history::{Condition, Content, Etag, History, Key, Operation, Outcome, Request};

/// splitmix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// The seed of a test, from `VERIFY_SEED` if that is set.
pub fn seed(default: u64) -> u64 {
    std::env::var("VERIFY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default)
}

/// How many times as long the tests run: `VERIFY_TIMES`, 1 if not set.
pub fn times() -> u64 {
    std::env::var("VERIFY_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "what a history has is asked for one by one")]
pub struct Shape {
    pub operations: usize,
    pub clients: u32,
    pub keys: u32,
    pub unknown_percent: u64,
    /// Whether renames and copies are asked for.
    pub moves: bool,
    /// How many reads of a hundred operations.
    pub read_percent: u64,
    /// How many of a hundred writes have a condition.
    pub condition_percent: u64,
    /// After so many operations the store dies: all that is under way has no answer, and can happen only until then.
    pub kill_every: usize,
    pub copies_get_new_etags: bool,
    /// Which of the two are asked for, where `moves`.
    pub renames: bool,
    pub copies: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            operations: 400,
            clients: 8,
            keys: 2,
            unknown_percent: 3,
            moves: false,
            read_percent: 40,
            condition_percent: 50,
            kill_every: usize::MAX,
            copies_get_new_etags: false,
            renames: true,
            copies: true,
        }
    }
}

pub type Slot = Option<(Content, Etag)>;

pub fn etag(content: u64) -> Etag {
    format!("e{content}").into()
}

struct Planned {
    client: u32,
    called: u64,
    instant: u64,
    returned: Option<u64>,
    /// Whether the answer is lost, and then whether the request had its effect.
    lost: Option<bool>,
}

/// A history that a correct store could have made.
pub fn simulate(rng: &mut Rng, shape: Shape) -> History {
    let mut plan = plan(rng, shape);
    plan.sort_by_key(|planned| planned.instant);
    let mut state: BTreeMap<Key, Slot> = (0..shape.keys).map(|key| (Key(key), None)).collect();
    let mut seen: Vec<Etag> = vec![etag(999_999_999)];
    let mut history = History { seed: rng.0, keys: (0..shape.keys).map(|key| format!("k{key}")).collect(), ..History::default() };
    for (number, planned) in plan.iter().enumerate() {
        let request = ask(rng, shape, number as u64 + 1, &state, &seen);
        let mut after = state.clone();
        let mut outcome = execute(&mut after, &request, number as u64 + 1, shape.copies_get_new_etags);
        if planned.lost != Some(false) {
            for slot in after.values().flatten() {
                if !seen[seen.len().saturating_sub(20)..].contains(&slot.1) {
                    seen.push(slot.1.clone());
                }
            }
            state = after;
        }
        if matches!(outcome, Outcome::Failed { of_source: false }) && is_create(&request) && rng.chance(30) {
            outcome = Outcome::Conflict;
        }
        let outcome = if planned.lost.is_some() { Outcome::Unknown } else { outcome };
        let Planned { client, called, returned, .. } = *planned;
        history.operations.push(Operation { client, request, outcome, called, returned, endpoint: 0 });
    }
    history
}

pub fn is_create(request: &Request) -> bool {
    match request {
        Request::Put { condition, .. } | Request::Complete { condition, .. } => *condition == Condition::Absent,
        _ => false,
    }
}

fn plan(rng: &mut Rng, shape: Shape) -> Vec<Planned> {
    let mut free: Vec<u64> = (0..shape.clients).map(|_| rng.below(1000)).collect();
    let mut plan: Vec<Planned> = Vec::new();
    for number in 0..shape.operations {
        let client = (0..free.len()).min_by_key(|client| free[*client]).expect("there are clients");
        let called = free[client] + 1 + rng.below(100);
        let instant = called + rng.below(1000);
        let end = instant + rng.below(1000);
        let mut planned = Planned { client: client as u32, called, instant, returned: Some(end), lost: None };
        if rng.chance(shape.unknown_percent) {
            planned.lost = Some(rng.chance(50));
            planned.returned = if rng.chance(50) { None } else { Some(end) };
            if planned.returned.is_none() {
                planned.instant += rng.below(20_000);
            }
        }
        free[client] = end;
        plan.push(planned);
        if number % shape.kill_every == shape.kill_every - 1 {
            kill(&mut plan, &mut free, called);
        }
    }
    plan
}

/// At `now` the store dies. What has not been answered is lost; it can have happened before.
fn kill(plan: &mut [Planned], free: &mut [u64], now: u64) {
    for planned in plan.iter_mut().filter(|planned| planned.called <= now && planned.returned.is_none_or(|returned| returned > now)) {
        planned.lost = Some(planned.instant <= now && planned.lost != Some(false));
        planned.returned = Some(now);
        planned.instant = planned.instant.min(now);
    }
    for time in free {
        *time = (*time).min(now).max(now) + 50;
    }
}

fn ask(rng: &mut Rng, shape: Shape, number: u64, state: &BTreeMap<Key, Slot>, seen: &[Etag]) -> Request {
    let key = Key(rng.below(u64::from(shape.keys)) as u32);
    if rng.chance(shape.read_percent) {
        return if rng.chance(50) { Request::Get { key } } else { Request::Head { key } };
    }
    let source = Key(rng.below(u64::from(shape.keys)) as u32);
    let mut wanted = |key: Key, or_absent: bool| {
        if !rng.chance(shape.condition_percent) {
            return Condition::None;
        }
        match rng.below(10) {
            0..4 if or_absent => Condition::Absent,
            4 => Condition::Present,
            5 => Condition::Matches(rng.pick(&seen[seen.len().saturating_sub(20)..]).clone()),
            _ => state[&key].as_ref().map_or(Condition::Present, |(_, etag)| Condition::Matches(etag.clone())),
        }
    };
    let condition = wanted(key, true);
    let (source_condition, delete_condition) = (wanted(source, false), wanted(key, false));
    match rng.below(if shape.moves { 10 } else { 7 }) {
        0..4 => Request::Put { key, condition, content: Content(number) },
        4 => Request::Complete { key, condition, content: Content(number) },
        5 | 6 => Request::Delete { key, condition: delete_condition },
        7..10 if source != key && shape.renames && (!shape.copies || rng.chance(67)) => {
            Request::Rename { source, source_condition, key, condition }
        }
        _ if !shape.copies => Request::Get { key },
        _ => Request::Copy { source, source_condition, key, condition },
    }
}

fn judge(condition: &Condition, slot: &Slot) -> Result<(), Outcome> {
    match (condition, slot) {
        (Condition::Absent, Some(_)) => Err(Outcome::Failed { of_source: false }),
        (Condition::Present | Condition::Matches(_), None) => Err(Outcome::Missing),
        (Condition::Matches(wanted), Some((_, etag))) if wanted != etag => Err(Outcome::Failed { of_source: false }),
        _ => Ok(()),
    }
}

/// What a correct store does and answers.
pub fn execute(state: &mut BTreeMap<Key, Slot>, request: &Request, number: u64, new_etags: bool) -> Outcome {
    let answer = match request {
        Request::Get { key } | Request::Head { key } => match &state[key] {
            Some((content, etag)) => Ok(Outcome::Found { content: *content, etag: etag.clone() }),
            None => Ok(Outcome::Missing),
        },
        Request::Put { key, condition, content } | Request::Complete { key, condition, content } => {
            judge(condition, &state[key]).map(|()| {
                state.insert(*key, Some((*content, etag(content.0))));
                Outcome::Written(Some(etag(content.0)))
            })
        }
        Request::Delete { key, condition } => judge(condition, &state[key]).map(|()| {
            state.insert(*key, None);
            Outcome::Deleted
        }),
        Request::Copy { source, source_condition, key, condition } | Request::Rename { source, source_condition, key, condition } => {
            let renames = matches!(request, Request::Rename { .. });
            let of_source = |outcome| if matches!(outcome, Outcome::Failed { .. }) { Outcome::Failed { of_source: true } } else { outcome };
            match &state[source].clone() {
                None => Err(Outcome::Missing),
                Some((content, held)) => {
                    judge(source_condition, &state[source]).map_err(of_source).and_then(|()| judge(condition, &state[key])).map(|()| {
                        if renames {
                            state.insert(*source, None);
                        }
                        let given = if new_etags && !renames { etag(1_000_000_000 + number) } else { held.clone() };
                        state.insert(*key, Some((*content, given.clone())));
                        Outcome::Written((!renames).then_some(given))
                    })
                }
            }
        }
    };
    answer.unwrap_or_else(|refused| refused)
}

/// A history of a few operations, often with an order and often without one.
pub fn tiny(rng: &mut Rng) -> (History, holdfast_verify::judge::Promises) {
    let shape = Shape {
        operations: 2 + rng.below(6) as usize,
        clients: 1 + rng.below(4) as u32,
        keys: 1 + rng.below(3) as u32,
        unknown_percent: *rng.pick(&[0, 20, 50]),
        moves: rng.chance(60),
        read_percent: *rng.pick(&[20, 40, 60]),
        condition_percent: *rng.pick(&[20, 50, 90]),
        kill_every: *rng.pick(&[3, 5, usize::MAX]),
        copies_get_new_etags: rng.chance(30),
        ..Shape::default()
    };
    let mut history = simulate(rng, shape);
    if rng.chance(20) {
        history.initial.push((Key(0), Content(100), etag(100)));
    }
    for _ in 0..rng.below(4) {
        let at = rng.below(history.operations.len() as u64) as usize;
        distort(rng, &mut history, at);
    }
    let promises = holdfast_verify::judge::Promises {
        copy_is_atomic: rng.chance(60),
        conflict_means_present: rng.chance(60),
        missing_may_fail: rng.chance(40),
    };
    (history, promises)
}

fn distort(rng: &mut Rng, history: &mut History, at: usize) {
    let contents = history.operations.len() as u64;
    let other = rng.below(history.operations.len() as u64) as usize;
    let stolen = history.operations[other].outcome.clone();
    let operation = &mut history.operations[at];
    match rng.below(8) {
        0 => operation.called = rng.below(1500),
        1 => operation.returned = operation.returned.map(|_| operation.called + rng.below(1500)),
        2 => operation.outcome = Outcome::Unknown,
        3 => operation.outcome = Outcome::Missing,
        4 => operation.outcome = Outcome::Failed { of_source: rng.chance(20) },
        5 => operation.outcome = rng.pick(&[Outcome::Conflict, Outcome::Refused, Outcome::Written(None), Outcome::Deleted]).clone(),
        6 => {
            let content = 1 + rng.below(contents);
            operation.outcome = Outcome::Found { content: Content(content), etag: etag(content) };
        }
        _ => operation.outcome = stolen,
    }
    if operation.returned.is_some_and(|returned| returned < operation.called) {
        operation.returned = Some(operation.called);
    }
    if operation.returned.is_none() && operation.outcome != Outcome::Unknown {
        operation.returned = Some(operation.called + 500);
    }
}
