//! Full and broken disks: ENOSPC and EIO at a call of every kind, at the opening, while the store works, at its closing.
//!
//! Whatever fails: each request gets an answer that says whether it may have happened, no read ends as if it were whole, nothing that was
//! answered is lost, also if the power goes right after, and the store goes on: by itself when there is space again, after a restart else.
//!
//! `HOLDFAST_DISK_POINTS` is the number of calls of each kind, on each kind of file, that are made to fail in each way; 0 means all.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use holdfast_crash::{Call, Errno, Failure, Medium, Rules, Survivors};
use holdfast_embedded::{Health, OpenError};
use support::{
    MountedDisk, can_mount,
    failed_syncs::begin_next_journal,
    model::{Answer, Op, Outcome, When, at, possible_states},
    publish, runtime, setting,
    verdict::{judge, on_all_processors},
    workload::{self, EXTENT},
    world::{History, World},
};

/// What the faults are injected into: a store that holds something, and was closed.
async fn prepared(history: &History) -> Medium {
    let mounted = MountedDisk::new(Medium::new(Rules::default()));
    let world = World::open(&mounted.data(), history).unwrap();
    workload::prepare(&world).await.unwrap();
    world.store.close().await;
    drop(world);
    mounted.disk.medium()
}

/// The same with a journal that fjall has sealed: the next start flushes it first.
fn prepared_with_sealed_journal(base: &Medium) -> Medium {
    let mounted = MountedDisk::new(base.clone());
    begin_next_journal(&mounted.data().join("records")).unwrap();
    mounted.disk.medium()
}

/// How a run went, for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    NotNoticed,
    OpeningRefused,
    ReadFailed,
    Refused,
    Unknown,
    RefusedUntilRestart,
}

impl Seen {
    const fn text(self) -> &'static str {
        match self {
            Self::NotNoticed => "no client notices",
            Self::OpeningRefused => "opening refused",
            Self::ReadFailed => "reads fail",
            Self::Refused => "definite refusal",
            Self::Unknown => "outcome unknown, then it goes on",
            Self::RefusedUntilRestart => "refuses until restart",
        }
    }
}

/// How long a store may take to go on when there is space again.
const HEALING: Duration = Duration::from_secs(20);

/// One run with one failure. The call that failed first, and how it went; or what is wrong.
fn run(base: &Medium, history: &History, failure: Failure) -> Result<Option<(Call, Seen)>, String> {
    let mounted = MountedDisk::new(base.clone());
    mounted.disk.fail(failure);
    let seen = runtime().block_on(open_and_work(&mounted, history, failure))?;
    let hit = mounted.disk.failed().first().map(|first| first.call);
    let possible = possible_states(&history.events())?;
    let left = mounted.disk.medium();
    drop(mounted);
    judge(&left.after_cut(Survivors::None), &possible, history).map_err(|e| format!("after a power cut: {e}"))?;
    judge(&left, &possible, history).map_err(|e| format!("after a restart: {e}"))?;
    Ok(hit.map(|call| (call, seen)))
}

async fn open_and_work(mounted: &MountedDisk, history: &History, failure: Failure) -> Result<Seen, String> {
    match World::open(&mounted.data(), history) {
        Ok(world) => {
            let seen = work(&world, mounted, failure).await;
            world.store.close().await;
            seen
        }
        Err(error) if failure.error == Errno::NOSPC && !matches!(error, OpenError::Full(_)) => {
            Err(format!("for want of space opening says: {error}"))
        }
        Err(_) => Ok(Seen::OpeningRefused),
    }
}

