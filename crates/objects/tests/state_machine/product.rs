//! The product under test: `Objects` over the in-memory store, behind a door through which trouble comes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture};
use holdfast_model::*;
use holdfast_objects::*;
use holdfast_store::{Decide, KeyRange, MemoryStore, Metadata, Outcome as Settled, RecordKey, Records, Visit};
use parking_lot::Mutex;

use crate::{
    naive::{Args, ListedPart, Outcome, UploadName},
    script::*,
    words::{refusal, sum},
};

/// No listing of so few keys has more.
const PAGES_MAX: usize = 100;

/// A clock in milliseconds.
#[derive(Default)]
pub struct Hand(pub AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Relaxed))
    }
}

/// What waits at the door for the n-th call.
pub enum Ambush {
    Rival(Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>),
    Busy,
    Applied,
    Lost,
    Twice,
}

/// The in-memory store with somebody at the door.
#[derive(Clone, Default)]
pub struct Door {
    pub inner: MemoryStore,
    waiting: Arc<Mutex<Option<(u8, Ambush)>>>,
}

impl Door {
    pub fn wait(&self, calls: u8, ambush: Ambush) {
        *self.waiting.lock() = Some((calls, ambush));
    }

    /// Whether what waited has not come.
    pub fn leave(&self) -> bool {
        self.waiting.lock().take().is_some()
    }

    fn passed(&self, may: impl Fn(&Ambush) -> bool) -> Option<Ambush> {
        let mut waiting = self.waiting.lock();
        let (calls, ambush) = waiting.as_mut()?;
        if *calls > 0 {
            *calls -= 1;
            return None;
        }
        if may(ambush) { waiting.take().map(|(_, ambush)| ambush) } else { None }
    }

    async fn let_rivals_pass(&self) {
        let ambush = self.passed(|ambush| matches!(ambush, Ambush::Rival(_)));
        if let Some(Ambush::Rival(run)) = ambush {
            run().await;
        }
    }
}

#[async_trait]
impl Metadata for Door {
    async fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        self.let_rivals_pass().await;
        self.inner.get(key).await
    }

    async fn scan_raw(&self, range: KeyRange, visit: Visit) -> Result<(), StoreError> {
        self.let_rivals_pass().await;
        self.inner.scan_raw(range, visit).await
    }

    async fn transact_raw(&self, keys: Vec<RecordKey>, mut decide: Decide) -> Result<Settled, StoreError> {
        let lost = || StoreError::Indefinite("ordered by the script".into());
        match self.passed(|_| true) {
            None => self.inner.transact_raw(keys, decide).await,
            Some(Ambush::Rival(run)) => {
                run().await;
                self.inner.transact_raw(keys, decide).await
            }
            Some(Ambush::Busy) => Err(StoreError::Busy),
            Some(Ambush::Lost) => Err(lost()),
            Some(Ambush::Applied) => self.inner.transact_raw(keys, decide).await.and(Err(lost())),
            Some(Ambush::Twice) => {
                let twice = move |records: &Records<'_>| {
                    drop(decide(records));
                    decide(records)
                };
                self.inner.transact_raw(keys, Box::new(twice)).await
            }
        }
    }
}

pub struct Product {
    pub door: Door,
    pub objects: Objects,
    pub clock: Arc<Hand>,
    held: Mutex<Option<ByteStream>>,
}

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn attributes(meta: u8) -> Attributes {
    match meta {
        0 => Attributes::default(),
        n => Attributes::new(vec![(StandardHeader::ContentType, vec![b'0' + n])], vec![("n".into(), vec![b'0' + n])]).unwrap(),
    }
}

fn meta_of(attributes: &Attributes) -> u8 {
    attributes.get(StandardHeader::ContentType).map_or(0, |value| value[0] - b'0')
}

fn tags(n: u8) -> Tags {
    Tags::new((n > 0).then(|| ("n".to_owned(), n.to_string())).into_iter().collect(), 10).unwrap()
}

fn caller(who: Who) -> Caller {
    Caller { principal: format!("user {}", who.0), invocation: who.1.map(|id| format!("invocation {id}")) }
}

pub async fn gather(mut stream: ByteStream) -> Result<Vec<u8>, StoreError> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

