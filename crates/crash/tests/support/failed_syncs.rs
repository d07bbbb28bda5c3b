//! A sync of the journal fails with EIO. The store stops writing and is started again, without a power cut: now it shows what is in the
//! page cache only, which no later sync writes. It must make that durable before a client sees it. Then the power goes.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::Path,
    time::{Duration, Instant},
};

use holdfast_crash::{Call, Disk, Errno, Medium, Rules, Seen};
use holdfast_embedded::Health;

use super::{
    MountedDisk,
    model::{Answer, At, Op, Outcome, State, When, at, possible_states},
    runtime,
    workload::{EXTENT, SMALL},
    world::{History, World},
};

/// What is particular to a run.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Before it ended, a worker of fjall sealed the journal: it synced the pages that were clean by then, and began the next one.
    pub is_sealed: bool,
    /// For what the second start finds no space.
    pub lacks: Lacks,
}

/// For what there is no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    Nothing,
    /// The journal cannot be copied.
    SpaceForCopy,
    /// What a sealed journal holds cannot be flushed.
    SpaceForTables,
}

pub const CASES: [Case; 5] = [
    Case { is_sealed: false, lacks: Lacks::Nothing },
    Case { is_sealed: false, lacks: Lacks::SpaceForCopy },
    Case { is_sealed: true, lacks: Lacks::Nothing },
    Case { is_sealed: true, lacks: Lacks::SpaceForCopy },
    Case { is_sealed: true, lacks: Lacks::SpaceForTables },
];

/// A disk at a moment at which the power may go.
pub struct Left {
    /// The sync before which it was.
    pub sync: u64,
    pub when: String,
    pub medium: Medium,
    pub possible: BTreeSet<State>,
}

/// How long a store may take to go on when there is space again.
const HEALING: Duration = Duration::from_secs(30);

const SURELY: &str = "acknowledged before";
const IN_DOUBT: &str = "in doubt, then shown";

fn a(key: &str) -> At {
    at("alpha", key)
}

/// Runs it, on a disk that `mutate` may have changed.
pub fn run(case: Case, mutate: impl FnOnce(&Disk)) -> Result<(Vec<Left>, History), String> {
    let (mounted, history) = (MountedDisk::new(Medium::new(Rules::default())), History::default());
    mutate(&mounted.disk);
    let lefts = runtime().block_on(async {
        first_start(&mounted, &history).await?;
        if case.is_sealed {
            begin_next_journal(&mounted.data().join("records")).map_err(|e| format!("beginning a journal: {e}"))?;
        }
        let folder = match case.lacks {
            Lacks::Nothing => "nothing",
            Lacks::SpaceForCopy => "data/records",
            Lacks::SpaceForTables => "tables",
        };
        mounted.disk.fail_all(Call::Create, Errno::NOSPC, move |path| path.ends_with(folder));
        second_start(&mounted, &history).await
    })?;
    let refused = mounted.disk.failed().iter().filter(|failed| failed.call == Call::Create).count();
    if (refused == 0) != (case.lacks == Lacks::Nothing) {
        return Err(format!("{refused} files could not be created: {case:?}"));
    }
    Ok((lefts, history))
}

/// Ends with a write that is in the journal as far as the page cache goes, and whose outcome nobody was told.
async fn first_start(mounted: &MountedDisk, history: &History) -> Result<(), String> {
    let world = World::open(&mounted.data(), history).map_err(|e| format!("first start: {e}"))?;
    let ended = async {
        done(&world, Op::CreateBucket("alpha")).await?;
        done(&world, Op::Put(a(SURELY), Some(history.body(SMALL)), When::Absent)).await?;
        done(&world, Op::Put(a("extent"), Some(history.body(EXTENT)), When::Absent)).await?;
        mounted.disk.fail_next(Call::Sync, Errno::IO, |path| path.extension().is_some_and(|kind| kind == "jnl"));
        let answer = world.run(Op::Put(a(IN_DOUBT), Some(history.body(SMALL)), When::Absent)).await;
        if !matches!(answer, Some(Answer::Unknown(_))) || !matches!(world.store.health(), Health::Poisoned(_)) {
            return Err(format!("a failed sync was answered {answer:?}, {:?}", world.store.health()));
        }
        match world.run(Op::Put(a("refused"), Some(history.body(SMALL)), When::Absent)).await {
            Some(Answer::Failed(_)) => Ok(()),
            other => Err(format!("after a failed sync a write was answered {other:?}")),
        }
    };
    let ended = ended.await;
    world.store.close().await;
    ended
}

