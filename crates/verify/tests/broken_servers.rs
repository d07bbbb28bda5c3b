//! The checker proves that it can fail: each wrong server is caught within a stated number of operations, and a right one is not accused.

mod broken;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use broken::{Server, fault::Fault};
use futures_util::{FutureExt, future::BoxFuture};
use holdfast_verify::{
    client::{Client, Credentials, Target, s3},
    conformance::{self, Presence},
    history::{History, Outcome, Request},
    judge,
    races::{self, Bodies, Budget, Contest, Disturb, Failure, Found, Options},
};

const BUCKET: &str = "race";

/// `kill -9` of a server in memory.
struct Kill(Server);

impl Disturb for Kill {
    fn strike(&self) -> BoxFuture<'_, Result<Option<Instant>, Failure>> {
        async {
            self.0.kill().await;
            Ok(Some(Instant::now()))
        }
        .boxed()
    }

    fn heal(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async {
            self.0.restart().await;
            Ok(())
        }
        .boxed()
    }
}

async fn target(server: &Server) -> Arc<Target> {
    let credentials = Credentials { access_key: "key".into(), secret_key: "secret".into(), session_token: None };
    let target = Target::with_credentials(&server.urls(), false, credentials, "us-east-1".into(), None).expect("URLs of the loopback");
    let target = Arc::new(target);
    Client::new(target.clone(), 0).must("creating the bucket", &s3::create_bucket(BUCKET, "us-east-1")).await.expect("a bucket");
    target
}

fn options(seed: u64, operations: u64) -> Options {
    let bodies = Bodies {
        small_bytes_max: 256,
        medium_bytes: 2048,
        slow_bytes: 64 << 10,
        slow_pieces: 4,
        rivals_per_piece: 10,
        first_part_bytes: 4096,
    };
    Options { clients: 8, budget: Budget::Operations(operations), bodies, disturb_every: 60, ..Options::new(BUCKET, "", seed) }
}

async fn race(fault: Fault, options: &Options) -> Found {
    let kill = Kill(Server::start(fault, 2).await);
    let target = target(&kill.0).await;
    races::run_disturbed(&target, options, Some(&kill), |_| {}).await.expect("a run to its end")
}

/// Why a server is wrong.
struct Accusation {
    by: String,
    /// Operations that had been sent when it could be known.
    after: u64,
    /// Operations of the least part of the history that proves it.
    proof: usize,
}

/// What the run says against the server, and how early it could have said so.
fn accuse(found: &Found) -> Option<Accusation> {
    let mut before = 0;
    for contest in &found.contests {
        let seen = found.violations.iter().find(|violation| violation.shape == contest.shape).map(|violation| {
            let earlier = contest.history.operations.iter().filter(|operation| operation.called <= violation.called).count();
            Accusation { by: format!("races: {:?}", violation.kind), after: before + earlier as u64, proof: 1 }
        });
        let judged = judge(contest).map(|accusation| Accusation { after: before + accusation.after, ..accusation });
        if let Some(first) = seen.into_iter().chain(judged).min_by_key(|accusation| accusation.after) {
            return Some(first);
        }
        before += contest.figures.operations;
    }
    None
}

fn judge(contest: &Contest) -> Option<Accusation> {
    let options = judge::Options { shrink_time_max: Duration::from_millis(200), violations_max: 1, ..judge::Options::default() };
    let history = &contest.history;
    let verdict = judge::check(history, &options);
    let first = verdict.violations.first()?;
    let accuses = |count: usize| {
        let verdict = judge::check(&beginning(history, count), &judge::Options { violations_max: 0, ..options });
        verdict.violations.len() + verdict.more_violations > 0
    };
    // The beginning of a history that no order explains stays one when more is added.
    let (mut innocent, mut guilty) = (0, history.operations.len());
    while innocent + 1 < guilty {
        let middle = usize::midpoint(innocent, guilty);
        if accuses(middle) {
            guilty = middle;
        } else {
            innocent = middle;
        }
    }
    let by = format!("judge, in {}: {}", contest.shape.name(), first.reason);
    Some(Accusation { by, after: guilty as u64, proof: first.operations.len() })
}

/// The first so many operations; what was answered only after the next was called is not known yet.
fn beginning(history: &History, count: usize) -> History {
    let end = history.operations.get(count).map_or(u64::MAX, |next| next.called);
    let mut operations = history.operations[..count].to_vec();
    for operation in operations.iter_mut().filter(|o| o.outcome != Outcome::Unknown && o.returned.is_some_and(|moment| moment > end)) {
        operation.outcome = Outcome::Unknown;
        operation.returned = None;
    }
    operations.retain(|o| o.outcome != Outcome::Unknown || !matches!(o.request, Request::Get { .. } | Request::Head { .. }));
    History { operations, ..history.clone() }
}

/// Rows of the contract that the server does not keep.
async fn deviations(fault: Fault) -> Vec<String> {
    let server = Server::start(fault, 2).await;
    let target = target(&server).await;
    let found = conformance::check(&target, BUCKET, "rows/", 4, |_, _| {}).await.expect("plain writes and reads");
    // Also where it is no promise of S3, only of Holdfast: a part that is taken and not honoured is told.
    let ignored = found.parts.iter().filter(|probed| probed.presence == Presence::Ignored);
    let ignored = ignored.map(|probed| format!("{}: ignored, {}", probed.part.name(), probed.came));
    found.deviations().iter().map(|(row, severity)| format!("{}: {} ({severity:?})", row.id, row.came)).chain(ignored).collect()
}

/// Each wrong server, and a number of operations within which a run of races over all contests catches it; 0: conformance does.
///
/// Three times of what the slowest of twenty seeds needed, or more.
const BOUNDS: &[(Fault, u64)] = &[(Fault::CheckBeforeBody, 600)];

fn seed() -> u64 {
    std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[tokio::test]
async fn measure() {
    let budget = std::env::var("N").unwrap().parse().unwrap();
    for fault in Fault::WRONG {
        let mut needed = Vec::new();
        let mut last = None;
        for seed in 1..=10 {
            let accusation = accuse(&race(*fault, &options(seed, budget)).await);
            needed.push(accusation.as_ref().map_or(-1, |a| a.after as i64));
            last = accusation.or(last);
        }
        needed.sort();
        let last = last.map(|a| format!("{} ({})", a.by.chars().take(60).collect::<String>(), a.proof)).unwrap_or_default();
        println!("{:40} {needed:?} {last}", fault.name());
    }
}

#[tokio::test]
async fn conforms() {
    for fault in [Fault::None, Fault::PresignedIgnores] {
        println!("{fault:?}: {:#?}", deviations(fault).await);
    }
}
