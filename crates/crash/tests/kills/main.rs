//! `kill -9` at every failpoint of the store and at random, under concurrent conditional writes, recovery included.
//!
//! After each kill the server starts again on the same folder and everything is read: what was acknowledged is there, what was refused
//! is not, what was under way is there or not. At the end nothing is staged and `holdfast check` finds nothing. A kill comes after a
//! number of acknowledged requests, not at a time, so a seed repeats it as far as threads allow.
//!
//! HOLDFAST_TEST_KILLS is the number of kills of both tests together (default 15 at random; the long run has 1000),
//! HOLDFAST_TEST_SEED repeats a run's choices, HOLDFAST_FAILPOINT_BIN is a server that was built with `--features failpoints`.

mod server;
mod writers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use holdfast_embedded::FailPoint;
use holdfast_verify::client::{Client, s3};
use server::{Death, Server, Started};
use writers::{BUCKET, Chance, Contest, Writer};

const WRITERS: usize = 8;
const RANDOM_KILLS: usize = 15;
/// Requests after which a failpoint counts as not reachable.
const REQUESTS_MAX: u64 = 6000;
const ACKNOWLEDGED_BEFORE_KILL_MAX: usize = 400;
const POLL: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_secs(120);

/// Where it dies before it is ready, when the folder is as a kill leaves it.
const IN_RECOVERY: [FailPoint; 5] =
    [FailPoint::BeforeJournal, FailPoint::JournalCopied, FailPoint::JournalDurable, FailPoint::RecordsReplayed, FailPoint::RecordsOpened];

/// Passed once, or not often for certain, in the life of a server.
const ONCE: [FailPoint; 3] = [FailPoint::BeforeReclaim, FailPoint::Reclaimed, FailPoint::Closing];

struct Run {
    seed: u64,
    chance: Chance,
    server: Server,
    writers: Vec<Writer>,
    acknowledged: Arc<AtomicU64>,
    contests: usize,
    kills: usize,
    slowest_start: Duration,
}

impl Run {
    async fn begin(seed: u64) -> Self {
        let mut server = Server::new();
        // A first start that is cut short leaves nothing that the next one minds.
        assert_eq!(server.start(Some((FailPoint::FolderCreated, 1))), Started::Dead);
        assert_eq!(server.start(None), Started::Ready);
        let (target, acknowledged) = (Arc::new(server.target()), Arc::new(AtomicU64::new(0)));
        let created = Client::new(Arc::clone(&target), 0).send(&s3::create_bucket(BUCKET, "us-east-1")).await.expect("an answer");
        assert!(created.is_success(), "{}", created.in_short());
        let writers = (0..WRITERS).map(|n| Writer::new(n, seed, &target, &acknowledged)).collect();
        server.kill();
        let chance = Chance::new(seed);
        Self { seed, chance, server, writers, acknowledged, contests: 0, kills: 2, slowest_start: Duration::ZERO }
    }

    /// Starts the server, to die at `death`, or to be killed after `requests`. Ends with the folder read by a server that is up.
    async fn life(&mut self, death: Option<Death>, requests: u64) {
        let contest = Contest::new(self.contests);
        self.contests += 1;
        if self.server.start(death) == Started::Ready {
            self.write_until_dead(&contest, death, requests).await;
        }
        self.kills += 1;
        let since = Instant::now();
        assert_eq!(self.server.start(None), Started::Ready);
        self.slowest_start = self.slowest_start.max(since.elapsed());
        for writer in &mut self.writers {
            writer.verify().await;
        }
        let mut client = Client::new(Arc::new(self.server.target()), 0);
        contest.verify(&mut client, self.seed).await;
        self.server.kill();
    }

