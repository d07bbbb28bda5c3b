//! Runs a script against the product and the naive S3, and compares every answer and every state.
//!
//! Where others come in between, the answers must be those of one request after another in some order: the contract calls each write one
//! instant between its arrival and its answer. An answer that says that the outcome is not known allows both.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use holdfast_model::{
    BucketName, DeleteConditions, ETag, ETagMatch, ETagSet, Generation, ReadConditions, Timestamp, WriteConditions, WriteRule,
};
use holdfast_store::{Blobs as _, Family, KeyRange, Step as Scan, scan};
use parking_lot::Mutex;

use crate::{
    naive::{Args, ListedPart, Naive, Outcome, Sum, UNKNOWN, UploadName, sum_of},
    product::{Ambush, Product, head_text},
    script::*,
    words::request,
};

/// A request that was sent, and its answer.
type Sent = (Ask, Args, Outcome);

struct World {
    product: Product,
    naive: Mutex<Naive>,
    /// Requests that can be sent again.
    sent: Mutex<Vec<(Ask, Args)>>,
    /// One line for each request.
    log: Arc<Mutex<Vec<String>>>,
}

/// Every how many steps the bytes are read too.
const DEEP_EVERY: usize = 8;
/// A script takes milliseconds.
const HANGS_AFTER: Duration = Duration::from_secs(20);
/// Passes of the collector after which nothing may be left.
const PASSES_MAX: usize = 20;

const EVERYTHING: Pages = Pages { prefix: 0, delimiter: 0, after: None, max: 200 };

/// Runs a script; the lines of what happened go to `log`.
///
/// # Errors
/// What is not as it must be.
pub fn run(script: &[Step], log: Arc<Mutex<Vec<String>>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let whole = async {
        let world = Arc::new(World { product: Product::new(), naive: Mutex::default(), sent: Mutex::default(), log });
        world.naive.lock().now = world.product.clock.0.load(Relaxed);
        world.step(&Step::quiet(Ask::CreateBucket(0))).await?;
        for (nth, step) in script.iter().enumerate() {
            world.step(step).await?;
            if nth % DEEP_EVERY == DEEP_EVERY - 1 {
                world.sound().await?;
            }
        }
        world.end(script).await
    };
    runtime.block_on(async { tokio::time::timeout(HANGS_AFTER, whole).await.unwrap_or(Err("it hangs".into())) })
}

