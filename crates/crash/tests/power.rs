//! Power cuts. What was answered is there afterwards, what was under way is there wholly or not at all, and the store goes on.
//!
//! The workload runs once on a disk that keeps an image before every sync: each image is what a cut at that point leaves, and each is
//! judged. Random cuts run the workload again, with the power gone in the middle of it, and let some of what was not synced survive.

mod support;

use std::time::Instant;

use holdfast_crash::{Medium, Rules, Survivors};
use support::{MountedDisk, can_mount, verdict::judge_images, workload, workload::Ended, world::History};

const STRICT: Rules = Rules { entry_follows_file: false };

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn a_cut_at_every_sync_point_loses_nothing_that_was_answered() {
    if !can_mount() {
        return;
    }
    let since = Instant::now();
    holdfast_embedded::faults::set_memtable_bytes(workload::MEMTABLE_BYTES);
    let mounted = MountedDisk::new(Medium::new(STRICT));
    let history = History::default();
    let noted = history.clone();
    mounted.disk.keep_images(move || noted.len());
    let ended = runtime().block_on(workload::run(&mounted.data(), &history));
    assert_eq!(ended, Ended::Whole);
    let images = mounted.disk.take_images();
    println!("{:?}, {} images, {} events, ran {:?}", mounted.disk.counts(), images.len(), history.len(), since.elapsed());
    let caught = judge_images(&images, &history, Survivors::None, false);
    println!("judged after {:?}", since.elapsed());
    for caught in &caught {
        println!("{caught:?}");
    }
    assert!(caught.is_empty());
}
