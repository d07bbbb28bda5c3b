//! Races against an endpoint, and the judge's verdict: `race ENDPOINTS CLIENTS SECONDS [SEED] [SHAPE]`, with `AWS_*` in the environment.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use holdfast_verify::{
    client::{Client, Target, s3},
    judge,
    races::{self, Bodies, Budget, Options, Shape},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let urls: Vec<String> = arguments.next().ok_or("ENDPOINTS CLIENTS SECONDS [SEED] [SHAPE]")?.split(',').map(str::to_owned).collect();
    let clients: u32 = arguments.next().unwrap_or_else(|| "16".into()).parse()?;
    let seconds: u64 = arguments.next().unwrap_or_else(|| "60".into()).parse()?;
    let seed: u64 = arguments.next().unwrap_or_else(|| "1".into()).parse()?;
    let only = arguments.next();

    let target = Arc::new(Target::new(&urls, false, |name| std::env::var(name).ok())?);
    let bucket = format!("race-{seed}-{}", std::process::id());
    let mut client = Client::new(target.clone(), 0);
    client.must("creating the bucket", &s3::create_bucket(&bucket, &target.region)).await?;
    let options = Options {
        clients,
        budget: Budget::Time(Duration::from_secs(seconds)),
        bodies: Bodies { slow_bytes: 1 << 20, rivals_per_piece: 500, ..Bodies::default() },
        definite_503: true,
        shapes: Shape::ALL.iter().copied().filter(|shape| only.as_deref().is_none_or(|name| name == shape.name())).collect(),
        ..Options::new(&bucket, "", seed)
    };
    let began = Instant::now();
    let found = races::run(&target, &options, |_| {}).await?;
    println!("seed {seed}, {clients} clients, {:.1} s", began.elapsed().as_secs_f64());
    for contest in &found.contests {
        let figures = &contest.figures;
        let per_second = u128::from(figures.operations) * 1_000_000_000 / u128::from(figures.elapsed_nanoseconds.max(1));
        println!(
            "{:12} {:>7} operations, {per_second:>6}/s, {} conflicts, {} unknown, longest {:?}",
            contest.shape.name(),
            figures.operations,
            figures.conflicts,
            figures.unknown,
            Duration::from_micros(figures.longest_nanoseconds / 1000),
        );
    }
    for (operation, outcomes) in &found.figures.outcomes {
        println!("  {operation:24} {outcomes:?}");
    }
    for violation in &found.violations {
        println!("VIOLATION {violation:?}");
    }
    for contest in &found.contests {
        let began = Instant::now();
        let verdict = judge::check(&contest.history, &judge::Options::default());
        println!(
            "{:12} {} operations in {} groups judged in {:.2} s, longest {:.2} s, {} violations, {} undecided",
            contest.shape.name(),
            verdict.operations,
            verdict.groups,
            began.elapsed().as_secs_f64(),
            verdict.longest.as_secs_f64(),
            verdict.violations.len() + verdict.more_violations,
            verdict.undecided.len(),
        );
        for violation in &verdict.violations {
            println!("VIOLATION {:?} {}, explained by {:?}", violation.severity, violation.reason, violation.explained_by);
            for at in &violation.operations {
                println!("  {:?}", contest.history.operations[*at]);
            }
        }
        for undecided in &verdict.undecided {
            println!("UNDECIDED {undecided:?}");
        }
    }
    Ok(())
}
