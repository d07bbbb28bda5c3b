//! What a whole history says of contents and ETags, before any order is looked for; and the contradictions that show already here.

use std::collections::{BTreeMap, HashMap};

use crate::{
    history::{Condition, Content, Etag, History, Operation, Outcome, Request},
    model::{ANY_ETAG, FIRST_CONTENT, FIRST_ETAG},
};

/// Contents and ETags as small numbers, and which belong together.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    contents: HashMap<Content, u32>,
    etags: HashMap<Etag, u32>,
    /// By the ETag's number: the content that it was seen with, or 0.
    owners: Vec<u32>,
    /// By the content's number: the ETag that a write of it gets, as far as known.
    etag_of: Vec<u32>,
    pub(crate) content_names: Vec<Option<Content>>,
    pub(crate) etag_names: Vec<Option<Etag>>,
}

/// A contradiction that needs no search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction {
    pub(crate) reason: String,
    /// The operations that contradict each other; the last is the one that no state explains.
    pub(crate) operations: Vec<usize>,
}

impl Facts {
    pub(crate) fn of(history: &History) -> Self {
        let mut facts = Self {
            owners: vec![0; FIRST_ETAG as usize],
            etag_of: vec![ANY_ETAG; FIRST_CONTENT as usize],
            content_names: vec![None; FIRST_CONTENT as usize],
            etag_names: vec![None; FIRST_ETAG as usize],
            ..Self::default()
        };
        for (_, content, etag) in &history.initial {
            facts.belongs(*content, etag);
        }
        for operation in &history.operations {
            facts.add(operation);
        }
        facts.settle(history);
        facts
    }

    fn add(&mut self, operation: &Operation) {
        for condition in conditions(&operation.request) {
            if let Condition::Matches(etag) = condition {
                self.intern_etag(etag);
            }
        }
        let written = written_content(&operation.request);
        if let Some(content) = written {
            self.intern_content(content);
        }
        match (&operation.outcome, written) {
            (Outcome::Found { content, etag }, _) => self.belongs(*content, etag),
            (Outcome::Written(Some(etag)), Some(content)) => self.belongs(content, etag),
            (Outcome::Written(Some(etag)), None) => {
                self.intern_etag(etag);
            }
            _ => {}
        }
    }

    /// A write whose answer told no ETag gets the one that its content was seen with. A copy may give its target another ETag; then the
    /// one that was seen may be the copy's, so with copies about it stays open.
    fn settle(&mut self, history: &History) {
        if history.operations.iter().any(|operation| matches!(operation.request, Request::Copy { .. })) {
            return;
        }
        for (etag, owner) in self.owners.iter().enumerate().skip(FIRST_ETAG as usize) {
            if *owner != 0 {
                self.etag_of[*owner as usize] = etag as u32;
            }
        }
    }

    fn belongs(&mut self, content: Content, etag: &Etag) {
        let content = self.intern_content(content);
        let etag = self.intern_etag(etag);
        if self.owners[etag as usize] == 0 {
            self.owners[etag as usize] = content;
        }
    }

    fn intern_content(&mut self, content: Content) -> u32 {
        let next = self.content_names.len() as u32;
        let number = *self.contents.entry(content).or_insert(next);
        if number == next {
            self.content_names.push(Some(content));
            self.etag_of.push(ANY_ETAG);
        }
        number
    }

    fn intern_etag(&mut self, etag: &Etag) -> u32 {
        if let Some(number) = self.etags.get(etag) {
            return *number;
        }
        let number = self.etag_names.len() as u32;
        self.etags.insert(etag.clone(), number);
        self.etag_names.push(Some(etag.clone()));
        self.owners.push(0);
        number
    }

    pub(crate) fn content(&self, content: Content) -> u32 {
        self.contents[&content]
    }

    pub(crate) fn etag(&self, etag: &Etag) -> u32 {
        self.etags[etag]
    }

    /// The content that an ETag was seen with, or 0.
    pub(crate) fn owner(&self, etag: u32) -> u32 {
        self.owners[etag as usize]
    }

    /// The ETag of a write of this content that told none.
    pub(crate) fn usual_etag(&self, content: u32) -> u32 {
        self.etag_of[content as usize]
    }

