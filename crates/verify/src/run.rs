//! A run from its bucket to its report: probes, rows, races, judgement; and what it made is removed, however it ends.

mod bucket;
mod disturb;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::s3::Trouble;
use crate::client::{Client, Target};
use crate::conformance::{self, Part, Parts};
use crate::history::History;
use crate::judge::{self, Promises};
use crate::races::{self, Able, Budget, Contest, Shape};
use crate::report::{Judged, Races, Report};
use bucket::Place;
use disturb::Command;

/// A part of the work, when not all of it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// The rows of the contract.
    Conformance,
    /// Races and their judgement.
    Races,
}

/// What to do.
#[derive(Clone)]
pub struct Options {
    /// Where.
    pub target: Arc<Target>,
    /// An existing bucket, or one to make; None: one of our own.
    pub bucket: Option<String>,
    /// The seed of the races.
    pub seed: u64,
    /// How long the races take in all.
    pub duration: Duration,
    /// How many clients race.
    pub clients: u32,
    /// None: everything.
    pub only: Option<Only>,
    /// A shell command that takes the endpoint away and brings it back, and after about how many acknowledged operations it is run.
    pub disturb: Option<(String, u64)>,
}

/// Where a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub phase: String,
    /// How much of it is done: 0 to 1.
    pub done: f64,
    /// Figures.
    pub note: String,
}

/// What was done and found.
pub struct Done {
    /// For people and machines.
    pub report: Report,
    /// What was asked and answered in each race.
    pub histories: Vec<(String, History)>,
}

impl Done {
    /// The histories as JSON, by the names of the races.
    pub fn histories_json(&self) -> String {
        let by_name: std::collections::BTreeMap<&str, &History> =
            self.histories.iter().map(|(name, history)| (name.as_str(), history)).collect();
        serde_json::to_string(&by_name).unwrap_or_default()
    }
}

