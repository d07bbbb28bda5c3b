//! Power cuts. What was answered is there afterwards, what was under way is there wholly or not at all, and the store goes on.
//!
//! The workload runs once on a disk that keeps an image before every sync: each image is what a cut at that point leaves, and each is
//! judged. Random cuts run the workload again, with the power gone in the middle of it, and let some of what was not synced survive.
//!
//! `HOLDFAST_CUT_SEEDS` is the number of random cuts, `HOLDFAST_CUT_SEED` the first (to see one again).

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::Instant;

use holdfast_crash::{Call, CutAt, Image, Medium, Random, Rules, Survivors};
use support::{
    MountedDisk, can_mount,
    model::possible_states,
    runtime, setting,
    verdict::{Caught, judge, judge_images, judge_with},
    workload::{self, Ended},
    world::{History, World},
};

const STRICT: Rules = Rules { entry_follows_file: false };
const AS_EXT4: Rules = Rules { entry_follows_file: true };

/// Runs the workload to its end and keeps an image of every sync point.
fn traced(rules: Rules) -> (Vec<Image>, History) {
    holdfast_embedded::faults::set_memtable_bytes(workload::MEMTABLE_BYTES);
    let (mounted, history) = (MountedDisk::new(Medium::new(rules)), History::default());
    let noted = history.clone();
    mounted.disk.keep_images(move || noted.len());
    let ended = runtime().block_on(workload::run(&mounted.data(), &history));
    assert_eq!(ended, Ended::Whole);
    let images = mounted.disk.take_images();
    println!("{} sync points, {} different images, {} requests", mounted.disk.counts().syncs, images.len(), history.len() / 2);
    for part in ["tables/", "blobs/", "extents/", ".jnl", "FORMAT"] {
        assert!(images.iter().any(|image| image.next.contains(part)), "the workload syncs no {part}");
    }
    (images, history)
}

fn report(what: &str, caught: &[Caught]) {
    for caught in caught {
        println!("{what}: cut before sync {} to {} ({}): {}", caught.since_sync, caught.sync, caught.next, caught.message);
    }
    assert!(caught.is_empty(), "{what}: {} cuts lost something", caught.len());
}

fn every_sync_point(rules: Rules) {
    if !can_mount() {
        return;
    }
    let since = Instant::now();
    let (images, history) = traced(rules);
    // What is durable by POSIX alone is durable there too: in the short run a part of the images will do.
    let step = if rules == STRICT || is_long() { 1 } else { 5 };
    let judged: Vec<_> = images.iter().step_by(step).cloned().collect();
    let caught = judge_images(&judged, &history, Survivors::None, false);
    println!("{rules:?}: {} images judged in {:?}", judged.len(), since.elapsed());
    report("every sync point", &caught);
    for seed in seeds(3) {
        // Each seed takes another part of the images.
        let some: Vec<_> = images.iter().skip(seed as usize % PARTS).step_by(PARTS).cloned().collect();
        for survivors in [Survivors::Some(seed), Survivors::TornLast(seed)] {
            report(&format!("HOLDFAST_CUT_SEED={seed} {survivors:?}"), &judge_images(&some, &history, survivors, false));
        }
    }
    println!("all judged in {:?}", since.elapsed());
}

const PARTS: usize = 16;

fn seeds(default: u64) -> std::ops::Range<u64> {
    let first = setting("HOLDFAST_CUT_SEED", 1);
    first..first + setting("HOLDFAST_CUT_SEEDS", default)
}

fn is_long() -> bool {
    setting("HOLDFAST_CUT_SEEDS", 0) >= 100
}

#[test]
fn a_cut_at_every_sync_point_loses_nothing_that_was_answered() {
    every_sync_point(STRICT);
}

#[test]
fn a_cut_at_every_sync_point_loses_nothing_where_entries_follow_files() {
    every_sync_point(AS_EXT4);
}

