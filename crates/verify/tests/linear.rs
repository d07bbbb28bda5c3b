//! The checker says yes to what a correct store did, no to what it could not have done, and always what trying every order says.

mod common;

use common::{Rng, Shape, oracle, seed, simulate, times};
use holdfast_verify::{
    history::History,
    judge::{Options, check},
};

fn accepted(history: &History, name: &str) {
    let verdict = check(history, &Options::default());
    let told: Vec<String> = verdict.violations.iter().map(|violation| violation.describe(history)).collect();
    assert!(verdict.is_linearizable(), "{name}: VERIFY_SEED={}: {:?}\n{}", history.seed, verdict.undecided, told.join("\n"));
}

#[test]
fn what_a_correct_store_did_has_an_order() {
    let first = seed(1);
    for number in first..first + 60 * times() {
        let mut rng = Rng(number);
        let shape = Shape {
            operations: 300,
            clients: 2 + rng.below(14) as u32,
            keys: 1 + rng.below(4) as u32,
            unknown_percent: rng.below(15),
            moves: rng.chance(50),
            read_percent: 20 + rng.below(60),
            condition_percent: rng.below(100),
            kill_every: if rng.chance(30) { 60 } else { usize::MAX },
            copies_get_new_etags: rng.chance(30),
            ..Shape::default()
        };
        let history = simulate(&mut rng, shape);
        accepted(&History { seed: number, ..history }, "simulated");
    }
}

#[test]
fn the_verdict_is_that_of_trying_every_order() {
    let first = seed(1);
    let mut counts = [0_u32; 2];
    for number in first..first + 20_000 * times() {
        let (history, promises) = common::tiny(&mut Rng(number));
        let expected = oracle::is_linearizable(&history, promises);
        let verdict = check(&history, &Options { promises, ..Options::default() });
        assert!(verdict.undecided.is_empty());
        assert_eq!(verdict.is_linearizable(), expected, "VERIFY_SEED={number} {promises:?} {history:#?}");
        counts[usize::from(expected)] += 1;
    }
    assert!(counts[0] > 3000 && counts[1] > 3000, "both kinds are tried: {counts:?}");
}
