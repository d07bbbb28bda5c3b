//! The state of a server in memory, and the steps in which it judges and writes: one step if it is right, two if it is wrong.
//!
//! The lock is never held across an `await`: a [`pause`] is where others come between.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;

use super::fault::{Fault, Operation};

/// A name of an object: bucket and key.
pub(crate) type Name = (String, String);

/// An object, never changed: a write puts another in its place.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) body: Bytes,
    pub(crate) etag: String,
    pub(crate) metadata: Vec<(String, String)>,
}

/// Whose headers they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Side {
    #[default]
    Target,
    CopySource,
    RenameSource,
}

/// The conditions on one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    /// `If-None-Match`, without quotes; on a target only `*`.
    pub(crate) differs: Option<String>,
    /// `If-Match`, without quotes.
    pub(crate) matches: Option<String>,
    pub(crate) side: Side,
}

impl Conditions {
    fn name_of_differs(&self) -> &'static str {
        match self.side {
            Side::Target => "If-None-Match",
            Side::CopySource => "x-amz-copy-source-If-None-Match",
            Side::RenameSource => "x-amz-rename-source-If-None-Match",
        }
    }

    fn name_of_matches(&self) -> &'static str {
        match self.side {
            Side::Target => "If-Match",
            Side::CopySource => "x-amz-copy-source-If-Match",
            Side::RenameSource => "x-amz-rename-source-If-Match",
        }
    }
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoSuchKey,
    NoSuchUpload,
    Failed(&'static str),
    Conflict,
    /// 500: it may have happened, or not.
    Unsure,
}

#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: Name,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) parts: BTreeMap<u32, Bytes>,
}

#[derive(Debug, Default)]
struct State {
    buckets: Vec<String>,
    objects: BTreeMap<Name, Arc<Object>>,
    uploads: HashMap<String, Upload>,
    completed: HashMap<String, (Name, String)>,
    /// Writes that are not durable: what stood there before, newest last.
    undo: Vec<(Name, Option<Arc<Object>>)>,
    /// What a lagging replica has, and what it has not yet.
    replica: BTreeMap<Name, Arc<Object>>,
    lag: VecDeque<(Name, Option<Arc<Object>>)>,
    /// Reads of the cache that are left.
    cache: HashMap<Name, (Option<Arc<Object>>, u32)>,
    /// Writes that come later, by themselves: after how many others.
    later: Vec<(u64, Name, Later)>,
    writes: u64,
    answers: u64,
    renames: u64,
    uploads_begun: u64,
}

#[derive(Debug, Clone)]
enum Later {
    Write(Arc<Object>),
    Revive(Arc<Object>),
}

/// How many writes the replica and the index are behind.
const LAG: usize = 4;
/// How many of the last writes a crash takes from a store that does not wait for the disk.
const UNSYNCED_MAX: usize = 12;

/// The store of one server, whatever its endpoints.
#[derive(Debug)]
pub(crate) struct Store {
    fault: Fault,
    state: Mutex<State>,
}

/// Others come between here.
pub(crate) async fn pause() {
    for _ in 0..12 {
        tokio::task::yield_now().await;
    }
}

