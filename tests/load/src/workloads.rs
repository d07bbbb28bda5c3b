//! The workloads of the cost budget.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::LocalSet;

use crate::client::{Answer, Client, Request};
use crate::server_cpu;
use crate::sign::{Signer, UNSIGNED_PAYLOAD, sha256_hex};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SMALL_BYTES: usize = 4 * KIB;
const PART_BYTES: usize = 8 * MIB;
const PARTS: usize = 8;
const LISTED_KEYS: usize = 20_000;
const BUCKET: &str = "load";

#[derive(Clone)]
pub struct Target {
    pub address: String,
    pub signer: Signer,
    pub pid: u32,
    pub time: Duration,
}

/// What a row's cost is counted in.
#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    MicrosecondsPerOperation,
    SecondsPerGigabyte,
}

impl Unit {
    pub fn show(self, cost: f64) -> String {
        match self {
            Unit::MicrosecondsPerOperation => format!("{cost:.0} us/op"),
            Unit::SecondsPerGigabyte => format!("{cost:.2} s/GB"),
        }
    }
}

pub struct Row {
    pub name: String,
    pub unit: Unit,
    pub budget: Option<f64>,
    pub elapsed: Duration,
    pub bytes: u64,
    pub note: String,
    latencies: Vec<Duration>,
    cpu: Duration,
}

impl Row {
    pub fn operations(&self) -> usize {
        self.latencies.len()
    }

    pub fn cost(&self) -> f64 {
        match self.unit {
            Unit::MicrosecondsPerOperation => self.cpu.as_secs_f64() * 1e6 / self.operations().max(1) as f64,
            Unit::SecondsPerGigabyte => self.cpu.as_secs_f64() / (self.bytes.max(1) as f64 / 1e9),
        }
    }

    pub fn percentile(&self, percent: usize) -> Duration {
        self.latencies.get(self.latencies.len() * percent / 100).copied().unwrap_or_default()
    }
}

/// What the clients of one row share.
#[derive(Default)]
struct Tally {
    next: Cell<usize>,
    bytes: Cell<u64>,
    refused: Cell<usize>,
    latencies: RefCell<Vec<Duration>>,
}

impl Tally {
    fn next(&self) -> usize {
        self.next.replace(self.next.get() + 1)
    }

    fn done(&self, started: Instant, bytes: usize) {
        self.latencies.borrow_mut().push(started.elapsed());
        self.bytes.set(self.bytes.get() + bytes as u64);
    }
}

