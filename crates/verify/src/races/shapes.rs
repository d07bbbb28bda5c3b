//! What the clients of each contest do: which operations, on how many keys, under which conditions. Tables, and one step.

use std::sync::Arc;

use super::{
    Shape, create, listing,
    phase::Phase,
    worker::{Gone, Known, Pace, Prepared, Worker},
};
use crate::history::{Condition, Key, Outcome};

/// The operations of a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Put,
    SlowPut,
    Complete,
    Copy,
    Rename,
    Delete,
    Get,
    SlowGet,
    Head,
}

/// Where clients draw from.
pub(super) struct Mix {
    /// Copies and renames stay within a block of so many keys, so that the judge can look at each block by itself.
    block: u32,
    /// How many clients there are for a block, about.
    clients_per_block: u32,
    moves: &'static [(u64, Move)],
}

impl Mix {
    const fn of(shape: Shape) -> Self {
        use Move::{Complete, Copy, Delete, Get, Head, Put, Rename, SlowGet, SlowPut};
        let (block, clients_per_block, moves): (u32, u32, &'static [(u64, Move)]) = match shape {
            Shape::Swap => (1, 6, &[(60, Put), (24, Get), (8, Head), (8, Delete)]),
            Shape::RenameRing => (4, 6, &[(55, Rename), (18, Get), (12, Head), (10, Put), (5, Delete)]),
            Shape::Promote => (3, 8, &[(45, Copy), (20, Put), (20, Get), (10, Head), (5, Delete)]),
            Shape::Complete => (2, 8, &[(55, Complete), (22, Get), (8, Head), (5, Put), (10, Delete)]),
            Shape::Wide => (4, 1, &[(30, Put), (8, Complete), (10, Copy), (10, Rename), (10, Delete), (20, Get), (12, Head)]),
            Shape::Slow => (2, 8, &[(8, SlowPut), (34, Put), (8, Delete), (36, Get), (6, SlowGet), (8, Head)]),
            Shape::Mixed | Shape::Create | Shape::Listing => {
                (4, 8, &[(26, Put), (10, Complete), (14, Copy), (14, Rename), (10, Delete), (18, Get), (8, Head)])
            }
        };
        Self { block, clients_per_block, moves }
    }
}

/// What all clients of a phase share beside the phase.
pub(super) enum Ground {
    Keys { mix: Mix, keys: Vec<Key> },
    Rounds(create::Rounds),
    Registry(listing::Registry),
}

impl Ground {
    pub(super) fn of(phase: &Phase) -> Self {
        let clients = phase.options.clients.max(1);
        match phase.shape {
            Shape::Create => Self::Rounds(create::Rounds::new(clients)),
            Shape::Listing => Self::Registry(listing::Registry::default()),
            shape => {
                let mix = Mix::of(shape);
                let blocks = clients.div_ceil(mix.clients_per_block) * if shape == Shape::Wide { 4 } else { 1 };
                let keys = (0..blocks * mix.block).map(|at| phase.key(&format!("{}/{}", at / mix.block, at % mix.block))).collect();
                Self::Keys { mix, keys }
            }
        }
    }
}

/// Runs one client until the budget is used.
pub(super) async fn run(mut worker: Worker, ground: Arc<Ground>) -> Result<Worker, Gone> {
    match &*ground {
        Ground::Rounds(rounds) => rounds.run(&mut worker).await?,
        Ground::Registry(registry) => registry.run(&mut worker).await?,
        Ground::Keys { mix, keys } => {
            while !worker.is_done() {
                step(&mut worker, mix, keys).await?;
            }
        }
    }
    Ok(worker)
}

/// Reads every key once more, when all is quiet: what was acknowledged last must be there.
pub(super) async fn look_again(worker: &mut Worker) -> Result<(), Gone> {
    const KEYS_MAX: u32 = 2000;
    for key in 0..worker.phase.keys().min(KEYS_MAX) {
        worker.get(Key(key), Pace::AtOnce).await?;
    }
    Ok(())
}

async fn step(worker: &mut Worker, mix: &Mix, keys: &[Key]) -> Result<(), Gone> {
    let at = worker.random.below(keys.len() as u64) as usize;
    let key = keys[at];
    // To know nothing of a key makes for poor conditions.
    if !worker.known.contains_key(&key) && worker.random.chance(50) {
        return worker.get(key, Pace::AtOnce).await;
    }
    let block = mix.block as usize;
    let other = neighbour(worker, &keys[at - at % block..][..block], key);
    match worker.random.weighted(mix.moves) {
        Move::Get => worker.get(key, Pace::AtOnce).await,
        Move::SlowGet => worker.get(key, Pace::Slow).await,
        Move::Head => worker.head(key).await,
        Move::Delete => {
            let condition = if worker.phase.options.able.conditional_delete { of_delete(worker, key) } else { Condition::None };
            worker.delete(key, condition).await.map(drop)
        }
        Move::Complete if worker.phase.options.able.multipart => complete(worker, key, other).await,
        Move::Copy if other != key => copy(worker, other, key).await,
        Move::Rename if other != key && worker.phase.options.able.rename => rename(worker, other, key).await,
        Move::SlowPut => put(worker, key, Pace::Slow).await,
        Move::Put | Move::Complete | Move::Copy | Move::Rename => put(worker, key, Pace::AtOnce).await,
    }
}