fn written(written: &Written) -> Outcome {
    let Written { etag, generation, size, last_modified, checksum, parts, repeated } = written;
    let sum = checksum.as_ref().map_or("none".into(), |stored| sum(&stored.checksum, stored.kind));
    let rest = if *repeated { " again".to_owned() } else { format!(" size={size} modified={}", last_modified.millis()) };
    let text = format!("200 etag={etag} generation={} sum={sum} parts={parts:?}{rest}", generation.0);
    Outcome { generation: generation.0, ..Outcome::said(text) }
}

pub fn head_text(head: &ObjectHead) -> String {
    let Current { etag, size, last_modified, generation } = &head.current;
    let (meta, tags) = (meta_of(&head.attributes), head.tags.iter().next().map_or("0", |(_, value)| value));
    let sum = head.checksum.as_ref().map_or("none".into(), |stored| sum(&stored.checksum, stored.kind));
    let (modified, generation, parts) = (last_modified.millis(), generation.0, head.parts);
    format!("etag={etag} size={size} modified={modified} generation={generation} meta={meta} tags={tags} sum={sum} parts={parts:?}")
}

impl Product {
    pub fn new() -> Self {
        let (door, clock) = (Door::default(), Arc::new(Hand::default()));
        clock.0.store(1_000_000_000, Relaxed);
        let objects = Objects::new(Arc::new(door.clone()), Arc::new(door.inner.clone()), clock.clone());
        Self { door, objects, clock, held: Mutex::default() }
    }

    /// Sends one request. `arrived` is called when the product has had its early look, and nothing is decided.
    pub async fn send(&self, ask: &Ask, args: &Args, arrived: impl FnOnce() + Send) -> Outcome {
        self.sent(ask, args, arrived).await.unwrap_or_else(|error| Outcome::said(refusal(&error)))
    }

    async fn sent(&self, ask: &Ask, args: &Args, arrived: impl FnOnce() + Send) -> Result<Outcome, ObjectsError> {
        match ask {
            Ask::Put { .. } | Ask::Append { .. } => return self.send_body(ask, args, arrived).await,
            Ask::Copy { .. } => return self.copy(ask, args, arrived).await,
            Ask::Rename { .. } => return self.rename(ask, args, arrived).await,
            Ask::Complete { .. } => return self.complete(ask, args, arrived).await,
            _ => arrived(),
        }
        let objects = &self.objects;
        let named = |n: &u8| bucket(BUCKETS[usize::from(*n)]);
        match ask {
            Ask::CreateBucket(n) => objects.create_bucket(&named(n), "", Tags::default()).await?,
            Ask::DeleteBucket(n) => objects.delete_bucket(&named(n)).await?,
            Ask::Delete { at, .. } => objects.delete(&bucket(at.bucket()), &key(at.key()), args.deletes.clone()).await?,
            Ask::Tag { at, tags: n } => objects.set_object_tags(&bucket(at.bucket()), &key(at.key()), tags(*n)).await?,
            Ask::CreateUpload { at, sum, kind, meta, tags: n } => {
                let new = NewUpload { algorithm: *sum, kind: *kind, attributes: attributes(*meta), tags: tags(*n) };
                let created = objects.create_upload(&bucket(at.bucket()), &key(at.key()), new).await?;
                return Ok(Outcome { upload: created.id.as_str().to_owned(), ..Outcome::said("200") });
            }
            Ask::PutPart { number, body, given, .. } => return self.put_part(&args.upload, *number, &body.bytes(), *given).await,
            Ask::CopyPart { number, from, .. } => {
                // As the wire does it: the upload is looked up first.
                objects
                    .upload_for_parts(&bucket(&args.upload.bucket), &key(&args.upload.key), &UploadId::new(&args.upload.id), None)
                    .await?;
                let conditions = SourceConditions(args.source.clone());
                let open = objects.open_source(&bucket(from.bucket()), &key(from.key()), &conditions).await?;
                let size = open.head().current.size;
                let bytes = gather(open.read(ByteSpan::whole(size))).await?;
                return self.put_part(&args.upload, *number, &bytes.into(), None).await;
            }
            Ask::Abort { .. } => {
                let UploadName { bucket: name, key: of, id } = &args.upload;
                objects.abort_upload(&bucket(name), &key(of), &UploadId::new(id)).await?;
            }
            Ask::ListParts { after, max, .. } => {
                let from = PART_NUMBERS[usize::from(*after)] as u16 - 1;
                return Ok(Outcome::said(format!("200 {}", self.parts(&args.upload, from, (*max).into()).await?)));
            }
            Ask::ListUploads { bucket, pages } => return Ok(Outcome::said(format!("200 {}", self.uploads(named(bucket), pages).await?))),
            Ask::List { bucket, pages } => return Ok(Outcome::said(format!("200 {}", self.list(named(bucket), pages).await?))),
            Ask::Get { at, span, .. } => return self.get(*at, &args.source, *span).await,
            Ask::Hold { at } => return self.hold(*at).await,
            Ask::Release => return self.release().await,
            Ask::Collect => drop(objects.collect().await?),
            Ask::Forget => drop(objects.forget_replays().await?),
            Ask::Wait(millis) => drop(self.clock.0.fetch_add(*millis, Relaxed)),
            _ => {}
        }
        Ok(Outcome::said("200"))
    }

