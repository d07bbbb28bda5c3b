//! A store that leaves out one sync is caught. One mutation for each sync that the store makes, and for each kind of file that fjall syncs;
//! the run prints a table of them.
//!
//! A sync of the store is left out by name. For those inside fjall the disk lies about files of a pattern. A mutation that no cut reveals says
//! why in its row, and must stay so: the table is what was seen. `HOLDFAST_SYNC` names one to be run alone.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{fmt::Write as _, path::Path};

use holdfast_crash::{Disk, Image, Medium, Rules, Survivors};
use holdfast_embedded::faults::{SyncSite, set_memtable_bytes, skip};
use support::{
    MountedDisk, can_mount,
    failed_syncs::{self, CASES},
    model::Event,
    publish, runtime,
    verdict::{Caught, judge, judge_images, on_all_processors},
    workload,
    world::History,
};

const STRICT: Rules = Rules { entry_follows_file: false };

/// What is left out.
#[derive(Clone, Copy)]
enum Mutation {
    Site(SyncSite),
    /// Syncs of these paths, whoever makes them.
    Files(&'static str, fn(&str) -> bool),
}

/// A sync, what it is for, and, if nothing is lost without it, why.
struct Row {
    mutation: Mutation,
    protects: &'static str,
    redundant: Option<&'static str>,
}

const fn site(site: SyncSite, protects: &'static str) -> Row {
    Row { mutation: Mutation::Site(site), protects, redundant: None }
}

const fn files(name: &'static str, protects: &'static str, matches: fn(&str) -> bool) -> Row {
    Row { mutation: Mutation::Files(name, matches), protects, redundant: None }
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

/// The last name of a path, and the one before it.
fn ends(path: &str) -> (&str, &str) {
    let mut names = path.rsplit('/');
    let last = names.next().unwrap_or_default();
    (names.next().unwrap_or_default(), last)
}

const ROWS: &[Row] = &[
    site(SyncSite::JournalBatch, "every answer of a write: its batch"),
    site(SyncSite::JournalAnew, "what a failed sync left in the page cache only: that journals are written anew at every start"),
    site(SyncSite::JournalRewrite, "what the journal held before this start, and what a failed sync left in the page cache only"),
    site(SyncSite::JournalRewriteFolder, "the rewritten journal's place, before what it holds is flushed"),
    site(SyncSite::JournalRewriteInPlace, "what a failed sync left in the page cache only, where there is no space for a copy"),
    site(SyncSite::ExtentData, "a body above 64 KiB"),
    site(SyncSite::ExtentFolder, "the entry of a body above 64 KiB"),
    site(SyncSite::ExtentWriteBack, "the bound on dirty pages, where there is no O_DIRECT"),
    site(SyncSite::ExtentFolders, "the 256 folders of extents"),
    site(SyncSite::ExtentsFolder, "the folder `extents`"),
    site(SyncSite::RecordsFolder, "the folder `records`"),
    site(SyncSite::Ancestors, "the data folder, whoever made it"),
    site(SyncSite::FormatFile, "the file FORMAT"),
    site(SyncSite::FormatFolder, "that FORMAT is there before `records` is"),
    site(SyncSite::KeyspaceFolders, "the folders of fjall's keyspaces, which it does not sync itself"),
    site(SyncSite::ValueFileEntries, "the entries of fjall's files of separated values, which it does not sync itself"),
    files("fjall: `*.jnl`", "the journal, whoever syncs it", |path| ends(path).1.strip_suffix(".jnl").is_some_and(is_number)),
    files("fjall: `version`", "the marker that a database is there", |path| matches!(ends(path), ("records" | "records.new", "version"))),
    files("fjall: `tables/N`", "flushed and compacted records", |path| matches!(ends(path), ("tables", name) if is_number(name))),
    files("fjall: `tables`", "the entries of tables", |path| ends(path).1 == "tables"),
    files("fjall: `blobs/N`", "separated values", |path| matches!(ends(path), ("blobs", name) if is_number(name))),
    files("fjall: `blobs`", "the entries of files of separated values", |path| ends(path).1 == "blobs"),
    files("fjall: `keyspaces/K/vN`", "which tables there are", |path| ends(path).1.strip_prefix('v').is_some_and(is_number)),
    Row {
        redundant: Some("fjall syncs the same file again under its name `current`, and then the folder"),
        ..files("fjall: `keyspaces/K/.tmp*`", "the pointer to the newest `vN`, before it is renamed", |path| {
            ends(path).1.starts_with(".tmp")
        })
    },
    files(
        "fjall: `keyspaces/K`",
        "the entries of `vN` and of the pointer",
        |path| matches!(ends(path), ("keyspaces", name) if is_number(name)),
    ),
    files("fjall: `keyspaces`", "the entries of keyspaces", |path| ends(path).1 == "keyspaces"),
    files("fjall: `records`", "the entries of journals and of the marker", |path| matches!(ends(path).1, "records" | "records.new")),
];

impl Mutation {
    /// From now on it is left out.
    fn begin(self, disk: &Disk) {
        match self {
            Self::Site(site) => drop(skip(Some(site))),
            Self::Files(_, matches) => disk.lie_about(move |path: &Path| path.to_str().is_some_and(matches)),
        }
    }
}

/// Runs the workload with the mutation, on a disk where the data folder is there already or not.
fn traced(mutation: Mutation, is_prepared: bool) -> (Vec<Image>, History, u64) {
    let (mounted, history) = (MountedDisk::new(Medium::new(STRICT)), History::default());
    if is_prepared {
        std::fs::create_dir(mounted.data()).unwrap();
    }
    mutation.begin(&mounted.disk);
    let noted = history.clone();
    mounted.disk.keep_images(move || noted.len());
    let _ = runtime().block_on(workload::run(&mounted.data(), &history));
    let skipped = skip(None) + mounted.disk.lies();
    (mounted.disk.take_images(), history, skipped)
}

/// A large body without `O_DIRECT`, with the mutation.
fn caught_through_page_cache(mutation: Mutation) -> (u64, Option<(String, Caught)>) {
    let (mounted, history) = (MountedDisk::new(Medium::new(STRICT)), History::default());
    mutation.begin(&mounted.disk);
    let noted = history.clone();
    mounted.disk.keep_images(move || noted.len());
    let _ = runtime().block_on(workload::through_page_cache(&mounted.disk, &mounted.data(), &history));
    let skipped = skip(None) + mounted.disk.lies();
    let images: Vec<_> = mounted.disk.take_images().into_iter().filter(|image| image.position > 0).collect();
    let too_much = images.iter().find(|image| image.medium.unsynced_bytes() > workload::UNSYNCED_MAX);
    if let Some(image) = too_much {
        let message = format!("{} bytes are in the page cache", image.medium.unsynced_bytes());
        let caught = Caught { since_sync: image.since_sync, sync: image.sync, next: image.next.clone(), message };
        return (skipped, Some(("without O_DIRECT".into(), caught)));
    }
    let found = judge_images(&images, &history, Survivors::None, true);
    (skipped, found.into_iter().next().map(|caught| ("without O_DIRECT, all unsynced lost".into(), caught)))
}

/// A failed sync, a start, and then a cut, with the mutation.
fn caught_after_failed_sync(mutation: Mutation) -> (u64, Option<(String, Caught)>) {
    let mut skipped = 0;
    for case in CASES {
        let ended = failed_syncs::run(case, |disk| mutation.begin(disk));
        skipped += skip(None);
        let how = format!("after a failed sync: {case:?}");
        let (lefts, history) = match ended {
            Ok(ended) => ended,
            // The run itself shows what it does not show without the mutation.
            Err(message) => return (skipped, Some((how, Caught { since_sync: 0, sync: 0, next: "before any cut".into(), message }))),
        };
        let found = on_all_processors(&lefts, true, |left| {
            let verdict = judge(&left.medium.after_cut(Survivors::None), &left.possible, &history);
            verdict.err().map(|message| Caught { since_sync: left.sync, sync: left.sync, next: left.when.clone(), message })
        });
        if let Some(caught) = found.into_iter().next() {
            return (skipped, Some((format!("{how}, all unsynced lost"), caught)));
        }
    }
    (skipped, None)
}

/// How many images are looked at first: most mutations leave their mark for long.
const COARSE: usize = 12;
/// Draws of what survives a cut of the first start.
const SEEDS: u64 = 8;

/// Looks for a cut that reveals the mutation.
fn caught(mutation: Mutation) -> (u64, Option<(String, Caught)>) {
    let (images, history, skipped) = traced(mutation, false);
    let found = judge_images(&coarse(&images), &history, Survivors::None, true);
    if let Some(caught) = found.into_iter().next() {
        return (skipped, Some(("all unsynced lost".into(), caught)));
    }
    // Each sync of the first start guards another file, for a moment only.
    let is_ours = |image: &&Image| image.position == 0 && !image.next.contains("records");
    let first_start: Vec<_> = images.iter().filter(is_ours).cloned().collect();
    // So does each sync of the second.
    let events = history.events();
    let is_opening = |image: &&Image| image.position > 0 && matches!(events[image.position as usize - 1], Event::Restart);
    let second_start: Vec<_> = images.iter().filter(is_opening).cloned().collect();
    assert!(!second_start.is_empty() || events.len() < 100, "the second start was cut nowhere");
    let found = judge_images(&second_start, &history, Survivors::None, true);
    if let Some(caught) = found.into_iter().next() {
        return (skipped, Some(("all unsynced lost".into(), caught)));
    }
    for survivors in std::iter::once(Survivors::None).chain((1..=SEEDS).map(Survivors::Some)) {
        let found = judge_images(&first_start, &history, survivors, true);
        if let Some(caught) = found.into_iter().next() {
            return (skipped, Some((format!("survivors: {survivors:?}"), caught)));
        }
    }
    let (images, history, more) = traced(mutation, true);
    let skipped = skipped + more;
    if let Some(caught) = judge_images(&coarse(&images), &history, Survivors::None, true).into_iter().next() {
        return (skipped, Some(("data folder made by somebody else, all unsynced lost".into(), caught)));
    }
    let (more, found) = caught_after_failed_sync(mutation);
    let skipped = skipped + more;
    if found.is_some() {
        return (skipped, found);
    }
    let (more, found) = caught_through_page_cache(mutation);
    (skipped + more, found)
}

fn coarse(images: &[Image]) -> Vec<Image> {
    // Those of the first start come first, and later ones tell more.
    images.iter().rev().step_by(images.len().div_ceil(COARSE)).cloned().collect()
}

#[test]
fn a_store_that_skips_one_sync_is_caught() {
    if !can_mount() {
        return;
    }
    for site in SyncSite::ALL {
        let is_site = |row: &&Row| matches!(row.mutation, Mutation::Site(of) if of == site);
        assert_eq!(ROWS.iter().filter(is_site).count(), 1, "{site:?} has a row");
    }
    set_memtable_bytes(workload::MEMTABLE_BYTES);
    let mut table = String::from(
        "| sync left out | protects | left out | caught by a cut before sync | what the verdict says |\n|---|---|---|---|---|\n",
    );
    let mut wrong = Vec::new();
    for row in ROWS {
        let name = match row.mutation {
            Mutation::Site(site) => format!("{site:?}"),
            Mutation::Files(name, _) => name.to_owned(),
        };
        if std::env::var("HOLDFAST_SYNC").is_ok_and(|only| only != name) {
            continue;
        }
        let (skipped, found) = caught(row.mutation);
        let (at, says) = match (&found, row.redundant) {
            (Some((how, caught)), None) => (format!("{} ({}; {how})", caught.sync, caught.next), caught.message.clone()),
            (None, _) if skipped == 0 => {
                wrong.push(format!("{name} was never left out: nothing is shown"));
                continue;
            }
            (None, Some(why)) => ("not caught: redundant".into(), why.to_owned()),
            (Some((how, caught)), Some(_)) => {
                wrong.push(format!("{name} is caught and not redundant: {how}, {caught:?}"));
                continue;
            }
            (None, None) => {
                wrong.push(format!("{name} is not caught; it was left out {skipped} times"));
                continue;
            }
        };
        let says: String = says.replace(['|', '\n'], " ").chars().take(160).collect();
        writeln!(table, "| {name} | {} | {skipped} times | {at} | {says} |", row.protects).unwrap();
        println!("{name}: {at}: {says}");
    }
    publish("skipped-syncs.md", &table);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
