//! The fixed workload: every kind of write, done and refused; small bodies, extents and pieces; garbage; flushes; several writers at once;
//! a first start, a clean end and a second start.

use std::path::Path;

use holdfast_crash::Disk;

use super::{
    bodies::Body,
    model::{Answer, At, Op, Outcome, When, at},
    world::{History, World},
};

/// So small that the bodies of the workload are flushed, into tables and into files of separated values.
pub const MEMTABLE_BYTES: u64 = 48 * 1024;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Whole,
    /// The store could not be opened (again), or an answer was an error of the store.
    Early(String),
}

/// Runs all of it on the data folder, unless a fault stops it.
pub async fn run(data: &Path, history: &History) -> Ended {
    let first = async {
        let world = World::open(data, history).map_err(|e| e.to_string())?;
        let ended = async {
            sequential(&world).await?;
            world.collect_all().await?;
            racing(&world).await?;
            many_bodies(&world).await
        };
        let ended = ended.await;
        world.store.close().await;
        ended
    };
    let second = async {
        history.restart();
        let world = World::open(data, history).map_err(|e| e.to_string())?;
        let ended = after_a_restart(&world).await;
        world.store.close().await;
        ended
    };
    let both = async {
        first.await?;
        second.await
    };
    Box::pin(both).await.map_or_else(Ended::Early, |()| Ended::Whole)
}

/// Sends a request and stops if the store failed.
async fn send(world: &World, op: Op) -> Result<Outcome, String> {
    match world.run(op.clone()).await {
        Some(Answer::Is(outcome)) => Ok(outcome),
        Some(Answer::Failed(why) | Answer::Unknown(why)) => Err(format!("{op:?}: {why}")),
        None => Err(format!("{op:?}: its tag is not known")),
    }
}

/// As it must be in a workload that nothing disturbs.
async fn expect(world: &World, outcome: Outcome, op: Op) -> Result<(), String> {
    let answered = send(world, op.clone()).await?;
    assert_eq!(answered, outcome, "{op:?}");
    Ok(())
}

async fn done(world: &World, op: Op) -> Result<(), String> {
    expect(world, Outcome::Done, op).await
}

fn a(key: &str) -> At {
    at("alpha", key)
}

pub const SMALL: u32 = 3000;
pub const EXTENT: u32 = 100_000;

async fn put(world: &World, at: At, len: u32, when: When) -> Result<Body, String> {
    let body = world.history.body(len);
    done(world, Op::Put(at, Some(body), when)).await.map(|()| body)
}

async fn sequential(world: &World) -> Result<(), String> {
    buckets_and_conditions(world).await?;
    shared_and_renamed(world).await?;
    appended(world).await?;
    multipart(world).await
}

async fn buckets_and_conditions(world: &World) -> Result<(), String> {
    use Outcome::{BucketExists, BucketNotEmpty, NoSuchBucket, NoSuchKey, Precondition};
    done(world, Op::CreateBucket("alpha")).await?;
    done(world, Op::CreateBucket("gone")).await?;
    expect(world, BucketExists, Op::CreateBucket("alpha")).await?;
    let small = put(world, a("small"), SMALL, When::Absent).await?;
    expect(world, Precondition, Op::Put(a("small"), Some(world.history.body(SMALL)), When::Absent)).await?;
    let extent = put(world, a("extent"), EXTENT, When::Absent).await?;
    expect(world, Precondition, Op::Put(a("extent"), Some(world.history.body(EXTENT)), When::Absent)).await?;
    expect(world, NoSuchKey, Op::Put(a("absent"), Some(world.history.body(SMALL)), When::Is(vec![small]))).await?;
    let second = put(world, a("small"), SMALL, When::Is(vec![small])).await?;
    expect(world, Precondition, Op::Put(a("small"), Some(world.history.body(SMALL)), When::Is(vec![small]))).await?;
    put(world, a("small"), EXTENT, When::Is(vec![second])).await?;
    put(world, a("extent"), SMALL, When::Is(vec![extent])).await?;
    done(world, Op::Put(a("empty"), None, When::Always)).await?;
    done(world, Op::Tag(a("small"), 7)).await?;
    done(world, Op::Put(at("gone", "only"), Some(world.history.body(SMALL)), When::Always)).await?;
    expect(world, BucketNotEmpty, Op::DeleteBucket("gone")).await?;
    done(world, Op::Delete(at("gone", "only"), When::Always)).await?;
    done(world, Op::DeleteBucket("gone")).await?;
    expect(world, NoSuchBucket, Op::Put(at("gone", "only"), None, When::Always)).await
}

