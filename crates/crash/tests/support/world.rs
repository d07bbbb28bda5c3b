//! A store on a mounted disk, and clients whose requests and answers are written down.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_embedded::{EmbeddedStore, OpenError, Options};
use holdfast_model::{
    Attributes, BucketName, ByteSpan, ChecksumAlgorithm, DeleteConditions, ETag, ETagMatch, ObjectKey, PartNumber, ReadConditions,
    SourceConditions, Tags, UploadId, WriteConditions, WriteRefusal, WriteRule, limits,
};
use holdfast_objects::{
    Caller, Collected, CompletePart, CompleteRequest, CopyRequest, ExpectedDigests, ListRequest, ListedUpload, NewUpload, Objects,
    ObjectsError, PutRequest, RenameRequest, Staged, SystemClock, UploadHead, UploadsRequest, WriteOperation, Written,
};

use md5::{Digest as _, Md5};

use super::{
    bodies::{Body, bodies_of},
    model::{Answer, At, Bucket, Event, Object, Op, Outcome, State, When},
};

/// What clients saw, in order. Clones are the same history.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Seen>>);

#[derive(Clone, Default)]
struct Seen {
    events: Vec<Event>,
    requests: usize,
    tags: HashMap<Vec<Body>, ETag>,
    uploads: HashMap<At, UploadId>,
    parts: HashMap<(At, u64), ETag>,
    part_bodies: HashMap<ETag, Body>,
    bodies: u32,
}

impl History {
    /// One whose bodies are numbered from here on.
    pub fn starting_at(bodies: u32) -> Self {
        let history = Self::default();
        history.0.lock().unwrap().bodies = bodies;
        history
    }

    /// A copy that goes its own way.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    pub fn len(&self) -> u64 {
        self.0.lock().unwrap().events.len() as u64
    }

    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().events.clone()
    }

    /// A body that no other request has.
    pub fn body(&self, len: u32) -> Body {
        let mut seen = self.0.lock().unwrap();
        seen.bodies += 1;
        Body { number: seen.bodies, len }
    }

    pub fn restart(&self) {
        self.0.lock().unwrap().events.push(Event::Restart);
    }

    fn begin(&self, op: &Op) -> usize {
        let mut seen = self.0.lock().unwrap();
        if let Op::PutPart(_, _, body) = op {
            seen.part_bodies.insert(ETag::of_md5(Md5::digest(body.bytes()).into()), *body);
        }
        seen.requests += 1;
        let n = seen.requests;
        seen.events.push(Event::Begin(n, op.clone()));
        n
    }

    fn end(&self, n: usize, answer: Answer) {
        self.0.lock().unwrap().events.push(Event::End(n, answer));
    }
}

/// A store that runs, and its history.
#[derive(Clone)]
pub struct World {
    pub store: EmbeddedStore,
    pub objects: Objects,
    pub history: History,
}

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

fn key(at: &At) -> ObjectKey {
    ObjectKey::parse(&at.key).unwrap()
}

fn caller() -> Caller {
    Caller { principal: "root".into(), invocation: None }
}

fn tags(tag: u32) -> Tags {
    Tags::new(if tag == 0 { vec![] } else { vec![("tag".into(), tag.to_string())] }, 10).unwrap()
}

impl World {
    /// Opens the store in `data`.
    pub fn open(data: &Path, history: &History) -> Result<Self, OpenError> {
        let store = EmbeddedStore::open(data, Options { cache_bytes: 1 << 20, ..Options::default() })?;
        let objects = Objects::new(Arc::new(store.clone()), Arc::new(store.clone()), Arc::new(SystemClock));
        Ok(Self { store, objects, history: history.clone() })
    }

    /// Sends a request and writes down what is answered. `None` if it cannot be sent, since what it needs was never answered.
    pub async fn run(&self, op: Op) -> Option<Answer> {
        if !self.can_send(&op) {
            return None;
        }
        let n = self.history.begin(&op);
        let answer = match self.send(&op).await {
            Ok(()) => Answer::Is(Outcome::Done),
            Err(error) => answer_of(error),
        };
        self.history.end(n, answer.clone());
        Some(answer)
    }

