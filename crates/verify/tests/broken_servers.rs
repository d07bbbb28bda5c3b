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

/// The same, but it ends with the first contest that has something to say against the server.
async fn race_until_accused(fault: Fault, options: &Options) -> Option<Accusation> {
    let kill = Kill(Server::start(fault, 2).await);
    let target = target(&kill.0).await;
    let Budget::Operations(all) = options.budget else { panic!("tests count operations") };
    let mut before = 0;
    for shape in &options.shapes {
        let budget = Budget::Operations(all / options.shapes.len() as u64);
        let options = Options { shapes: vec![*shape], budget, ..options.clone() };
        let found = races::run_disturbed(&target, &options, Some(&kill), |_| {}).await.expect("a run to its end");
        if let Some(accusation) = accuse(&found) {
            return Some(Accusation { after: before + accusation.after, ..accusation });
        }
        before += found.figures.operations;
    }
    None
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
            Accusation { by: format!("races, in {}: {}", contest.shape.name(), violation.what), after: before + earlier as u64, proof: 1 }
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
    // A table that is kept is worth a longer search for the least proof.
    let shrink_time_max = Duration::from_millis(if std::env::var_os("HOLDFAST_PROOF_DIR").is_some() { 3000 } else { 200 });
    let history = &contest.history;
    let accuses = |count: usize| {
        let verdict = judge::check(&beginning(history, count), &judge::Options { violations_max: 0, ..judge::Options::default() });
        verdict.violations.len() + verdict.more_violations > 0
    };
    // The beginning of a history that no order explains stays one when more is added.
    let (mut innocent, mut guilty) = (0, history.operations.len());
    if !accuses(guilty) {
        return None;
    }
    while innocent + 1 < guilty {
        let middle = usize::midpoint(innocent, guilty);
        if accuses(middle) {
            guilty = middle;
        } else {
            innocent = middle;
        }
    }
    let options = judge::Options { shrink_time_max, violations_max: 1, ..judge::Options::default() };
    let verdict = judge::check(&beginning(history, guilty), &options);
    let first = verdict.violations.first().expect("it was accused a moment ago");
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

/// Each wrong server, and a number of operations: a run of races of so many, shared by all contests, catches it. None: the rows of the
/// contract catch it. Chosen from runs with twenty seeds, with room.
const BOUNDS: &[(Fault, Option<u64>)] = &[
    (Fault::CheckBeforeBody, Some(900)),
    (Fault::CheckWithoutLock, Some(900)),
    (Fault::CompleteWithoutLock, Some(4000)),
    (Fault::RefusalLeavesMetadata, Some(900)),
    (Fault::RefusalLeavesBody, Some(900)),
    (Fault::RenameHidesBoth, Some(3000)),
    (Fault::RenameShowsBoth, Some(3000)),
    (Fault::RenameLoses, Some(6000)),
    (Fault::RenameIgnoresDestination, Some(3000)),
    (Fault::IgnoresIfNoneMatch, Some(900)),
    (Fault::IgnoresIfMatch, Some(900)),
    (Fault::CompleteIgnores, Some(900)),
    (Fault::CopyIgnores, Some(3000)),
    (Fault::CopyIgnoresSource, Some(4000)),
    (Fault::DeleteIgnores, Some(2000)),
    (Fault::PresignedIgnores, None),
    (Fault::TornRead, Some(900)),
    (Fault::NewBodyOldEtag, Some(900)),
    (Fault::StaleRead, Some(900)),
    (Fault::StaleReplica, Some(900)),
    (Fault::StaleListing, Some(900)),
    (Fault::AckBeforeDurable, Some(3000)),
    (Fault::RefusalBeforeDurable, Some(5000)),
    (Fault::CompletedElsewhere, Some(6000)),
    (Fault::AppliedTwice, Some(5000)),
    (Fault::DeleteUndone, Some(2000)),
    (Fault::WriteDropped, Some(900)),
];

/// From this seed on. Printed with every row, so that a run can be had again.
fn first_seed() -> u64 {
    number("HOLDFAST_SEED").unwrap_or(1)
}

fn seeds(usually: u64) -> std::ops::Range<u64> {
    first_seed()..first_seed() + number("HOLDFAST_SEEDS").unwrap_or(usually)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|value| value.parse().ok())
}

/// What all seeds found out about one wrong server.
struct Caught {
    fault: Fault,
    bound: Option<u64>,
    accusations: Vec<Accusation>,
    /// Seeds for which it went unnoticed.
    missed: Vec<u64>,
}