/// A seed that nobody chose.
pub fn random_seed() -> u64 {
    // Six digits are enough to tell runs apart and short enough to type.
    getrandom::u32().map_or(1, |number| u64::from(number % 1_000_000))
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum CouldNotRun {
    /// The endpoint does not do what the checks rest on.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// No bucket to work in.
    #[error("the bucket {bucket} cannot be used: {why}")]
    Bucket {
        /// Its name.
        bucket: String,
        /// What the endpoint says.
        why: String,
    },
    /// The races ended early.
    #[error(transparent)]
    Races(#[from] races::Stopped),
    /// Told to stop.
    #[error("stopped before it was finished")]
    Stopped,
    /// Ours.
    #[error("the checker broke: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// How a run ended, and what is left of it.
pub struct Ended {
    /// The report, or why there is none.
    pub outcome: Result<Done, CouldNotRun>,
    /// What could not be removed, with what to do.
    pub left_behind: Option<String>,
}

type Tell<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Runs until it is done or `stop` comes, and removes what it made.
pub async fn run(options: &Options, stop: impl Future<Output = ()>, tell: Arc<dyn Fn(Progress) + Send + Sync>) -> Ended {
    let place = match Place::take(options).await {
        Ok(place) => place,
        Err(error) => return Ended { outcome: Err(error), left_behind: None },
    };
    let outcome = tokio::select! {
        outcome = work(options, &place, &tell) => outcome,
        () = stop => Err(CouldNotRun::Stopped),
    };
    tell(Progress { phase: "removing what was made".to_owned(), done: 0.0, note: String::new() });
    Ended { outcome, left_behind: place.remove(&options.target).await }
}

async fn work(options: &Options, place: &Place, tell: &Arc<dyn Fn(Progress) + Send + Sync>) -> Result<Done, CouldNotRun> {
    let began = jiff::Timestamp::now();
    let clock = Instant::now();
    tell(Progress { phase: "probing".to_owned(), done: 0.0, note: String::new() });
    let parts = conformance::probe(&mut Client::new(Arc::clone(&options.target), 0), &place.bucket, &place.prefix("probes")).await?;
    let conformance = match options.only {
        Some(Only::Races) => None,
        _ => Some(rows(options, place, &parts, tell).await),
    };
    let (races, histories) = match options.only {
        Some(Only::Conformance) => (None, Vec::new()),
        _ => {
            let (races, histories) = race(options, place, &parts, tell.as_ref()).await?;
            (Some(races), histories)
        }
    };
    let report = Report {
        format: Report::FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        endpoints: options.target.endpoints.iter().map(ToString::to_string).collect(),
        began: began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        took_seconds: clock.elapsed().as_secs_f64(),
        parts: parts.0,
        conformance: conformance.map(|found| found.rows),
        races,
    };
    Ok(Done { report, histories })
}

async fn rows(options: &Options, place: &Place, parts: &Parts, tell: &Arc<dyn Fn(Progress) + Send + Sync>) -> conformance::Conformance {
    /// Enough to share the syncs of a store, few enough for a small one.
    const CLIENTS: usize = 16;
    let tell = Arc::clone(tell);
    let progress = move |done: usize, of: usize| {
        tell(Progress { phase: "conformance".to_owned(), done: share(done, of), note: format!("{done} of {of} rows") });
    };
    conformance::try_rows(&options.target, &place.bucket, &place.prefix("rows"), parts, CLIENTS, progress).await
}

async fn race(options: &Options, place: &Place, parts: &Parts, tell: Tell<'_>) -> Result<(Races, Vec<(String, History)>), CouldNotRun> {
    // Only Holdfast has generations; it promises more than S3 does, and it is held to that.
    let is_holdfast = parts.have(Part::Generations);
    let every = options.disturb.as_ref().map_or(u64::MAX, |(_, every)| *every);
    let asked = races::Options {
        clients: options.clients,
        budget: Budget::Time(options.duration),
        able: able(parts),
        definite_503: is_holdfast,
        disturb_every: every,
        ..races::Options::new(&place.bucket, &place.prefix("races"), options.seed)
    };
    let progress = |at: races::Progress| {
        let phase = format!("races: {} ({} of {})", at.shape.name(), at.phase + 1, at.phases);
        tell(Progress { phase, done: at.done, note: format!("{} operations", at.operations) });
    };
    let command = options.disturb.as_ref().map(|(command, _)| Command::new(command, Arc::clone(&options.target), &place.bucket));
    let mut found = races::Found::default();
    for part in portions(&asked, parts.have(Part::CopyKeepsTag)) {
        let disturb = command.as_ref().map(|command| command as &dyn races::Disturb);
        let more = races::run_disturbed(&options.target, &part, disturb, &progress).await?;
        found.figures.add(&more.figures);
        found.contests.extend(more.contests);
        found.violations.extend(more.violations);
    }
    let promises = if is_holdfast { Promises::STRICT } else { Promises::LENIENT };
    let count = found.contests.len();
    let mut judged = Vec::new();
    let mut histories = Vec::new();
    for (number, contest) in found.contests.into_iter().enumerate() {
        let name = contest.shape.name().to_owned();
        tell(Progress { phase: "judging".to_owned(), done: share(number, count), note: name.clone() });
        let prefix = asked.prefix.clone();
        let (one, history) = tokio::task::spawn_blocking(move || judge_one(contest, &prefix, promises)).await?;
        judged.push(one);
        histories.push((name, history));
    }
    let races = Races {
        seed: options.seed,
        clients: options.clients,
        seconds: options.duration.as_secs_f64(),
        disturbances: found.figures.disturbances,
        strict: is_holdfast,
        seen: found.violations,
        figures: found.figures,
        contests: judged,
    };
    Ok((races, histories))
}

/// Where a copy of a multipart object has another ETag than its source, the judge cannot tell whose ETag it is: there, races with
/// copies are run without uploads, and the others with them.
fn portions(asked: &races::Options, copies_keep_tags: bool) -> Vec<races::Options> {
    if copies_keep_tags || !asked.able.multipart {
        return vec![asked.clone()];
    }
    let copies = |shape: &Shape| matches!(shape, Shape::Mixed | Shape::Wide | Shape::Promote);
    let (with, without): (Vec<Shape>, Vec<Shape>) = asked.shapes.iter().partition(|shape| copies(shape));
    let portion = |shapes: Vec<Shape>, multipart: bool| {
        let of = |time: Duration| time.mul_f64(share(shapes.len(), asked.shapes.len()));
        let budget = if let Budget::Time(time) = asked.budget { Budget::Time(of(time)) } else { asked.budget };
        races::Options { budget, able: Able { multipart, ..asked.able }, shapes, ..asked.clone() }
    };
    vec![portion(without, true), portion(with, false)]
}

/// How much of it is done; figures this small are exact.
fn share(done: usize, of: usize) -> f64 {
    let exact = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    exact(done) / exact(of.max(1))
}

fn judge_one(contest: Contest, prefix: &str, promises: Promises) -> (Judged, History) {
    let began = Instant::now();
    let verdict = judge::check(&contest.history, &judge::Options { promises, ..judge::Options::default() });
    (Judged::new(contest.shape.name(), prefix, &contest, &verdict, began.elapsed()), contest.history)
}

/// What may be asked in the races. A condition that is ignored on PutObject is asked all the same: what it costs is then seen.
fn able(parts: &Parts) -> Able {
    let ignored = |part: Part| parts.0.iter().any(|probed| probed.part == part && probed.presence == conformance::Presence::Ignored);
    Able {
        rename: parts.have(Part::Rename),
        multipart: parts.have(Part::Multipart),
        if_match: parts.have(Part::Swap) || ignored(Part::Swap),
        if_match_any: parts.have(Part::SwapAny),
        conditional_complete: parts.have(Part::CompleteConditions),
        conditional_copy: parts.have(Part::CopyDestination),
        copy_source_condition: parts.have(Part::CopySource),
        conditional_delete: parts.have(Part::ConditionalDelete),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_and_copies_race_apart_where_copies_have_other_tags() {
        let asked = races::Options { budget: Budget::Time(Duration::from_secs(90)), ..races::Options::new("b", "", 1) };
        assert_eq!(portions(&asked, true).len(), 1);
        let apart = portions(&asked, false);
        let shapes: usize = apart.iter().map(|portion| portion.shapes.len()).sum();
        assert_eq!((apart.len(), shapes), (2, Shape::ALL.len()));
        assert!(apart[0].able.multipart && !apart[0].shapes.contains(&Shape::Mixed));
        assert!(!apart[1].able.multipart && apart[1].shapes.contains(&Shape::Mixed));
        let time: Duration = apart.iter().map(|portion| if let Budget::Time(time) = portion.budget { time } else { Duration::ZERO }).sum();
        assert_eq!(time.as_millis(), 90_000);
    }
}
