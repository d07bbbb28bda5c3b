//! What a run of races is asked to do, and what it found.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::history::History;

/// A kind of contest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Shape {
    /// All clients create the same fresh key at once, round after round.
    Create,
    /// Compare-and-swap on hot keys, with the ETag that was read.
    Swap,
    /// All operations on a handful of keys.
    Mixed,
    /// A few objects are moved among keys, under readers.
    RenameRing,
    /// Copies onto keys that others copy onto.
    Promote,
    /// Multipart uploads are completed against each other.
    Complete,
    /// All operations on many keys.
    Wide,
    /// Bodies that take long, overtaken by short ones; reads that take long.
    Slow,
    /// Keys that were acknowledged are in listings that begin later.
    Listing,
}

impl Shape {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Create, Self::Swap, Self::Listing, Self::Mixed, Self::RenameRing, Self::Promote, Self::Complete, Self::Wide, Self::Slow];

    /// As it is called in reports, and in the names of keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Swap => "swap",
            Self::Mixed => "mixed",
            Self::RenameRing => "rename-ring",
            Self::Promote => "promote",
            Self::Complete => "complete",
            Self::Wide => "wide",
            Self::Slow => "slow",
            Self::Listing => "listing",
        }
    }
}

/// When a run has done enough. It is shared equally by the shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// About so many operations, in all.
    Operations(u64),
    /// So long, in all.
    Time(Duration),
}

/// What the endpoint can do beyond the plain operations. What it cannot is not asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the endpoint")]
pub struct Able {
    /// RenameObject.
    pub rename: bool,
    /// Multipart uploads.
    pub multipart: bool,
    /// `If-Match: <etag>` on PutObject and CompleteMultipartUpload.
    pub if_match: bool,
    /// `If-Match: *`
    pub if_match_any: bool,
    /// Conditions on CompleteMultipartUpload.
    pub conditional_complete: bool,
    /// Conditions on the destination of CopyObject.
    pub conditional_copy: bool,
    /// `x-amz-copy-source-if-match`
    pub copy_source_condition: bool,
    /// `If-Match` on DeleteObject.
    pub conditional_delete: bool,
}

impl Able {
    /// Everything.
    pub const ALL: Self = Self {
        rename: true,
        multipart: true,
        if_match: true,
        if_match_any: true,
        conditional_complete: true,
        conditional_copy: true,
        copy_source_condition: true,
        conditional_delete: true,
    };
}

/// Sizes of bodies, and how slow the slow ones are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bodies {
    /// Small bodies have up to so many bytes.
    pub small_bytes_max: usize,
    /// Every eighth or so of the ordinary bodies has so many.
    pub medium_bytes: usize,
    /// Bodies that are sent and read slowly.
    pub slow_bytes: usize,
    /// In how many pieces a slow body is sent.
    pub slow_pieces: u64,
    /// How many operations of others are acknowledged between two pieces.
    pub rivals_per_piece: u64,
    /// The first part of an upload of two parts; 0: uploads have one part.
    pub first_part_bytes: usize,
}

impl Default for Bodies {
    fn default() -> Self {
        let kib = 1 << 10;
        Self {
            small_bytes_max: 2 * kib,
            medium_bytes: 100 * kib,
            slow_bytes: 4096 * kib,
            slow_pieces: 8,
            rivals_per_piece: 200,
            first_part_bytes: 5120 * kib,
        }
    }
}

/// A run. Everything that it draws comes from the seed.
#[derive(Clone, Debug)]
pub struct Options {
    /// An existing bucket.
    pub bucket: String,
    /// Put before the names of all keys. There must be nothing under it.
    pub prefix: String,
    /// The seed of every client.
    pub seed: u64,
    /// How many clients race.
    pub clients: u32,
    /// How much.
    pub budget: Budget,
    /// In this order.
    pub shapes: Vec<Shape>,
    /// What may be asked.
    pub able: Able,
    /// How large bodies are.
    pub bodies: Bodies,
    /// Whether 503 says that nothing happened. Holdfast promises it; S3 does not.
    pub definite_503: bool,
    /// A disturbance about every so many acknowledged operations.
    pub disturb_every: u64,
    /// How long an endpoint may refuse connections before the run gives up.
    pub patience: Duration,
}

impl Options {
    /// A run with all shapes and the usual sizes.
    pub fn new(bucket: &str, prefix: &str, seed: u64) -> Self {
        Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            seed,
            clients: 16,
            budget: Budget::Operations(10_000),
            shapes: Shape::ALL.to_vec(),
            able: Able::ALL,
            bodies: Bodies::default(),
            definite_503: false,
            disturb_every: 1000,
            patience: Duration::from_mins(1),
        }
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is being done.
    pub shape: Shape,
    /// The number of this phase, from 0.
    pub phase: usize,
    /// How many phases there are.
    pub phases: usize,
    /// How much of this phase is done: 0 to 1.
    pub done: f64,
    /// Operations of the phase so far.
    pub operations: u64,
}

/// Something that is wrong whatever the order of operations was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// In which contest.
    pub shape: Shape,
    /// The key.
    pub key: String,
    /// Who saw it.
    pub client: u32,
    /// When it was asked for, in nanoseconds since the phase began.
    pub called: u64,
    /// What.
    pub kind: ViolationKind,
    /// In words.
    pub what: String,
}

/// What sort of violation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ViolationKind {
    /// A body that nobody sent.
    TornBody,
    /// Metadata or an ETag that are not those of the body.
    WrongMetadata,
    /// A listing without a key that was acknowledged.
    ListingLacks,
    /// A listing with a key whose delete was acknowledged, or with another ETag.
    ListingShows,
}

/// Numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Operations by their names and what came back.
    pub outcomes: BTreeMap<String, BTreeMap<String, u64>>,
    /// All of them, also those of which nothing was recorded.
    pub operations: u64,
    /// 412 and 409.
    pub conflicts: u64,
    /// Of which nobody knows.
    pub unknown: u64,
    /// Connections that were refused, before anything was sent.
    pub refused_connections: u64,
    /// Disturbances.
    pub disturbances: u64,
    /// Violations that needed no judge, also those that are not told one by one.
    pub violations: u64,
    /// The longest operation.
    pub longest_nanoseconds: u64,
    /// How long it took in all.
    pub elapsed_nanoseconds: u64,
}

impl Figures {
    /// Adds those of another part of the run.
    pub fn add(&mut self, other: &Self) {
        for (operation, outcomes) in &other.outcomes {
            let sums = self.outcomes.entry(operation.clone()).or_default();
            for (outcome, count) in outcomes {
                *sums.entry(outcome.clone()).or_default() += count;
            }
        }
        self.operations += other.operations;
        self.conflicts += other.conflicts;
        self.unknown += other.unknown;
        self.refused_connections += other.refused_connections;
        self.disturbances += other.disturbances;
        self.violations += other.violations;
        self.longest_nanoseconds = self.longest_nanoseconds.max(other.longest_nanoseconds);
        self.elapsed_nanoseconds += other.elapsed_nanoseconds;
    }
}

/// One phase.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Its kind.
    pub shape: Shape,
    /// What was asked and answered, for the judge.
    pub history: History,
    /// Its numbers.
    pub figures: Figures,
}

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Its phases; each has keys of its own.
    pub contests: Vec<Contest>,
    /// What is wrong already without a judge.
    pub violations: Vec<Violation>,
    /// All numbers.
    pub figures: Figures,
}