async fn work(world: &World, mounted: &MountedDisk, failure: Failure) -> Result<Seen, String> {
    let mut seen = Seen::NotNoticed;
    for answer in workload::short(world).await? {
        seen = seen.max(match answer {
            workload::Step::Written(Answer::Is(_)) | workload::Step::Read(Ok(())) => Seen::NotNoticed,
            workload::Step::Read(Err(_)) => Seen::ReadFailed,
            workload::Step::Written(Answer::Failed(_)) => Seen::Refused,
            workload::Step::Written(Answer::Unknown(_)) => Seen::Unknown,
        });
    }
    let healed = failure.lasts && failure.error == Errno::NOSPC;
    if failure.error == Errno::IO && !failure.lasts || healed {
        mounted.disk.heal();
    }
    let is_poisoned = || matches!(world.store.health(), Health::Poisoned(_));
    let since = Instant::now();
    loop {
        if is_poisoned() {
            seen = Seen::RefusedUntilRestart;
        }
        match world.run(Op::Put(at("alpha", "afterwards"), Some(world.history.body(EXTENT)), When::Always)).await {
            Some(Answer::Is(Outcome::Done)) if is_poisoned() => return Err("it is poisoned and writes".into()),
            Some(Answer::Is(Outcome::Done)) => return Ok(seen),
            Some(Answer::Failed(_)) if is_poisoned() => return poisoned(failure, seen, &world.store.health()),
            // A fault that lasts: it need not go on before it is restarted.
            Some(Answer::Failed(_) | Answer::Unknown(_)) if failure.lasts && !healed => return Ok(seen.max(Seen::Refused)),
            Some(Answer::Failed(_) | Answer::Unknown(_)) if since.elapsed() < HEALING => tokio::task::yield_now().await,
            other => return Err(format!("it does not go on when the disk is well: {other:?}, {:?}", world.store.health())),
        }
    }
}

/// Only an I/O error may end it.
fn poisoned(failure: Failure, seen: Seen, health: &Health) -> Result<Seen, String> {
    if failure.error == Errno::NOSPC { Err(format!("for want of space it gave up: {health:?}")) } else { Ok(seen) }
}

/// The calls of an undisturbed run, by kind and by what they are about.
async fn calls(base: &Medium) -> BTreeMap<(Call, String), Vec<u64>> {
    let mounted = MountedDisk::new(base.clone());
    mounted.disk.keep_log();
    let history = History::default();
    let world = World::open(&mounted.data(), &history).unwrap();
    for answer in workload::short(&world).await.unwrap() {
        assert!(matches!(answer, workload::Step::Written(Answer::Is(_)) | workload::Step::Read(Ok(()))), "{answer:?} without a fault");
    }
    world.store.close().await;
    by_kind(&mounted.disk.log())
}

/// The calls of an opening from the first table that is written, which is what a sealed journal held, to the next reading of journals.
async fn calls_of_first_flush(base: &Medium) -> BTreeMap<(Call, String), Vec<u64>> {
    let mounted = MountedDisk::new(base.clone());
    mounted.disk.keep_log();
    World::open(&mounted.data(), &History::default()).unwrap().store.close().await;
    let log = mounted.disk.log();
    let begin = log.iter().position(|seen| seen.call == Call::Create && seen.path.ends_with("tables")).expect("it flushes");
    let is_journal = |seen: &holdfast_crash::Seen| Path::new(&seen.path).extension().is_some_and(|kind| kind == "jnl");
    let len = log[begin..].iter().position(|seen| seen.call == Call::Open && is_journal(seen)).expect("it is opened again");
    by_kind(&log[begin..begin + len])
}

fn by_kind(log: &[holdfast_crash::Seen]) -> BTreeMap<(Call, String), Vec<u64>> {
    let mut calls: BTreeMap<(Call, String), Vec<u64>> = BTreeMap::new();
    for seen in log {
        calls.entry((seen.call, kind_of_path(&seen.path))).or_default().push(seen.number);
    }
    calls
}

/// The path with N for names that are numbers or ids.
fn kind_of_path(path: &str) -> String {
    let is_id = |name: &str| name.bytes().all(|b| b.is_ascii_hexdigit()) || name.starts_with(".tmp");
    let kind = |name: &str| if is_id(name) { "N".to_owned() } else { name.replace(|c: char| c.is_ascii_digit(), "N") };
    path.split('/').map(kind).collect::<Vec<_>>().join("/")
}

