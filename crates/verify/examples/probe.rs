//! probe
#[path = "../tests/common/mod.rs"]
mod common;
use common::{Rng, Shape, simulate};
use holdfast_verify::{
    history::{Outcome, Request},
    judge::{Options, check},
};
fn main() {
    for (keys, unknown, cond, read, kind, clients) in [
        (1, 1, 50, 5, "none", 64),
        (4, 0, 50, 40, "rename", 64),
        (4, 0, 50, 40, "copy", 64),
        (4, 0, 50, 40, "both", 64),
        (4, 0, 50, 40, "both", 16),
        (4, 0, 50, 40, "both", 8),
        (4, 1, 50, 40, "rename", 64),
        (4, 1, 50, 40, "copy", 64),
        (4, 1, 50, 40, "both", 16),
        (4, 0, 0, 40, "rename", 64),
        (4, 0, 0, 40, "copy", 64),
        (16, 0, 50, 40, "rename", 64),
        (64, 0, 50, 40, "rename", 64),
        (64, 0, 50, 40, "copy", 64),
    ] {
        let shape = Shape {
            operations: 20000,
            clients,
            keys,
            unknown_percent: unknown,
            moves: kind != "none",
            condition_percent: cond,
            read_percent: read,
            ..Shape::default()
        };
        let shape = Shape { renames: kind != "copy", copies: kind != "rename", ..shape };
        let history = simulate(&mut Rng(7), shape);
        let ren = history
            .operations
            .iter()
            .filter(|o| matches!(o.request, Request::Rename { .. }) && matches!(o.outcome, Outcome::Written(_)))
            .count();
        let cop = history
            .operations
            .iter()
            .filter(|o| matches!(o.request, Request::Copy { .. }) && matches!(o.outcome, Outcome::Written(_)))
            .count();
        let began = std::time::Instant::now();
        let v = check(&history, &Options { configurations_max: 500_000, ..Options::default() });
        println!(
            "keys {keys} unk {unknown} cond {cond} read {read} {kind} cl {clients} ren {ren} cop {cop}: {} {:?} {:.2}",
            v.configurations,
            v.undecided.first().map(|u| u.ordered),
            began.elapsed().as_secs_f64()
        );
    }
}