impl Store {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, state: Mutex::default() }
    }

    pub(crate) fn fault(&self) -> Fault {
        self.fault
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a test server does not panic under its lock")
    }

    /// What a crash does: writes that were not durable are gone.
    pub(crate) fn crash(&self) {
        let mut state = self.lock();
        while let Some((name, before)) = state.undo.pop() {
            match before {
                Some(object) => state.objects.insert(name, object),
                None => state.objects.remove(&name),
            };
        }
        state.cache.clear();
        state.later.clear();
    }

    pub(crate) fn create_bucket(&self, bucket: &str) -> bool {
        let mut state = self.lock();
        let is_new = !state.buckets.iter().any(|b| b == bucket);
        if is_new {
            state.buckets.push(bucket.to_owned());
        }
        is_new
    }

    pub(crate) fn has_bucket(&self, bucket: &str) -> bool {
        self.lock().buckets.iter().any(|b| b == bucket)
    }

    /// False if there are objects.
    pub(crate) fn delete_bucket(&self, bucket: &str) -> bool {
        let mut state = self.lock();
        let is_empty = !state.objects.keys().any(|(b, _)| b == bucket);
        if is_empty {
            state.buckets.retain(|b| b != bucket);
        }
        is_empty
    }

    /// The object, as a read sees it.
    pub(crate) async fn read(&self, name: &Name) -> Option<Arc<Object>> {
        let first = self.read_step(name);
        let seen = match self.fault {
            Fault::TornRead => {
                pause().await;
                torn(first.as_ref(), self.read_step(name).as_ref()).or(first)
            }
            Fault::NewBodyOldEtag => {
                pause().await;
                match (first, self.read_step(name)) {
                    (Some(old), Some(new)) => Some(Arc::new(Object { etag: old.etag.clone(), ..(*new).clone() })),
                    (old, _) => old,
                }
            }
            _ => first,
        };
        self.settle().await;
        seen
    }

    fn read_step(&self, name: &Name) -> Option<Arc<Object>> {
        let mut state = self.lock();
        let current = state.objects.get(name).cloned();
        if self.fault != Fault::StaleRead {
            return current;
        }
        let cached = state.cache.entry(name.clone()).or_insert((current, 4));
        cached.1 -= 1;
        let (object, left) = cached.clone();
        if left == 0 {
            state.cache.remove(name);
        }
        object
    }

    pub(crate) fn list(&self, bucket: &str, prefix: &str, after: &str, limit: usize) -> (Vec<(String, Arc<Object>)>, bool) {
        let state = self.lock();
        let index = if self.fault == Fault::StaleListing { &state.replica } else { &state.objects };
        let mut found = index
            .iter()
            .filter(|((b, key), _)| b == bucket && key.starts_with(prefix) && key.as_str() > after)
            .map(|((_, key), object)| (key.clone(), object.clone()));
        let page = found.by_ref().take(limit).collect();
        (page, found.next().is_some())
    }

    /// Judges before the body, as a courtesy. Whether the key was absent, for a later 409.
    pub(crate) fn early(&self, endpoint: usize, name: &Name, conditions: &Conditions) -> Result<bool, Refusal> {
        let state = self.lock();
        let current = self.judged(&state, endpoint, name);
        // A server whose refusals leave something does so after the body.
        if !matches!(self.fault, Fault::RefusalLeavesMetadata | Fault::RefusalLeavesBody) {
            judge(current.as_deref(), conditions)?;
        }
        Ok(current.is_none())
    }

    /// Put, complete and copy, after the body: judges and writes.
    pub(crate) async fn write(&self, write: Write<'_>) -> Result<String, Refusal> {
        let etag = write.object.etag.clone();
        if self.is_unsure_before(&write) {
            return Err(Refusal::Unsure);
        }
        let judged = self.judge_and_place(&write).await;
        if judged.is_err() {
            self.leave_traces(&write);
            // A refusal rests on what is there; it must be durable first.
            if self.fault != Fault::RefusalBeforeDurable {
                self.settle().await;
            }
        } else {
            self.settle().await;
        }
        let mut state = self.lock();
        state.answers += 1;
        if self.fault == Fault::Moody && state.answers.is_multiple_of(9) {
            return Err(Refusal::Unsure);
        }
        if self.fault == Fault::AppliedTwice && judged.is_ok() && state.answers.is_multiple_of(9) {
            let at = state.writes + 5;
            state.later.push((at, write.name.clone(), Later::Write(write.object.clone())));
            return Err(Refusal::Unsure);
        }
        judged.map(|()| etag)
    }

    /// A moody server writes later, or not at all, and says 500.
    fn is_unsure_before(&self, write: &Write<'_>) -> bool {
        let mut state = self.lock();
        state.answers += 1;
        let is_unsure = self.fault == Fault::Moody && state.answers.is_multiple_of(11);
        if is_unsure && write.conditions.differs.is_none() && write.conditions.matches.is_none() {
            let at = state.writes + 3;
            state.later.push((at, write.name.clone(), Later::Write(write.object.clone())));
        }
        is_unsure
    }

    async fn judge_and_place(&self, write: &Write<'_>) -> Result<(), Refusal> {
        if self.fault.is_racy(write.operation) {
            if self.fault != Fault::CheckBeforeBody {
                let state = self.lock();
                judge(self.judged(&state, write.endpoint, write.name).as_deref(), write.conditions)?;
            }
            pause().await;
            self.place(&mut self.lock(), write.name, Some(write.object.clone()));
            return Ok(());
        }
        let mut state = self.lock();
        if let Err(refusal) = judge(self.judged(&state, write.endpoint, write.name).as_deref(), write.conditions) {
            let is_race = write.was_absent && refusal == Refusal::Failed("If-None-Match");
            return Err(if is_race { Refusal::Conflict } else { refusal });
        }
        let dropped = self.fault == Fault::WriteDropped && write.operation == Operation::Put && state.answers.is_multiple_of(13);
        if !dropped {
            self.place(&mut state, write.name, Some(write.object.clone()));
        }
        Ok(())
    }

    fn leave_traces(&self, write: &Write<'_>) {
        let mut state = self.lock();
        let Some(current) = state.objects.get(write.name).cloned() else { return };
        match self.fault {
            Fault::RefusalLeavesMetadata => {
                let object = Object { metadata: write.object.metadata.clone(), ..(*current).clone() };
                state.objects.insert(write.name.clone(), Arc::new(object));
            }
            Fault::RefusalLeavesBody => {
                state.objects.insert(write.name.clone(), write.object.clone());
            }
            _ => {}
        }
    }

    /// Copies the source of the moment, judging both sides in the same step. `metadata` replaces the source's.
    pub(crate) async fn copy(
        &self,
        endpoint: usize,
        (source, on_source): (&Name, &Conditions),
        (name, conditions): (&Name, &Conditions),
        metadata: Option<Vec<(String, String)>>,
    ) -> Result<String, Refusal> {
        let make = |source: Arc<Object>| match &metadata {
            Some(metadata) => Arc::new(Object { metadata: metadata.clone(), ..(*source).clone() }),
            None => source,
        };
        if self.fault.is_racy(Operation::Copy) {
            let object = make(judge_source(self.lock().objects.get(source), on_source)?);
            let write = Write { operation: Operation::Copy, endpoint, name, conditions, object, was_absent: false };
            return self.write(write).await;
        }
        let placed = {
            let mut state = self.lock();
            let object = judge_source(state.objects.get(source), on_source);
            object.and_then(|object| {
                judge(self.judged(&state, endpoint, name).as_deref(), conditions)?;
                let object = make(object);
                self.place(&mut state, name, Some(object.clone()));
                Ok(object.etag.clone())
            })
        };
        if placed.is_ok() || self.fault != Fault::RefusalBeforeDurable {
            self.settle().await;
        }
        placed
    }

    pub(crate) async fn rename(
        &self,
        endpoint: usize,
        (source, on_source): (&Name, &Conditions),
        (name, conditions): (&Name, &Conditions),
    ) -> Result<(), Refusal> {
        let moved = {
            let mut state = self.lock();
            state.renames += 1;
            let object = judge_source(state.objects.get(source), on_source)?;
            judge(self.judged(&state, endpoint, name).as_deref(), conditions)?;
            match self.fault {
                Fault::RenameShowsBoth => self.place(&mut state, name, Some(object.clone())),
                Fault::RenameHidesBoth => self.place(&mut state, source, None),
                Fault::RenameLoses if state.renames.is_multiple_of(8) => {
                    self.place(&mut state, source, None);
                    return Err(Refusal::Unsure);
                }
                _ if self.fault.is_racy(Operation::Rename) => {}
                _ => {
                    self.place(&mut state, source, None);
                    self.place(&mut state, name, Some(object.clone()));
                }
            }
            object
        };
        match self.fault {
            Fault::RenameShowsBoth => {
                pause().await;
                self.place(&mut self.lock(), source, None);
            }
            Fault::RenameHidesBoth => {
                pause().await;
                self.place(&mut self.lock(), name, Some(moved));
            }
            _ if self.fault.is_racy(Operation::Rename) => {
                pause().await;
                let mut state = self.lock();
                self.place(&mut state, source, None);
                self.place(&mut state, name, Some(moved));
            }
            _ => {}
        }
        self.settle().await;
        Ok(())
    }

    pub(crate) async fn delete(&self, endpoint: usize, name: &Name, conditions: &Conditions) -> Result<(), Refusal> {
        if self.fault.is_racy(Operation::Delete) {
            judge(self.judged(&self.lock(), endpoint, name).as_deref(), conditions)?;
            pause().await;
            self.place(&mut self.lock(), name, None);
            return Ok(());
        }
        let judged = {
            let mut state = self.lock();
            let judged = judge(self.judged(&state, endpoint, name).as_deref(), conditions);
            if judged.is_ok() && state.objects.contains_key(name) {
                self.remove(&mut state, name);
            }
            judged
        };
        if judged.is_ok() || self.fault != Fault::RefusalBeforeDurable {
            self.settle().await;
        }
        judged
    }

    fn remove(&self, state: &mut State, name: &Name) {
        let before = state.objects.get(name).cloned();
        self.place(state, name, None);
        if let (Fault::DeleteUndone, Some(object)) = (self.fault, before) {
            let at = state.writes + 3;
            state.later.push((at, name.clone(), Later::Revive(object)));
        }
    }

    pub(crate) fn begin(&self, name: &Name, metadata: Vec<(String, String)>) -> String {
        let mut state = self.lock();
        state.uploads_begun += 1;
        let id = format!("upload-{}", state.uploads_begun);
        state.uploads.insert(id.clone(), Upload { name: name.clone(), metadata, parts: BTreeMap::new() });
        id
    }

    pub(crate) fn add_part(&self, name: &Name, id: &str, number: u32, body: Bytes) -> bool {
        let mut state = self.lock();
        let Some(upload) = state.uploads.get_mut(id).filter(|u| u.name == *name) else { return false };
        upload.parts.insert(number, body);
        true
    }

    pub(crate) fn abort(&self, name: &Name, id: &str) -> bool {
        let mut state = self.lock();
        let is_there = state.uploads.get(id).is_some_and(|u| u.name == *name);
        if is_there {
            state.uploads.remove(id);
        }
        is_there
    }

    pub(crate) fn upload(&self, name: &Name, id: &str) -> Option<Upload> {
        self.lock().uploads.get(id).filter(|u| u.name == *name).cloned()
    }

    /// The ETag of a complete that succeeded before.
    pub(crate) fn completed(&self, name: &Name, id: &str) -> Option<String> {
        let state = self.lock();
        let (of, etag) = state.completed.get(id)?;
        (of == name || self.fault == Fault::CompletedElsewhere).then(|| etag.clone())
    }

    pub(crate) fn remember_completed(&self, name: &Name, id: &str, etag: &str) {
        let mut state = self.lock();
        state.uploads.remove(id);
        state.completed.insert(id.to_owned(), (name.clone(), etag.to_owned()));
    }

    /// What conditions are judged against.
    fn judged(&self, state: &State, endpoint: usize, name: &Name) -> Option<Arc<Object>> {
        let map = if self.fault == Fault::StaleReplica && endpoint > 0 { &state.replica } else { &state.objects };
        map.get(name).cloned()
    }

    fn place(&self, state: &mut State, name: &Name, object: Option<Arc<Object>>) {
        let before = put(&mut state.objects, name, object.clone());
        state.writes += 1;
        if matches!(self.fault, Fault::AckBeforeDurable | Fault::RefusalBeforeDurable) {
            state.undo.push((name.clone(), before));
        }
        if self.fault == Fault::AckBeforeDurable && state.undo.len() > UNSYNCED_MAX {
            state.undo.clear();
        }
        if matches!(self.fault, Fault::StaleReplica | Fault::StaleListing) {
            state.lag.push_back((name.clone(), object));
            if state.lag.len() > LAG {
                let (name, object) = state.lag.pop_front().expect("it is longer than the lag");
                put(&mut state.replica, &name, object);
            }
        }
        catch_up(state);
    }

    /// Waits until what is there is durable. It takes a while on every server, so a crash can come between a write and its answer.
    async fn settle(&self) {
        pause().await;
        if self.fault == Fault::RefusalBeforeDurable {
            self.lock().undo.clear();
        }
    }
}