    fn can_send(&self, op: &Op) -> bool {
        let seen = self.history.0.lock().unwrap();
        let when = match op {
            Op::Put(_, _, when) | Op::Copy(_, _, when) | Op::Rename(_, _, when) | Op::Delete(_, when) | Op::Complete(_, _, when) => when,
            _ => &When::Always,
        };
        let has_tag = if let When::Is(bodies) = when { seen.tags.contains_key(bodies) } else { true };
        let has_upload = match op {
            Op::PutPart(at, ..) | Op::Abort(at) => seen.uploads.contains_key(at),
            Op::Complete(at, parts, _) => {
                seen.uploads.contains_key(at) && parts.iter().all(|part| seen.parts.contains_key(&(at.clone(), *part)))
            }
            _ => true,
        };
        has_tag && has_upload
    }

    fn conditions(&self, when: &When) -> WriteConditions {
        let rule = match when {
            When::Always => WriteRule::Always,
            When::Absent => WriteRule::CreateOnly,
            When::Is(bodies) => WriteRule::IfMatch(ETagMatch::Exactly(self.history.0.lock().unwrap().tags[bodies].clone())),
        };
        WriteConditions { rule, ..WriteConditions::default() }
    }

    fn note(&self, bodies: &[Body], written: &Written) {
        self.history.0.lock().unwrap().tags.insert(bodies.to_vec(), written.etag.clone());
    }

    fn upload(&self, at: &At) -> UploadId {
        self.history.0.lock().unwrap().uploads[at].clone()
    }

    async fn staged(&self, body: Option<Body>) -> Result<Staged, ObjectsError> {
        let mut stage = self.objects.stage(ChecksumAlgorithm::Crc64Nvme, limits::PUT_BYTES_MAX);
        let bytes = body.map_or(Bytes::new(), Body::bytes);
        for chunk in bytes.chunks(64 * 1024) {
            stage.append(bytes.slice_ref(chunk)).await?;
        }
        stage.seal(&ExpectedDigests::default()).await
    }

    async fn put_request(&self, at: &At, body: Option<Body>, when: &When, operation: WriteOperation) -> Result<PutRequest, ObjectsError> {
        let conditions = self.conditions(when);
        let arrived = self.objects.arrive(&bucket(at.bucket), &key(at), &conditions, operation, &caller()).await?;
        let staged = self.staged(body).await?;
        Ok(PutRequest { arrived, conditions, staged, attributes: Attributes::default(), tags: Tags::default(), caller: caller() })
    }

    async fn send(&self, op: &Op) -> Result<(), ObjectsError> {
        match op {
            Op::CreateBucket(name) => self.objects.create_bucket(&bucket(name), "", Tags::default()).await,
            Op::DeleteBucket(name) => self.objects.delete_bucket(&bucket(name)).await,
            Op::Put(at, body, when) => {
                let written = self.objects.put(self.put_request(at, *body, when, WriteOperation::Put).await?).await?;
                self.note(&body.iter().copied().collect::<Vec<_>>(), &written);
                Ok(())
            }
            Op::Append(at, body, offset) => {
                let request = self.put_request(at, Some(*body), &When::Always, WriteOperation::Append).await?;
                self.objects.append(request, *offset).await.map(drop)
            }
            Op::Copy(from, to, when) => self.copy(from, to, when).await,
            Op::Rename(from, to, when) => self.rename(from, to, when).await,
            Op::Delete(at, when) => {
                let etag = match when {
                    When::Is(_) => match self.conditions(when).rule {
                        WriteRule::IfMatch(etag) => Some(etag),
                        _ => None,
                    },
                    _ => None,
                };
                let conditions = DeleteConditions { if_match: etag, ..DeleteConditions::default() };
                self.objects.delete(&bucket(at.bucket), &key(at), conditions).await
            }
            Op::Tag(at, tag) => self.objects.set_object_tags(&bucket(at.bucket), &key(at), tags(*tag)).await,
            Op::BeginUpload(at) => {
                let created = self.objects.create_upload(&bucket(at.bucket), &key(at), NewUpload::default()).await?;
                self.history.0.lock().unwrap().uploads.insert(at.clone(), created.id);
                Ok(())
            }
            Op::PutPart(at, part, body) => self.put_part(at, *part, *body).await,
            Op::Complete(at, parts, when) => self.complete(at, parts, when).await,
            Op::Abort(at) => self.objects.abort_upload(&bucket(at.bucket), &key(at), &self.upload(at)).await,
        }
    }

