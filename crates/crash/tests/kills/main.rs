//! `kill -9` at every failpoint of the store and at random, under the races of `holdfast verify`, recovery included.
//!
//! The races go on over all kills of a run, and their whole history must have an order: what was acknowledged is there, what was
//! refused is not, what was under way happened or did not. At the end nothing is staged and `holdfast check` finds nothing. A kill
//! comes after a number of acknowledged requests, not at a time, so a seed repeats it as far as threads allow.
//!
//! HOLDFAST_TEST_KILLS is the number of random kills (default 15; the long run has 1000), HOLDFAST_TEST_SEED repeats a run's
//! choices, HOLDFAST_FAILPOINT_BIN is a server that was built with `--features failpoints`. A history that has no order is kept.

mod corrupt;
mod server;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use holdfast_embedded::FailPoint;
use holdfast_verify::{
    client::{Client, s3},
    judge,
    races::{self, Budget, Contest, Disturb, Failure, Options, Random, Shape},
};
use server::{Server, Started};

const BUCKET: &str = "kills";
const CLIENTS: u32 = 12;
const RANDOM_KILLS: u64 = 15;
/// Histories of more kills than this take long to order.
const KILLS_OF_A_RUN: u64 = 50;
/// Acknowledged requests between two kills, about.
const REQUESTS_BETWEEN: u64 = 60;
/// Starts after which all bytes without a name are reclaimed.
const STARTS_TO_RECLAIM_MAX: usize = 5;
/// How often a point is passed before the server dies there: not at once, so that others are in the middle of something.
const PASSED: u64 = 3;

/// The points that every start passes, in this order.
const IN_RECOVERY: [FailPoint; 5] =
    [FailPoint::BeforeJournal, FailPoint::JournalCopied, FailPoint::JournalDurable, FailPoint::RecordsReplayed, FailPoint::RecordsOpened];
/// Passed by a start that finds blobs which no record names.
const IN_RECLAIMING: [FailPoint; 2] = [FailPoint::BeforeReclaim, FailPoint::Reclaimed];

/// One kill, and where the starts after it die.
#[derive(Clone, Debug)]
struct Kill {
    /// `None` is from outside, at once.
    at: Option<(FailPoint, u64)>,
    then: Vec<FailPoint>,
}

/// Every failpoint once, those of a serving store `passed` times before.
fn every_failpoint(passed: u64) -> Vec<Kill> {
    let elsewhere =
        |point: &FailPoint| !IN_RECOVERY.contains(point) && !IN_RECLAIMING.contains(point) && *point != FailPoint::FolderCreated;
    let times = |point| if point == FailPoint::Closing { 1 } else { passed };
    let serving = FailPoint::ALL.iter().copied().filter(elsewhere).map(|point| Kill { at: Some((point, times(point))), then: Vec::new() });
    let recovering = IN_RECOVERY.into_iter().map(|point| Kill { at: None, then: vec![point] });
    // Whoever dies with a sealed blob leaves one that is not named.
    let sealed = Some((FailPoint::BlobSealed, 1));
    let reclaiming = IN_RECLAIMING.into_iter().map(|point| Kill { at: sealed, then: vec![point] });
    serving.chain(recovering).chain(reclaiming).collect()
}

/// Kills from outside; every third start after one dies too.
fn at_random(kills: u64, random: &mut Random) -> Vec<Kill> {
    let mut plan = Vec::new();
    let mut left = kills;
    while left > 0 {
        let dies = left > 1 && random.chance(33);
        let then = dies.then(|| IN_RECOVERY[random.below(IN_RECOVERY.len() as u64) as usize]);
        left -= 1 + u64::from(dies);
        plan.push(Kill { at: None, then: then.into_iter().collect() });
    }
    plan
}

/// The server, and what is still to befall it.
struct Killer {
    state: Mutex<State>,
}

struct State {
    server: Server,
    plan: VecDeque<Kill>,
    now: Option<Kill>,
    kills: u64,
    slowest_start: Duration,
}

impl State {
    fn next(&self) -> Option<(FailPoint, u64)> {
        self.plan.front().and_then(|kill| kill.at)
    }

    fn strike(&mut self) -> Instant {
        let kill = self.plan.pop_front().unwrap_or(Kill { at: None, then: Vec::new() });
        match kill.at {
            None => self.server.kill(),
            Some((point, _)) => {
                self.server.arm();
                if point == FailPoint::Closing {
                    self.server.terminate();
                }
                self.server.wait_for_death(point);
            }
        }
        self.kills += 1;
        self.now = Some(kill);
        Instant::now()
    }

    fn heal(&mut self) {
        let kill = self.now.take().expect("a strike before");
        for point in kill.then {
            if self.server.start(Some((point, 1)), true) == Started::Ready {
                self.server.wait_for_death(point);
            }
            self.kills += 1;
        }
        let (next, since) = (self.next(), Instant::now());
        assert_eq!(self.server.start(next, false), Started::Ready, "it died before it was told to");
        self.slowest_start = self.slowest_start.max(since.elapsed());
    }
}

impl Killer {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Disturb for Killer {
    fn strike(&self) -> BoxFuture<'_, Result<Option<Instant>, Failure>> {
        // The clients must go on meanwhile.
        Box::pin(async { Ok(Some(tokio::task::block_in_place(|| self.state().strike()))) })
    }

    fn heal(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async {
            tokio::task::block_in_place(|| self.state().heal());
            Ok(())
        })
    }
}

struct Run {
    seed: u64,
    killer: Killer,
    operations: usize,
    longest_check: Duration,
}