    async fn staged(&self, bytes: &Bytes, algorithm: ChecksumAlgorithm, given: Option<ChecksumAlgorithm>) -> Result<Staged, ObjectsError> {
        let mut stage = self.objects.stage(algorithm, limits::PUT_BYTES_MAX).verifying(given);
        for chunk in bytes.chunks(1 << 20) {
            stage.append(bytes.slice_ref(chunk)).await?;
        }
        stage.seal(&ExpectedDigests::default()).await
    }

    async fn send_body(&self, ask: &Ask, args: &Args, arrive: impl FnOnce()) -> Result<Outcome, ObjectsError> {
        let (at, body, sum, who, meta, n) = match ask {
            Ask::Put { at, body, meta, tags, sum, who, .. } => (at, body, sum, who, *meta, *tags),
            Ask::Append { at, body, sum, who, .. } => (at, body, sum, who, 0, 0),
            _ => unreachable!("a body is sent"),
        };
        let caller = caller(*who);
        let operation = if matches!(ask, Ask::Put { .. }) { WriteOperation::Put } else { WriteOperation::Append };
        let arrived = self.objects.arrive(&bucket(at.bucket()), &key(at.key()), &args.when, operation, &caller).await?;
        arrive();
        let staged = self.staged(&body.bytes(), *sum, None).await?;
        let (attributes, tags) = (attributes(meta), tags(n));
        let request = PutRequest { arrived, conditions: args.when.clone(), staged, attributes, tags, caller };
        let done = if operation == WriteOperation::Put {
            self.objects.put(request).await?
        } else {
            self.objects.append(request, args.offset).await?
        };
        Ok(written(&done))
    }

    async fn copy(&self, ask: &Ask, args: &Args, arrive: impl FnOnce()) -> Result<Outcome, ObjectsError> {
        let Ask::Copy { from, to, meta, tags: n, sum, who, .. } = ask else { unreachable!("a copy") };
        let arrived = self.objects.observe(&bucket(to.bucket()), &key(to.key())).await?;
        arrive();
        let request = CopyRequest {
            arrived,
            conditions: args.when.clone(),
            source_bucket: bucket(from.bucket()),
            source_key: key(from.key()),
            source_conditions: SourceConditions(args.source.clone()),
            attributes: meta.map(attributes),
            tags: n.map(tags),
            checksum: *sum,
            caller: caller(*who),
        };
        Ok(written(&self.objects.copy(request).await?))
    }

    async fn rename(&self, ask: &Ask, args: &Args, arrive: impl FnOnce()) -> Result<Outcome, ObjectsError> {
        let Ask::Rename { bucket: n, from, to, token, who, .. } = ask else { unreachable!("a rename") };
        let arrived = self.objects.observe(&bucket(BUCKETS[usize::from(*n)]), &key(KEYS[usize::from(*to)])).await?;
        arrive();
        let request = RenameRequest {
            arrived,
            conditions: args.when.clone(),
            sources: vec![key(KEYS[usize::from(*from)])],
            source_conditions: SourceConditions(args.source.clone()),
            token: token.map(|token| format!("token-{token}")),
            caller: caller(*who),
        };
        Ok(written(&self.objects.rename(request).await?))
    }

