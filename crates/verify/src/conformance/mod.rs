//! Point 1: every row of the contract, each on keys of its own, so that they can be tried at once and in any order.

mod parts;
mod row;
mod state;
mod stories;
mod tables;
mod weigh;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::client::s3::Trouble;
use crate::client::{Client, Target};
pub use parts::{Part, Parts, Presence, Probed, probe};
use row::{Case, Row, Trial};
pub use row::{Checked, Severity, Verdict};
use stories::Told;
use weigh::Tried;
use world::World;

/// What the rows and the probes found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Conformance {
    /// The parts that an endpoint may lack.
    pub parts: Vec<Probed>,
    /// Every row, in the order of the contract.
    pub rows: Vec<Checked>,
}

impl Conformance {
    /// Rows that are violations, worst first, and in the order of the contract.
    pub fn deviations(&self) -> Vec<(&Checked, Severity)> {
        let mut found: Vec<_> = self.rows.iter().filter_map(|row| Some((row, row.verdict.severity()?))).collect();
        found.sort_by_key(|(_, severity)| *severity);
        found
    }

    /// Parts that the endpoint accepts and does not honour.
    pub fn ignored_parts(&self) -> Vec<&Probed> {
        self.parts.iter().filter(|part| part.is_violation()).collect()
    }

    /// How many violations there are.
    pub fn violations(&self) -> usize {
        self.deviations().len() + self.ignored_parts().len()
    }

    /// How many rows have a verdict like that.
    pub fn count(&self, like: impl Fn(&Verdict) -> bool) -> usize {
        self.rows.iter().filter(|row| like(&row.verdict)).count()
    }
}

/// Probes the endpoint and tries every row in `bucket`, on keys with that prefix, by `clients` clients. `progress` is told how many
/// rows are done, and of how many.
///
/// # Errors
/// The endpoint does not do what the rows rest on: plain writes and reads.
pub async fn check(
    target: &Arc<Target>,
    bucket: &str,
    prefix: &str,
    clients: usize,
    progress: impl Fn(usize, usize) + Send + Sync + 'static,
) -> Result<Conformance, Trouble> {
    let parts = probe(&mut Client::new(Arc::clone(target), 0), bucket, prefix).await?;
    Ok(try_rows(target, bucket, prefix, &parts, clients, progress).await)
}

/// Tries every row in `bucket`, on keys with that prefix, by `clients` clients, as far as the endpoint has the `parts` for it. `progress` is told how many rows are done, and of how many.
pub async fn try_rows(
    target: &Arc<Target>,
    bucket: &str,
    prefix: &str,
    parts: &Parts,
    clients: usize,
    progress: impl Fn(usize, usize) + Send + Sync + 'static,
) -> Conformance {
    let (rows, parts) = (Arc::new(rows()), Arc::new(parts.clone()));
    let (next, done, progress) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(progress));
    let mut workers = JoinSet::new();
    for number in 0..clients.clamp(1, rows.len()) {
        let (rows, parts, next, done, progress) = (rows.clone(), parts.clone(), next.clone(), done.clone(), progress.clone());
        let mut client = Client::new(Arc::clone(target), number % target.endpoints.len());
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        workers.spawn(async move {
            let mut checked = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(row) = rows.get(index) else { return checked };
                checked.push((index, try_row(row, &mut client, &bucket, &prefix, &parts).await));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, rows.len());
            }
        });
    }
    let mut checked: Vec<(usize, Checked)> = workers.join_all().await.into_iter().flatten().collect();
    checked.sort_by_key(|(index, _)| *index);
    Conformance { parts: parts.0.clone(), rows: checked.into_iter().map(|(_, row)| row).collect() }
}

/// Every row of the contract.
fn rows() -> Vec<Row> {
    [tables::all(), stories::all()].concat()
}

