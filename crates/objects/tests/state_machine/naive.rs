//! A naive S3: maps of maps, written from `docs/consistency.md`, one request at a time. It shares nouns with the product and no rule:
//! it judges conditions, folds listings and computes tags and checksums by itself, and keeps every body whole.

use std::collections::{BTreeMap, BTreeSet};

use crc_fast::CrcAlgorithm;
use holdfast_model::*;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::script::*;

/// What came of a request, in the words of S3: `200 ...`, or the refusal's status, code and condition.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub text: String,
    pub body: Option<Vec<u8>>,
    /// The generation that an answer gave.
    pub generation: u64,
    /// The id that an answer gave.
    pub upload: String,
}

impl Outcome {
    pub fn said(text: impl Into<String>) -> Self {
        Self { text: text.into(), body: None, generation: 0, upload: String::new() }
    }

    pub fn is(&self, other: &Self) -> bool {
        self.text == other.text && self.body == other.body
    }

    pub fn is_success(&self) -> bool {
        self.text.starts_with('2')
    }
}

pub type Said<T> = Result<T, String>;
/// As a completion lists it: number, tag, checksum.
pub type ListedPart = (u64, ETag, Option<(ChecksumAlgorithm, Vec<u8>)>);
pub type Sum = (ChecksumAlgorithm, ChecksumKind, Vec<u8>);

