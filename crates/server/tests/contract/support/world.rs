//! The state that a row of a table begins with, and what every answer and every refusal must keep.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, stream};

use super::TestServer;
use super::client::{Answer, Client};
use super::picture::picture;
use super::request::Request;
use super::signing::{http_date, iso_date};

/// A tag that no object of these tests has.
const OTHER: &str = "\"00112233445566778899aabbccddeeff\"";
const TARGET: &str = "the target's bytes";
const SOURCE: &str = "the source's bytes";
const PART: &str = "the part's bytes";
const NEW: &str = "new bytes";

/// The state of the target key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Present,
    /// There was an object, and it was deleted.
    Deleted,
}

impl State {
    pub(crate) const ALL: [Self; 3] = [Self::Absent, Self::Present, Self::Deleted];
}

/// The writes that may be conditional, each with the key `k` as its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Complete,
    Copy,
    Rename,
}

impl Operation {
    pub(crate) const ALL: [Self; 4] = [Self::Put, Self::Complete, Self::Copy, Self::Rename];

    /// What the target holds afterwards.
    const fn writes(self) -> &'static str {
        match self {
            Self::Put => NEW,
            Self::Complete => PART,
            Self::Copy | Self::Rename => SOURCE,
        }
    }
}

/// A bucket of a row's own: the target `k` in some state with an upload under way, a source `s`, and a bystander `z`.
pub(crate) struct World<'s> {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) upload: String,
    pub(crate) part_etag: String,
    server: &'s TestServer,
    target: Option<Answer>,
    source_etag: String,
    written: holdfast_model::Timestamp,
}

static BUCKETS: AtomicU64 = AtomicU64::new(0);

pub(crate) async fn new_bucket(client: &mut Client) -> String {
    let bucket = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
    client.must(Request::new("PUT", &format!("/{bucket}"))).await;
    bucket
}

impl<'s> World<'s> {
    pub(crate) async fn new(server: &'s TestServer, state: State) -> Self {
        let world = Self::prepare(server, state).await;
        world.some_time_later()
    }

    /// What is written from now on shows a later time, and dates after the objects' are not in the future.
    fn some_time_later(self) -> Self {
        self.server.clock.advance_secs(60);
        self
    }

    async fn prepare(server: &'s TestServer, state: State) -> Self {
        let mut client = server.client();
        let bucket = new_bucket(&mut client).await;
        let written = server.now();
        let put = |key: &str, body: &str| {
            let request = Request::new("PUT", &format!("/{bucket}/{key}")).body(body);
            request.header("x-amz-meta-of", key).header("x-amz-tagging", "of=row").header("content-type", "text/plain")
        };
        client.must(put("z", "a bystander")).await;
        let source_etag = client.must(put("s", SOURCE)).await.etag();
        let target = match state {
            State::Absent => None,
            _ => Some(client.must(put("k", TARGET)).await),
        };
        let (upload, part_etag) = begin_upload(&mut client, &format!("/{bucket}/k"), PART).await;
        if state == State::Deleted {
            client.must(Request::new("DELETE", &format!("/{bucket}/k"))).await;
        }
        let target = target.filter(|_| state == State::Present);
        Self { client, bucket, upload, part_etag, server, target, source_etag, written }
    }

    pub(crate) fn on(&self, method: &'static str, key: &str) -> Request {
        Request::new(method, &format!("/{}/{key}", self.bucket))
    }

    /// The request of an operation, without any condition.
    pub(crate) fn request(&self, operation: Operation) -> Request {
        match operation {
            Operation::Put => self.on("PUT", "k").body(NEW).header("x-amz-meta-of", "new"),
            Operation::Complete => self.on("POST", "k").query("uploadId", &self.upload).body(complete_xml(&[(1, &self.part_etag)])),
            Operation::Copy => self.on("PUT", "k").header("x-amz-copy-source", &format!("/{}/s", self.bucket)),
            Operation::Rename => self.on("PUT", "k").query("renameObject", "").header("x-amz-rename-source", "s"),
        }
    }

    /// A value of a row, with the facts of this world filled in.
    pub(crate) fn fill(&self, value: &str) -> String {
        let bare = |tag: &str| tag.trim_matches('"').to_owned();
        let etag = self.target.as_ref().map_or_else(|| OTHER.to_owned(), Answer::etag);
        let generation = self.target.as_ref().map_or(7, Answer::generation);
        let date = |away| http_date(self.written, away);
        [
            ("{etag}", etag.clone()),
            ("{bare}", bare(&etag)),
            ("{other}", OTHER.to_owned()),
            ("{source}", self.source_etag.clone()),
            ("{source-bare}", bare(&self.source_etag)),
            ("{generation}", generation.to_string()),
            ("{older-generation}", (generation - 1).to_string()),
            ("{size}", TARGET.len().to_string()),
            ("{before}", date(-10)),
            ("{same}", date(0)),
            ("{after}", date(10)),
            ("{future}", date(3600)),
            ("{same-iso}", iso_date(self.written)),
        ]
        .iter()
        .fold(value.to_owned(), |value, (name, fact)| value.replace(name, fact))
    }

