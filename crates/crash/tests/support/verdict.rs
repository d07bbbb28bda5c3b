//! The verdict on a disk after a fault: is all there that was answered, nothing that was refused, and does the store go on?

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use holdfast_crash::{Image, Medium, Survivors};
use holdfast_embedded::Offline;
use holdfast_objects::{Objects, SystemClock};

use super::{
    MountedDisk,
    model::{Answer, Op, Outcome, State, When, at, possible_states},
    runtime,
    world::{History, World},
};

/// What was wrong, and where.
#[derive(Clone, Debug)]
pub struct Caught {
    pub since_sync: u64,
    pub sync: u64,
    pub next: String,
    pub message: String,
}

/// Judges what this cut leaves of each image, on all processors. After the first that is wrong, later ones need not be looked at.
pub fn judge_images(images: &[Image], history: &History, survivors: Survivors, first_only: bool) -> Vec<Caught> {
    let events = history.events();
    judge_with(images, survivors, first_only, history, |image| possible_states(&events[..image.position as usize]))
}

/// The same, where the caller knows what is possible.
pub fn judge_with(
    images: &[Image],
    survivors: Survivors,
    first_only: bool,
    history: &History,
    possible: impl Fn(&Image) -> Result<BTreeSet<State>, String> + Sync,
) -> Vec<Caught> {
    let judged = |image: &Image| {
        let verdict = possible(image).and_then(|possible| judge(&image.medium.after_cut(survivors), &possible, history));
        let caught = |message| Caught { since_sync: image.since_sync, sync: image.sync, next: image.next.clone(), message };
        verdict.err().map(caught)
    };
    let mut found = on_all_processors(images, first_only, judged);
    found.sort_by_key(|caught: &Caught| caught.sync);
    found
}

/// What `look` finds in any of these. After the first find, later ones need not be looked at.
pub fn on_all_processors<T: Sync, F: Send>(all: &[T], first_only: bool, look: impl Fn(&T) -> Option<F> + Sync) -> Vec<F> {
    let (next, found, stop) = (AtomicUsize::new(0), Mutex::new(Vec::new()), AtomicBool::new(false));
    let work = || {
        while let Some(one) = all.get(next.fetch_add(1, Relaxed)).filter(|_| !stop.load(Relaxed)) {
            if let Some(find) = look(one) {
                found.lock().unwrap().push(find);
                stop.store(first_only, Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap()
}

/// Judges one disk. Panics of the store count as a verdict.
pub fn judge(medium: &Medium, possible: &BTreeSet<State>, history: &History) -> Result<(), String> {
    let run = || {
        let mounted = MountedDisk::new(medium.clone());
        let verdict = runtime().block_on(judge_mounted(&mounted.data(), possible, history));
        if verdict.is_err() && std::env::var_os("HOLDFAST_CUT_DUMP").is_some() {
            eprintln!("{verdict:?}\nfound: {:#?}\nnow: {:#?}", medium.tree(), mounted.disk.medium().tree());
        }
        verdict
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// Judges a data folder that nobody uses.
pub async fn judge_mounted(data: &Path, possible: &BTreeSet<State>, history: &History) -> Result<(), String> {
    if data.join("FORMAT").exists() {
        check_offline(data).await?;
    }
    let world = World::open(data, history).map_err(|e| format!("opening: {e}"))?;
    let state = world.state().await?;
    if !possible.contains(&state) {
        return Err(difference(&state, possible));
    }
    goes_on(&world).await.map_err(|e| format!("going on: {e}"))?;
    world.store.close().await;
    Ok(())
}

/// As `holdfast check` does it.
async fn check_offline(data: &Path) -> Result<(), String> {
    let offline = Arc::new(Offline::open(data).map_err(|e| format!("opening for the check: {e}"))?);
    let objects = Objects::new(offline.clone(), offline.clone(), Arc::new(SystemClock));
    let found = objects.check().await.map_err(|e| format!("check: {e}"))?;
    if let Some(wrong) = found.wrong.first() {
        return Err(format!("check: {}: {}", wrong.place, wrong.what));
    }
    let blobs = offline.check_blobs().map_err(|e| format!("check: {e}"))?;
    blobs.faults.first().map_or(Ok(()), |fault| Err(format!("check: {fault:?}")))
}

/// Writes, collects garbage, and is sound afterwards.
async fn goes_on(world: &World) -> Result<(), String> {
    let mine = World { history: History::starting_at(BODIES_OF_THE_VERDICT), ..world.clone() };
    let (small, large) = (mine.history.body(3000), mine.history.body(70_000));
    let ops = [
        Op::CreateBucket("afterwards"),
        Op::Put(at("afterwards", "small"), Some(small), When::Absent),
        Op::Put(at("afterwards", "large"), Some(large), When::Absent),
    ];
    for op in ops {
        let answer = mine.run(op.clone()).await;
        if answer != Some(Answer::Is(Outcome::Done)) {
            return Err(format!("{op:?}: {answer:?}"));
        }
    }
    for (key, body) in [("small", small), ("large", large)] {
        let state = mine.state_of(&["afterwards"]).await?;
        if state.bucket("afterwards").ok().and_then(|b| b.objects.get(key)).is_none_or(|o| o.bodies != [body]) {
            return Err(format!("{key} cannot be read again"));
        }
    }
    world.store.reclaimed().await;
    world.collect_all().await?;
    let found = world.objects.check().await.map_err(|e| e.to_string())?;
    found.wrong.first().map_or(Ok(()), |wrong| Err(format!("{}: {}", wrong.place, wrong.what)))
}

/// No workload has as many.
const BODIES_OF_THE_VERDICT: u32 = 1 << 24;

fn difference(state: &State, possible: &BTreeSet<State>) -> String {
    let Some(nearest) = possible.iter().min_by_key(|other| differences(state, other).len()) else { return "no state is possible".into() };
    format!("not a possible state (of {}): {}", possible.len(), differences(state, nearest).join("; "))
}

fn differences(state: &State, other: &State) -> Vec<String> {
    let mut found = Vec::new();
    let names: BTreeSet<_> = state.0.keys().chain(other.0.keys()).collect();
    for name in names {
        let (Some(here), Some(there)) = (state.0.get(name), other.0.get(name)) else {
            found.push(format!("bucket {name} is {}", if state.0.contains_key(name) { "there" } else { "not there" }));
            continue;
        };
        for key in here.objects.keys().chain(there.objects.keys()).collect::<BTreeSet<_>>() {
            let (is, should) = (here.objects.get(key), there.objects.get(key));
            if is != should {
                found.push(format!("object {name}/{key} is {is:?}, not {should:?}"));
            }
        }
        for key in here.uploads.keys().chain(there.uploads.keys()).collect::<BTreeSet<_>>() {
            let (is, should) = (here.uploads.get(key), there.uploads.get(key));
            if is != should {
                found.push(format!("upload {name}/{key} is {is:?}, not {should:?}"));
            }
        }
    }
    found
}
