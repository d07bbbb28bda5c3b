//! One client of a race: it sends one request at a time, writes down what came, and remembers what it learned of the keys.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    Figures, Violation, ViolationKind,
    answers::{self, outcome},
    payload::{self, CONTENT_HEADER},
    phase::Phase,
    random::Random,
};
use crate::{
    client::{
        Answer, Call, Client, Lost, Pieces,
        s3::{self, Options as Headers},
    },
    history::{Condition, Content, Etag, Key, Operation, Outcome, Request},
};

/// Between two tries to connect to an endpoint that refuses.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// The endpoint is gone for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint has taken no request for {seconds} s: {last}")]
pub struct Gone {
    /// How long it was tried.
    pub seconds: u64,
    /// The last failure.
    pub last: String,
}

/// What a client knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Absent,
    Holds(Etag),
}

/// How a body goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    AtOnce,
    /// In pieces, with operations of others in between.
    Slow,
}

/// One client.
pub(super) struct Worker {
    pub(super) phase: Arc<Phase>,
    pub(super) id: u32,
    pub(super) random: Random,
    /// One for each endpoint.
    clients: Vec<Client>,
    pub(super) known: HashMap<Key, Known>,
    /// ETags that were seen once; conditions on them often fail.
    stale: Vec<Etag>,
    contents: u64,
    /// Requests that were answered, or may have had an effect.
    pub(super) operations: u64,
    pub(super) log: Vec<Operation>,
    pub(super) violations: Vec<Violation>,
    pub(super) figures: Figures,
}

const STALE_MAX: usize = 8;
/// Violations that one client tells; the rest are counted.
const VIOLATIONS_MAX: usize = 20;