/// A write whose body is there.
pub(crate) struct Write<'a> {
    pub(crate) operation: Operation,
    pub(crate) endpoint: usize,
    pub(crate) name: &'a Name,
    pub(crate) conditions: &'a Conditions,
    pub(crate) object: Arc<Object>,
    /// The key was absent when the request came.
    pub(crate) was_absent: bool,
}

fn put(map: &mut BTreeMap<Name, Arc<Object>>, name: &Name, object: Option<Arc<Object>>) -> Option<Arc<Object>> {
    match object {
        Some(object) => map.insert(name.clone(), object),
        None => map.remove(name),
    }
}

fn judge_source(source: Option<&Arc<Object>>, conditions: &Conditions) -> Result<Arc<Object>, Refusal> {
    let object = source.ok_or(Refusal::NoSuchKey)?;
    judge(Some(object), conditions)?;
    Ok(object.clone())
}

/// The rule itself: an absent object is 404 for If-Match, 412 is for one that is there.
fn judge(current: Option<&Object>, conditions: &Conditions) -> Result<(), Refusal> {
    let same = |tag: &String| current.is_some_and(|current| tag == "*" || *tag == current.etag);
    if conditions.differs.as_ref().is_some_and(same) {
        return Err(Refusal::Failed(conditions.name_of_differs()));
    }
    let Some(wanted) = &conditions.matches else { return Ok(()) };
    let current = current.ok_or(Refusal::NoSuchKey)?;
    if wanted == "*" || *wanted == current.etag {
        return Ok(());
    }
    Err(Refusal::Failed(conditions.name_of_matches()))
}

/// What was to come later, if it is time.
fn catch_up(state: &mut State) {
    let now = state.writes;
    let (due, later) = std::mem::take(&mut state.later).into_iter().partition::<Vec<_>, _>(|(at, ..)| *at <= now);
    state.later = later;
    for (_, name, what) in due {
        match what {
            Later::Write(object) => drop(state.objects.insert(name, object)),
            Later::Revive(object) => drop(state.objects.entry(name).or_insert(object)),
        }
    }
}

/// The head and the first half of one version, the second half of the other.
fn torn(first: Option<&Arc<Object>>, second: Option<&Arc<Object>>) -> Option<Arc<Object>> {
    let (first, second) = (first?, second?);
    let half = first.body.len().min(second.body.len()) / 2;
    let body = [&first.body[..half], &second.body[half..]].concat();
    Some(Arc::new(Object { body: body.into(), ..(**first).clone() }))
}