async fn try_row(row: &Row, client: &mut Client, bucket: &str, prefix: &str, parts: &Parts) -> Checked {
    let (sent, expected, also) = match &row.trial {
        Trial::Case(case) => (described(case), case.want.text(), also(case)),
        Trial::Story(story) => (story.sent.to_owned(), story.expected.to_owned(), Vec::new()),
    };
    let told = match missing(row, parts) {
        Some(verdict) => Ok(Told { came: "not sent".to_owned(), verdict }),
        None => {
            let mut world = World::new(client, bucket, parts, prefix, &row.id);
            match &row.trial {
                Trial::Case(case) => try_case(&mut world, case).await,
                Trial::Story(story) => (story.run)(&mut world).await,
            }
        }
    };
    let Told { came, verdict } =
        told.unwrap_or_else(|trouble| Told { came: trouble.to_string(), verdict: Verdict::NotRun { why: trouble.to_string() } });
    Checked { id: row.id.clone(), group: row.group, sent, expected, also, came, verdict }
}

/// Why the row makes no sense at this endpoint.
fn missing(row: &Row, parts: &Parts) -> Option<Verdict> {
    let missing = row.needs.iter().find(|part| !parts.have(**part))?;
    let probed = parts.came(*missing)?;
    let why = format!("{}: {}", missing.name(), probed.came);
    Some(match probed.presence {
        Presence::Ignored if probed.of_s3 => Verdict::NotRun { why },
        Presence::Unclear => Verdict::NotRun { why },
        // What only Holdfast has, others do not have when they ignore it.
        Presence::Ignored | Presence::NotSupported | Presence::Supported => Verdict::NotSupported { why },
    })
}

async fn try_case(world: &mut World<'_>, case: &Case) -> Result<Told, Trouble> {
    let (before, upload) = world.prepare(case).await?;
    let call = world.call(case, &before, upload.as_ref());
    let answer = match world.client.send(&call).await {
        Ok(answer) => answer,
        Err(lost) => return Ok(Told { came: lost.to_string(), verdict: Verdict::deviates(Severity::WrongAnswer, "no answer came") }),
    };
    let after = world.look(case.operation, upload.as_ref()).await?;
    let new = world.body("new");
    let verdict = Tried { case, answer: &answer, before: &before, after: &after, new: &new }.verdict();
    let seen = weigh::Seen::of(case.operation, &answer).text;
    let came = match (verdict.severity(), before.difference(&after).as_str()) {
        (None, _) | (_, "") => seen,
        (Some(_), difference) => format!("{seen}; {difference}"),
    };
    Ok(Told { came, verdict })
}

fn described(case: &Case) -> String {
    let with: Vec<String> = case.headers.iter().map(|(name, value)| format!("{name}: {}", named(value))).collect();
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
    let how = if case.presigned { ", presigned" } else { "" };
    let on = if case.present { "an object is there" } else { "no object is there" };
    let source = match (case.operation.has_source(), case.source) {
        (true, false) => ", no source is there",
        _ => "",
    };
    format!("{}{how}{with}; {on}{source}", case.operation.name())
}

/// The value of a header, as people read it.
fn named(template: &str) -> String {
    let names = [
        ("{etag}", "\"<its ETag>\""),
        ("{bare}", "<its ETag, without quotes>"),
        ("{other}", "\"<another ETag>\""),
        ("{size+1}", "<another size>"),
        ("{size}", "<its size>"),
        ("{generation+1}", "<another generation>"),
        ("{generation}", "<its generation>"),
        ("{modified}", "<its Last-Modified>"),
        ("{before}", "<a second before its Last-Modified>"),
        ("{past}", "<a date long ago>"),
        ("{future}", "<a date in the future>"),
    ];
    let text = names.iter().fold(template.to_owned(), |text, (token, name)| text.replace(token, name));
    if text.is_empty() { "<empty>".to_owned() } else { text }
}

fn also(case: &Case) -> Vec<String> {
    case.also.iter().map(|also| format!("{} ({})", also.want.text(), also.why)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_there_are_more_than_200() {
        let rows = rows();
        let ids: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids.len(), rows.len());
        assert!(rows.len() > 200, "{}", rows.len());
        println!("{} rows", rows.len());
    }
}
