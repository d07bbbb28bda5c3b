//! The committer under chosen schedules: `src/committer.rs` and `src/shared.rs`, the very files, on `shuttle`'s threads, locks and
//! channels and on records in memory (`records.rs`).
//!
//! Promised, in every schedule: readers see durable states only, whole and never older ones; an answer follows the publishing of what it
//! tells; a refusal rests on durable writes; after a failed batch nothing more is written on the same handle; a stamp is given once, also
//! across restarts; what is refused for certain never appears; everybody is answered, and closing ends.
//!
//! `HOLDFAST_TEST_SCHEDULES` schedules of each kind (default: some thousand) from `HOLDFAST_TEST_SEED`; a failure prints both.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

#[path = "../../src/committer.rs"]
#[allow(dead_code, reason = "only its own test sets how long it waits")]
mod committer;
#[path = "../../src/failpoints.rs"]
#[allow(dead_code, unreachable_pub, reason = "nobody is killed here")]
mod failpoints;
mod records;
#[path = "../../src/shared.rs"]
#[allow(unreachable_pub, reason = "public in the crate")]
mod shared;
#[path = "../../src/stats.rs"]
#[allow(dead_code, unreachable_pub, reason = "most of them are not counted here")]
mod stats;
mod surroundings;
mod threads;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use holdfast_store::{BlobId, Decide, Decision, Family, Outcome, RecordKey, StoreError, Write};
use parking_lot::Mutex;
use shuttle::{
    Config, Runner,
    future::block_on,
    rand::Rng as _,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    thread,
};
use tokio::sync::{Semaphore, oneshot};

use committer::{Committer, Message, Request};
pub(crate) use failpoints::FailPoint;
use records::{Disk, Engine, Fault, View};
use shared::{Health, Shared};
pub(crate) use stats::Stats;
pub(crate) use surroundings::{OpenError, Options, extents, folder, space, tuning, upkeep};

const SCHEDULES: usize = 2000;
const CLIENTS: u64 = 3;
const REQUESTS_EACH: u64 = 3;
const PLACES: usize = 2;

fn key(name: &'static str) -> RecordKey {
    RecordKey::new(Family::Object, name.as_bytes())
}

/// The record that a request leaves beside what it counts.
fn trace(request: u64) -> RecordKey {
    RecordKey::new(Family::Blob, BlobId(request.into()).to_bytes().to_vec())
}

fn count(value: Option<&Bytes>) -> u64 {
    value.map_or(0, |bytes| u64::from_be_bytes(bytes.as_ref().try_into().unwrap()))
}

/// One process: the store between its opening and its closing.
struct Process {
    shared: Arc<Shared>,
    extents: Arc<extents::Extents>,
    queue: threads::Sender<Message>,
    places: Arc<Semaphore>,
    committer: Mutex<Option<thread::JoinHandle<()>>>,
}

/// What everybody has seen, across processes. Its locks are never held where another thread may go on.
#[derive(Default)]
struct Witness {
    stamps: BTreeSet<u64>,
    /// The counts that were acknowledged.
    acknowledged: BTreeMap<&'static str, u64>,
    committed: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    in_doubt: BTreeSet<u64>,
}

struct World {
    disk: Arc<Disk>,
    witness: Mutex<Witness>,
}

impl Process {
    fn open(disk: &Arc<Disk>) -> Arc<Self> {
        let engine = Arc::new(Engine::open(disk, 0).unwrap());
        let stamp_limit = engine.stamp_limit().unwrap();
        let shared = Arc::new(Shared::new(Arc::default(), space::Space(Arc::clone(disk)), View::first(engine).unwrap()));
        let extents: Arc<extents::Extents> = Arc::default();
        let (queue, waiting) = threads::channel();
        let options = Options { cache_bytes: 0, busy_after: Duration::from_millis(3) };
        let both = (Arc::clone(&shared), Arc::clone(&extents));
        let committer = Committer::new(both, waiting, folder::Folder(Arc::clone(disk)), options, stamp_limit);
        let committer = Mutex::new(Some(thread::spawn(|| committer.run())));
        Arc::new(Self { shared, extents, queue, places: Arc::new(Semaphore::new(PLACES)), committer })
    }

    /// As `EmbeddedStore::transact_raw`.
    fn transact(&self, keys: Vec<RecordKey>, decide: Decide) -> Result<Outcome, StoreError> {
        let place = block_on(Arc::clone(&self.places).acquire_owned()).unwrap();
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Message::Transact(Request { keys, decide, answer, _place: place })).is_err() {
            self.shared.admit()?;
            return Err(StoreError::Unavailable("the committer is gone".into()));
        }
        block_on(answered).unwrap_or_else(|_| Err(self.shared.unanswered()))
    }

    /// As `EmbeddedStore::close`.
    fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).is_ok() {
            let _ = block_on(closed);
        }
        let committer = self.committer.lock().take();
        if let Some(committer) = committer {
            committer.join().unwrap();
        }
    }
}

