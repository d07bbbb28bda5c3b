//! Draws what is wrong with a history: `cargo run -p holdfast-verify --example draw [history.json] > picture.html`. Without a file, with a simulated one
//! whose last read is stale.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;

use common::{Rng, Shape, simulate};
use holdfast_verify::{
    history::{History, Outcome},
    judge::{Options, check},
    timeline::render,
};

fn main() -> std::io::Result<()> {
    let history = match std::env::args().nth(1) {
        Some(path) => History::read(Path::new(&path))?,
        None => stale(),
    };
    let verdict = check(&history, &Options::default());
    for violation in &verdict.violations {
        eprintln!("{}", violation.describe(&history));
    }
    print!("{}", render(&history, &verdict.violations));
    Ok(())
}

fn stale() -> History {
    let shape = Shape { operations: 200, clients: 6, keys: 1, moves: true, unknown_percent: 10, ..Shape::default() };
    let mut history = simulate(&mut Rng(11), Shape { keys: 3, ..shape });
    let reads: Vec<usize> = (0..200).filter(|at| matches!(history.operations[*at].outcome, Outcome::Found { .. })).collect();
    let (old, new) = (reads[reads.len() / 2 - 6], reads[reads.len() / 2]);
    history.operations[new].outcome = history.operations[old].outcome.clone();
    history
}