impl World {
    async fn step(self: &Arc<Self>, step: &Step) -> Result<(), String> {
        let before = self.naive.lock().clone();
        let (ask, args) = self.look_up(&step.ask, &before);
        let absent = is_absent(&ask, &args, &before);
        let rivals: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let armed = AtomicBool::new(false);
        let arrived = || {
            if let Some((calls, trouble)) = &step.trouble
                && let Some(ambush) = self.ambush(&ask, trouble, &before, &rivals)
            {
                armed.store(true, Relaxed);
                self.product.door.wait(*calls, ambush);
            }
        };
        let seen = self.product.send(&ask, &args, arrived).await;
        let came = armed.load(Relaxed) && !self.product.door.leave();
        let trouble = step.trouble.as_ref().filter(|_| came).map(|(calls, trouble)| (*calls, trouble));
        let rivals = std::mem::take(&mut *rivals.lock());
        self.log_step(&ask, &args, &seen, trouble, &rivals);
        if !matches!(ask, Ask::Again(_) | Ask::Wait(_)) {
            self.sent.lock().push((ask.clone(), args.clone()));
        }
        let candidates = candidates(&before, (&ask, &args, &seen), absent, trouble.map(|(_, trouble)| trouble), &rivals)?;
        let mut first_error = None;
        for mut candidate in candidates {
            match self.looks_like(&mut candidate).await {
                Ok(()) => {
                    *self.naive.lock() = candidate;
                    return Ok(());
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_default())
    }

    fn ambush(self: &Arc<Self>, ask: &Ask, trouble: &Trouble, before: &Naive, rivals: &Arc<Mutex<Vec<Sent>>>) -> Option<Ambush> {
        let of_many_requests = matches!(ask, Ask::List { .. } | Ask::ListUploads { .. } | Ask::ListParts { .. } | Ask::CopyPart { .. });
        match trouble {
            Trouble::Rivals(_) if of_many_requests => None,
            Trouble::Rivals(asks) => {
                let (world, asks, mut scratch, rivals) = (Arc::clone(self), asks.clone(), before.clone(), Arc::clone(rivals));
                let run = async move {
                    for ask in asks {
                        let (ask, args) = world.look_up(&ask, &scratch);
                        let sending = world.product.send(&ask, &args, || ());
                        // The collector waits for readers that look something up, and one of them may be waiting for us: it goes as
                        // far as it comes, and is given up, as by a crash.
                        let seen = if ask == Ask::Collect { sending.now_or_never().unwrap_or(Outcome::said("200")) } else { sending.await };
                        scratch.apply(&ask, &args, is_absent(&ask, &args, &scratch), &seen);
                        rivals.lock().push((ask, args, seen));
                    }
                };
                Some(Ambush::Rival(Box::new(|| run.boxed())))
            }
            // Nobody could tell the id of the upload that was begun.
            Trouble::Applied if matches!(ask, Ask::CreateUpload { .. }) => Some(Ambush::Lost),
            Trouble::Applied => Some(Ambush::Applied),
            Trouble::Busy => Some(Ambush::Busy),
            Trouble::Lost => Some(Ambush::Lost),
            Trouble::Twice => Some(Ambush::Twice),
        }
    }

    fn log_step(&self, ask: &Ask, args: &Args, seen: &Outcome, trouble: Option<(u8, &Trouble)>, rivals: &[Sent]) {
        let mut log = self.log.lock();
        let with = match trouble {
            Some((calls, Trouble::Rivals(_))) => format!(", and before its store call {calls}:"),
            Some((calls, trouble)) => format!(", and at its store call {calls}: {trouble:?}"),
            None => String::new(),
        };
        log.push(format!("{} -> {}{with}", request(ask, args), seen.text));
        for (ask, args, seen) in rivals {
            log.push(format!("    {} -> {}", request(ask, args), seen.text));
        }
    }

    /// Compares all that can be asked for but the bytes.
    async fn looks_like(&self, naive: &mut Naive) -> Result<(), String> {
        same("buckets", &naive.buckets.keys().cloned().collect::<Vec<_>>(), &self.product.buckets().await)?;
        for (nth, name) in BUCKETS.iter().enumerate() {
            let Some(bucket) = naive.buckets.get(*name).cloned() else { continue };
            for (key, object) in &bucket.objects {
                let at = At(nth as u8, KEYS.iter().position(|k| k == key).unwrap() as u8);
                let head = self.product.head(at).await.map_err(|error| format!("{name}/{key}: {error}"))?;
                let mut object = object.clone();
                if object.generation == UNKNOWN {
                    naive.learn(name, key, head.current.generation.0);
                    object = naive.object(name, key).unwrap().clone();
                }
                same(&format!("HEAD {name}/{key}"), &object.head(), &head_text(&head))?;
            }
            let real = BucketName::parse(name).unwrap();
            let listed = self.product.list(real.clone(), &EVERYTHING).await.unwrap();
            same("the objects", &naive.list(name, &EVERYTHING).unwrap(), &listed)?;
            same("the uploads", &naive.list_uploads(name, &EVERYTHING).unwrap(), &self.product.uploads(real, &EVERYTHING).await.unwrap())?;
            for (id, upload) in &bucket.uploads {
                let upload_name = UploadName { bucket: (*name).to_owned(), key: upload.key.clone(), id: id.clone() };
                let expected: Vec<_> = upload.parts.iter().map(|(number, part)| crate::naive::part_line(*number, part)).collect();
                same("the parts", &expected.join("; "), &self.product.parts(&upload_name, 0, 100).await.unwrap())?;
            }
        }
        Ok(())
    }

    /// Compares every byte, and checks that all records resolve.
    async fn sound(&self) -> Result<(), String> {
        let naive = self.naive.lock().clone();
        for (bucket, key) in places() {
            let Some(object) = naive.object(BUCKETS[bucket], KEYS[key]) else { continue };
            let at = At(bucket as u8, key as u8);
            let place = format!("{}/{}", at.bucket(), at.key());
            let whole = self.product.send(&Ask::Get { at, when: Reads::default(), span: Span::Whole }, &Args::default(), || ()).await;
            if whole.body.as_ref() != Some(&object.bytes()) {
                return Err(format!("the bytes of {place} are others"));
            }
            if object.composed {
                self.parts_are(at, object.sum.as_ref(), &object.pieces).await?;
            }
        }
        let found = self.product.objects.check().await.map_err(|error| error.to_string())?;
        if found.wrong.is_empty() { Ok(()) } else { Err(format!("the check found {:?}", found.wrong)) }
    }

    /// Parts of an object are listed with checksums of the object's algorithm, or with none.
    async fn parts_are(&self, at: At, sum: Option<&Sum>, pieces: &[crate::naive::Piece]) -> Result<(), String> {
        let listed = self.product.object_parts(at).await.map_err(|error| error.to_string())?;
        let numbers = |n: u64, size: u64| format!("{n}: {size} bytes");
        let expected: Vec<_> = pieces.iter().map(|p| numbers(p.number, p.bodies.iter().map(|b| u64::from(b.0)).sum())).collect();
        let seen: Vec<_> = listed.iter().map(|part| numbers(part.number.get().into(), part.size)).collect();
        same("the object's parts", &expected, &seen)?;
        for (piece, part) in pieces.iter().zip(&listed).filter(|(_, part)| !part.checksum.is_empty()) {
            let Some((algorithm, _, _)) = sum else { return Err("a part has a checksum of an object that has none".into()) };
            let bytes: Vec<u8> = piece.bodies.iter().flat_map(|body| body.bytes()).collect();
            same("the checksum of an object's part", &sum_of(*algorithm, &[&bytes]), &part.checksum)?;
        }
        Ok(())
    }

    /// What is deleted leaves nothing behind.
    async fn end(self: &Arc<Self>, script: &[Step]) -> Result<(), String> {
        self.step(&Step::quiet(Ask::Release)).await?;
        self.sound().await?;
        self.reclaim().await?;
        self.sound().await?;
        let naive = self.naive.lock().clone();
        for (bucket, key) in places().filter(|(bucket, key)| naive.object(BUCKETS[*bucket], KEYS[*key]).is_some()) {
            self.step(&Step::quiet(Ask::Delete { at: At(bucket as u8, key as u8), when: Deletes::default() })).await?;
        }
        for (nth, _) in BUCKETS.iter().enumerate().filter(|(_, name)| naive.buckets.contains_key(**name)) {
            self.step(&Step::quiet(Ask::DeleteBucket(nth as u8))).await?;
        }
        self.reclaim().await?;
        self.sound().await?;
        let mut left = BTreeMap::new();
        for family in Family::ALL.into_iter().filter(|family| *family != Family::Replay) {
            let count = self.records(family).await;
            if count > 0 {
                left.insert(family.name(), count);
            }
        }
        same("records that are left", &BTreeMap::new(), &left)?;
        let doubt = |step: &Step| matches!(step.trouble, Some((_, Trouble::Applied | Trouble::Lost)));
        if !script.iter().any(doubt) {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            same("staged bytes", &0, &self.product.door.inner.staged_bytes())?;
        }
        Ok(())
    }

    async fn reclaim(&self) -> Result<(), String> {
        for _ in 0..PASSES_MAX {
            self.product.objects.collect().await.map_err(|error| error.to_string())?;
            if self.records(Family::Garbage).await == 0 {
                return Ok(());
            }
            self.sound().await?;
        }
        Err("the collector does not come to an end".into())
    }

    async fn records(&self, family: Family) -> usize {
        let range = KeyRange { family, start: bytes::Bytes::new(), end: None };
        let count = scan(&self.product.door.inner, range, 0, |count, _, _| {
            *count += 1;
            Scan::Next
        });
        count.await.unwrap()
    }

    // ---- what selectors mean ------------------------------------------------------------------------------------------------------

    fn look_up(&self, ask: &Ask, naive: &Naive) -> (Ask, Args) {
        if let Ask::Again(n) = ask {
            let sent = self.sent.lock();
            let at = sent.len().checked_sub(usize::from(*n) + 1);
            return at.map_or((ask.clone(), Args::default()), |at| sent[at].clone());
        }
        (ask.clone(), args_of(ask, naive))
    }
}

fn places() -> impl Iterator<Item = (usize, usize)> {
    (0..BUCKETS.len()).flat_map(|bucket| (0..KEYS.len()).map(move |key| (bucket, key)))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, got: &T) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{what}:\n  expected {expected:?}\n  got      {got:?}")) }
}

/// The key that a request would write.
fn target<'a>(ask: &Ask, args: &'a Args) -> Option<(&'a str, &'a str)> {
    match ask {
        Ask::Put { at, .. } | Ask::Append { at, .. } | Ask::Copy { to: at, .. } => Some((at.bucket(), at.key())),
        Ask::Rename { bucket, to, .. } => Some((BUCKETS[usize::from(*bucket)], KEYS[usize::from(*to)])),
        Ask::Complete { .. } => Some((&args.upload.bucket, &args.upload.key)),
        _ => None,
    }
}

