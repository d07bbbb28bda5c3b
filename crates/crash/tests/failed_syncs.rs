//! A failed sync of the journal, a restart without a power cut, and then a cut: what was shown in between stays.

mod support;

use holdfast_crash::{Call, Errno, Medium, Rules, Survivors};
use support::{
    MountedDisk, can_mount,
    failed_syncs::{CASES, run},
    runtime,
    verdict::{judge, on_all_processors},
    world::{History, World},
};

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_durable_before_it_is_shown() {
    if !can_mount() {
        return;
    }
    let mut wrong = Vec::new();
    for case in CASES {
        let (lefts, history) = run(case, |_| {}).unwrap_or_else(|e| panic!("{case:?}: {e}"));
        println!("{case:?}: {} moments", lefts.len());
        // Of what was not synced nothing survives, or some of it.
        let cuts: Vec<_> = lefts.iter().zip(0..).flat_map(|(left, n)| [(left, Survivors::None), (left, Survivors::Some(n))]).collect();
        wrong.extend(on_all_processors(&cuts, false, |(left, survivors)| {
            let verdict = judge(&left.medium.after_cut(*survivors), &left.possible, &history);
            verdict.err().map(|e| format!("{case:?}, cut {}, {survivors:?}: {e}", left.when))
        }));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_first_start_whose_folder_cannot_be_made_durable_is_refused() {
    if !can_mount() {
        return;
    }
    for error in [Errno::IO, Errno::NOSPC] {
        let mounted = MountedDisk::new(Medium::new(Rules::default()));
        // The folder that holds the data folder.
        mounted.disk.fail_next(Call::SyncFolder, error, |path| path.as_os_str().is_empty());
        let opened = World::open(&mounted.data(), &History::default());
        assert_eq!(mounted.disk.failed().len(), 1);
        assert!(opened.is_err(), "{error}");
        runtime().block_on(World::open(&mounted.data(), &History::default()).unwrap().store.close());
    }
}
