//! A failed sync of the journal, a restart without a power cut, and then a cut: what was shown in between stays.

mod support;

use holdfast_crash::Survivors;
use support::{
    can_mount,
    failed_syncs::{CASES, run},
    verdict::{judge, on_all_processors},
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