/// Runs `operation` again and again in `clients` tasks until the time is over, and accounts for the server's CPU meanwhile.
async fn measure<F>(target: &Target, name: &str, clients: usize, (unit, budget): (Unit, Option<f64>), operation: F) -> Result<Row>
where
    F: AsyncFn(&mut Client, &Tally) -> Result<()> + 'static,
{
    let (tally, operation) = (Rc::new(Tally::default()), Rc::new(operation));
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Client::connect(&target.address, target.signer.clone()).await?);
    }
    let (cpu, started) = (server_cpu::used(target.pid)?, Instant::now());
    let deadline = started + target.time;
    let tasks = LocalSet::new();
    let running: Vec<_> = connected
        .into_iter()
        .map(|mut client| {
            let (tally, operation) = (Rc::clone(&tally), Rc::clone(&operation));
            tasks.spawn_local(async move {
                while Instant::now() < deadline {
                    operation(&mut client, &tally).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    tasks.await;
    for task in running {
        task.await?.with_context(|| name.to_owned())?;
    }
    let (elapsed, cpu) = (started.elapsed(), server_cpu::used(target.pid)?.saturating_sub(cpu));
    let mut latencies = tally.latencies.take();
    latencies.sort_unstable();
    let won = latencies.len() - tally.refused.get();
    let note = if tally.refused.get() > 0 {
        format!("{:.0} swaps/s; all other attempts got 412", won as f64 / elapsed.as_secs_f64())
    } else {
        String::new()
    };
    Ok(Row { name: name.to_owned(), unit, budget, elapsed, bytes: tally.bytes.get(), note, latencies, cpu })
}

pub async fn run_all(target: Target) -> Result<Vec<Row>> {
    let mut client = Client::connect(&target.address, target.signer.clone()).await?;
    expect(&client.send(&put(&format!("/{BUCKET}"), "", b"", &sha256_hex(b"")), true).await?, 200)?;
    Ok(vec![
        put_small(&target, 1, None).await?,
        put_small(&target, 64, Some(150.0)).await?,
        get_small(&target).await?,
        put_large(&target, "signed payload", true, Some(2.5)).await?,
        put_large(&target, "unsigned payload", false, None).await?,
        get_ranges(&target).await?,
        list(&target, &mut client).await?,
        swap(&target, &mut client).await?,
    ])
}

fn put<'a>(path: &'a str, query: &'a str, body: &'a [u8], payload: &'a str) -> Request<'a> {
    Request { method: "PUT", path, query, headers: &[], payload, body }
}

fn get<'a>(path: &'a str, query: &'a str, headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request { method: "GET", path, query, headers, payload: UNSIGNED_PAYLOAD, body: &[] }
}

fn expect(answer: &Answer, status: u16) -> Result<()> {
    ensure!(answer.status == status, "{status} was expected and {} came: {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(())
}

async fn put_small(target: &Target, clients: usize, budget: Option<f64>) -> Result<Row> {
    let body = vec![b'x'; SMALL_BYTES];
    let hash = sha256_hex(&body);
    let name = format!("PUT 4 KiB, {clients} clients");
    measure(target, &name, clients, (Unit::MicrosecondsPerOperation, budget), async move |client, tally| {
        let (path, started) = (format!("/{BUCKET}/small/{clients}/{}", tally.next()), Instant::now());
        expect(&client.send(&put(&path, "", &body, &hash), false).await?, 200)?;
        tally.done(started, 0);
        Ok(())
    })
    .await
}

async fn get_small(target: &Target) -> Result<Row> {
    measure(target, "GET 4 KiB, 64 clients", 64, (Unit::MicrosecondsPerOperation, Some(80.0)), async |client, tally| {
        // Any number below what one row of puts has surely written.
        let (path, started) = (format!("/{BUCKET}/small/64/{}", tally.next() * 7919 % 500), Instant::now());
        let answer = client.send(&get(&path, "", &[]), false).await?;
        expect(&answer, 200)?;
        tally.done(started, 0);
        Ok(())
    })
    .await
}

/// One multipart upload of 64 MiB, also what `get_ranges` reads.
async fn put_large(target: &Target, name: &str, signed: bool, budget: Option<f64>) -> Result<Row> {
    let part: Vec<u8> = (0..PART_BYTES).map(|n| (n * 31 % 251) as u8).collect();
    let hash = if signed { sha256_hex(&part) } else { UNSIGNED_PAYLOAD.to_owned() };
    let name = format!("multipart PUT 8 x 8 MiB, {name}, 4 clients");
    measure(target, &name, 4, (Unit::SecondsPerGigabyte, budget), async move |client, tally| {
        let path = format!("/{BUCKET}/large/{}", tally.next() % 8);
        let started = Instant::now();
        upload(client, &path, &part, &hash).await?;
        tally.done(started, PARTS * part.len());
        Ok(())
    })
    .await
}

async fn upload(client: &mut Client, path: &str, part: &[u8], hash: &str) -> Result<()> {
    let empty = sha256_hex(b"");
    let created = client.send(&Request { method: "POST", ..put(path, "uploads=", b"", &empty) }, true).await?;
    expect(&created, 200)?;
    let id = between(&String::from_utf8(created.body)?, "<UploadId>", "</UploadId>")?;
    let mut document = String::from("<CompleteMultipartUpload>");
    for number in 1..=PARTS {
        let answer = client.send(&put(path, &format!("partNumber={number}&uploadId={id}"), part, hash), false).await?;
        expect(&answer, 200)?;
        document += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", answer.etag);
    }
    document += "</CompleteMultipartUpload>";
    let (query, hash) = (format!("uploadId={id}"), sha256_hex(document.as_bytes()));
    expect(&client.send(&Request { method: "POST", ..put(path, &query, document.as_bytes(), &hash) }, true).await?, 200)
}

fn between(text: &str, start: &str, end: &str) -> Result<String> {
    let found = text.split_once(start).and_then(|(_, rest)| rest.split_once(end));
    Ok(found.ok_or_else(|| anyhow::anyhow!("no {start} in {text}"))?.0.to_owned())
}

async fn get_ranges(target: &Target) -> Result<Row> {
    measure(target, "GET 8 MiB ranges of 64 MiB, 4 clients", 4, (Unit::SecondsPerGigabyte, Some(1.0)), async |client, tally| {
        let first = tally.next() % PARTS * PART_BYTES;
        let range = format!("bytes={first}-{}", first + PART_BYTES - 1);
        let started = Instant::now();
        let answer = client.send(&get(&format!("/{BUCKET}/large/0"), "", &[("range", &range)]), false).await?;
        expect(&answer, 206)?;
        tally.done(started, answer.length);
        Ok(())
    })
    .await
}

async fn list(target: &Target, client: &mut Client) -> Result<Row> {
    let empty = sha256_hex(b"");
    for number in 0..LISTED_KEYS {
        expect(&client.send(&put(&format!("/{BUCKET}/listed/{number:06}"), "", b"", &empty), false).await?, 200)?;
    }
    measure(
        target,
        "list page of 1,000 keys of 20,000, 1 client",
        1,
        (Unit::MicrosecondsPerOperation, Some(5000.0)),
        async |client, tally| {
            let after = tally.next() * 1000 % (LISTED_KEYS - 1000);
            let query = format!("list-type=2&prefix=listed%2F&start-after=listed%2F{after:06}");
            let started = Instant::now();
            let answer = client.send(&get(&format!("/{BUCKET}"), &query, &[]), false).await?;
            expect(&answer, 200)?;
            ensure!(answer.length > 100_000, "a page of 1,000 keys has more than {} bytes", answer.length);
            tally.done(started, 0);
            Ok(())
        },
    )
    .await
}

/// Each client reads the tag and swaps; a refusal is part of the game. One operation is the read and the attempt.
async fn swap(target: &Target, client: &mut Client) -> Result<Row> {
    let path = format!("/{BUCKET}/counter");
    expect(&client.send(&put(&path, "", b"0", UNSIGNED_PAYLOAD), false).await?, 200)?;
    measure(target, "compare-and-swap on one key, 16 clients", 16, (Unit::MicrosecondsPerOperation, None), async move |client, tally| {
        let started = Instant::now();
        let etag = client.send(&get(&path, "", &[]), false).await?.etag;
        let value = tally.next().to_string();
        let headers = [("if-match", etag.as_str())];
        let answer = client.send(&Request { headers: &headers, ..put(&path, "", value.as_bytes(), UNSIGNED_PAYLOAD) }, false).await?;
        if answer.status == 412 {
            tally.refused.set(tally.refused.get() + 1);
        } else {
            expect(&answer, 200)?;
        }
        tally.done(started, 0);
        Ok(())
    })
    .await
}