/// `count` of them, evenly; all if that is 0.
fn some_of(numbers: &[u64], count: u64) -> Vec<u64> {
    if count == 0 || count >= numbers.len() as u64 {
        return numbers.to_vec();
    }
    (0..count as usize).map(|n| numbers[(2 * n + 1) * numbers.len() / (2 * count as usize)]).collect()
}

const WAYS: [(&str, Errno, bool); 4] = [
    ("EIO once", Errno::IO, false),
    ("EIO from then on", Errno::IO, true),
    ("ENOSPC once", Errno::NOSPC, false),
    ("ENOSPC until there is space", Errno::NOSPC, true),
];

#[test]
fn a_call_that_fails_loses_nothing_that_was_answered_and_the_store_goes_on() {
    if !can_mount() {
        return;
    }
    holdfast_embedded::faults::set_memtable_bytes(workload::MEMTABLE_BYTES);
    let points = setting("HOLDFAST_DISK_POINTS", 1);
    let runtime = runtime();
    let history = History::default();
    let base = runtime.block_on(prepared(&history));
    let calls = runtime.block_on(calls(&base));
    println!("{} calls of {} kinds", calls.values().map(Vec::len).sum::<usize>(), calls.len());
    let sealed = prepared_with_sealed_journal(&base);
    let flush = runtime.block_on(calls_of_first_flush(&sealed));
    println!("{} calls of the flush of a sealed journal", flush.values().map(Vec::len).sum::<usize>());
    let plans: Vec<_> = plans(&base, &calls, points).into_iter().chain(plans(&sealed, &flush, points)).collect();
    let outcomes = Mutex::new(Outcomes::new());
    let wrong = on_all_processors(&plans, false, |plan| match run(&plan.base, &history.fork(), plan.failure) {
        Ok(Some((hit, seen))) => {
            *outcomes.lock().unwrap().entry((plan.way, hit)).or_default().entry(seen).or_default() += 1;
            None
        }
        Ok(None) => None,
        Err(message) => {
            let message = format!("{}: {message}", plan.name);
            println!("{message}");
            Some(message)
        }
    });
    publish("disk-faults.md", &table(&outcomes.into_inner().unwrap()));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How often each was seen, by the way and the call that failed.
type Outcomes = BTreeMap<(usize, Call), BTreeMap<Seen, u64>>;

/// A failure to be injected.
struct Plan {
    base: Medium,
    way: usize,
    failure: Failure,
    name: String,
}

/// Each way, at `points` calls of each kind on each kind of file.
fn plans(base: &Medium, calls: &BTreeMap<(Call, String), Vec<u64>>, points: u64) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (way, (name, error, lasts)) in WAYS.into_iter().enumerate() {
        let can_fail = |call: &Call| error != Errno::NOSPC || call.needs_space();
        for ((call, path), numbers) in calls.iter().filter(|((call, _), _)| can_fail(call)) {
            plans.extend(some_of(numbers, points).into_iter().map(|at_call| Plan {
                base: base.clone(),
                way,
                failure: Failure { at_call, error, lasts },
                name: format!("{name} at call {at_call} ({call:?} of {path})"),
            }));
        }
    }
    plans
}

fn table(outcomes: &Outcomes) -> String {
    let mut table = String::from("| fault | call that failed | points | outcomes | acknowledged and lost |\n|---|---|---|---|---|\n");
    for ((way, call), seen) in outcomes {
        let points: u64 = seen.values().sum();
        let outcomes: Vec<_> = seen.iter().map(|(seen, count)| format!("{} {count}", seen.text())).collect();
        writeln!(table, "| {} | {call:?} | {points} | {} | 0 |", WAYS[*way].0, outcomes.join(", ")).unwrap();
    }
    table
}
