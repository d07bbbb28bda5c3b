//! What a run found, as one value: the text, the page and the JSON are views of it.
//!
//! The JSON is this value as serde writes it, with `format` 1: fields are only ever added. `verdict` is computed from the rest.

mod html;
mod text;

use std::time::Duration;

use serde::Serialize;

pub use html::html;
pub use text::text;

use crate::conformance::{Checked, Probed, Severity, Verdict as RowVerdict};
use crate::judge;
use crate::races::{Contest, Figures, Violation};
use crate::timeline;

/// A run's findings.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The shape of the JSON.
    pub format: u32,
    /// Of the checker.
    pub version: &'static str,
    /// Where.
    pub endpoints: Vec<String>,
    /// When, in UTC.
    pub began: String,
    /// How long, in all.
    pub took_seconds: f64,
    /// The parts that an endpoint may lack.
    pub parts: Vec<Probed>,
    /// Every row of the contract, if they were tried.
    pub conformance: Option<Vec<Checked>>,
    /// The races, if they were run.
    pub races: Option<Races>,
}

/// The races, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Races {
    /// The seed of the workload.
    pub seed: u64,
    /// How many clients raced.
    pub clients: u32,
    /// How long they were to take.
    pub seconds: f64,
    /// How often the endpoint was taken away.
    pub disturbances: u64,
    /// Whether it was held to what Holdfast promises beyond S3.
    pub strict: bool,
    /// All numbers.
    pub figures: Figures,
    /// What is wrong whatever the order was.
    pub seen: Vec<Violation>,
    /// Each race.
    pub contests: Vec<Judged>,
}

/// One race, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Its kind.
    pub name: &'static str,
    /// Operations that were recorded.
    pub operations: usize,
    /// Groups of keys that were judged by themselves.
    pub groups: usize,
    /// 412 and 409.
    pub conflicts: u64,
    /// Of which nobody knows.
    pub unknown: u64,
    /// How long the race took.
    pub seconds: f64,
    /// How long the judgement took.
    pub judged_seconds: f64,
    /// The longest search of one group.
    pub longest_search_seconds: f64,
    /// What no order explains.
    pub violations: Vec<Unordered>,
    /// How many more groups have violations.
    pub more_violations: usize,
    /// Groups whose search did not end: neither right nor wrong.
    pub undecided: usize,
}

/// Operations that no order explains.
#[derive(Clone, Debug, Serialize)]
pub struct Unordered {
    /// `data`, `promise` or `code`.
    pub severity: &'static str,
    /// In a sentence.
    pub reason: String,
    /// What would explain it, if something does.
    pub explained_by: Option<&'static str>,
    /// The operations, a line for each.
    pub text: String,
    /// The picture: a page of HTML.
    #[serde(skip)]
    pub picture: String,
}

impl Judged {
    /// The findings about one race. `prefix` is that of all its keys: it is left out where people read.
    pub fn new(name: &'static str, prefix: &str, contest: &Contest, verdict: &judge::Verdict, took: Duration) -> Self {
        let short = |text: &str| if prefix.is_empty() { text.to_owned() } else { text.replace(prefix, "") };
        let unordered = |violation: &judge::Violation| Unordered {
            severity: match violation.severity {
                judge::Severity::Data => "data",
                judge::Severity::Promise => "promise",
                judge::Severity::Code => "code",
            },
            reason: short(&violation.reason),
            explained_by: violation.explained_by,
            text: short(&violation.describe(&contest.history)),
            picture: short(&timeline::render(&contest.history, std::slice::from_ref(violation))),
        };
        Self {
            name,
            operations: verdict.operations,
            groups: verdict.groups,
            conflicts: contest.figures.conflicts,
            unknown: contest.figures.unknown,
            seconds: Duration::from_nanos(contest.figures.elapsed_nanoseconds).as_secs_f64(),
            judged_seconds: took.as_secs_f64(),
            longest_search_seconds: verdict.longest.as_secs_f64(),
            violations: verdict.violations.iter().map(unordered).collect(),
            more_violations: verdict.more_violations,
            undecided: verdict.undecided.len(),
        }
    }

