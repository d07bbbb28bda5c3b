//! The committer on real records, from inside. Its schedules are in `tests/schedules`.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use crate::{
    Options, Stats,
    committer::Committer,
    extents::Extents,
    folder::Folder,
    records::{Engine, View},
    shared::{Health, Shared},
    space::Space,
};

#[test]
fn a_reader_that_does_not_let_go_keeps_the_view_from_others_half_of_the_time_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let view = View::first(Arc::new(Engine::open(&folder.records(), 1 << 20).unwrap())).unwrap();
    let (stats, space) = (Arc::new(Stats::default()), Space::new(dir.path().to_owned(), 0));
    let extents = Arc::new(Extents::new(folder.extents(), space.clone(), Arc::clone(&stats)).unwrap());
    let shared = Arc::new(Shared::new(stats, space, view));
    let (_queue, waiting) = mpsc::channel();
    let mut committer = Committer::new((Arc::clone(&shared), extents), waiting, folder, Options::default(), 0);
    committer.reader_wait = Duration::from_millis(300);
    shared.stop(Health::Full);

    let (scan, since) = (shared.view().unwrap(), Instant::now());
    committer.heal();
    assert!(shared.view().is_ok() && shared.health() == Health::Full, "it could not be reopened");
    drop(scan);
    while shared.health() == Health::Full {
        committer.heal();
    }
    assert!(since.elapsed() >= 2 * committer.reader_wait, "{:?}", since.elapsed());
    assert_eq!(shared.health(), Health::Open);
}