    pub(crate) fn filled(&self, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), self.fill(value))).collect()
    }

    /// Sends a request that is refused: the answer is `expect` and complete, and nothing that a client can see is different.
    pub(crate) async fn refuses(&mut self, request: Request, expect: &str, row: &str) -> Answer {
        let before = picture(&mut self.client, &self.bucket).await;
        let answer = self.client.send(request.clone()).await;
        assert_eq!(answer.verdict(), expect, "{row}: {}", answer.text());
        check_error(&answer, &request, row);
        let after = picture(&mut self.client, &self.bucket).await;
        assert_eq!(before, after, "{row}: a refused request changes nothing");
        answer
    }

    /// Sends an operation that is carried out: the target holds what the operation writes, under the answer's tag and generation.
    pub(crate) async fn carries_out(&mut self, operation: Operation, request: Request, row: &str) -> Answer {
        let answer = self.client.send(request).await;
        assert_eq!(answer.verdict(), "200", "{row}: {}", answer.text());
        let now = self.client.must(self.on("GET", "k")).await;
        assert_eq!(now.text(), operation.writes(), "{row}");
        assert_eq!((now.etag(), now.generation()), (answer.etag(), answer.generation()), "{row}");
        let before = self.target.as_ref().map_or(0, Answer::generation);
        assert!(now.generation() > before, "{row}: the generation grows");
        let source = self.client.send(self.on("HEAD", "s")).await.status;
        assert_eq!(source, if operation == Operation::Rename { 404 } else { 200 }, "{row}: the source");
        let dated = if operation == Operation::Rename { self.written } else { self.server.now() };
        assert_eq!(now.header("last-modified"), Some(http_date(dated, 0).as_str()), "{row}");
        answer
    }

    /// One row of a table of writes.
    pub(crate) async fn check_write(&mut self, operation: Operation, headers: &[(&str, &str)], expect: &str, row: &str) {
        let request = self.request(operation).headers(&self.filled(headers));
        if expect == "200" {
            self.carries_out(operation, request, row).await;
        } else {
            let answer = self.refuses(request, expect, row).await;
            if answer.status == 404 {
                assert_eq!(answer.element("Key").as_deref(), Some("k"), "{row}");
            }
        }
    }
}

/// Rows at once, so that a table takes as many syncs as its longest row and not as all of them.
const ROWS_AT_ONCE: usize = 16;

/// Checks every row in a world of its own.
pub(crate) async fn for_each_row<'s, R>(
    server: &'s TestServer,
    rows: impl IntoIterator<Item = (State, R)>,
    check: impl AsyncFn(World<'s>, R),
) {
    let prepared = stream::iter(rows).map(async |(state, row)| (World::prepare(server, state).await, row));
    let prepared: Vec<_> = prepared.buffered(ROWS_AT_ONCE).collect().await;
    server.clock.advance_secs(60);
    stream::iter(prepared).for_each_concurrent(ROWS_AT_ONCE, |(world, row)| check(world, row)).await;
}

/// Every error is complete: section 8 of the contract.
pub(crate) fn check_error(answer: &Answer, request: &Request, row: &str) {
    let known = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{row}: no {name} in {answer:?}")).to_owned();
    let (request_id, host_id) = (known("x-amz-request-id"), known("x-amz-id-2"));
    if request.method == "HEAD" {
        assert_eq!(answer.text(), "", "{row}");
        return;
    }
    let element = |name: &str| answer.element(name).unwrap_or_else(|| panic!("{row}: no <{name}> in {}", answer.text()));
    assert_eq!(known("content-type"), "application/xml", "{row}");
    assert_eq!((element("RequestId"), element("HostId")), (request_id, host_id), "{row}");
    assert_eq!(element("Resource"), request.path, "{row}");
    assert!(element("Message").len() > 10, "{row}: a message that helps");
    if matches!(element("Code").as_str(), "NoSuchKey" | "ConditionalRequestConflict") {
        assert!(!element("Key").is_empty(), "{row}");
    }
    if matches!(element("Code").as_str(), "PreconditionFailed" | "ConditionalRequestConflict") {
        assert!(!element("Condition").is_empty(), "{row}");
    }
}

/// Begins an upload at `path` and uploads one part; its id and the part's tag.
pub(crate) async fn begin_upload(client: &mut Client, path: &str, part: &str) -> (String, String) {
    let begun = client.must(Request::new("POST", path).query("uploads", "").header("x-amz-meta-of", "upload")).await;
    let upload = begun.element("UploadId").expect("an upload id");
    let put = Request::new("PUT", path).query("uploadId", &upload).query("partNumber", "1").body(part);
    let etag = client.must(put).await.etag();
    (upload, etag)
}

pub(crate) fn complete_xml(parts: &[(u32, &str)]) -> String {
    let part = |(number, etag): &(u32, &str)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.iter().map(part).collect::<String>())
}
