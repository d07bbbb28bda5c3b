//! Races: many clients send writes with and without conditions to few keys and to many, and write down what came.
//!
//! Everything is drawn from one seed; what a client does depends on its own numbers and on what it learned, never on the clock. What
//! came is evidence, not a verdict: the judge orders it. Only what no order could excuse is called a violation here.

mod answers;
mod create;
mod disturb;
mod listing;
mod options;
mod payload;
mod phase;
mod random;
mod shapes;
mod worker;

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::task::JoinSet;

pub use disturb::{Disturb, Failure};
pub use options::{Able, Bodies, Budget, Contest, Figures, Found, Options, Progress, Shape, Violation, ViolationKind};
pub use payload::{CONTENT_HEADER, Torn, body, content_of};
pub use random::Random;
pub use worker::Gone;

use crate::client::Target;
use disturb::Outage;
use phase::Phase;
use worker::Worker;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The endpoint takes no requests any more.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// A disturbance could not be done.
    #[error("the disturbance failed: {0}")]
    Disturbance(#[source] Failure),
    /// A client of ours panicked.
    #[error("a client of the checker broke: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Runs the contests one after the other.
///
/// # Errors
/// The endpoint is gone.
pub async fn run(target: &Arc<Target>, options: &Options, progress: impl FnMut(Progress)) -> Result<Found, Stopped> {
    run_disturbed(target, options, None, progress).await
}

/// Like [`run`], while something befalls the endpoint every now and then.
///
/// # Errors
/// The endpoint is gone, or the disturbance failed.
pub async fn run_disturbed(
    target: &Arc<Target>,
    options: &Options,
    disturb: Option<&dyn Disturb>,
    mut progress: impl FnMut(Progress),
) -> Result<Found, Stopped> {
    let mut found = Found::default();
    for (number, shape) in options.shapes.iter().enumerate() {
        let phase = Arc::new(Phase::new(*shape, number as u64, target.clone(), options.clone()));
        let (contest, violations) = contest(&phase, disturb, &mut progress).await?;
        found.figures.add(&contest.figures);
        found.violations.extend(violations);
        found.contests.push(contest);
    }
    Ok(found)
}

/// What befell the endpoint in a phase.
#[derive(Default)]
struct Strikes {
    count: u64,
    outages: Vec<Outage>,
}

async fn contest(
    phase: &Arc<Phase>,
    disturb: Option<&dyn Disturb>,
    progress: &mut impl FnMut(Progress),
) -> Result<(Contest, Vec<Violation>), Stopped> {
    let ground = Arc::new(shapes::Ground::of(phase));
    let mut running = JoinSet::new();
    for id in 0..phase.options.clients {
        running.spawn(shapes::run(Worker::new(phase.clone(), id), ground.clone()));
    }
    let mut strikes = Strikes::default();
    let mut workers = Vec::new();
    {
        let mut disturbing = pin!(disturb_now_and_then(phase, disturb, &mut strikes));
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        loop {
            tokio::select! {
                ended = running.join_next() => {
                    let Some(ended) = ended else { break };
                    workers.push(ended??);
                    // The slow have fewer rivals now, and in the end none.
                    phase.tide.ebb();
                }
                failed = &mut disturbing => return Err(Stopped::Disturbance(failed)),
                _ = ticks.tick() => progress(now(phase)),
            }
        }
        // A disturbance that began with the last answer is brought to its end.
        tokio::select! {
            failed = &mut disturbing => return Err(Stopped::Disturbance(failed)),
            () = phase.calm() => {}
        }
    }
    let mut last = Worker::new(phase.clone(), phase.options.clients);
    shapes::look_again(&mut last).await?;
    workers.push(last);
    progress(Progress { done: 1.0, ..now(phase) });
    Ok(collect(phase, workers, &strikes))
}

fn now(phase: &Phase) -> Progress {
    let operations = phase.tide.acknowledged();
    let done = phase.used(operations / u64::from(phase.options.clients.max(1))).min(1.0);
    Progress { shape: phase.shape, phase: phase.number as usize, phases: phase.options.shapes.len(), done, operations }
}

fn collect(phase: &Phase, workers: Vec<Worker>, strikes: &Strikes) -> (Contest, Vec<Violation>) {
    let mut figures = Figures { disturbances: strikes.count, elapsed_nanoseconds: phase.now(), ..Figures::default() };
    let (mut operations, mut violations) = (Vec::new(), Vec::new());
    for worker in workers {
        figures.add(&worker.figures);
        operations.extend(worker.log);
        violations.extend(worker.violations);
    }
    operations.sort_by_key(|operation| operation.called);
    violations.sort_by_key(|violation| violation.called);
    (Contest { shape: phase.shape, history: phase.history(operations, &strikes.outages), figures }, violations)
}

/// Ends only when a disturbance fails; it is dropped between two disturbances, when all clients have ended.
async fn disturb_now_and_then(phase: &Phase, disturb: Option<&dyn Disturb>, strikes: &mut Strikes) -> Failure {
    let Some(disturb) = disturb else { return std::future::pending().await };
    let mut random = Random::new(phase.options.seed, phase.number, u64::MAX);
    let every = phase.options.disturb_every.max(2);
    loop {
        phase.tide.wait_for(every / 2 + random.below(every)).await;
        match strike(phase, disturb).await {
            Ok(outage) => {
                strikes.count += 1;
                strikes.outages.extend(outage);
            }
            Err(failure) => return failure,
        }
    }
}

async fn strike(phase: &Phase, disturb: &dyn Disturb) -> Result<Option<Outage>, Failure> {
    phase.strikes(true);
    let dead = disturb.strike().await?;
    // Nobody may wait for a rival who waits at the gate.
    phase.tide.ebb();
    let closed = phase.gate.write().await;
    let healed = phase.now();
    disturb.heal().await?;
    phase.tide.turn();
    drop(closed);
    phase.strikes(false);
    Ok(dead.map(|moment| Outage { dead: phase.nanoseconds(moment), healed }))
}