async fn shared_and_renamed(world: &World) -> Result<(), String> {
    use Outcome::{NoSuchKey, Precondition};
    put(world, a("source"), EXTENT, When::Always).await?;
    done(world, Op::Copy(a("source"), a("copy"), When::Absent)).await?;
    expect(world, Precondition, Op::Copy(a("source"), a("copy"), When::Absent)).await?;
    done(world, Op::Copy(a("extent"), a("copy of a small one"), When::Always)).await?;
    expect(world, NoSuchKey, Op::Copy(a("absent"), a("copy"), When::Always)).await?;
    done(world, Op::Delete(a("source"), When::Always)).await?;
    put(world, a("old name"), EXTENT, When::Always).await?;
    expect(world, Precondition, Op::Rename(a("old name"), a("copy"), When::Absent)).await?;
    done(world, Op::Rename(a("old name"), a("new name"), When::Absent)).await?;
    expect(world, NoSuchKey, Op::Rename(a("old name"), a("new name"), When::Always)).await?;
    done(world, Op::Rename(a("new name"), a("copy"), When::Always)).await?;
    let doomed = put(world, a("doomed"), EXTENT, When::Always).await?;
    let other = put(world, a("spared"), SMALL, When::Always).await?;
    expect(world, Precondition, Op::Delete(a("doomed"), When::Is(vec![other]))).await?;
    done(world, Op::Delete(a("doomed"), When::Is(vec![doomed]))).await?;
    expect(world, NoSuchKey, Op::Delete(a("doomed"), When::Is(vec![doomed]))).await
}

async fn appended(world: &World) -> Result<(), String> {
    let body = |len| world.history.body(len);
    done(world, Op::Append(a("log"), body(SMALL), 0)).await?;
    done(world, Op::Append(a("log"), body(EXTENT), u64::from(SMALL))).await?;
    expect(world, Outcome::InvalidOffset, Op::Append(a("log"), body(SMALL), u64::from(SMALL))).await?;
    // Its bytes are another object's too: it gets bytes of its own first.
    done(world, Op::Copy(a("log"), a("copy of the log"), When::Always)).await?;
    done(world, Op::Append(a("log"), body(SMALL), u64::from(SMALL + EXTENT))).await
}

async fn multipart(world: &World) -> Result<(), String> {
    let body = |len| world.history.body(len);
    done(world, Op::BeginUpload(a("parts"))).await?;
    done(world, Op::PutPart(a("parts"), 1, body(SMALL))).await?;
    done(world, Op::PutPart(a("parts"), 1, body(EXTENT))).await?;
    let rival = put(world, a("parts"), SMALL, When::Always).await?;
    expect(world, Outcome::Precondition, Op::Complete(a("parts"), vec![1], When::Absent)).await?;
    done(world, Op::Complete(a("parts"), vec![1], When::Is(vec![rival]))).await?;
    done(world, Op::BeginUpload(a("aborted"))).await?;
    done(world, Op::PutPart(a("aborted"), 1, body(EXTENT))).await?;
    done(world, Op::Abort(a("aborted"))).await?;
    expect(world, Outcome::NoSuchUpload, Op::PutPart(a("aborted"), 2, body(SMALL))).await?;
    done(world, Op::BeginUpload(a("open"))).await?;
    done(world, Op::PutPart(a("open"), 1, body(SMALL))).await?;
    done(world, Op::PutPart(a("open"), 3, body(EXTENT))).await
}

const WRITERS: u32 = 4;

/// Several writers at once, so that batches hold several transactions and refusals rest on what is pending.
async fn racing(world: &World) -> Result<(), String> {
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move { writer(&world, n).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer does not panic")?;
    }
    Ok(())
}

async fn writer(world: &World, n: u32) -> Result<(), String> {
    for round in 0..4 {
        let won = a(&format!("won {round}"));
        let len = if n == 0 && round % 2 == 0 { EXTENT } else { SMALL };
        send(world, Op::Put(won.clone(), Some(world.history.body(len)), When::Absent)).await?;
        let mine = a(&format!("of writer {n}"));
        put(world, mine.clone(), SMALL, When::Always).await?;
        match (n + round) % WRITERS {
            0 => drop(send(world, Op::Rename(mine, a("hot"), When::Always)).await?),
            1 => drop(send(world, Op::Copy(won, a("hot"), When::Always)).await?),
            2 => drop(send(world, Op::Delete(a("hot"), When::Always)).await?),
            _ => drop(send(world, Op::Put(a("hot"), Some(world.history.body(SMALL)), When::Absent)).await?),
        }
    }
    Ok(())
}

/// Enough for flushes of bodies and of objects.
async fn many_bodies(world: &World) -> Result<(), String> {
    for n in 0..6 {
        put(world, a(&format!("many {}", n % 4)), 30_000, When::Always).await?;
    }
    world.collect_all().await
}