impl World {
    /// Counts two keys up, or refuses if the first has an odd count and `even_only`.
    fn count_up(&self, process: &Process, request: u64, names: [&'static str; 2], even_only: bool) {
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        let seen = Arc::new(Mutex::new([0, 0]));
        let noted = Arc::clone(&seen);
        let writes_to = keys.clone();
        let decide: Decide = Box::new(move |records| {
            let counts = [count(records.values[0].as_ref()), count(records.values[1].as_ref())];
            *noted.lock() = counts;
            if even_only && counts[0] % 2 == 1 {
                return Decision::Refuse;
            }
            let up = writes_to.iter().zip(counts).map(|(key, n)| Write::put(key.clone(), (n + 1).to_be_bytes().to_vec()));
            Decision::Commit(up.chain([Write::put(trace(request), records.stamp.to_be_bytes().to_vec())]).collect())
        });
        let answer = process.transact(keys.clone(), decide);
        let seen = *seen.lock();
        self.judge(process, request, names, seen, answer);
    }

    fn judge(&self, process: &Process, request: u64, names: [&'static str; 2], seen: [u64; 2], answer: Result<Outcome, StoreError>) {
        let durable = names.map(|name| count(self.disk.get(&key(name)).as_ref()));
        match answer {
            Ok(Outcome::Committed(stamp)) => {
                let mut witness = self.witness.lock();
                assert!(witness.stamps.insert(stamp), "stamp {stamp} was given twice");
                witness.committed.insert(request);
                for (name, (seen, durable)) in names.into_iter().zip(seen.into_iter().zip(durable)) {
                    assert!(durable > seen, "{name}: an answer of {} before it is durable", seen + 1);
                    let acknowledged = witness.acknowledged.entry(name).or_default();
                    *acknowledged = (*acknowledged).max(seen + 1);
                }
                drop(witness);
                if let Ok(view) = process.shared.view() {
                    for (name, seen) in names.into_iter().zip(seen) {
                        assert!(count(view.get(&key(name)).unwrap().as_ref()) > seen, "{name}: an answer before it is published");
                    }
                }
            }
            Ok(Outcome::Refused) => {
                assert!(durable[0] >= seen[0] && durable[1] >= seen[1], "a refusal rests on {seen:?}, durable is {durable:?}");
                self.witness.lock().refused.insert(request);
            }
            Err(error) if error.is_definite() => drop(self.witness.lock().refused.insert(request)),
            Err(error) => {
                assert!(!error.to_string().contains("ended before"), "nobody is left without a definite answer by a store that closes");
                self.witness.lock().in_doubt.insert(request);
            }
        }
    }

    /// Looks again and again: whole, durable, at least what was acknowledged before, and never older than before.
    fn read(&self, process: &Process, holds: bool) {
        let mut last = [0, 0];
        for _ in 0..4 {
            let acknowledged = ["a", "b"].map(|name| self.witness.lock().acknowledged.get(name).copied().unwrap_or(0));
            let Ok(view) = process.shared.view() else {
                thread::yield_now();
                continue;
            };
            for _ in 0..=usize::from(holds) * 2 {
                let seen = ["a", "b"].map(|name| count(view.get(&key(name)).unwrap().as_ref()));
                let durable = ["a", "b"].map(|name| count(self.disk.get(&key(name)).as_ref()));
                assert_eq!(seen[0], seen[1], "a reader sees a part of a batch");
                for n in 0..2 {
                    assert!(seen[n] <= durable[n], "a reader sees {seen:?}, durable is {durable:?}");
                    assert!(seen[n] >= acknowledged[n], "a reader sees {seen:?}, acknowledged was {acknowledged:?}");
                    assert!(seen[n] >= last[n], "a reader sees {seen:?} after {last:?}");
                }
                last = seen;
                thread::yield_now();
            }
        }
    }

    /// What is on the medium is what was answered.
    fn add_up(&self) {
        let witness = self.witness.lock();
        let durable = self.disk.durable.lock();
        let left = |request: &u64| durable.contains_key(&trace(*request));
        assert!(witness.committed.iter().all(left), "an acknowledged write is lost");
        assert!(!witness.refused.iter().any(left), "a refused write appears");
        let stamps: Vec<_> = durable.iter().filter(|(key, _)| key.family == Family::Blob).map(|(_, stamp)| stamp).collect();
        assert_eq!(stamps.len(), stamps.iter().collect::<BTreeSet<_>>().len(), "two writes have one stamp");
        let all = witness.committed.iter().chain(&witness.in_doubt).filter(|request| left(request)).count() as u64;
        for name in ["a", "b"] {
            assert_eq!(count(durable.get(&key(name))), all, "{name}: a count was lost or counted twice");
        }
    }
}

/// Clients and a reader meet; the store is closed while they are at it or after, and opened again.
fn scenario() {
    let mut random = shuttle::rand::thread_rng();
    let world = Arc::new(World { disk: Arc::default(), witness: Mutex::default() });
    *world.disk.faults.lock() = (0..6).map(|_| fault(&mut random)).collect();
    let close_early = random.gen_bool(0.3);
    for life in 0..2 {
        let process = Process::open(&world.disk);
        let mut threads = Vec::new();
        for client in 0..CLIENTS {
            let (world, process) = (Arc::clone(&world), Arc::clone(&process));
            threads.push(thread::spawn(move || {
                for nth in 0..REQUESTS_EACH {
                    let request = life * 100 + client * 10 + nth;
                    let names = if client % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
                    world.count_up(&process, request, names, (client + nth) % 3 == 2);
                }
            }));
        }
        for holds in [false, true] {
            let (world, process) = (Arc::clone(&world), Arc::clone(&process));
            threads.push(thread::spawn(move || world.read(&process, holds)));
        }
        if close_early {
            process.close();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let health = process.shared.health();
        assert!(health != Health::Open || process.shared.view().is_ok(), "it is open, and shows nothing");
        process.close();
        ended(&world, &process, &health, life);
    }
}

fn ended(world: &World, process: &Process, health: &Health, life: u64) {
    assert_eq!(process.shared.health(), Health::Closed);
    assert!(process.shared.view().is_err() && process.shared.admit().is_err(), "closed, and goes on");
    assert_eq!(process.places.available_permits(), PLACES, "a place in the queue is lost");
    assert_eq!(world.disk.open.load(Relaxed), 0, "closed, and the records are open");
    assert!(process.transact(vec![key("a")], Box::new(|_| Decision::Refuse)).is_err(), "closed, and answers");
    world.add_up();
    if *health == Health::Open {
        // It healed from all that went wrong: everything in doubt is settled, once, and rightly.
        let settled = process.extents.0.lock().clone();
        let once: BTreeSet<_> = settled.iter().map(|(id, _)| id.0 as u64).collect();
        assert_eq!(settled.len(), once.len(), "a blob in doubt was settled twice");
        let of_this_life = |request: &u64| request / 100 == life;
        let doubt: BTreeSet<_> = world.witness.lock().in_doubt.iter().copied().filter(of_this_life).collect();
        assert_eq!(once, doubt, "a blob in doubt was not settled");
        let durable = world.disk.durable.lock();
        for (id, is_named) in settled {
            assert_eq!(durable.contains_key(&trace(id.0 as u64)), is_named, "a blob in doubt was settled the wrong way");
        }
    }
}

fn fault(random: &mut impl shuttle::rand::Rng) -> Fault {
    let durable = random.gen_bool(0.5);
    match random.gen_range(0..12) {
        0 => Fault::Background,
        1 | 2 => Fault::Full { durable },
        3 => Fault::Device { durable },
        _ => Fault::None,
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn check(kind: &str, scheduler: impl FnOnce(u64, usize) -> Box<dyn Scheduler + Send>) {
    let seed = number("HOLDFAST_TEST_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    let schedules = number("HOLDFAST_TEST_SCHEDULES").map_or(SCHEDULES, |n| n as usize);
    println!("{schedules} {kind} schedules, HOLDFAST_TEST_SEED={seed}");
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = Begun(Arc::clone(&begun));
    Runner::new(scheduler(seed, schedules), config).run(move || {
        begun.fetch_add(1, Relaxed);
        scenario();
    });
    drop(counted);
}

/// Tells how many schedules had begun when one failed.
struct Begun(Arc<AtomicUsize>);

impl Drop for Begun {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SCHEDULE {} of this seed failed", self.0.load(Relaxed));
        }
    }
}

#[test]
fn random_schedules_keep_the_promises() {
    check("random", |seed, schedules| Box::new(RandomScheduler::new_from_seed(seed, schedules)));
}

#[test]
fn schedules_with_few_preemptions_keep_the_promises() {
    check("PCT", |seed, schedules| Box::new(PctScheduler::new_from_seed(seed, 4, schedules)));
}