impl Worker {
    pub(super) fn new(phase: Arc<Phase>, id: u32) -> Self {
        let clients = (0..phase.target.endpoints.len()).map(|endpoint| Client::new(phase.target.clone(), endpoint)).collect();
        let random = Random::new(phase.options.seed, phase.number, u64::from(id));
        Self {
            phase,
            id,
            random,
            clients,
            known: HashMap::new(),
            stale: Vec::new(),
            contents: 0,
            operations: 0,
            log: Vec::new(),
            violations: Vec::new(),
            figures: Figures::default(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase.is_over(self.operations)
    }

    /// A content that nobody else writes.
    pub(super) fn fresh_content(&mut self) -> Content {
        self.contents += 1;
        Content(self.phase.number << 48 | u64::from(self.id + 1) << 32 | self.contents)
    }

    /// Bytes of a content: mostly few.
    pub(super) fn body(&mut self, content: Content, pace: Pace) -> Bytes {
        let bodies = self.phase.options.bodies;
        let bytes = match pace {
            Pace::Slow => bodies.slow_bytes,
            Pace::AtOnce if self.random.chance(12) => bodies.medium_bytes,
            Pace::AtOnce => self.random.below(bodies.small_bytes_max.max(1) as u64) as usize,
        };
        payload::body(content, bytes)
    }

    pub(super) fn an_old_etag(&mut self) -> Etag {
        let count = self.stale.len() as u64;
        if count == 0 { "00000000000000000000000000000000".into() } else { self.stale[self.random.below(count) as usize].clone() }
    }

    /// Sends a put, and writes down what came.
    pub(super) async fn put(&mut self, key: Key, condition: Condition, pace: Pace) -> Result<Outcome, Gone> {
        let content = self.fresh_content();
        let body = self.body(content, pace);
        let headers = named(content, &condition);
        let call = s3::put(&self.phase.options.bucket, &self.phase.name(key), body, &headers);
        let request = Request::Put { key, condition, content };
        self.write(request, &call, pace).await
    }

    pub(super) async fn copy(&mut self, source: Key, source_condition: Condition, key: Key, condition: Condition) -> Result<Outcome, Gone> {
        let headers = conditioned(conditioned(Headers::none(), "x-amz-copy-source-", &source_condition), "", &condition);
        let call = s3::copy(&self.phase.options.bucket, &self.phase.name(source), &self.phase.name(key), &headers);
        let request = Request::Copy { source, source_condition, key, condition };
        self.write(request, &call, Pace::AtOnce).await
    }

    pub(super) async fn rename(
        &mut self,
        source: Key,
        source_condition: Condition,
        key: Key,
        condition: Condition,
    ) -> Result<Outcome, Gone> {
        let headers = conditioned(conditioned(Headers::none(), "x-amz-rename-source-", &source_condition), "", &condition);
        let call = s3::rename(&self.phase.options.bucket, &self.phase.name(source), &self.phase.name(key), &headers);
        let request = Request::Rename { source, source_condition, key, condition };
        self.write(request, &call, Pace::AtOnce).await
    }

    pub(super) async fn delete(&mut self, key: Key, condition: Condition) -> Result<Outcome, Gone> {
        let headers = conditioned(Headers::none(), "", &condition);
        let call = s3::delete(&self.phase.options.bucket, &self.phase.name(key), &headers);
        self.write(Request::Delete { key, condition }, &call, Pace::AtOnce).await
    }

    /// Begins an upload and sends its parts. None if that did not succeed: then there is nothing to complete.
    pub(super) async fn prepare(&mut self, key: Key) -> Result<Option<Prepared>, Gone> {
        let content = self.fresh_content();
        let (bucket, name) = (self.phase.options.bucket.clone(), self.phase.name(key));
        let begun = self.ask(&s3::create_upload(&bucket, &name, &named(content, &Condition::None))).await?;
        let Some(upload) = begun.as_ref().and_then(s3::upload_id) else { return Ok(None) };
        let first = self.phase.options.bodies.first_part_bytes;
        let has_two = first > 0 && self.random.chance(10);
        let body = if has_two { payload::body(content, first + 1) } else { self.body(content, Pace::AtOnce) };
        let cut = if has_two { first } else { body.len() };
        let mut parts = Vec::new();
        for (number, part) in (1..).zip([body.slice(..cut), body.slice(cut..)]) {
            if number > 1 && part.is_empty() {
                break;
            }
            let sent = self.ask(&s3::upload_part(&bucket, &name, &upload, number, part)).await?;
            let Some(etag) = sent.filter(Answer::is_success).and_then(|answer| answer.etag()) else { return Ok(None) };
            parts.push((number, etag));
        }
        Ok(Some(Prepared { key, content, upload, parts }))
    }

    pub(super) async fn complete(&mut self, prepared: &Prepared, key: Key, condition: Condition) -> Result<Outcome, Gone> {
        let headers = conditioned(Headers::none(), "", &condition);
        let bucket = &self.phase.options.bucket;
        let call = s3::complete_upload(bucket, &self.phase.name(key), &prepared.upload, &prepared.parts, &headers);
        self.write(Request::Complete { key, condition, content: prepared.content }, &call, Pace::AtOnce).await
    }

    /// A request that no key's state depends on. None if it was not answered.
    pub(super) async fn ask(&mut self, call: &Call) -> Result<Option<Answer>, Gone> {
        let (result, _) = self.send(call, Pace::AtOnce).await?;
        Ok(result.ok())
    }

    async fn write(&mut self, request: Request, call: &Call, pace: Pace) -> Result<Outcome, Gone> {
        let (result, sent) = self.send(call, pace).await?;
        let outcome = match &result {
            Ok(answer) => outcome(&request, answer, self.phase.options.definite_503),
            Err(lost) => answers::lost(lost).unwrap_or(Outcome::Refused),
        };
        self.learn_from_write(&request, &outcome);
        self.note(request, outcome.clone(), sent);
        Ok(outcome)
    }

    /// GetObject, whole or slowly.
    pub(super) async fn get(&mut self, key: Key, pace: Pace) -> Result<(), Gone> {
        let call = s3::get(&self.phase.options.bucket, &self.phase.name(key), &Headers::none());
        let (result, sent) = self.send(&call, pace).await?;
        self.read(Request::Get { key }, key, result, sent);
        Ok(())
    }

    /// HeadObject.
    pub(super) async fn head(&mut self, key: Key) -> Result<(), Gone> {
        let call = s3::head(&self.phase.options.bucket, &self.phase.name(key), &Headers::none());
        let (result, sent) = self.send(&call, Pace::AtOnce).await?;
        self.read(Request::Head { key }, key, result, sent);
        Ok(())
    }

    fn read(&mut self, request: Request, key: Key, result: Result<Answer, Lost>, sent: Sent) {
        let outcome = match result {
            Ok(answer) if answer.is_success() => match found(&request, &answer) {
                Ok(outcome) => outcome,
                Err((kind, what)) => return self.accuse(key, sent.called, kind, what),
            },
            Ok(answer) => answers::failure(&answer, true),
            Err(_) => Outcome::Unknown,
        };
        match &outcome {
            Outcome::Found { etag, .. } => self.remember(key, Some(Known::Holds(etag.clone()))),
            Outcome::Missing => self.remember(key, Some(Known::Absent)),
            _ => {}
        }
        self.note(request, outcome, sent);
    }

    pub(super) fn accuse(&mut self, key: Key, called: u64, kind: ViolationKind, what: String) {
        let (shape, name) = (self.phase.shape, self.phase.name(key));
        self.operations += 1;
        self.figures.violations += 1;
        if self.violations.len() >= VIOLATIONS_MAX {
            return;
        }
        self.violations.push(Violation { shape, key: name, client: self.id, called, kind, what });
    }

    fn note(&mut self, request: Request, outcome: Outcome, sent: Sent) {
        let is_unknown = outcome == Outcome::Unknown;
        let names = answers::names(&request, &outcome);
        self.count(names, sent.returned - sent.called);
        self.operations += 1;
        if !is_unknown {
            self.phase.tide.rise();
        }
        let is_read = matches!(request, Request::Get { .. } | Request::Head { .. });
        if is_read && (is_unknown || outcome == Outcome::Refused) {
            return;
        }
        let returned = (!is_unknown).then_some(sent.returned);
        self.log.push(Operation { client: self.id, request, outcome, called: sent.called, returned, endpoint: sent.endpoint });
    }

    pub(super) fn count(&mut self, (operation, outcome): (&str, &str), nanoseconds: u64) {
        *self.figures.outcomes.entry(operation.to_owned()).or_default().entry(outcome.to_owned()).or_default() += 1;
        self.figures.operations += 1;
        self.figures.conflicts += u64::from(outcome == "412" || outcome == "409");
        self.figures.unknown += u64::from(outcome == "unknown");
        self.figures.longest_nanoseconds = self.figures.longest_nanoseconds.max(nanoseconds);
    }

    /// Sends until something was sent. Only connections that were refused are tried again.
    async fn send(&mut self, call: &Call, pace: Pace) -> Result<(Result<Answer, Lost>, Sent), Gone> {
        let endpoint = self.random.below(self.clients.len() as u64) as usize;
        let patience = self.phase.options.patience;
        let tries_max = (patience.as_millis() / RETRY_AFTER.as_millis()).max(1);
        let mut last = String::new();
        for _ in 0..tries_max {
            let phase = self.phase.clone();
            {
                let _under_way = phase.gate.read().await;
                let called = phase.now();
                let result = match pace {
                    Pace::AtOnce => self.clients[endpoint].send(call).await,
                    Pace::Slow => send_slowly(&mut self.clients[endpoint], call, &phase).await,
                };
                match result {
                    Err(Lost::NothingSent(why)) => last = why,
                    result => {
                        let sent = Sent { called, returned: phase.now(), endpoint: endpoint as u32 };
                        return Ok((result, sent));
                    }
                }
            }
            self.figures.refused_connections += 1;
            tokio::time::sleep(RETRY_AFTER).await;
        }
        Err(Gone { seconds: patience.as_secs(), last })
    }

    fn learn_from_write(&mut self, request: &Request, outcome: &Outcome) {
        match (request, outcome) {
            (Request::Rename { source, key, .. }, Outcome::Written(_)) => {
                let moved = self.known.get(source).cloned().filter(|known| *known != Known::Absent);
                self.remember(*key, moved);
                self.remember(*source, Some(Known::Absent));
            }
            (Request::Put { key, .. } | Request::Complete { key, .. } | Request::Copy { key, .. }, Outcome::Written(etag)) => {
                self.remember(*key, etag.clone().map(Known::Holds));
            }
            (Request::Delete { key, .. }, Outcome::Deleted)
            | (Request::Put { key, .. } | Request::Complete { key, .. } | Request::Delete { key, .. }, Outcome::Missing) => {
                self.remember(*key, Some(Known::Absent));
            }
            (Request::Copy { source, key, .. } | Request::Rename { source, key, .. }, _) => {
                self.remember(*source, None);
                self.remember(*key, None);
            }
            (Request::Put { key, .. } | Request::Complete { key, .. } | Request::Delete { key, .. }, _) => self.remember(*key, None),
            _ => {}
        }
    }

    fn remember(&mut self, key: Key, known: Option<Known>) {
        let before = match known {
            Some(known) => self.known.insert(key, known),
            None => self.known.remove(&key),
        };
        let Some(Known::Holds(etag)) = before else { return };
        if self.known.get(&key) != Some(&Known::Holds(etag.clone())) {
            if self.stale.len() == STALE_MAX {
                self.stale.remove(0);
            }
            self.stale.push(etag);
        }
    }
}

/// When and where a request was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    called: u64,
    returned: u64,
    endpoint: u32,
}

/// An upload whose parts are there.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) key: Key,
    content: Content,
    upload: String,
    parts: Vec<(u32, String)>,
}

