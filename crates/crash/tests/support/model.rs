//! What the store may hold: a sequential model of buckets, and all states that a history of requests allows.
//!
//! Requests that ran at the same time may have happened in any order, one whose answer is not known may have happened or not. What was
//! answered must have happened with that answer, refusals too: a 412 demands that what it rests on is there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::bodies::Body;

/// A bucket and a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    pub bucket: &'static str,
    pub key: String,
}

pub fn at(bucket: &'static str, key: impl Into<String>) -> At {
    At { bucket, key: key.into() }
}

/// What must hold for a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match` with the tag of the object that has these bodies.
    Is(Vec<Body>),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    CreateBucket(&'static str),
    DeleteBucket(&'static str),
    Put(At, Option<Body>, When),
    Append(At, Body, u64),
    Copy(At, At, When),
    Rename(At, At, When),
    Delete(At, When),
    Tag(At, u32),
    BeginUpload(At),
    PutPart(At, u64, Body),
    Complete(At, Vec<u64>, When),
    Abort(At),
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// 412, or 409 where a rival came while the request was under way.
    Precondition,
    NoSuchKey,
    NoSuchBucket,
    BucketExists,
    BucketNotEmpty,
    NoSuchUpload,
    InvalidPart,
    InvalidOffset,
}

/// What a client knows of a request that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Is(Outcome),
    /// Certainly nothing happened.
    Failed(String),
    /// It may have happened.
    Unknown(String),
}

#[derive(Clone, Debug)]
pub enum Event {
    Begin(usize, Op),
    End(usize, Answer),
    /// The store is opened again, in the same folder.
    Restart,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(pub BTreeMap<String, Bucket>);

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    pub objects: BTreeMap<String, Object>,
    /// By key, of which each has at most one, their parts.
    pub uploads: BTreeMap<String, BTreeMap<u64, Body>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    pub bodies: Vec<Body>,
    pub tag: u32,
}

impl Object {
    pub fn size(&self) -> u64 {
        self.bodies.iter().map(|body| u64::from(body.len)).sum()
    }
}

impl When {
    fn judge(&self, object: Option<&Object>) -> Result<(), Outcome> {
        match (self, object) {
            (Self::Always, _) | (Self::Absent, None) => Ok(()),
            (Self::Is(_), None) => Err(Outcome::NoSuchKey),
            (Self::Is(bodies), Some(object)) if object.bodies == *bodies => Ok(()),
            (Self::Absent | Self::Is(_), Some(_)) => Err(Outcome::Precondition),
        }
    }
}

impl State {
    pub fn bucket(&self, name: &str) -> Result<&Bucket, Outcome> {
        self.0.get(name).ok_or(Outcome::NoSuchBucket)
    }

    fn bucket_mut(&mut self, name: &str) -> Result<&mut Bucket, Outcome> {
        self.0.get_mut(name).ok_or(Outcome::NoSuchBucket)
    }

    fn object(&self, at: &At) -> Result<&Object, Outcome> {
        self.bucket(at.bucket)?.objects.get(&at.key).ok_or(Outcome::NoSuchKey)
    }

    fn put(&mut self, at: &At, object: Object, when: &When) -> Result<(), Outcome> {
        let objects = &mut self.bucket_mut(at.bucket)?.objects;
        when.judge(objects.get(&at.key))?;
        objects.insert(at.key.clone(), object);
        Ok(())
    }