impl Run {
    async fn begin(seed: u64) -> Self {
        println!("seed {seed}");
        let mut server = Server::new();
        // A first start that is cut short leaves nothing that the next one minds.
        assert_eq!(server.start(Some((FailPoint::FolderCreated, 1)), true), Started::Dead);
        assert_eq!(server.start(None, false), Started::Ready);
        let created = Client::new(Arc::new(server.target()), 0).send(&s3::create_bucket(BUCKET, "us-east-1")).await.expect("an answer");
        assert!(created.is_success(), "{}", created.in_short());
        server.kill();
        let state = State { server, plan: VecDeque::new(), now: None, kills: 2, slowest_start: Duration::ZERO };
        Self { seed, killer: Killer { state: Mutex::new(state) }, operations: 0, longest_check: Duration::ZERO }
    }

    /// Races of this shape over all kills of the plan.
    async fn race(&mut self, shape: Shape, number: u64, plan: Vec<Kill>) {
        let target = {
            let mut state = self.killer.state();
            state.plan = plan.into();
            let next = state.next();
            assert_eq!(state.server.start(next, false), Started::Ready);
            Arc::new(state.server.target())
        };
        let (mut again, mut left) = (0, u64::MAX);
        loop {
            let kills = self.killer.state().plan.len() as u64;
            if kills == 0 {
                break;
            }
            assert!(kills < left, "a race had no kill");
            (again, left) = (again + 1, kills);
            // Waiting for a failpoint takes some of the budget; then there is another race.
            let options = Options {
                clients: CLIENTS,
                budget: Budget::Operations((kills + 1) * REQUESTS_BETWEEN),
                shapes: vec![shape],
                definite_503: true,
                disturb_every: REQUESTS_BETWEEN,
                ..Options::new(BUCKET, &format!("{number}/{again}/"), self.seed + number)
            };
            let found = races::run_disturbed(&target, &options, Some(&self.killer), |_| {}).await.expect("the races go on");
            assert!(found.violations.is_empty(), "seed {}, {}: {:#?}", self.seed, shape.name(), found.violations);
            for contest in &found.contests {
                self.judge(contest);
            }
        }
        // The last kill of the race comes while the collector has much to do.
        Client::new(target, 0).remove_all(BUCKET, &format!("{number}/")).await.expect("the objects are deleted");
        let mut state = self.killer.state();
        state.server.kill();
        state.server.assert_checked();
    }

    fn judge(&mut self, contest: &Contest) {
        let since = Instant::now();
        let verdict = judge::check(&contest.history, &judge::Options::default());
        self.longest_check = self.longest_check.max(since.elapsed());
        self.operations += verdict.operations;
        if !verdict.is_linearizable() {
            let path = std::env::temp_dir().join(format!("holdfast-kills-{}-{}.json", self.seed, contest.shape.name()));
            std::fs::write(&path, serde_json::to_vec(&contest.history).expect("a history is JSON")).expect("the history is kept");
            let (violations, undecided) = (&verdict.violations, &verdict.undecided);
            panic!("seed {}: the history in {} has no order:\n{violations:#?}\n{undecided:#?}", self.seed, path.display());
        }
    }

    /// Nothing stays behind.
    async fn end(self) {
        let State { mut server, kills, slowest_start, .. } = self.killer.state.into_inner().expect("no panic");
        assert_eq!(server.start(None, false), Started::Ready);
        let mut client = Client::new(Arc::new(server.target()), 0);
        for (key, upload) in client.list_uploads(BUCKET, "").await.expect("a listing") {
            client.send(&s3::abort_upload(BUCKET, &key, &upload)).await.expect("an answer");
        }
        server.wait_until("nothing is staged", |server| server.metric("holdfast_staged_bytes") == Some(0.0));
        server.stop();
        // A start reclaims in the background, and may be stopped before it is done.
        let mut counted = server.assert_checked();
        for _ in 0..STARTS_TO_RECLAIM_MAX {
            if counted.contains(" 0 unnamed blobs ") {
                break;
            }
            assert_eq!(server.start(None, false), Started::Ready);
            server.stop();
            counted = server.assert_checked();
        }
        assert!(counted.contains(" 0 unnamed blobs "), "seed {}: bytes stay behind: {counted}", self.seed);
        println!(
            "seed {}: {kills} kills, {} operations in order, slowest start {slowest_start:?}, longest check {:?}",
            self.seed, self.operations, self.longest_check
        );
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    number("HOLDFAST_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_every_failpoint_loses_nothing_and_shows_nothing_refused() {
    let mut run = Run::begin(seed()).await;
    run.race(Shape::Mixed, 0, every_failpoint(PASSED)).await;
    if number("HOLDFAST_TEST_KILLS").is_some() {
        for (n, passed) in [1, 2, 10, 50].into_iter().enumerate() {
            run.race(Shape::Wide, 1 + n as u64, every_failpoint(passed)).await;
        }
    }
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn kills_at_random_moments_lose_nothing_and_show_nothing_refused() {
    const SHAPES: [Shape; 6] = [Shape::Mixed, Shape::Wide, Shape::RenameRing, Shape::Create, Shape::Complete, Shape::Promote];
    let kills = number("HOLDFAST_TEST_KILLS").unwrap_or(RANDOM_KILLS);
    let mut run = Run::begin(seed()).await;
    let mut random = Random::new(run.seed, 0, 0);
    for (n, from) in (0..kills).step_by(KILLS_OF_A_RUN as usize).enumerate() {
        let plan = at_random(KILLS_OF_A_RUN.min(kills - from), &mut random);
        run.race(SHAPES[n % SHAPES.len()], n as u64, plan).await;
    }
    run.end().await;
}
