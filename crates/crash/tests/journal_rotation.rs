//! Power cuts while fjall seals a journal and begins the next one, and while the next start flushes what the sealed one holds.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use holdfast_crash::{Medium, Rules, Survivors};
use support::{
    MountedDisk, can_mount,
    model::possible_states,
    runtime, setting,
    verdict::{Caught, judge_images, judge_with},
    workload,
    world::{History, World},
};

#[test]
fn a_cut_at_every_sync_point_around_a_sealed_journal_loses_nothing() {
    if !can_mount() {
        return;
    }
    let (mounted, history) = (MountedDisk::new(Medium::new(Rules::default())), History::default());
    runtime()
        .block_on(workload::rotation(&mounted.data(), &history, || {
            let noted = history.clone();
            mounted.disk.keep_images(move || noted.len());
        }))
        .unwrap();
    let images = mounted.disk.take_images();
    let sealed = images.iter().position(|image| image.next.ends_with("records/1.jnl")).expect("a second journal");
    // Each has a journal of 64 MB, which takes a second to judge.
    let around = &images[sealed - BEFORE..];
    println!("{} images around the second journal", around.len());
    for (survivors, step) in [(Survivors::None, 1), (Survivors::Some(1), 4), (Survivors::TornLast(1), 4)] {
        let some: Vec<_> = around.iter().step_by(step).cloned().collect();
        report("around a sealed journal", survivors, &judge_images(&some, &history, survivors, false));
    }
    let last = images.last().unwrap().medium.after_cut(Survivors::None);
    drop(images);
    let possible = possible_states(&history.events()).unwrap();
    let mounted = MountedDisk::new(last);
    assert!(mounted.data().join("records/0.jnl").exists() && mounted.data().join("records/1.jnl").exists());
    mounted.disk.keep_images(|| 0);
    runtime().block_on(async {
        let world = World::open(&mounted.data(), &history).unwrap();
        // Nobody writes: it lets the journal go by itself.
        let since = Instant::now();
        while world.store.journal_count() > 1 {
            assert!(since.elapsed() < Duration::from_mins(1), "the sealed journal is kept");
            tokio::task::yield_now().await;
        }
        world.store.close().await;
    });
    assert!(!mounted.data().join("records/0.jnl").exists());
    let openings = mounted.disk.take_images();
    let step = if setting("HOLDFAST_CUT_SEEDS", 0) >= 100 { 1 } else { openings.len().div_ceil(OPENINGS) };
    println!("{} images of the next start, every {step}th is judged", openings.len());
    let some: Vec<_> = openings.into_iter().step_by(step).collect();
    let caught = judge_with(&some, Survivors::None, false, &history, |_| Ok(possible.clone()));
    report("the next start", Survivors::None, &caught);
}

/// Images before the second journal is there.
const BEFORE: usize = 4;
/// Images of the next start that the short run judges.
const OPENINGS: usize = 10;

fn report(what: &str, survivors: Survivors, caught: &[Caught]) {
    assert!(caught.is_empty(), "{what}, {survivors:?}: {caught:#?}");
}