fn is_absent(ask: &Ask, args: &Args, naive: &Naive) -> bool {
    target(ask, args).is_some_and(|(bucket, key)| naive.object(bucket, key).is_none())
}

/// Every state that the answers allow; the first is the one in which the request came last.
fn candidates(
    before: &Naive,
    (ask, args, seen): (&Ask, &Args, &Outcome),
    absent: bool,
    trouble: Option<&Trouble>,
    rivals: &[Sent],
) -> Result<Vec<Naive>, String> {
    let mut found = Vec::new();
    let mut error = None;
    for position in (0..=rivals.len()).rev() {
        let mut naive = before.clone();
        let mut matches = true;
        for rival in &rivals[..position] {
            matches &= follows(&mut naive, rival, &mut error);
        }
        let without = naive.clone();
        let expected = naive.apply(ask, args, absent, seen);
        let mut states = Vec::new();
        match trouble {
            Some(Trouble::Applied | Trouble::Lost) if seen.text.starts_with("500") => states.extend([without, naive]),
            Some(Trouble::Busy) if seen.text.starts_with("503") => states.push(without),
            // Its mark was taken by another delete of the bucket, which found it full. Nothing happened.
            Some(Trouble::Rivals(_)) if seen.text.starts_with("409 OperationAborted") && matches!(ask, Ask::DeleteBucket(_)) => {
                states.push(without);
            }
            _ if expected.is(seen) => states.push(naive),
            _ => {
                error.get_or_insert_with(|| differs(&expected, seen));
                continue;
            }
        }
        for mut state in states {
            if rivals[position..].iter().all(|rival| follows(&mut state, rival, &mut error)) && matches {
                found.push(state);
            }
        }
    }
    if found.is_empty() { Err(error.unwrap_or_default()) } else { Ok(found) }
}