    /// Runs a request.
    pub fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op).err().unwrap_or(Outcome::Done)
    }

    fn try_run(&mut self, op: &Op) -> Result<(), Outcome> {
        match op {
            Op::CreateBucket(name) if self.0.contains_key(*name) => return Err(Outcome::BucketExists),
            Op::CreateBucket(name) => drop(self.0.insert((*name).to_owned(), Bucket::default())),
            Op::DeleteBucket(name) => {
                if !self.bucket(name)?.objects.is_empty() {
                    return Err(Outcome::BucketNotEmpty);
                }
                self.0.remove(*name);
            }
            Op::Put(at, body, when) => self.put(at, Object { bodies: body.iter().copied().collect(), tag: 0 }, when)?,
            Op::Append(at, body, offset) => {
                let object = self.bucket_mut(at.bucket)?.objects.entry(at.key.clone());
                let size = if let std::collections::btree_map::Entry::Occupied(o) = &object { o.get().size() } else { 0 };
                if size != *offset {
                    return Err(Outcome::InvalidOffset);
                }
                object.or_default().bodies.push(*body);
            }
            Op::Copy(from, to, when) => {
                let source = self.object(from)?.clone();
                self.put(to, source, when)?;
            }
            Op::Rename(from, to, when) => {
                let source = self.object(from)?.clone();
                self.put(to, source, when)?;
                self.bucket_mut(from.bucket)?.objects.remove(&from.key);
            }
            Op::Delete(at, when) => {
                let objects = &mut self.bucket_mut(at.bucket)?.objects;
                when.judge(objects.get(&at.key))?;
                objects.remove(&at.key);
            }
            Op::Tag(at, tag) => {
                self.bucket_mut(at.bucket)?.objects.get_mut(&at.key).ok_or(Outcome::NoSuchKey)?.tag = *tag;
            }
            Op::BeginUpload(at) => drop(self.bucket_mut(at.bucket)?.uploads.insert(at.key.clone(), BTreeMap::new())),
            Op::PutPart(at, part, body) => {
                let upload = self.bucket_mut(at.bucket)?.uploads.get_mut(&at.key).ok_or(Outcome::NoSuchUpload)?;
                upload.insert(*part, *body);
            }
            Op::Complete(at, parts, when) => {
                let upload = self.bucket(at.bucket)?.uploads.get(&at.key).ok_or(Outcome::NoSuchUpload)?;
                let bodies = parts.iter().map(|part| upload.get(part).copied()).collect::<Option<_>>().ok_or(Outcome::InvalidPart)?;
                self.put(at, Object { bodies, tag: 0 }, when)?;
                self.bucket_mut(at.bucket)?.uploads.remove(&at.key);
            }
            Op::Abort(at) => drop(self.bucket_mut(at.bucket)?.uploads.remove(&at.key).ok_or(Outcome::NoSuchUpload)?),
        }
        Ok(())
    }
}

/// One way in which things may have happened: the state, and what of the requests under way has happened already, with which answer.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    state: State,
    happened: Vec<(usize, u8)>,
}

/// All states in which the store may be after these events.
pub fn possible_states(events: &[Event]) -> Result<BTreeSet<State>, String> {
    let mut ways = HashSet::from([Way { state: State::default(), happened: Vec::new() }]);
    let mut under_way: BTreeMap<usize, &Op> = BTreeMap::new();
    for event in events {
        match event {
            Event::Begin(n, op) => drop(under_way.insert(*n, op)),
            Event::End(_, Answer::Unknown(_)) | Event::Restart => {}
            Event::End(n, Answer::Failed(_)) => {
                ways.retain(|way| way.happened.iter().all(|(of, _)| of != n));
                under_way.remove(n);
            }
            Event::End(n, Answer::Is(outcome)) => {
                let answered = (*n, *outcome as u8);
                ways = closure(ways, &under_way).into_iter().filter(|way| way.happened.contains(&answered)).collect();
                ways = ways.into_iter().map(|way| Way { happened: without(way.happened, *n), ..way }).collect();
                let op = under_way.remove(n);
                if ways.is_empty() {
                    return Err(format!("no order of the requests allows the answer {outcome:?} to {op:?}"));
                }
            }
        }
    }
    Ok(closure(ways, &under_way).into_iter().map(|way| way.state).collect())
}

fn without(mut happened: Vec<(usize, u8)>, n: usize) -> Vec<(usize, u8)> {
    happened.retain(|(of, _)| *of != n);
    happened
}

/// The ways, and all that follow when any of what is under way happens.
fn closure(ways: HashSet<Way>, under_way: &BTreeMap<usize, &Op>) -> HashSet<Way> {
    let mut next: Vec<Way> = ways.iter().cloned().collect();
    let mut all = ways;
    while let Some(way) = next.pop() {
        for (n, op) in under_way.iter().filter(|(n, _)| way.happened.iter().all(|(of, _)| of != *n)) {
            let mut state = way.state.clone();
            let outcome = state.run(op) as u8;
            let mut happened = way.happened.clone();
            happened.push((*n, outcome));
            happened.sort_unstable();
            let following = Way { state, happened };
            if all.insert(following.clone()) {
                next.push(following);
            }
        }
    }
    all
}