impl Caught {
    async fn of(fault: Fault, bound: Option<u64>) -> Self {
        let mut caught = Self { fault, bound, accusations: Vec::new(), missed: Vec::new() };
        for seed in seeds(1) {
            let accusation = match bound {
                Some(operations) => {
                    let accusation = race_until_accused(fault, &options(seed, operations)).await;
                    accusation.filter(|accusation| accusation.after <= operations)
                }
                None => deviations(fault).await.into_iter().next().map(|by| Accusation { by: format!("rows: {by}"), after: 0, proof: 1 }),
            };
            match accusation {
                Some(accusation) => caught.accusations.push(accusation),
                None => caught.missed.push(seed),
            }
        }
        caught.accusations.sort_by_key(|accusation| accusation.after);
        caught
    }

    fn row(&self) -> String {
        let bound = self.bound.map_or("a try of each row".to_owned(), |bound| bound.to_string());
        let Some(median) = self.accusations.get(self.accusations.len() / 2) else {
            return format!("| {} | **nothing**, seeds {:?} | | {bound} | |", self.fault.name(), self.missed);
        };
        let latest = self.accusations.last().map_or(0, |accusation| accusation.after);
        let by: String = median.by.replace('|', "/").chars().take(110).collect();
        format!("| {} | {by} | {}, at most {latest} | {bound} | {} |", self.fault.name(), median.after, median.proof)
    }
}

#[tokio::test]
async fn every_wrong_server_is_caught_within_its_bound() {
    let mut rows = vec![
        "| what is wrong | caught by | after how many operations (median of the seeds, and the latest) | bound | operations in the proof |"
            .to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let mut missed = Vec::new();
    for (fault, bound) in BOUNDS {
        let caught = Caught::of(*fault, *bound).await;
        println!("{}", caught.row());
        rows.push(caught.row());
        missed.extend(caught.missed.iter().map(|seed| format!("{} with HOLDFAST_SEED={seed}", fault.name())));
    }
    let text = format!("Seeds {:?}.\n\n{}\n", seeds(1), rows.join("\n"));
    if let Some(directory) = std::env::var_os("HOLDFAST_PROOF_DIR") {
        std::fs::write(std::path::Path::new(&directory).join("broken-servers.md"), &text).expect("the directory is there");
    }
    assert!(missed.is_empty(), "went unnoticed: {missed:?}");
}

#[test]
fn every_wrong_server_has_a_bound() {
    let bounded: Vec<Fault> = BOUNDS.iter().map(|(fault, _)| *fault).collect();
    assert_eq!(bounded, Fault::WRONG);
}

#[tokio::test]
async fn a_right_server_is_not_accused() {
    for seed in seeds(1) {
        for fault in [Fault::None, Fault::Moody] {
            let found = race(fault, &options(seed, 6000)).await;
            let accusation = accuse(&found).map(|accusation| accusation.by);
            assert_eq!(accusation, None, "{} with HOLDFAST_SEED={seed}", fault.name());
            let judged = found.contests.iter().map(|contest| judge::check(&contest.history, &judge::Options::default()));
            let undecided: Vec<_> = judged.flat_map(|verdict| verdict.undecided).collect();
            assert_eq!(undecided, [], "{} with HOLDFAST_SEED={seed}", fault.name());
            let figures = &found.figures;
            println!("{}, seed {seed}: {} operations, {} disturbances", fault.name(), figures.operations, figures.disturbances);
            assert!(figures.operations >= 5000 && figures.disturbances > 20, "it was raced and disturbed: {figures:?}");
        }
    }
}

#[tokio::test]
async fn a_right_server_keeps_the_rows() {
    assert_eq!(deviations(Fault::None).await, Vec::<String>::new());
}

/// Without a good share of each, the races would show little.
#[tokio::test]
async fn conditions_hold_and_fail_in_good_shares() {
    let found = race(Fault::None, &options(first_seed(), 3000)).await;
    for operation in ["PutObject", "CompleteMultipartUpload", "CopyObject", "RenameObject", "DeleteObject"] {
        let outcomes = &found.figures.outcomes[operation];
        let all: u64 = outcomes.values().sum();
        let share = |names: &[&str]| names.iter().filter_map(|name| outcomes.get(*name)).sum::<u64>() * 100 / all;
        let (done, not) = (share(&["written", "deleted"]), share(&["412", "409", "missing"]));
        assert!(done >= 20 && not >= 10, "{operation}: {done} % done, {not} % not: {outcomes:?}");
    }
}