fn follows(naive: &mut Naive, (ask, args, seen): &Sent, error: &mut Option<String>) -> bool {
    let absent = is_absent(ask, args, naive);
    let expected = naive.apply(ask, args, absent, seen);
    if !expected.is(seen) {
        error.get_or_insert_with(|| format!("a rival's {}: {}", request(ask, args), differs(&expected, seen)));
    }
    expected.is(seen)
}

fn differs(expected: &Outcome, got: &Outcome) -> String {
    if expected.text == got.text {
        let len = |outcome: &Outcome| outcome.body.as_ref().map(Vec::len);
        return format!("the bytes are others: {:?} expected, {:?} got", len(expected), len(got));
    }
    format!("expected {}\n  got      {}", expected.text, got.text)
}

fn args_of(ask: &Ask, naive: &Naive) -> Args {
    let mut args = Args::default();
    match ask {
        Ask::Put { at, when, .. } => args.when = conditions(when, at.bucket(), at.key(), naive),
        Ask::Append { at, when, offset, .. } => {
            args.when = conditions(when, at.bucket(), at.key(), naive);
            let size = naive.object(at.bucket(), at.key()).map_or(0, crate::naive::Object::size);
            args.offset = match offset {
                Offset::End => size,
                Offset::Start => 0,
                Offset::Beyond => size + 1,
            };
        }
        Ask::Copy { from, to, source, when, .. } => {
            args.when = conditions(when, to.bucket(), to.key(), naive);
            args.source = read_conditions(source, *from, naive);
        }
        Ask::Rename { bucket, from, to, source, when, .. } => {
            args.when = conditions(when, BUCKETS[usize::from(*bucket)], KEYS[usize::from(*to)], naive);
            args.source = read_conditions(source, At(*bucket, *from), naive);
        }
        Ask::Delete { at, when } => args.deletes = delete_conditions(when, *at, naive),
        Ask::Get { at, when, .. } => args.source = read_conditions(when, *at, naive),
        Ask::PutPart { upload, .. } | Ask::ListParts { upload, .. } => args.upload = upload_name(*upload, false, naive),
        Ask::CopyPart { upload, from, source, .. } => {
            args.upload = upload_name(*upload, false, naive);
            args.source = read_conditions(source, *from, naive);
        }
        Ask::Abort { upload, other_key } => args.upload = upload_name(*upload, *other_key, naive),
        Ask::Complete { upload, other_key, parts, sums, size, when, .. } => {
            let name = upload_name(*upload, *other_key, naive);
            args.when = conditions(when, &name.bucket, &name.key, naive);
            args.upload = name;
            let (listed, total) = listed(*parts, *sums, &args.upload, naive);
            args.parts = listed;
            args.size = size.map(|right| if right { total } else { total + 1 });
        }
        _ => {}
    }
    args
}