/// What a read found.
fn found(request: &Request, answer: &Answer) -> Result<Outcome, (ViolationKind, String)> {
    let named = answer.header(CONTENT_HEADER).and_then(|value| payload::number(value.as_bytes())).map(Content);
    let etag = answers::etag(answer).ok_or_else(|| (ViolationKind::WrongMetadata, "a read came without an ETag".to_owned()))?;
    let wrong = |what: String| (ViolationKind::WrongMetadata, what);
    let named = named.ok_or_else(|| wrong(format!("the metadata of the write are lost: no {CONTENT_HEADER} with ETag {etag}")))?;
    if matches!(request, Request::Head { .. }) {
        return Ok(Outcome::Found { content: named, etag });
    }
    let content =
        payload::content_of(&answer.body).map_err(|torn| (ViolationKind::TornBody, format!("a body that nobody sent: {torn}")))?;
    if content != named {
        return Err(wrong(format!("a body of content {:x} with the metadata of content {:x}", content.0, named.0)));
    }
    Ok(Outcome::Found { content, etag })
}

fn named(content: Content, condition: &Condition) -> Headers {
    conditioned(Headers::none().header(CONTENT_HEADER, &format!("{:x}", content.0)), "", condition)
}

fn conditioned(headers: Headers, prefix: &str, condition: &Condition) -> Headers {
    match condition {
        Condition::None => headers,
        Condition::Absent => headers.header(&format!("{prefix}if-none-match"), "*"),
        Condition::Present => headers.header(&format!("{prefix}if-match"), "*"),
        Condition::Matches(etag) => headers.header(&format!("{prefix}if-match"), &s3::quoted(etag)),
    }
}