/// A request whose selectors have been looked up.
#[derive(Clone, Debug, Default)]
pub struct Args {
    pub when: WriteConditions,
    pub source: ReadConditions,
    pub deletes: DeleteConditions,
    pub offset: u64,
    pub upload: UploadName,
    pub parts: Vec<ListedPart>,
    pub size: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadName {
    pub bucket: String,
    pub key: String,
    pub id: String,
}

/// The write that made an object: id, principal, operation, what was written.
type Mark = (u8, u8, &'static str, String);

/// One part of an object, or one of several appends.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub number: u64,
    pub bodies: Vec<Body>,
    pub sum: (ChecksumAlgorithm, Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Object {
    pub pieces: Vec<Piece>,
    /// Whether it was completed from parts or appended to.
    pub composed: bool,
    pub etag: String,
    pub modified: u64,
    pub generation: u64,
    pub meta: u8,
    pub tags: u8,
    pub sum: Option<Sum>,
    mark: Option<Mark>,
}

#[derive(Clone, Debug)]
pub struct Part {
    pub bodies: Vec<Body>,
    pub etag: String,
    pub modified: u64,
    /// In the upload's algorithm.
    pub sum: (ChecksumAlgorithm, Vec<u8>),
    /// As the client gave it.
    pub given: (ChecksumAlgorithm, Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Upload {
    pub key: String,
    pub initiated: u64,
    pub sum: ChecksumAlgorithm,
    pub named: bool,
    pub kind: ChecksumKind,
    meta: u8,
    tags: u8,
    pub parts: BTreeMap<u64, Part>,
}

/// An answer that is given again.
#[derive(Clone, Debug)]
struct Answer {
    since: u64,
    of: String,
    etag: String,
    generation: u64,
    sum: Option<Sum>,
    parts: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Bucket {
    pub objects: BTreeMap<String, Object>,
    pub uploads: BTreeMap<String, Upload>,
    completed: BTreeMap<String, Answer>,
}

#[derive(Clone, Debug, Default)]
pub struct Naive {
    /// Milliseconds.
    pub now: u64,
    pub buckets: BTreeMap<String, Bucket>,
    tokens: BTreeMap<(u8, u8), Answer>,
    /// The tags and generations that a key ever had, also in buckets of before.
    past: BTreeMap<(String, String), Vec<(String, u64)>>,
    /// Every upload that was ever begun, the last one last.
    pub begun: Vec<UploadName>,
    /// What a reader began to read and has not read to its end.
    held: Option<Vec<u8>>,
}

/// The generation of an object whose writer was not told it.
pub const UNKNOWN: u64 = 0;

pub fn sum_of(algorithm: ChecksumAlgorithm, pieces: &[&[u8]]) -> Vec<u8> {
    let crc = |algorithm, bytes: usize| {
        let mut digest = crc_fast::Digest::new(algorithm);
        pieces.iter().for_each(|piece| digest.update(piece));
        digest.finalize().to_be_bytes()[8 - bytes..].to_vec()
    };
    match algorithm {
        ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
        ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi, 4),
        ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme, 8),
        ChecksumAlgorithm::Sha256 => Sha256::digest(pieces.concat()).to_vec(),
        ChecksumAlgorithm::Sha1 => unreachable!("not drawn"),
    }
}

fn sum_of_bodies(algorithm: ChecksumAlgorithm, bodies: &[Body]) -> Vec<u8> {
    let bytes: Vec<_> = bodies.iter().map(|body| body.bytes()).collect();
    sum_of(algorithm, &bytes.iter().map(|bytes| &bytes[..]).collect::<Vec<_>>())
}

fn md5_of(bodies: &[Body]) -> [u8; 16] {
    match bodies {
        [body] => body.md5(),
        _ => Md5::digest(bodies.iter().flat_map(|body| body.bytes()).collect::<Vec<_>>()).into(),
    }
}

fn size_of(bodies: &[Body]) -> u64 {
    bodies.iter().map(|body| u64::from(body.0)).sum()
}

fn composed_tag<'a>(pieces: impl ExactSizeIterator<Item = &'a [Body]>) -> String {
    let count = pieces.len();
    let md5s: Vec<u8> = pieces.flat_map(md5_of).collect();
    format!("{}-{count}", hex::encode(Md5::digest(md5s)))
}

pub fn sum_text(sum: Option<&Sum>) -> String {
    sum.map_or("none".to_owned(), |(algorithm, kind, value)| format!("{}:{}:{}", algorithm.name(), kind.name(), hex::encode(value)))
}

impl Object {
    pub fn bodies(&self) -> Vec<Body> {
        self.pieces.iter().flat_map(|piece| piece.bodies.clone()).collect()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bodies().iter().flat_map(|body| body.bytes()).collect()
    }

    pub fn size(&self) -> u64 {
        size_of(&self.bodies())
    }

    fn parts(&self) -> Option<usize> {
        self.composed.then_some(self.pieces.len())
    }

    pub fn head(&self) -> String {
        let (Self { etag, modified, generation, meta, tags, .. }, parts) = (self, self.parts());
        let (size, sum) = (self.size(), sum_text(self.sum.as_ref()));
        format!("etag={etag} size={size} modified={modified} generation={generation} meta={meta} tags={tags} sum={sum} parts={parts:?}")
    }

    fn written(&self, again: bool) -> Outcome {
        let Self { etag, generation, .. } = self;
        let (parts, sum) = (self.parts(), sum_text(self.sum.as_ref()));
        let rest = if again { " again".to_owned() } else { format!(" size={} modified={}", self.size(), self.modified) };
        let text = format!("200 etag={etag} generation={generation} sum={sum} parts={parts:?}{rest}");
        Outcome { generation: *generation, ..Outcome::said(text) }
    }
}

impl Answer {
    fn of(object: &Object, since: u64, of: String) -> Self {
        let parts = object.parts();
        Self { since, of, etag: object.etag.clone(), generation: object.generation, sum: object.sum.clone(), parts }
    }

    fn again(&self) -> Outcome {
        let Self { etag, generation, parts, .. } = self;
        let sum = sum_text(self.sum.as_ref());
        Outcome {
            generation: *generation,
            ..Outcome::said(format!("200 etag={etag} generation={generation} sum={sum} parts={parts:?} again"))
        }
    }
}

// ---- conditions: sections 2, 4 and 5 of the contract -------------------------------------------------------------------------------

/// Section 2. `arrived_absent`: there was no object when the request arrived.
fn judge(when: &WriteConditions, current: Option<&Object>, arrived_absent: bool, now: u64) -> Said<()> {
    let taken = if arrived_absent { "409 ConditionalRequestConflict" } else { "412 PreconditionFailed" };
    match &when.rule {
        WriteRule::CreateOnly if current.is_some() => return Err(format!("{taken} If-None-Match")),
        WriteRule::Always | WriteRule::CreateOnly => {}
        WriteRule::IfMatch(wanted) => {
            let Some(object) = current else { return Err("404 NoSuchKey If-Match".into()) };
            if let ETagMatch::Exactly(tag) = wanted
                && tag.as_str() != object.etag
            {
                return Err("412 PreconditionFailed If-Match".into());
            }
        }
    }
    let header = "x-holdfast-if-generation-match";
    match (when.generation, current) {
        (Some(Generation(0)), Some(_)) => return Err(format!("{taken} {header}")),
        (Some(Generation(n)), None) if n != 0 => return Err(format!("404 NoSuchKey {header}")),
        (Some(Generation(n)), Some(object)) if n != object.generation => return Err(format!("412 PreconditionFailed {header}")),
        _ => {}
    }
    let has_match = matches!(when.rule, WriteRule::IfMatch(_));
    if let Some(date) = when.unmodified_since
        && !has_match
        && current.is_none_or(|object| object.modified / 1000 > date.secs())
    {
        return Err("412 PreconditionFailed If-Unmodified-Since".into());
    }
    if let Some(date) = when.modified_since
        && when.rule != WriteRule::CreateOnly
        && current.is_none_or(|object| date.secs() <= now / 1000 && object.modified / 1000 <= date.secs())
    {
        return Err("412 PreconditionFailed If-Modified-Since".into());
    }
    Ok(())
}

fn names(set: &ETagSet, tag: &str, weakly: bool) -> bool {
    match set {
        ETagSet::Any => true,
        ETagSet::OneOf(tags) => tags.iter().any(|(one, weak)| (weakly || !weak) && one.as_str() == tag),
    }
}

/// Section 5: the status and the condition.
fn judge_read(when: &ReadConditions, object: &Object, now: u64) -> Result<(), (u16, &'static str)> {
    let modified = object.modified / 1000;
    match (&when.if_match, when.unmodified_since) {
        (Some(set), _) if !names(set, &object.etag, false) => return Err((412, "If-Match")),
        (None, Some(date)) if modified > date.secs() => return Err((412, "If-Unmodified-Since")),
        _ => {}
    }
    match (&when.if_none_match, when.modified_since) {
        (Some(set), _) if names(set, &object.etag, true) => Err((304, "If-None-Match")),
        (None, Some(date)) if date.secs() <= now / 1000 && modified <= date.secs() => Err((304, "If-Modified-Since")),
        _ => Ok(()),
    }
}

fn judge_source(when: &ReadConditions, source: &Object, now: u64, prefix: &str) -> Said<()> {
    judge_read(when, source, now).map_err(|(_, condition)| format!("412 PreconditionFailed {prefix}{condition}"))
}

/// Section 4.
fn judge_delete(when: &DeleteConditions, current: Option<&Object>) -> Said<()> {
    let tag_holds = |object: &Object| match &when.if_match {
        Some(ETagMatch::Exactly(tag)) => tag.as_str() == object.etag,
        _ => true,
    };
    let date = when.last_modified.map(Timestamp::secs);
    let generation = when.generation.map(|g| g.0);
    for (given, needs, holds, condition) in [
        (when.if_match.is_some(), true, current.is_none_or(tag_holds), "If-Match"),
        (when.size.is_some(), true, current.is_none_or(|o| Some(o.size()) == when.size), "x-amz-if-match-size"),
        (date.is_some(), true, current.is_none_or(|o| Some(o.modified / 1000) == date), "x-amz-if-match-last-modified-time"),
        (
            generation.is_some(),
            generation != Some(0),
            current.is_none_or(|o| Some(o.generation) == generation),
            "x-holdfast-if-generation-match",
        ),
    ] {
        if given && current.is_none() && needs {
            return Err(format!("404 NoSuchKey {condition}"));
        }
        if given && !holds {
            return Err(format!("412 PreconditionFailed {condition}"));
        }
    }
    Ok(())
}

// ---- requests ----------------------------------------------------------------------------------------------------------------------

impl Naive {
    /// Carries out one request. `arrived_absent` is what it met when it arrived; `seen` is what the product answered, from which only
    /// generations and upload ids are taken.
    pub fn apply(&mut self, ask: &Ask, args: &Args, arrived_absent: bool, seen: &Outcome) -> Outcome {
        self.carry_out(ask, args, arrived_absent, seen).unwrap_or_else(Outcome::said)
    }

    fn carry_out(&mut self, ask: &Ask, args: &Args, arrived_absent: bool, seen: &Outcome) -> Said<Outcome> {
        let done = Ok(Outcome::said("200"));
        match ask {
            Ask::CreateBucket(bucket) => self.create_bucket(BUCKETS[usize::from(*bucket)]),
            Ask::DeleteBucket(bucket) => self.delete_bucket(BUCKETS[usize::from(*bucket)]),
            Ask::Put { at, body, meta, tags, sum, who, .. } => {
                let object = self.plain(*body, *meta, *tags, *sum);
                self.write(*at, args, arrived_absent, mark(*who, "put", object.etag.clone()), seen, |_| Ok(object))
            }
            Ask::Append { at, body, sum, who, .. } => self.append(*at, *body, *sum, *who, args, arrived_absent, seen),
            Ask::Copy { .. } => self.copy(ask, args, arrived_absent, seen),
            Ask::Rename { .. } => self.rename(ask, args, arrived_absent, seen),
            Ask::Delete { at, .. } => {
                let bucket = self.bucket(at.bucket())?;
                judge_delete(&args.deletes, bucket.objects.get(at.key()))?;
                bucket.objects.remove(at.key());
                done
            }
            Ask::Tag { at, tags } => {
                self.bucket(at.bucket())?.objects.get_mut(at.key()).ok_or("404 NoSuchKey")?.tags = *tags;
                done
            }
            Ask::CreateUpload { at, sum, kind, meta, tags } => self.create_upload(*at, *sum, *kind, (*meta, *tags), seen),
            Ask::PutPart { number, body, given, .. } => self.put_part(&args.upload, *number, vec![*body], *given),
            Ask::CopyPart { number, from, .. } => {
                self.upload(&args.upload)?;
                let now = self.now;
                let objects = &self.buckets.get(from.bucket()).ok_or("404 NoSuchBucket")?.objects;
                let source = objects.get(from.key()).ok_or("404 NoSuchKey of the source")?;
                judge_source(&args.source, source, now, "x-amz-copy-source-")?;
                let bodies = source.bodies();
                self.put_part(&args.upload, *number, bodies, None)
            }
            Ask::Complete { who, .. } => self.complete(*who, args, arrived_absent, seen),
            Ask::Abort { .. } => {
                self.upload(&args.upload)?;
                self.bucket(&args.upload.bucket)?.uploads.remove(&args.upload.id);
                done
            }
            Ask::ListParts { after, max, .. } => {
                let upload = self.upload(&args.upload)?;
                let from = PART_NUMBERS[usize::from(*after)] - 1;
                let lines: Vec<_> = upload.parts.range(from + 1..).map(|(number, part)| part_line(*number, part)).collect();
                Ok(Outcome::said(format!("200 {}", in_pages(&lines, usize::from(*max)))))
            }
            Ask::ListUploads { bucket, pages } => {
                Ok(Outcome::said(format!("200 {}", self.list_uploads(BUCKETS[usize::from(*bucket)], pages)?)))
            }
            Ask::List { bucket, pages } => Ok(Outcome::said(format!("200 {}", self.list(BUCKETS[usize::from(*bucket)], pages)?))),
            Ask::Get { at, span, .. } => self.get(*at, args, *span),
            Ask::Hold { at } => {
                let got = self.get(*at, &Args::default(), Span::Whole)?;
                self.held = got.body;
                Ok(Outcome { body: None, ..got })
            }
            Ask::Release => Ok(Outcome { body: self.held.take(), ..Outcome::said("200") }),
            Ask::Wait(millis) => {
                self.now += millis;
                done
            }
            Ask::Forget => {
                let now = self.now;
                let kept = |answer: &Answer| now.saturating_sub(answer.since) / 1000 <= 48 * 3600;
                self.tokens.retain(|_, answer| kept(answer));
                self.buckets.values_mut().for_each(|bucket| bucket.completed.retain(|_, answer| kept(answer)));
                done
            }
            Ask::Collect | Ask::Again(_) => done,
        }
    }

    fn bucket(&mut self, name: &str) -> Said<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(|| "404 NoSuchBucket".into())
    }

    fn create_bucket(&mut self, name: &str) -> Said<Outcome> {
        if self.buckets.contains_key(name) {
            return Err("409 BucketAlreadyOwnedByYou".into());
        }
        self.buckets.insert(name.to_owned(), Bucket::default());
        Ok(Outcome::said("200"))
    }

    fn delete_bucket(&mut self, name: &str) -> Said<Outcome> {
        if !self.bucket(name)?.objects.is_empty() {
            return Err("409 BucketNotEmpty".into());
        }
        self.buckets.remove(name);
        Ok(Outcome::said("200"))
    }

    fn plain(&self, body: Body, meta: u8, tags: u8, sum: ChecksumAlgorithm) -> Object {
        let value = sum_of_bodies(sum, &[body]);
        Object {
            pieces: vec![Piece { number: 1, bodies: vec![body], sum: (sum, value.clone()) }],
            composed: false,
            etag: hex::encode(body.md5()),
            modified: self.now,
            generation: UNKNOWN,
            meta,
            tags,
            sum: Some((sum, ChecksumKind::FullObject, value)),
            mark: None,
        }
    }

    /// Section 6: a refusal is the first answer again, if what stands there was made by the same request.
    fn refused(&mut self, at: (&str, &str), mark: Option<&Mark>, why: String) -> Said<Outcome> {
        let object = self.bucket(at.0)?.objects.get(at.1);
        match object.filter(|object| mark.is_some() && object.mark.as_ref() == mark) {
            Some(object) => Ok(object.written(true)),
            None => Err(why),
        }
    }

    /// Judges, and writes what `make` makes.
    fn write(
        &mut self,
        at: At,
        args: &Args,
        arrived_absent: bool,
        mark: Option<Mark>,
        seen: &Outcome,
        make: impl FnOnce(Option<&Object>) -> Said<Object>,
    ) -> Said<Outcome> {
        let now = self.now;
        let current = self.bucket(at.bucket())?.objects.get(at.key());
        match judge(&args.when, current, arrived_absent, now).and_then(|()| make(current)) {
            Ok(object) => Ok(self.becomes_current(at.bucket(), at.key(), object, mark, seen)),
            Err(why) => self.refused((at.bucket(), at.key()), mark.as_ref(), why),
        }
    }

    /// A write gives its key a generation that was never used for it before.
    fn becomes_current(&mut self, bucket: &str, key: &str, mut object: Object, mark: Option<Mark>, seen: &Outcome) -> Outcome {
        let past = self.past.entry((bucket.to_owned(), key.to_owned())).or_default();
        let last = past.last().map_or(0, |(_, generation)| *generation);
        object.generation = if seen.is_success() && seen.generation <= last { last + 1 } else { seen.generation };
        object.mark = mark;
        past.push((object.etag.clone(), object.generation));
        let written = object.written(false);
        self.buckets.get_mut(bucket).expect("judged before").objects.insert(key.to_owned(), object);
        written
    }

    #[allow(clippy::too_many_arguments, reason = "a request has as many")]
    fn append(
        &mut self,
        at: At,
        body: Body,
        sum: ChecksumAlgorithm,
        who: Who,
        args: &Args,
        arrived_absent: bool,
        seen: &Outcome,
    ) -> Said<Outcome> {
        let (now, offset) = (self.now, args.offset);
        let first = self.plain(body, 0, 0, sum);
        let mark = mark(who, "append", format!("{} at {offset}", first.etag));
        self.write(at, args, arrived_absent, mark, seen, |current| {
            let size = current.map_or(0, Object::size);
            if offset != size {
                return Err(format!("400 InvalidWriteOffset {size}"));
            }
            let Some(current) = current else { return Ok(first) };
            let mut object = current.clone();
            if !object.composed && size == 0 {
                object.pieces.clear();
            }
            let number = object.pieces.last().map_or(1, |piece| piece.number + 1);
            object.pieces.push(Piece { number, ..first.pieces[0].clone() });
            object.composed = true;
            object.etag = composed_tag(object.pieces.iter().map(|piece| &piece.bodies[..]));
            object.modified = now;
            // Kept where it can be computed from the two halves, dropped otherwise.
            object.sum = object
                .sum
                .filter(|(algorithm, kind, _)| *algorithm == sum && *kind == ChecksumKind::FullObject && sum != ChecksumAlgorithm::Sha256);
            if object.sum.is_some() {
                object.sum = Some((sum, ChecksumKind::FullObject, sum_of_bodies(sum, &object.bodies())));
            }
            Ok(object)
        })
    }

    fn copy(&mut self, ask: &Ask, args: &Args, arrived_absent: bool, seen: &Outcome) -> Said<Outcome> {
        let Ask::Copy { from, to, meta, tags, sum, who, .. } = ask else { unreachable!("a copy") };
        let now = self.now;
        let mark = mark(*who, "copy", format!("{}/{}", from.bucket(), from.key()));
        self.bucket(to.bucket())?;
        let source_bucket = self.buckets.get(from.bucket()).ok_or("404 NoSuchBucket")?;
        let source = source_bucket.objects.get(from.key()).cloned();
        let source_holds = match &source {
            None => Err("404 NoSuchKey of the source".to_owned()),
            Some(source) => judge_source(&args.source, source, now, "x-amz-copy-source-"),
        };
        let destination_holds = judge(&args.when, self.buckets[to.bucket()].objects.get(to.key()), arrived_absent, now);
        let mut refusals: Vec<_> = [source_holds, destination_holds].into_iter().filter_map(Result::err).collect();
        if !refusals.is_empty() {
            // Where both refuse, either may be named.
            let named = refusals.iter().position(|why| *why == seen.text).unwrap_or(0);
            return self.refused((to.bucket(), to.key()), mark.as_ref(), refusals.swap_remove(named));
        }
        if from == to && meta.is_none() && tags.is_none() && sum.is_none() {
            return Err("400 InvalidRequest a copy onto itself".into());
        }
        let mut object = source.expect("judged");
        object.modified = now;
        object.meta = meta.unwrap_or(object.meta);
        object.tags = tags.unwrap_or(object.tags);
        if let Some(wanted) = sum
            && object.sum.as_ref().is_none_or(|(algorithm, _, _)| algorithm != wanted)
        {
            object.sum = Some((*wanted, ChecksumKind::FullObject, sum_of_bodies(*wanted, &object.bodies())));
        }
        Ok(self.becomes_current(to.bucket(), to.key(), object, mark, seen))
    }

    fn rename(&mut self, ask: &Ask, args: &Args, arrived_absent: bool, seen: &Outcome) -> Said<Outcome> {
        let Ask::Rename { bucket, from, to, token, who, .. } = ask else { unreachable!("a rename") };
        let (now, bucket, from, to) = (self.now, BUCKETS[usize::from(*bucket)], KEYS[usize::from(*from)], KEYS[usize::from(*to)]);
        let mark = mark(*who, "rename", from.to_owned());
        self.bucket(bucket)?;
        let token = token.map(|token| (who.0, token));
        let parameters = format!("{bucket} {from} {to} {:?} {:?}", args.when, args.source);
        if let Some(answer) = token.and_then(|token| self.tokens.get(&token)) {
            return if answer.of == parameters { Ok(answer.again()) } else { Err("400 IdempotencyParameterMismatch".into()) };
        }
        let objects = &self.buckets[bucket].objects;
        // Its source has gone with the first attempt.
        if let Some(object) = objects.get(to).filter(|object| mark.is_some() && object.mark == mark) {
            return Ok(object.written(true));
        }
        let source = objects.get(from).ok_or("404 NoSuchKey of the source")?;
        if from == to {
            return Err("400 InvalidRequest a rename onto itself".into());
        }
        judge_source(&args.source, source, now, "x-amz-rename-source-")?;
        judge(&args.when, objects.get(to), arrived_absent, now)?;
        let source = source.clone();
        self.bucket(bucket)?.objects.remove(from);
        let written = self.becomes_current(bucket, to, source, mark, seen);
        if let Some(token) = token {
            let answer = Answer::of(&self.buckets[bucket].objects[to], now, parameters);
            self.tokens.insert(token, answer);
        }
        Ok(written)
    }

    fn create_upload(
        &mut self,
        at: At,
        sum: Option<ChecksumAlgorithm>,
        kind: Option<ChecksumKind>,
        (meta, tags): (u8, u8),
        seen: &Outcome,
    ) -> Said<Outcome> {
        use ChecksumAlgorithm::{Crc64Nvme, Sha256};
        self.bucket(at.bucket())?;
        let (named, algorithm) = (sum.is_some(), sum.unwrap_or(Crc64Nvme));
        let usual = if algorithm == Crc64Nvme { ChecksumKind::FullObject } else { ChecksumKind::Composite };
        let kind = kind.unwrap_or(usual);
        if matches!((algorithm, kind), (Crc64Nvme, ChecksumKind::Composite) | (Sha256, ChecksumKind::FullObject)) {
            return Err("400 InvalidRequest checksum type".into());
        }
        let upload =
            Upload { key: at.key().to_owned(), initiated: self.now, sum: algorithm, named, kind, meta, tags, parts: BTreeMap::new() };
        self.bucket(at.bucket())?.uploads.insert(seen.upload.clone(), upload);
        self.begun.push(UploadName { bucket: at.bucket().to_owned(), key: at.key().to_owned(), id: seen.upload.clone() });
        Ok(Outcome::said("200"))
    }

    fn upload(&mut self, name: &UploadName) -> Said<&mut Upload> {
        let upload = self.bucket(&name.bucket)?.uploads.get_mut(&name.id);
        upload.filter(|upload| upload.key == name.key).ok_or_else(|| "404 NoSuchUpload".into())
    }

    fn put_part(&mut self, name: &UploadName, number: u8, bodies: Vec<Body>, given: Option<ChecksumAlgorithm>) -> Said<Outcome> {
        let now = self.now;
        let upload = self.upload(name)?;
        if upload.named && given.is_some_and(|given| given != upload.sum) {
            return Err(format!("400 InvalidRequest the upload is for {}", upload.sum.name()));
        }
        let etag = hex::encode(md5_of(&bodies));
        let sum = (upload.sum, sum_of_bodies(upload.sum, &bodies));
        let given = given.map_or(sum.clone(), |given| (given, sum_of_bodies(given, &bodies)));
        let part = Part { bodies, etag, modified: now, sum, given };
        let text = format!("200 etag={} sum={}:{}", part.etag, part.given.0.name(), hex::encode(&part.given.1));
        upload.parts.insert(PART_NUMBERS[usize::from(number)], part);
        Ok(Outcome::said(text))
    }

    fn complete(&mut self, who: Who, args: &Args, arrived_absent: bool, seen: &Outcome) -> Said<Outcome> {
        let (now, name) = (self.now, &args.upload);
        let listed: Vec<_> = args.parts.iter().map(|(number, etag, _)| format!("{number}:{etag}")).collect();
        let mark = mark(who, "complete", format!("{} {listed:?}", name.id));
        let at = (&*name.bucket, &*name.key);
        let bucket = self.bucket(at.0)?;
        if let Some(answer) = bucket.completed.get(&name.id) {
            return if answer.of == name.key { Ok(answer.again()) } else { Err("404 NoSuchUpload".into()) };
        }
        let Some(upload) = bucket.uploads.get(&name.id).filter(|upload| upload.key == name.key).cloned() else {
            return self.refused(at, mark.as_ref(), "404 NoSuchUpload".into());
        };
        let object = made_of(&upload, args, now)?;
        if let Err(why) = judge(&args.when, bucket.objects.get(at.1), arrived_absent, now) {
            return self.refused(at, mark.as_ref(), why);
        }
        bucket.uploads.remove(&name.id);
        let written = self.becomes_current(at.0, at.1, object, mark, seen);
        let answer = Answer::of(&self.buckets[at.0].objects[at.1], now, name.key.clone());
        self.bucket(at.0)?.completed.insert(name.id.clone(), answer);
        Ok(written)
    }

    fn get(&mut self, at: At, args: &Args, span: Span) -> Said<Outcome> {
        let now = self.now;
        let object = self.bucket(at.bucket())?.objects.get(at.key()).ok_or("404 NoSuchKey")?;
        judge_read(&args.source, object, now).map_err(|(status, condition)| match status {
            // A 304 names no condition.
            304 => format!("304 NotModified etag={} modified={}", object.etag, object.modified),
            _ => format!("412 PreconditionFailed {condition}"),
        })?;
        let (bytes, size) = (object.bytes(), object.size() as usize);
        let (from, to) = match span {
            Span::Whole => (0, size),
            Span::FromTo(a, b) => (a as usize, size.min(b as usize + 1)),
            Span::From(a) => (a as usize, size),
            Span::Last(n) => (size.saturating_sub(n as usize), size),
            Span::Part(n) => {
                let lengths: Vec<_> = object.pieces.iter().map(|piece| size_of(&piece.bodies) as usize).collect();
                if usize::from(n) > lengths.len() {
                    return Err(format!("416 InvalidPartNumber of {}", lengths.len()));
                }
                let from = lengths[..usize::from(n) - 1].iter().sum::<usize>();
                (from, from + lengths[usize::from(n) - 1])
            }
        };
        if !matches!(span, Span::Whole | Span::Part(_)) && from >= to {
            return Err(format!("416 InvalidRange of {size}"));
        }
        Ok(Outcome { body: Some(bytes[from..to].to_vec()), ..Outcome::said(format!("200 {}", object.head())) })
    }

    pub fn list(&mut self, bucket: &str, pages: &Pages) -> Said<String> {
        let objects = &self.bucket(bucket)?.objects;
        let after = pages.after.map(|after| KEYS[usize::from(after)]);
        let mut entries = BTreeMap::new();
        for (key, object) in objects {
            match folded(key, pages) {
                None => {}
                Some(Folded::Itself) => drop(entries.insert(key.clone(), object_line(key, object))),
                Some(Folded::Into(prefix)) => drop(entries.insert(prefix.clone(), prefix)),
            }
        }
        let shown = entries.into_iter().filter(|(entry, _)| after.is_none_or(|after| &**entry > after)).map(|(_, line)| line);
        Ok(in_pages(&shown.collect::<Vec<_>>(), pages.max.into()))
    }

    pub fn list_uploads(&mut self, bucket: &str, pages: &Pages) -> Said<String> {
        let after = pages.after.map(|after| KEYS[usize::from(after)]);
        let mut entries = BTreeSet::new();
        for (id, upload) in &self.bucket(bucket)?.uploads {
            match folded(&upload.key, pages) {
                None => {}
                Some(Folded::Itself) => drop(entries.insert((upload.key.clone(), upload.initiated, id.clone(), upload_line(id, upload)))),
                Some(Folded::Into(prefix)) => drop(entries.insert((prefix.clone(), 0, String::new(), prefix))),
            }
        }
        let shown = entries.into_iter().filter(|(entry, ..)| after.is_none_or(|after| &**entry > after)).map(|(_, _, _, line)| line);
        Ok(in_pages(&shown.collect::<Vec<_>>(), pages.max.into()))
    }

    // ---- what selectors mean ------------------------------------------------------------------------------------------------------

    pub fn object(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.buckets.get(bucket)?.objects.get(key)
    }

    /// The tags and generations that the key had before the current ones.
    pub fn former(&self, bucket: &str, key: &str) -> Option<&(String, u64)> {
        let past = self.past.get(&(bucket.to_owned(), key.to_owned()))?;
        past.iter().rev().nth(usize::from(self.object(bucket, key).is_some()))
    }

    /// Objects whose writers were not told a generation: it is learned from the store.
    pub fn learn(&mut self, bucket: &str, key: &str, generation: u64) {
        let past = self.past.entry((bucket.to_owned(), key.to_owned())).or_default();
        past.retain(|(_, known)| *known != UNKNOWN);
        if past.last().is_some_and(|(_, last)| *last >= generation) {
            return;
        }
        let Some(object) = self.buckets.get_mut(bucket).and_then(|bucket| bucket.objects.get_mut(key)) else { return };
        past.push((object.etag.clone(), generation));
        object.generation = generation;
        let answers = self.buckets.values_mut().flat_map(|bucket| bucket.completed.values_mut()).chain(self.tokens.values_mut());
        answers.filter(|answer| answer.generation == UNKNOWN).for_each(|answer| answer.generation = generation);
    }
}

fn mark(who: Who, operation: &'static str, payload: String) -> Option<Mark> {
    who.1.map(|invocation| (invocation, who.0, operation, payload))
}

/// The object that a completion would make of the parts that it lists.
fn made_of(upload: &Upload, args: &Args, now: u64) -> Said<Object> {
    if args.parts.is_empty() {
        return Err("400 MalformedXML no parts".into());
    }
    if args.parts.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err("400 InvalidPartOrder".into());
    }
    let mut pieces = Vec::new();
    for (nth, (number, etag, listed)) in args.parts.iter().enumerate() {
        let part = upload.parts.get(number).filter(|part| part.etag == etag.as_str()).ok_or(format!("400 InvalidPart {number}"))?;
        if let Some(listed) = listed
            && *listed != part.given
        {
            return Err(format!("400 InvalidPart {number}"));
        }
        if listed.is_none() && upload.named && upload.kind == ChecksumKind::Composite {
            return Err(format!("400 InvalidRequest the checksum of part {number} is missing"));
        }
        if nth + 1 < args.parts.len() && size_of(&part.bodies) < 5 << 20 {
            return Err(format!("400 EntityTooSmall {number}"));
        }
        pieces.push(Piece { number: *number, bodies: part.bodies.clone(), sum: part.sum.clone() });
    }
    let bodies: Vec<Body> = pieces.iter().flat_map(|piece| piece.bodies.clone()).collect();
    if args.size.is_some_and(|size| size != size_of(&bodies)) {
        return Err("400 InvalidRequest the size".into());
    }
    let value = match upload.kind {
        ChecksumKind::FullObject => sum_of_bodies(upload.sum, &bodies),
        ChecksumKind::Composite => sum_of(upload.sum, &pieces.iter().map(|piece| &piece.sum.1[..]).collect::<Vec<_>>()),
    };
    Ok(Object {
        etag: composed_tag(pieces.iter().map(|piece| &piece.bodies[..])),
        pieces,
        composed: true,
        modified: now,
        generation: UNKNOWN,
        meta: upload.meta,
        tags: upload.tags,
        sum: Some((upload.sum, upload.kind, value)),
        mark: None,
    })
}

// ---- listings ----------------------------------------------------------------------------------------------------------------------

enum Folded {
    Itself,
    Into(String),
}

/// What becomes of a key in a listing; nothing if it is not asked for.
fn folded(key: &str, pages: &Pages) -> Option<Folded> {
    let (prefix, delimiter) = (PREFIXES[usize::from(pages.prefix)], DELIMITERS[usize::from(pages.delimiter)]);
    let rest = key.strip_prefix(prefix)?;
    match rest.split_once(delimiter) {
        Some((head, _)) if !delimiter.is_empty() => Some(Folded::Into(format!("{prefix}{head}{delimiter}"))),
        _ => Some(Folded::Itself),
    }
}

/// Lines in pages of `max`, as a client sees them that asks for page after page.
fn in_pages(lines: &[String], max: usize) -> String {
    lines.chunks(max).map(|page| page.join("; ")).collect::<Vec<_>>().join(" | ")
}

pub fn object_line(key: &str, object: &Object) -> String {
    let sum = object.sum.as_ref().map_or("none".into(), |(algorithm, kind, _)| format!("{}:{}", algorithm.name(), kind.name()));
    let (size, modified, generation) = (object.size(), object.modified, object.generation);
    format!("{key:?} etag={} size={size} modified={modified} generation={generation} sum={sum}", object.etag)
}

pub fn upload_line(id: &str, upload: &Upload) -> String {
    let sum = if upload.named { upload.sum.name() } else { "none" };
    format!("{:?} {id} begun={} sum={sum}:{}", upload.key, upload.initiated, upload.kind.name())
}

pub fn part_line(number: u64, part: &Part) -> String {
    let sum = format!("{}:{}", part.given.0.name(), hex::encode(&part.given.1));
    format!("{number} etag={} size={} modified={} sum={sum}", part.etag, size_of(&part.bodies), part.modified)
}