/// A second process goes on with what the first one left.
async fn after_a_restart(world: &World) -> Result<(), String> {
    world.store.reclaimed().await;
    put(world, a("after a restart"), EXTENT, When::Absent).await?;
    expect(world, Outcome::Precondition, Op::Put(a("small"), Some(world.history.body(SMALL)), When::Absent)).await?;
    done(world, Op::Complete(a("open"), vec![1], When::Absent)).await?;
    done(world, Op::BeginUpload(a("large"))).await?;
    done(world, Op::PutPart(a("large"), 1, world.history.body(PART_BYTES_MIN))).await?;
    done(world, Op::PutPart(a("large"), 2, world.history.body(SMALL))).await?;
    done(world, Op::Complete(a("large"), vec![1, 2], When::Absent)).await?;
    done(world, Op::Delete(a("copy"), When::Always)).await?;
    world.collect_all().await
}

const PART_BYTES_MIN: u32 = 5 << 20;

/// More than the store writes through the page cache before it syncs early.
const LARGE: u32 = 40 << 20;
/// What may be unsynced then: 32 MiB, and what one job adds.
pub const UNSYNCED_MAX: u64 = 33 << 20;

/// A large body on a disk without `O_DIRECT`: it goes through the page cache.
pub async fn through_page_cache(disk: &Disk, data: &Path, history: &History) -> Result<(), String> {
    disk.refuse_direct();
    disk.keep_log();
    let world = World::open(data, history).map_err(|e| e.to_string())?;
    let ended = async {
        done(&world, Op::CreateBucket("alpha")).await?;
        put(&world, a("large"), LARGE, When::Absent).await?;
        expect(&world, Outcome::Precondition, Op::Put(a("large"), Some(world.history.body(SMALL)), When::Absent)).await
    };
    let ended = ended.await;
    world.store.close().await;
    ended
}

/// Bytes after which fjall seals a journal.
const JOURNAL_BYTES: u64 = 64_000_000;
const INLINE: u32 = 65_000;

/// So many small bodies that the journal is sealed and the next one begun, and some after that. Images are kept from shortly before on:
/// `keep_images` is called then.
pub async fn rotation(data: &Path, history: &History, keep_images: impl FnOnce()) -> Result<(), String> {
    let world = World::open(data, history).map_err(|e| e.to_string())?;
    let ended = async {
        done(&world, Op::CreateBucket("alpha")).await?;
        let mut old = put(&world, a("hot"), INLINE, When::Absent).await?;
        let mut keep_images = Some(keep_images);
        for n in 1..2 * JOURNAL_BYTES / u64::from(INLINE) {
            if n * u64::from(INLINE) > JOURNAL_BYTES - 20 * u64::from(INLINE)
                && let Some(keep_images) = keep_images.take()
            {
                keep_images();
            }
            old = put(&world, a("hot"), INLINE, When::Is(vec![old])).await?;
            if data.join("records/1.jnl").exists() {
                break;
            }
        }
        for n in 0..6 {
            put(&world, a(&format!("afterwards {n}")), SMALL, When::Absent).await?;
        }
        expect(&world, Outcome::Precondition, Op::Put(a("hot"), Some(world.history.body(SMALL)), When::Absent)).await
    };
    let ended = ended.await;
    world.store.close().await;
    ended
}

/// What a store holds before disks fail.
pub async fn prepare(world: &World) -> Result<(), String> {
    done(world, Op::CreateBucket("alpha")).await?;
    put(world, a("small"), SMALL, When::Always).await?;
    put(world, a("extent"), EXTENT, When::Always).await?;
    put(world, a("old"), SMALL, When::Always).await?;
    done(world, Op::BeginUpload(a("parts"))).await?;
    done(world, Op::PutPart(a("parts"), 1, world.history.body(EXTENT))).await
}

/// One step of the short workload, whether or not it succeeded.
#[derive(Debug)]
pub enum Step {
    Written(Answer),
    Read(Result<(), String>),
}

/// A write of every kind, and reads of all, on a store that holds what `prepare` left; each step is tried, whatever became of those before.
/// An error means that a read gave what nobody wrote.
pub async fn short(world: &World) -> Result<Vec<Step>, String> {
    let body = |len| Some(world.history.body(len));
    let ops = [
        Op::Put(a("new"), body(SMALL), When::Absent),
        Op::Put(a("new"), body(SMALL), When::Absent),
        Op::Put(a("new extent"), body(EXTENT), When::Absent),
        Op::Put(a("extent"), body(SMALL), When::Always),
        Op::Copy(a("new extent"), a("copy"), When::Always),
        Op::Rename(a("copy"), a("renamed"), When::Absent),
        Op::Append(a("log"), world.history.body(EXTENT), 0),
        Op::Tag(a("small"), 3),
        Op::Complete(a("parts"), vec![1], When::Absent),
        Op::Delete(a("old"), When::Always),
        Op::Put(a("many"), body(40_000), When::Always),
        Op::Put(a("many"), body(40_000), When::Always),
    ];
    let mut steps = Vec::new();
    for op in ops {
        if let Some(answer) = world.run(op).await {
            steps.push(Step::Written(answer));
        }
        for key in ["extent", "new extent"] {
            steps.push(Step::Read(world.read_whole(&a(key)).await?));
        }
    }
    let _ = world.collect_all().await;
    Ok(steps)
}