    async fn copy(&self, from: &At, to: &At, when: &When) -> Result<(), ObjectsError> {
        let request = CopyRequest {
            arrived: self.objects.observe(&bucket(to.bucket), &key(to)).await?,
            conditions: self.conditions(when),
            source_bucket: bucket(from.bucket),
            source_key: key(from),
            source_conditions: SourceConditions::default(),
            attributes: None,
            tags: None,
            checksum: None,
            caller: caller(),
        };
        self.objects.copy(request).await.map(drop)
    }

    async fn rename(&self, from: &At, to: &At, when: &When) -> Result<(), ObjectsError> {
        let request = RenameRequest {
            arrived: self.objects.observe(&bucket(to.bucket), &key(to)).await?,
            conditions: self.conditions(when),
            sources: vec![key(from)],
            source_conditions: SourceConditions::default(),
            token: None,
            caller: caller(),
        };
        self.objects.rename(request).await.map(drop)
    }

    async fn put_part(&self, at: &At, part: u64, body: Body) -> Result<(), ObjectsError> {
        let found = self.objects.upload_for_parts(&bucket(at.bucket), &key(at), &self.upload(at), None).await?;
        let written = self.objects.put_part(&found, PartNumber::new(part).unwrap(), self.staged(Some(body)).await?).await?;
        self.history.0.lock().unwrap().parts.insert((at.clone(), part), written.etag);
        Ok(())
    }

    async fn complete(&self, at: &At, parts: &[u64], when: &When) -> Result<(), ObjectsError> {
        let tag_of = |part: &u64| self.history.0.lock().unwrap().parts[&(at.clone(), *part)].clone();
        let part = |part: &u64| CompletePart { number: PartNumber::new(*part).unwrap(), etag: tag_of(part), checksum: None };
        let request = CompleteRequest {
            arrived: self.objects.observe(&bucket(at.bucket), &key(at)).await?,
            conditions: self.conditions(when),
            upload: self.upload(at),
            parts: parts.iter().map(part).collect(),
            checksum: None,
            kind: None,
            size: None,
            caller: caller(),
        };
        self.objects.complete_upload(request).await.map(drop)
    }

    /// Runs the collector until there is no garbage.
    pub async fn collect_all(&self) -> Result<(), String> {
        loop {
            let collected = self.objects.collect().await.map_err(|e| format!("collecting: {e}"))?;
            if collected == Collected::default() {
                return Ok(());
            }
        }
    }

    /// Everything that a client can see, every byte of it.
    pub async fn state(&self) -> Result<State, String> {
        let buckets = self.objects.list_buckets("", None, 1000).await.map_err(|e| format!("reading: {e}"))?;
        self.state_of(&buckets.iter().map(|found| found.name.as_str()).collect::<Vec<_>>()).await
    }