fn etag(tag: Tag, bucket: &str, key: &str, naive: &Naive) -> Option<ETag> {
    let former = || naive.former(bucket, key).map(|(etag, _)| etag.clone());
    let text = match tag {
        Tag::Any => return None,
        Tag::Current => naive.object(bucket, key).map(|object| object.etag.clone()).or_else(former),
        Tag::Former => former(),
        Tag::Foreign => None,
    };
    Some(ETag::parse(text.as_deref().unwrap_or("foreign")).unwrap())
}

fn generation(number: Number, bucket: &str, key: &str, naive: &Naive) -> Generation {
    let former = || naive.former(bucket, key).map_or(0, |(_, generation)| *generation);
    Generation(match number {
        Number::Zero => 0,
        Number::Current => naive.object(bucket, key).map_or_else(former, |object| object.generation),
        Number::Former => former(),
        Number::Future => 1_000_000,
    })
}

fn date(date: Date, bucket: &str, key: &str, naive: &Naive) -> Timestamp {
    let base = naive.object(bucket, key).map_or(naive.now, |object| object.modified);
    Timestamp::from_millis(match date {
        Date::Written(off) => base.saturating_add_signed(off),
        Date::Tomorrow => naive.now + 86_400_000,
    })
}

fn conditions(when: &When, bucket: &str, key: &str, naive: &Naive) -> WriteConditions {
    let date = |given: Option<Date>| given.map(|given| date(given, bucket, key, naive));
    WriteConditions {
        rule: match when.rule {
            Rule::Always => WriteRule::Always,
            Rule::Create => WriteRule::CreateOnly,
            Rule::Match(tag) => WriteRule::IfMatch(etag(tag, bucket, key, naive).map_or(ETagMatch::Any, ETagMatch::Exactly)),
        },
        generation: when.generation.map(|number| generation(number, bucket, key, naive)),
        modified_since: date(when.modified),
        unmodified_since: date(when.unmodified),
    }
}