/// Another key of the block, if there is one: mostly one where this client believes an object to be, so that there is something to move.
fn neighbour(worker: &mut Worker, block: &[Key], key: Key) -> Key {
    let start = worker.random.below(block.len() as u64) as usize;
    let wants_object = worker.random.chance(85);
    let mut others = block.iter().cycle().skip(start).take(block.len()).copied().filter(|other| *other != key);
    let holds = |other: &Key| matches!(worker.known.get(other), Some(Known::Holds(_)));
    let first = others.clone().next();
    others.find(|other| wants_object && holds(other)).or(first).unwrap_or(key)
}

async fn put(worker: &mut Worker, key: Key, pace: Pace) -> Result<(), Gone> {
    let condition = condition(worker, key);
    worker.put(key, condition, pace).await.map(drop)
}

async fn copy(worker: &mut Worker, source: Key, key: Key) -> Result<(), Gone> {
    let able = worker.phase.options.able;
    let on_source = if able.copy_source_condition { of_source(worker, source) } else { Condition::None };
    let on_key = if able.conditional_copy { condition(worker, key) } else { Condition::None };
    worker.copy(source, on_source, key, on_key).await.map(drop)
}

async fn rename(worker: &mut Worker, source: Key, key: Key) -> Result<(), Gone> {
    let on_source = of_source(worker, source);
    // A ring lives of moves that succeed: half of them go to where the client believes nothing to be.
    let on_key = if worker.random.chance(40) { Condition::None } else { condition(worker, key) };
    let outcome = worker.rename(source, on_source, key, on_key).await?;
    // Who moved it looks where it is; above all who does not know.
    let looks_percent = if outcome == Outcome::Unknown { 80 } else { 25 };
    if worker.random.chance(looks_percent) {
        worker.get(key, Pace::AtOnce).await?;
        worker.head(source).await?;
    }
    Ok(())
}

async fn complete(worker: &mut Worker, key: Key, other: Key) -> Result<(), Gone> {
    let Some(prepared) = worker.prepare(key).await? else { return Ok(()) };
    let on_key = if worker.phase.options.able.conditional_complete { condition(worker, key) } else { Condition::None };
    let outcome = worker.complete(&prepared, key, on_key).await?;
    complete_again(worker, &prepared, other, &outcome).await
}

/// Sometimes the same upload is completed once more: under another key, which must not exist because of it; or after a
/// refusal, when the upload is still there.
async fn complete_again(worker: &mut Worker, prepared: &Prepared, other: Key, outcome: &Outcome) -> Result<(), Gone> {
    match outcome {
        Outcome::Written(_) if other != prepared.key && worker.random.chance(10) => {
            worker.complete(prepared, other, Condition::None).await?;
            worker.get(other, Pace::AtOnce).await
        }
        Outcome::Failed { .. } | Outcome::Conflict | Outcome::Missing if worker.random.chance(30) => {
            let again = condition(worker, prepared.key);
            worker.complete(prepared, prepared.key, again).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// How a condition is chosen.
#[derive(Clone, Copy, Debug)]
enum Draw {
    /// That nothing has changed since this client looked.
    Unchanged,
    /// An ETag of long ago, or of nothing.
    Old,
    Present,
    Absent,
    None,
}

/// A condition of a write: a good share holds, a good share does not.
fn condition(worker: &mut Worker, key: Key) -> Condition {
    let known = worker.known.get(&key).cloned();
    let drawn = worker.random.weighted(match &known {
        Some(Known::Holds(_)) => &[(55, Draw::Unchanged), (8, Draw::Old), (7, Draw::Present), (12, Draw::Absent), (18, Draw::None)],
        Some(Known::Absent) => &[(60, Draw::Absent), (10, Draw::Old), (8, Draw::Present), (22, Draw::None)],
        None => &[(35, Draw::Absent), (15, Draw::Old), (15, Draw::Present), (35, Draw::None)],
    });
    let able = worker.phase.options.able;
    match (drawn, known) {
        (Draw::Absent, _) => Condition::Absent,
        (Draw::Unchanged, Some(Known::Holds(etag))) if able.if_match => Condition::Matches(etag),
        (Draw::Old, _) if able.if_match => Condition::Matches(worker.an_old_etag()),
        (Draw::Present, _) if able.if_match && able.if_match_any => Condition::Present,
        _ => Condition::None,
    }
}

/// A condition of a copy's or rename's source: that it is what this client saw, or what it was once.
fn of_source(worker: &mut Worker, source: Key) -> Condition {
    match worker.known.get(&source).cloned() {
        _ if worker.random.chance(8) => Condition::Matches(worker.an_old_etag()),
        Some(Known::Holds(etag)) if worker.random.chance(60) => Condition::Matches(etag),
        _ => Condition::None,
    }
}

fn of_delete(worker: &mut Worker, key: Key) -> Condition {
    match worker.known.get(&key).cloned() {
        _ if worker.random.chance(12) => Condition::Matches(worker.an_old_etag()),
        Some(Known::Holds(etag)) if worker.random.chance(60) => Condition::Matches(etag),
        _ if worker.phase.options.able.if_match_any && worker.random.chance(20) => Condition::Present,
        _ => Condition::None,
    }
}