    /// How many groups have no order.
    pub fn count(&self) -> usize {
        self.violations.len() + self.more_violations
    }
}

impl Races {
    /// How many violations there are.
    pub fn violations(&self) -> usize {
        self.seen.len() + self.contests.iter().map(Judged::count).sum::<usize>()
    }

    /// How many groups were not decided.
    pub fn undecided(&self) -> usize {
        self.contests.iter().map(|contest| contest.undecided).sum()
    }

    fn harms(&self) -> bool {
        !self.seen.is_empty() || self.contests.iter().any(|contest| contest.violations.iter().any(|v| v.severity == "data"))
    }
}

/// The answer to the question of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Everything holds.
    Clean,
    /// Nothing that loses data, but something differs.
    Differs,
    /// Conditional writes cannot be trusted.
    Broken,
    /// Nothing is wrong in what could be tried, but not all could.
    Incomplete,
}

impl Report {
    /// The shape of the JSON.
    pub const FORMAT: u32 = 1;

    /// The rows that are violations, the worst first.
    pub fn deviations(&self) -> Vec<(&Checked, Severity)> {
        let rows = self.conformance.iter().flatten();
        let mut found: Vec<_> = rows.filter_map(|row| Some((row, row.verdict.severity()?))).collect();
        found.sort_by_key(|(_, severity)| *severity);
        found
    }

    /// The parts that the endpoint accepts and does not honour.
    pub fn ignored(&self) -> Vec<&Probed> {
        self.parts.iter().filter(|part| part.is_violation()).collect()
    }

    /// How many violations there are in all.
    pub fn violations(&self) -> usize {
        self.deviations().len() + self.ignored().len() + self.races.as_ref().map_or(0, Races::violations)
    }

    /// How many rows have such a verdict.
    pub fn count(&self, like: impl Fn(&RowVerdict) -> bool) -> usize {
        self.conformance.iter().flatten().filter(|row| like(&row.verdict)).count()
    }

    /// Rows that could not be tried for another reason than a part that the endpoint ignores.
    fn untried(&self) -> usize {
        if self.ignored().is_empty() { self.count(|verdict| matches!(verdict, RowVerdict::NotRun { .. })) } else { 0 }
    }

    /// The answer to the question of the run.
    pub fn answer(&self) -> Answer {
        let harmful = |severity: Severity| matches!(severity, Severity::DataLoss | Severity::FalseSuccess);
        let harms = self.deviations().iter().any(|(_, severity)| harmful(*severity))
            || !self.ignored().is_empty()
            || self.races.as_ref().is_some_and(Races::harms);
        let undecided = self.races.as_ref().map_or(0, Races::undecided);
        if harms {
            Answer::Broken
        } else if self.violations() > 0 {
            Answer::Differs
        } else if undecided + self.untried() > 0 {
            Answer::Incomplete
        } else {
            Answer::Clean
        }
    }

    /// In a sentence.
    pub fn headline(&self) -> String {
        let violations = self.violations();
        match self.answer() {
            Answer::Clean => "Everything that was tried holds: conditional writes can be trusted.".to_owned(),
            Answer::Differs => format!("No data is at risk in what was tried, but {violations} answers are not those of the contract."),
            Answer::Broken => format!("Conditional writes cannot be trusted: {violations} violations."),
            Answer::Incomplete => "Nothing that was tried is wrong, but not everything could be tried or decided.".to_owned(),
        }
    }

    /// The JSON of the report, with `verdict` and `violations` added.
    pub fn json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            let verdict = match self.answer() {
                Answer::Clean => "clean",
                Answer::Differs => "differs",
                Answer::Broken => "broken",
                Answer::Incomplete => "incomplete",
            };
            fields.insert("verdict".to_owned(), verdict.into());
            fields.insert("headline".to_owned(), self.headline().into());
            fields.insert("violations".to_owned(), self.violations().into());
        }
        value
    }
}

#[cfg(test)]
mod tests;