    async fn put_part(
        &self,
        name: &UploadName,
        number: u8,
        bytes: &Bytes,
        given: Option<ChecksumAlgorithm>,
    ) -> Result<Outcome, ObjectsError> {
        let upload = self.objects.upload_for_parts(&bucket(&name.bucket), &key(&name.key), &UploadId::new(&name.id), given).await?;
        let staged = self.staged(bytes, upload.algorithm, given).await?;
        let number = PartNumber::new(PART_NUMBERS[usize::from(number)]).unwrap();
        let part = self.objects.put_part(&upload, number, staged).await?;
        let (algorithm, value) = (part.checksum.algorithm().name(), hex::encode(part.checksum.value()));
        Ok(Outcome::said(format!("200 etag={} sum={algorithm}:{value}", part.etag)))
    }

    async fn complete(&self, ask: &Ask, args: &Args, arrive: impl FnOnce()) -> Result<Outcome, ObjectsError> {
        let Ask::Complete { who, .. } = ask else { unreachable!("a completion") };
        let UploadName { bucket: name, key: of, id } = &args.upload;
        let arrived = self.objects.observe(&bucket(name), &key(of)).await?;
        arrive();
        let part = |(number, etag, sum): &ListedPart| CompletePart {
            number: PartNumber::new(*number).unwrap(),
            etag: etag.clone(),
            checksum: sum.as_ref().map(|(algorithm, value)| Checksum::new(*algorithm, value).unwrap()),
        };
        let request = CompleteRequest {
            arrived,
            conditions: args.when.clone(),
            upload: UploadId::new(id),
            parts: args.parts.iter().map(part).collect(),
            checksum: None,
            kind: None,
            size: args.size,
            caller: caller(*who),
        };
        Ok(written(&self.objects.complete_upload(request).await?))
    }

    pub async fn parts(&self, name: &UploadName, mut from: u16, max: usize) -> Result<String, ObjectsError> {
        let mut pages = Vec::new();
        while pages.len() < PAGES_MAX {
            let page = self.objects.list_parts(&bucket(&name.bucket), &key(&name.key), &UploadId::new(&name.id), from, max).await?;
            let line = |part: &UploadHead| {
                let sum = part.checksum.as_ref().map_or("none".into(), |c| format!("{}:{}", c.algorithm().name(), hex::encode(c.value())));
                format!("{} etag={} size={} modified={} sum={sum}", part.number, part.etag, part.size, part.last_modified.millis())
            };
            pages.push(page.parts.iter().map(line).collect::<Vec<_>>().join("; "));
            match page.parts.last() {
                Some(last) if page.truncated => from = last.number.get(),
                _ => return Ok(pages.join(" | ")),
            }
        }
        Ok("pages without end".into())
    }

    pub async fn list(&self, bucket: BucketName, asked: &Pages) -> Result<String, ObjectsError> {
        let delimiter = DELIMITERS[usize::from(asked.delimiter)];
        let mut request = ListRequest {
            prefix: PREFIXES[usize::from(asked.prefix)].into(),
            delimiter: (!delimiter.is_empty()).then(|| delimiter.into()),
            after: asked.after.map(|after| KEYS[usize::from(after)].into()),
            max: asked.max.into(),
        };
        let mut pages = Vec::new();
        while pages.len() < PAGES_MAX {
            let page = self.objects.list(&bucket, request.clone()).await?;
            let line = |entry: &Listed| match entry {
                Listed::Prefix(prefix) => prefix.clone(),
                Listed::Object(ListedObject { key, current, checksum }) => {
                    let sum = checksum.map_or("none".into(), |(algorithm, kind)| format!("{}:{}", algorithm.name(), kind.name()));
                    let (modified, generation) = (current.last_modified.millis(), current.generation.0);
                    let Current { etag, size, .. } = current;
                    format!("{key:?} etag={etag} size={size} modified={modified} generation={generation} sum={sum}")
                }
            };
            pages.push(page.entries.iter().map(line).collect::<Vec<_>>().join("; "));
            match page.entries.last() {
                Some(last) if page.truncated => request.after = Some(last.position().to_owned()),
                _ => return Ok(pages.join(" | ")),
            }
        }
        Ok("pages without end".into())
    }