/// Sends a body in pieces, or reads an answer in pieces, while rivals go on.
async fn send_slowly(client: &mut Client, call: &Call, phase: &Phase) -> Result<Answer, Lost> {
    if call.method == "GET" {
        return read_slowly(client, call, phase).await;
    }
    let length = call.body.len() as u64;
    let piece_bytes = length.div_ceil(phase.options.bodies.slow_pieces.max(1)).max(1) as usize;
    let mut pieces = SlowPieces { rest: call.body.clone(), piece_bytes, phase, is_first: true };
    // The pieces are the body; an unsigned one, because its signature would need all of it first.
    let call = call.clone().body(Bytes::new());
    client.send_pieces(&call, length, &mut pieces).await
}

async fn read_slowly(client: &mut Client, call: &Call, phase: &Phase) -> Result<Answer, Lost> {
    let head = client.open(call).await?;
    let mut body = Vec::new();
    let piece_bytes = phase.options.bodies.slow_bytes / phase.options.bodies.slow_pieces.max(1) as usize;
    let mut next_wait = 0;
    while let Some(piece) = client.next_piece().await? {
        body.extend_from_slice(&piece);
        if body.len() > next_wait {
            next_wait = body.len() + piece_bytes;
            phase.tide.wait_for_rivals(phase.options.bodies.rivals_per_piece, phase.options.clients).await;
        }
    }
    Ok(Answer { head, body: body.into() })
}

struct SlowPieces<'a> {
    rest: Bytes,
    piece_bytes: usize,
    phase: &'a Phase,
    is_first: bool,
}

impl Pieces for SlowPieces<'_> {
    async fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        if !std::mem::take(&mut self.is_first) {
            self.phase.tide.wait_for_rivals(self.phase.options.bodies.rivals_per_piece, self.phase.options.clients).await;
        }
        Some(self.rest.split_to(self.piece_bytes.min(self.rest.len())))
    }
}
