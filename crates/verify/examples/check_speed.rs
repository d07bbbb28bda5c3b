//! How long the checker takes for 100,000 operations of 64 clients, by the number of keys; and for the same with one stale read near the end.
//! `cargo run --release -p holdfast-verify --example check_speed [operations] [rows with these words]`

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::{Rng, Shape, simulate};
use holdfast_verify::{
    history::{History, Outcome},
    judge::{Options, check},
};

fn main() {
    let operations = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let wanted = std::env::args().nth(2).unwrap_or_default();
    println!("{:<28} {:>10} {:>9} {:>9} {:>8}  verdict", "", "operations", "unknown", "visited", "seconds");
    for (name, clients, keys, moves, condition_percent, read_percent) in [
        ("one key", 64, 1, false, 50, 40),
        ("one key, few reads", 64, 1, false, 50, 5),
        ("one key, no conditions", 64, 1, false, 0, 40),
        ("4 keys", 64, 4, false, 50, 40),
        ("64 keys", 64, 64, false, 50, 40),
        ("4 keys, moves, 8 clients", 8, 4, true, 50, 40),
        ("64 keys, moves", 64, 64, true, 50, 40),
        ("4 keys, moves, 16 clients", 16, 4, true, 50, 40),
        ("4 keys, moves, 64 clients", 64, 4, true, 50, 40),
    ] {
        if !name.contains(&wanted) {
            continue;
        }
        let shape = Shape { operations, clients, keys, unknown_percent: 1, moves, condition_percent, read_percent, ..Shape::default() };
        let mut history = simulate(&mut Rng(7), shape);
        measure(name, &history);
        make_stale(&mut history);
        measure("  with a stale read", &history);
    }
}

fn measure(name: &str, history: &History) {
    let unknown = history.operations.iter().filter(|operation| operation.outcome == Outcome::Unknown).count();
    let began = Instant::now();
    let verdict = check(history, &Options::default());
    let seconds = began.elapsed().as_secs_f64();
    let said = if let Some(violation) = verdict.violations.first() {
        format!("violation, shown by {} operations", violation.operations.len())
    } else if let Some(undecided) = verdict.undecided.first() {
        format!("undecided at {} of {}", undecided.ordered, undecided.operations)
    } else {
        "linearizable".to_owned()
    };
    println!("{name:<28} {:>10} {unknown:>9} {:>9} {seconds:>8.2}  {said}", history.operations.len(), verdict.configurations);
}

/// The last read of all gets what the first of its key got.
fn make_stale(history: &mut History) {
    let found = |at: &usize| matches!(history.operations[*at].outcome, Outcome::Found { .. });
    let reads: Vec<usize> = (0..history.operations.len()).filter(found).collect();
    let Some(last) = reads.last().copied() else { return };
    let request = history.operations[last].request.clone();
    if let Some(first) = reads.iter().find(|at| history.operations[**at].request == request) {
        history.operations[last].outcome = history.operations[*first].outcome.clone();
    }
}