fn read_conditions(reads: &Reads, at: At, naive: &Naive) -> ReadConditions {
    let set = |given: Option<(Tag, bool)>| {
        given.map(|(tag, weak)| match etag(tag, at.bucket(), at.key(), naive) {
            None => ETagSet::Any,
            Some(etag) => ETagSet::OneOf(vec![(etag, weak)]),
        })
    };
    let date = |given: Option<Date>| given.map(|given| date(given, at.bucket(), at.key(), naive));
    ReadConditions {
        if_match: set(reads.matches),
        if_none_match: set(reads.none_match),
        modified_since: date(reads.modified),
        unmodified_since: date(reads.unmodified),
    }
}

fn delete_conditions(deletes: &Deletes, at: At, naive: &Naive) -> DeleteConditions {
    let object = naive.object(at.bucket(), at.key());
    let (size, modified) = object.map_or((0, naive.now), |object| (object.size(), object.modified));
    DeleteConditions {
        if_match: deletes.matches.map(|tag| etag(tag, at.bucket(), at.key(), naive).map_or(ETagMatch::Any, ETagMatch::Exactly)),
        size: deletes.size.map(|right| if right { size } else { size + 1 }),
        last_modified: deletes.date.map(|right| Timestamp::from_millis(if right { modified } else { modified + 1000 })),
        generation: deletes.generation.map(|number| generation(number, at.bucket(), at.key(), naive)),
    }
}

fn upload_name(nth: u8, other_key: bool, naive: &Naive) -> UploadName {
    let never = UploadName { bucket: BUCKETS[0].into(), key: KEYS[0].into(), id: "0".repeat(32) };
    let mut name = naive.begun.iter().rev().nth(nth.into()).cloned().unwrap_or(never);
    if other_key {
        name.key = KEYS[usize::from(name.key == KEYS[0])].into();
    }
    name
}

/// The parts that a completion lists, and the size of the object that they would make.
fn listed(which: Listing, sums: bool, name: &UploadName, naive: &Naive) -> (Vec<ListedPart>, u64) {
    let Some(upload) = naive.buckets.get(&name.bucket).and_then(|bucket| bucket.uploads.get(&name.id)) else { return (Vec::new(), 0) };
    let line = |(number, part): (&u64, &crate::naive::Part)| {
        let size: u64 = part.bodies.iter().map(|body| u64::from(body.0)).sum();
        ((*number, ETag::parse(&part.etag).unwrap(), sums.then(|| part.given.clone())), size)
    };
    let mut lines: Vec<_> = upload.parts.iter().map(line).collect();
    match which {
        Listing::All => {}
        Listing::First => lines.truncate(1),
        Listing::Last => drop(lines.drain(..lines.len().saturating_sub(1))),
        Listing::Nothing => lines.clear(),
        Listing::Backwards => lines.reverse(),
        Listing::Twice => lines.extend(lines.last().cloned()),
        Listing::Wrong => lines.iter_mut().take(1).for_each(|((_, etag, _), _)| *etag = ETag::parse("foreign").unwrap()),
        Listing::Missing => lines.push(((10_000, ETag::parse("foreign").unwrap(), None), 0)),
    }
    let total = lines.iter().map(|(_, size)| size).sum();
    (lines.into_iter().map(|(line, _)| line).collect(), total)
}
