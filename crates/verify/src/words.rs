//! Requests, outcomes and states in words, for reports and pictures.

use crate::{
    facts::Facts,
    history::{Condition, History, Key, Operation, Outcome, Request},
    judge::Severity,
    model::{ABSENT, ANY_ETAG, UNSEEN, Value, WILD, content_of, etag_of},
};

pub(crate) fn keys_of(request: &Request) -> Vec<Key> {
    match request {
        Request::Put { key, .. }
        | Request::Complete { key, .. }
        | Request::Delete { key, .. }
        | Request::Get { key }
        | Request::Head { key } => vec![*key],
        Request::Copy { source, key, .. } | Request::Rename { source, key, .. } => vec![*source, *key],
    }
}

pub(crate) fn name_of(history: &History, key: Key) -> String {
    history.keys.get(key.0 as usize).cloned().unwrap_or_else(|| format!("key {}", key.0))
}

pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Code => "wrong code",
        Severity::Promise => "broken promise",
        Severity::Data => "violation",
    }
}

/// The first characters of an ETag: enough to tell two apart by eye.
fn short(etag: &str) -> String {
    let mut short: String = etag.chars().take(10).collect();
    if short.len() < etag.len() {
        short.push('…');
    }
    short
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::None => String::new(),
        Condition::Absent => " if-none-match *".to_owned(),
        Condition::Present => " if-match *".to_owned(),
        Condition::Matches(etag) => format!(" if-match {}", short(etag)),
    }
}

pub(crate) fn request(history: &History, request: &Request) -> String {
    let name = |key: Key| name_of(history, key);
    match request {
        Request::Put { key, condition: wanted, content } => format!("put {} #{}{}", name(*key), content.0, condition(wanted)),
        Request::Complete { key, condition: wanted, content } => format!("complete {} #{}{}", name(*key), content.0, condition(wanted)),
        Request::Delete { key, condition: wanted } => format!("delete {}{}", name(*key), condition(wanted)),
        Request::Get { key } => format!("get {}", name(*key)),
        Request::Head { key } => format!("head {}", name(*key)),
        Request::Copy { source, source_condition, key, condition: wanted } => {
            format!("copy {}{} to {}{}", name(*source), condition(source_condition), name(*key), condition(wanted))
        }
        Request::Rename { source, source_condition, key, condition: wanted } => {
            format!("rename {}{} to {}{}", name(*source), condition(source_condition), name(*key), condition(wanted))
        }
    }
}

pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Written(Some(etag)) => format!("200 {}", short(etag)),
        Outcome::Written(None) => "200".to_owned(),
        Outcome::Deleted => "204".to_owned(),
        Outcome::Found { content, etag } => format!("#{} {}", content.0, short(etag)),
        Outcome::Missing => "404".to_owned(),
        Outcome::Failed { of_source: false } => "412".to_owned(),
        Outcome::Failed { of_source: true } => "412 of the source".to_owned(),
        Outcome::Conflict => "409".to_owned(),
        Outcome::Refused => "refused".to_owned(),
        Outcome::Unknown => "unknown".to_owned(),
    }
}

/// Nanoseconds as milliseconds.
pub(crate) fn milliseconds(nanoseconds: u64) -> String {
    format!("{}.{:03}", nanoseconds / 1_000_000, nanoseconds / 1_000 % 1_000)
}

pub(crate) fn line(history: &History, at: usize) -> String {
    let operation: &Operation = &history.operations[at];
    let returned = operation.returned.map_or_else(|| "...".to_owned(), milliseconds);
    let (client, asked, came) = (operation.client, request(history, &operation.request), outcome(&operation.outcome));
    format!("client {client:<4} {:>12}..{returned:<12} ms  {asked}  ->  {came}", milliseconds(operation.called))
}

pub(crate) fn sentence(history: &History, at: usize) -> String {
    let operation = &history.operations[at];
    format!("`{}` of client {}: {}", request(history, &operation.request), operation.client, outcome(&operation.outcome))
}

pub(crate) fn state(history: &History, facts: &Facts, keys: &[Key], state: &[Value]) -> String {
    let slots = keys.iter().zip(state).map(|(key, value)| format!("{}: {}", name_of(history, *key), slot(facts, *value)));
    slots.collect::<Vec<_>>().join(", ")
}

fn slot(facts: &Facts, value: Value) -> String {
    let content = match content_of(value) {
        _ if value == ABSENT => return "absent".to_owned(),
        UNSEEN => "a content that none of these read".to_owned(),
        WILD => "any content".to_owned(),
        content => facts.content_names[content as usize].map_or_else(String::new, |content| format!("#{}", content.0)),
    };
    match &facts.etag_names[etag_of(value) as usize] {
        Some(etag) => format!("{content} {}", short(etag)),
        None if etag_of(value) == ANY_ETAG => format!("{content}, ETag not known"),
        None => content,
    }
}