    /// Everything in these buckets.
    pub async fn state_of(&self, buckets: &[&str]) -> Result<State, String> {
        let text = |e: ObjectsError| format!("reading: {e}");
        let mut state = State::default();
        for name in buckets {
            let name = bucket(name);
            let mut seen = Bucket::default();
            let request = ListRequest { max: 1000, ..ListRequest::default() };
            for listed in self.objects.list(&name, request).await.map_err(text)?.entries {
                let object = self.object(&name, listed.position()).await?;
                seen.objects.insert(listed.position().to_owned(), object);
            }
            let request = UploadsRequest { max: 1000, ..UploadsRequest::default() };
            for listed in self.objects.list_uploads(&name, request).await.map_err(text)?.entries {
                let ListedUpload::Upload { key, id, .. } = listed else { return Err("a prefix where none was asked for".into()) };
                let parts = self.parts(&name, &key, &id).await?;
                seen.uploads.insert(key, parts);
            }
            state.0.insert(name.as_str().to_owned(), seen);
        }
        Ok(state)
    }

    /// Reads an object. The outer error is a body that ended as if it were whole and is not what somebody wrote.
    pub async fn read_whole(&self, at: &At) -> Result<Result<(), String>, String> {
        match self.object(&bucket(at.bucket), &at.key).await {
            Ok(_) => Ok(Ok(())),
            Err(e) if e.contains(&ObjectsError::NoSuchKey.to_string()) => Ok(Ok(())),
            Err(e) if e.starts_with("reading ") => Ok(Err(e)),
            Err(e) => Err(e),
        }
    }

    async fn object(&self, bucket: &BucketName, key: &str) -> Result<Object, String> {
        let text = |e: ObjectsError| format!("reading {key}: {e}");
        let open = self.objects.open(bucket, &ObjectKey::parse(key).unwrap(), &ReadConditions::default()).await.map_err(text)?;
        let head = open.head();
        let (size, tag) = (head.current.size, head.tags.iter().next().map_or(0, |(_, value)| value.parse().unwrap()));
        let bytes = gather(open.read(ByteSpan::whole(size))).await.map_err(|e| format!("reading {key}: {e}"))?;
        if bytes.len() as u64 != size {
            return Err(format!("{key} has {size} bytes, and {} were read without an error", bytes.len()));
        }
        Ok(Object { bodies: bodies_of(&bytes).map_err(|e| format!("{key}: {e}"))?, tag })
    }

    async fn parts(&self, bucket: &BucketName, key: &str, id: &UploadId) -> Result<std::collections::BTreeMap<u64, Body>, String> {
        let list = self.objects.list_parts(bucket, &ObjectKey::parse(key).unwrap(), id, 0, 1000).await.map_err(|e| format!("{e}"))?;
        // The check compares a part's bytes with its tag; so the tag tells which body it is.
        let seen = self.history.0.lock().unwrap();
        let body = |part: &UploadHead| seen.part_bodies.get(&part.etag).copied().ok_or_else(|| format!("{key}: a part that nobody sent"));
        list.parts.iter().map(|part| Ok((u64::from(part.number.get()), body(part)?))).collect()
    }
}

async fn gather(mut stream: holdfast_store::ByteStream) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk.map_err(|e| e.to_string())?);
    }
    Ok(all)
}

fn answer_of(error: ObjectsError) -> Answer {
    use ObjectsError as E;
    Answer::Is(match error {
        E::Write(WriteRefusal::PreconditionFailed(_) | WriteRefusal::Conflict(_)) => Outcome::Precondition,
        E::Write(WriteRefusal::NoSuchKey(_)) | E::NoSuchKey | E::NoSuchSource { .. } => Outcome::NoSuchKey,
        E::NoSuchBucket | E::NoSuchSourceBucket => Outcome::NoSuchBucket,
        E::BucketAlreadyOwnedByYou => Outcome::BucketExists,
        E::BucketNotEmpty => Outcome::BucketNotEmpty,
        E::NoSuchUpload => Outcome::NoSuchUpload,
        E::InvalidPart { .. } => Outcome::InvalidPart,
        E::InvalidWriteOffset { .. } => Outcome::InvalidOffset,
        E::Contended => return Answer::Failed(error.to_string()),
        other if other.is_definite() => return Answer::Failed(other.to_string()),
        other => return Answer::Unknown(other.to_string()),
    })
}