#[test]
fn a_cut_at_every_sync_point_of_a_body_through_the_page_cache_loses_nothing() {
    if !can_mount() {
        return;
    }
    let (mounted, history) = (MountedDisk::new(Medium::new(STRICT)), History::default());
    let noted = history.clone();
    mounted.disk.keep_images(move || noted.len());
    runtime().block_on(workload::through_page_cache(&mounted.disk, &mounted.data(), &history)).unwrap();
    let images: Vec<_> = mounted.disk.take_images().into_iter().filter(|image| image.position > 0).collect();
    let syncs = mounted.disk.log().iter().filter(|seen| seen.call == Call::Sync && seen.path.contains("extents/")).count();
    assert_eq!(syncs, 2, "one in the middle, one at the end");
    println!("{} images", images.len());
    let unsynced = images.iter().map(|image| image.medium.unsynced_bytes()).max().unwrap();
    assert!(unsynced <= workload::UNSYNCED_MAX, "{unsynced} bytes in the page cache");
    report("through the page cache", &judge_images(&images, &history, Survivors::None, false));
}

/// Cuts an opening that follows a cut, at every sync point.
fn recovery(rules: Rules) {
    if !can_mount() {
        return;
    }
    let (images, history) = traced(rules);
    // Before that, recovery is a first start again.
    let from = images.iter().position(|image| image.position > 0).expect("a request");
    for seed in seeds(3) {
        let mut random = Random::new(seed);
        let image = &images[from + random.below((images.len() - from) as u64) as usize];
        let survivors = if seed % 2 == 0 { Survivors::Some(seed) } else { Survivors::None };
        let possible = possible_states(&history.events()[..image.position as usize]).unwrap();
        let mounted = MountedDisk::new(image.medium.after_cut(survivors));
        mounted.disk.keep_images(|| 0);
        runtime().block_on(async {
            let world = World::open(&mounted.data(), &history).unwrap();
            world.store.reclaimed().await;
            world.collect_all().await.unwrap();
            world.store.close().await;
        });
        let openings = mounted.disk.take_images();
        println!("cut before sync {} ({survivors:?}), then at {} sync points of the opening", image.sync, openings.len());
        for second in [Survivors::None, Survivors::Some(seed)] {
            let what = format!("HOLDFAST_CUT_SEED={seed}: recovery, {second:?}");
            report(&what, &judge_with(&openings, second, false, &history, |_| Ok(possible.clone())));
        }
    }
}

#[test]
fn a_cut_at_every_sync_point_of_recovery_loses_nothing() {
    recovery(STRICT);
}

#[test]
fn a_cut_at_every_sync_point_of_recovery_loses_nothing_where_entries_follow_files() {
    recovery(AS_EXT4);
}

/// Calls and syncs of the whole workload, about: a cut that is planned later leaves the end of it.
const CALLS: u64 = 9000;
const SYNCS: u64 = 540;

#[test]
fn a_random_cut_that_lets_some_of_the_unsynced_survive_loses_nothing() {
    if !can_mount() {
        return;
    }
    holdfast_embedded::faults::set_memtable_bytes(workload::MEMTABLE_BYTES);
    for seed in seeds(24) {
        if let Err(message) = random_cut(seed) {
            panic!("HOLDFAST_CUT_SEED={seed}: {message}");
        }
    }
}

fn random_cut(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let rules = Rules { entry_follows_file: random.below(2) == 0 };
    let survivors = match random.below(3) {
        0 => Survivors::None,
        1 => Survivors::Some(seed),
        _ => Survivors::TornLast(seed),
    };
    let at = match random.below(4) {
        0 => CutAt::AfterSync(1 + random.below(SYNCS)),
        _ => CutAt::Call(1 + random.below(CALLS)),
    };
    let (mounted, history) = (MountedDisk::new(Medium::new(rules)), History::default());
    mounted.disk.cut(at, survivors);
    let ended = runtime().block_on(workload::run(&mounted.data(), &history));
    let (left, when) = match mounted.disk.after_cut() {
        Some(left) => (left, "during the workload"),
        None => (mounted.disk.medium().after_cut(survivors), "after it"),
    };
    println!("seed {seed}: cut {at:?} {survivors:?} {rules:?} {when}, {} events", history.len());
    let is_cut_short = mounted.disk.after_cut().is_some();
    assert!(is_cut_short || ended == Ended::Whole, "{ended:?} without a cut");
    judge(&left, &possible_states(&history.events())?, &history)
}