    async fn write_until_dead(&mut self, contest: &Contest, death: Option<Death>, requests: u64) {
        let until = self.acknowledged.load(Relaxed) + requests;
        let (acknowledged, server, seed) = (&self.acknowledged, &mut self.server, self.seed);
        let kill = async {
            let (mut told, since) = (false, Instant::now());
            while !server.is_dead() {
                assert!(since.elapsed() < LONGEST, "seed {seed}: {death:?} was not reached:\n{}", server.last_lines());
                if acknowledged.load(Relaxed) >= until {
                    match death {
                        None => return server.kill(),
                        Some((FailPoint::Closing, _)) if !told => {
                            server.terminate();
                            told = true;
                        }
                        Some((FailPoint::Closing, _)) => {}
                        Some(death) => panic!("seed {seed}: {death:?} was not reached by {requests} requests"),
                    }
                }
                tokio::time::sleep(POLL).await;
            }
            server.died();
        };
        let write = futures_util::future::join_all(self.writers.iter_mut().map(|writer| writer.run(contest)));
        tokio::join!(kill, write);
    }

    /// Dies at the point, having been brought to where the point is reached.
    async fn die_at(&mut self, (point, count): Death) {
        let requests = if point == FailPoint::Closing { 100 } else { REQUESTS_MAX };
        if matches!(point, FailPoint::BeforeReclaim | FailPoint::Reclaimed) {
            self.leave_unnamed(count).await;
        }
        self.life(Some((point, count)), requests).await;
    }

    /// Leaves blobs that no record names.
    async fn leave_unnamed(&mut self, blobs: u64) {
        for _ in 0..blobs {
            let contest = Contest::new(self.contests);
            self.contests += 1;
            assert_eq!(self.server.start(Some((FailPoint::BlobSealed, 1))), Started::Ready);
            self.write_until_dead(&contest, Some((FailPoint::BlobSealed, 1)), REQUESTS_MAX).await;
            self.kills += 1;
        }
    }

    /// Nothing stays behind.
    async fn end(mut self) {
        assert_eq!(self.server.start(None), Started::Ready);
        let mut client = Client::new(Arc::new(self.server.target()), 0);
        for (key, upload) in client.list_uploads(BUCKET, "").await.expect("a listing") {
            client.send(&s3::abort_upload(BUCKET, &key, &upload)).await.expect("an answer");
        }
        let mut there = 0;
        for writer in &mut self.writers {
            there += writer.verify().await;
        }
        self.server.wait_until("nothing is staged", |server| server.metric("holdfast_staged_bytes") == Some(0.0));
        self.server.stop();
        self.server.assert_checked();
        println!(
            "seed {}: {} kills, {} requests acknowledged, {there} objects at the end, slowest start {:?}",
            self.seed,
            self.kills,
            self.acknowledged.load(Relaxed),
            self.slowest_start
        );
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    number("HOLDFAST_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_every_failpoint_loses_nothing_and_shows_nothing_refused() {
    let counts: &[u64] = if number("HOLDFAST_TEST_KILLS").is_some() { &[1, 2, 6, 30] } else { &[6] };
    let mut run = Run::begin(seed()).await;
    for count in counts {
        for point in FailPoint::ALL.iter().filter(|point| **point != FailPoint::FolderCreated) {
            let once = IN_RECOVERY.contains(point) || ONCE.contains(point);
            run.die_at((*point, if once { 1 } else { *count })).await;
        }
        run.server.assert_checked();
    }
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_nothing_and_show_nothing_refused() {
    let kills = number("HOLDFAST_TEST_KILLS").map_or(RANDOM_KILLS, |kills| kills as usize);
    let mut run = Run::begin(seed()).await;
    while run.kills < kills {
        let requests = 1 + run.chance.below(ACKNOWLEDGED_BEFORE_KILL_MAX) as u64;
        run.life(None, requests).await;
        if run.chance.below(4) == 0 {
            let point = IN_RECOVERY[run.chance.below(IN_RECOVERY.len())];
            run.life(Some((point, 1)), 0).await;
        }
        if run.kills.is_multiple_of(10) {
            run.server.assert_checked();
        }
    }
    run.end().await;
}