    pub(crate) fn contents(&self) -> usize {
        self.content_names.len()
    }

    pub(crate) fn etags(&self) -> usize {
        self.etag_names.len()
    }
}

pub(crate) fn written_content(request: &Request) -> Option<Content> {
    match request {
        Request::Put { content, .. } | Request::Complete { content, .. } => Some(*content),
        _ => None,
    }
}

pub(crate) fn conditions(request: &Request) -> impl Iterator<Item = &Condition> {
    let (first, second) = match request {
        Request::Put { condition, .. } | Request::Complete { condition, .. } | Request::Delete { condition, .. } => (Some(condition), None),
        Request::Copy { source_condition, condition, .. } | Request::Rename { source_condition, condition, .. } => {
            (Some(condition), Some(source_condition))
        }
        Request::Get { .. } | Request::Head { .. } => (None, None),
    };
    first.into_iter().chain(second)
}

/// Whether the answer says that nothing was written.
pub(crate) fn is_refusal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Missing | Outcome::Failed { .. } | Outcome::Conflict | Outcome::Refused)
}

/// Every read that no order could explain, each with what it contradicts.
pub(crate) fn contradictions(history: &History) -> Vec<Contradiction> {
    let mut writers: HashMap<Content, Vec<usize>> = HashMap::new();
    for (at, operation) in history.operations.iter().enumerate() {
        if let Some(content) = written_content(&operation.request) {
            writers.entry(content).or_default().push(at);
        }
    }
    let mut found: Vec<Contradiction> = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        let Outcome::Found { content, .. } = &operation.outcome else { continue };
        if history.initial.iter().any(|(_, initial, _)| initial == content) {
            continue;
        }
        let writers = writers.get(content).map_or(&[][..], Vec::as_slice);
        found.extend(contradicts(history, at, *content, writers));
    }
    found.extend(two_of_one(history));
    found
}

fn contradicts(history: &History, at: usize, content: Content, writers: &[usize]) -> Option<Contradiction> {
    let read = &history.operations[at];
    let with = |reason: String| Some(Contradiction { reason, operations: writers.iter().copied().chain([at]).collect() });
    if writers.is_empty() {
        return with(format!("content {} was read, but nobody ever wrote it", content.0));
    }
    let written: Vec<&Operation> = writers.iter().map(|at| &history.operations[*at]).collect();
    if written.iter().all(|write| is_refusal(&write.outcome)) {
        return with(format!("content {} was read, but its write was refused", content.0));
    }
    let possible = |write: &&Operation| !is_refusal(&write.outcome) && read.returned.is_none_or(|returned| write.called <= returned);
    if !written.iter().any(possible) {
        return with(format!("content {} was read before its write was called", content.0));
    }
    None
}

/// One ETag on two contents; and, where no copy could give a new one, two ETags on one content.
fn two_of_one(history: &History) -> Vec<Contradiction> {
    let copies = history.operations.iter().any(|operation| matches!(operation.request, Request::Copy { .. }));
    let mut by_etag: BTreeMap<&Etag, (Content, Option<usize>)> = BTreeMap::new();
    let mut by_content: BTreeMap<Content, (&Etag, Option<usize>)> = BTreeMap::new();
    for (_, content, etag) in &history.initial {
        by_etag.insert(etag, (*content, None));
        by_content.insert(*content, (etag, None));
    }
    let mut found = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        let (content, etag) = match (&operation.outcome, written_content(&operation.request)) {
            (Outcome::Found { content, etag }, _) => (*content, etag),
            (Outcome::Written(Some(etag)), Some(content)) => (content, etag),
            _ => continue,
        };
        let (other, first) = by_etag.entry(etag).or_insert((content, Some(at)));
        if *other != content {
            let reason = format!("one ETag, {etag}, on two contents, {} and {}", other.0, content.0);
            found.push(Contradiction { reason, operations: first.iter().copied().chain([at]).collect() });
        }
        let (other, first) = by_content.entry(content).or_insert((etag, Some(at)));
        if *other != etag && !copies {
            let reason = format!("two ETags on one content, {}: {other} and {etag}", content.0);
            found.push(Contradiction { reason, operations: first.iter().copied().chain([at]).collect() });
        }
    }
    found
}