    pub async fn uploads(&self, bucket: BucketName, asked: &Pages) -> Result<String, ObjectsError> {
        let delimiter = DELIMITERS[usize::from(asked.delimiter)];
        let mut request = UploadsRequest {
            prefix: PREFIXES[usize::from(asked.prefix)].into(),
            delimiter: (!delimiter.is_empty()).then(|| delimiter.into()),
            key_marker: asked.after.map(|after| KEYS[usize::from(after)].into()),
            id_marker: None,
            max: asked.max.into(),
        };
        let mut pages = Vec::new();
        while pages.len() < PAGES_MAX {
            let page = self.objects.list_uploads(&bucket, request.clone()).await?;
            let line = |entry: &ListedUpload| match entry {
                ListedUpload::Prefix(prefix) => prefix.clone(),
                ListedUpload::Upload { key, id, initiated, algorithm, kind } => {
                    let sum = algorithm.map_or("none", ChecksumAlgorithm::name);
                    format!("{key:?} {id} begun={} sum={sum}:{}", initiated.millis(), kind.name())
                }
            };
            pages.push(page.entries.iter().map(line).collect::<Vec<_>>().join("; "));
            let next = match page.entries.last() {
                Some(ListedUpload::Upload { key, id, .. }) => (key.clone(), Some(id.clone())),
                Some(ListedUpload::Prefix(prefix)) => (prefix.clone(), None),
                None => return Ok(pages.join(" | ")),
            };
            if !page.truncated {
                return Ok(pages.join(" | "));
            }
            (request.key_marker, request.id_marker) = (Some(next.0), next.1);
        }
        Ok("pages without end".into())
    }

    async fn get(&self, at: At, conditions: &ReadConditions, span: Span) -> Result<Outcome, ObjectsError> {
        let open = self.objects.open(&bucket(at.bucket()), &key(at.key()), conditions).await?;
        let size = open.head().current.size;
        let span = match span {
            Span::Whole => ByteSpan::whole(size),
            Span::FromTo(a, b) => ByteRange::FromTo(a.into(), b.into()).resolve(size)?,
            Span::From(a) => ByteRange::From(a.into()).resolve(size)?,
            Span::Last(n) => ByteRange::Last(n.into()).resolve(size)?,
            Span::Part(n) => open.part(PartNumber::new(n.into()).unwrap())?,
        };
        let text = format!("200 {}", head_text(open.head()));
        Ok(Outcome { body: Some(gather(open.read(span)).await?), ..Outcome::said(text) })
    }

    /// As a whole get, but the bytes are read when it is released.
    async fn hold(&self, at: At) -> Result<Outcome, ObjectsError> {
        let open = self.objects.open(&bucket(at.bucket()), &key(at.key()), &ReadConditions::default()).await?;
        let size = open.head().current.size;
        let text = format!("200 {}", head_text(open.head()));
        *self.held.lock() = Some(open.read(ByteSpan::whole(size)));
        Ok(Outcome::said(text))
    }

    async fn release(&self) -> Result<Outcome, ObjectsError> {
        let held = self.held.lock().take();
        let Some(stream) = held else { return Ok(Outcome::said("200")) };
        Ok(Outcome { body: Some(gather(stream).await?), ..Outcome::said("200") })
    }

    /// The parts of an object, as GetObjectAttributes lists them: number, size, checksum.
    pub async fn object_parts(&self, at: At) -> Result<Vec<PartInfo>, ObjectsError> {
        Ok(self.objects.open(&bucket(at.bucket()), &key(at.key()), &ReadConditions::default()).await?.parts(0, 1000).parts)
    }

    pub async fn head(&self, at: At) -> Result<ObjectHead, ObjectsError> {
        self.objects.head(&bucket(at.bucket()), &key(at.key()), &ReadConditions::default()).await
    }

    pub async fn buckets(&self) -> Vec<String> {
        let buckets = self.objects.list_buckets("", None, 10).await.unwrap();
        buckets.into_iter().map(|bucket| bucket.name.as_str().to_owned()).collect()
    }
}