/// What fjall's writer does when it seals a journal, after its sync of the old one: to lead its worker there takes 64 MB and a flush that
/// waits at the right moment.
pub fn begin_next_journal(records: &Path) -> io::Result<()> {
    let next = File::create_new(records.join("1.jnl"))?;
    next.set_len(64 << 20)?;
    next.sync_all()?;
    File::open(records)?.sync_all()
}

async fn second_start(mounted: &MountedDisk, history: &History) -> Result<Vec<Left>, String> {
    history.restart();
    mounted.disk.keep_images(|| 0);
    mounted.disk.keep_log();
    let world = World::open(&mounted.data(), history).map_err(|e| format!("second start: {e}"))?;
    let ended = match value_files_have_entries(&mounted.disk.log()) {
        Ok(()) => show_and_go_on(&world, mounted).await,
        Err(message) => Err(message),
    };
    world.store.close().await;
    ended
}

/// The first write to a file of separated values comes after a sync of its folder that found all entries.
fn value_files_have_entries(calls: &[Seen]) -> Result<(), String> {
    let is_value_file = |seen: &Seen| seen.call == Call::Write && seen.path.contains("/blobs/");
    let Some(first) = calls.iter().position(is_value_file) else { return Ok(()) };
    let about_folder = |seen: &&Seen| matches!(seen.call, Call::Create | Call::SyncFolder) && calls[first].path.starts_with(&seen.path);
    let last = calls[..first].iter().rfind(|seen| about_folder(seen) && seen.path.ends_with("/blobs"));
    match last.map(|seen| seen.call) {
        Some(Call::SyncFolder) => Ok(()),
        other => Err(format!("{} is written after {other:?} of its folder", calls[first].path)),
    }
}

async fn show_and_go_on(world: &World, mounted: &MountedDisk) -> Result<Vec<Left>, String> {
    let history = &world.history;
    if mounted.disk.failed().iter().any(|failed| failed.call == Call::Create && failed.path.ends_with("tables")) {
        let answer = world.run(Op::Put(a("refused without space"), Some(history.body(SMALL)), When::Absent)).await;
        if world.store.health() != Health::Full || !matches!(answer, Some(Answer::Failed(_))) {
            return Err(format!("it cannot flush, is {:?}, and answers {answer:?}", world.store.health()));
        }
    }
    let (shown, possible) = (world.state().await?, possible_states(&history.events())?);
    if !possible.contains(&shown) {
        return Err(format!("shown, though not possible: {shown:?}"));
    }
    if shown.bucket("alpha").is_ok_and(|bucket| !bucket.objects.contains_key(IN_DOUBT)) {
        return Err("what is in the page cache is not shown: nothing is tested".into());
    }
    // Until something is shown, the request in doubt may have happened or not: but not in part.
    let images = mounted.disk.take_images().into_iter();
    let opening = images.map(|image| Left { sync: image.sync, when: image.next, medium: image.medium, possible: possible.clone() });
    let mut lefts: Vec<_> = opening.collect();
    let left = |when: &str, state: &State| Left {
        sync: mounted.disk.counts().syncs,
        when: when.into(),
        medium: mounted.disk.medium(),
        possible: [state.clone()].into(),
    };
    lefts.push(left("when it was shown", &shown));
    mounted.disk.heal();
    let mut expected = shown;
    for op in [
        Op::Put(a("after the restart"), Some(history.body(SMALL)), When::Absent),
        Op::Put(a(IN_DOUBT), Some(history.body(SMALL)), When::Absent),
        Op::Delete(a(SURELY), When::Always),
    ] {
        let (answer, outcome) = (answered(world, &op).await, expected.run(&op));
        if answer != Some(Answer::Is(outcome)) {
            return Err(format!("{op:?}: {answer:?}, not {outcome:?}"));
        }
        lefts.push(left("after an answer", &expected));
    }
    Ok(lefts)
}

/// Sends it until it is not refused any more, where the store has to notice first that there is space again.
async fn answered(world: &World, op: &Op) -> Option<Answer> {
    let since = Instant::now();
    loop {
        match world.run(op.clone()).await {
            Some(Answer::Failed(_)) if since.elapsed() < HEALING => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
}

async fn done(world: &World, op: Op) -> Result<(), String> {
    match world.run(op.clone()).await {
        Some(Answer::Is(Outcome::Done)) => Ok(()),
        other => Err(format!("{op:?}: {other:?}")),
    }
}
