//! Readers and the collector under chosen schedules: `src/readers.rs`, the very file, on `shuttle`'s threads and locks.
//!
//! Promised, in every schedule: bytes that a reader has found are not deleted until it lets go, the collector never waits for ever, and
//! what nobody reads is deleted. `HOLDFAST_TEST_SCHEDULES` schedules of each kind from `HOLDFAST_TEST_SEED`; a failure prints both.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

#[path = "../src/readers.rs"]
mod readers;

mod records {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) struct ContentId(pub(crate) u128);
}

mod threads {
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

use std::{collections::BTreeSet, sync::Arc};

use readers::Readers;
use records::ContentId;
use shuttle::{
    Config, Runner,
    future::block_on,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    thread,
};

const SCHEDULES: usize = 2000;
const WRITES: u128 = 3;

/// The records, changed in one step, and the bytes.
#[derive(Default)]
struct Store {
    records: threads::Mutex<(Option<ContentId>, Vec<ContentId>)>,
    bytes: threads::Mutex<BTreeSet<ContentId>>,
    readers: Readers,
}

impl Store {
    /// Bytes first, then one transaction: the record names them, and what it named before is garbage.
    fn write(&self, id: ContentId) {
        self.bytes.lock().insert(id);
        let mut records = self.records.lock();
        let before = records.0.replace(id);
        records.1.extend(before);
    }

    /// As `Objects::open` and the stream that follows.
    fn read(&self, gives_up: bool) {
        let ticket = self.readers.enter();
        let Some(id) = self.records.lock().0 else { return };
        if gives_up {
            return;
        }
        let pins = ticket.pin(vec![id]);
        for _ in 0..3 {
            assert!(self.bytes.lock().contains(&id), "bytes were deleted under a reader");
            thread::yield_now();
        }
        drop(pins);
    }

    /// As `Objects::collect`.
    fn collect(&self) {
        let garbage = self.records.lock().1.clone();
        block_on(self.readers.settled());
        for id in garbage {
            if !self.readers.is_pinned(id) {
                self.bytes.lock().remove(&id);
                self.records.lock().1.retain(|other| *other != id);
            }
        }
    }
}

fn scenario() {
    let store = Arc::new(Store::default());
    store.write(ContentId(0));
    let mut threads = Vec::new();
    let mut begin = |work: fn(&Store)| {
        let store = Arc::clone(&store);
        threads.push(thread::spawn(move || work(&store)));
    };
    begin(|store| (1..=WRITES).for_each(|id| store.write(ContentId(id))));
    begin(|store| (0..3).for_each(|_| store.read(false)));
    begin(|store| [false, true, false].into_iter().for_each(|gives_up| store.read(gives_up)));
    begin(|store| (0..3).for_each(|_| store.collect()));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    store.collect();
    assert_eq!(*store.bytes.lock(), BTreeSet::from([ContentId(WRITES)]), "what nobody reads or names is deleted");
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
    Runner::new(scheduler(seed, schedules), config).run(scenario);
}

#[test]
fn no_bytes_are_deleted_under_a_reader_in_random_schedules() {
    check("random", |seed, schedules| Box::new(RandomScheduler::new_from_seed(seed, schedules)));
}

#[test]
fn no_bytes_are_deleted_under_a_reader_in_schedules_with_few_preemptions() {
    check("PCT", |seed, schedules| Box::new(PctScheduler::new_from_seed(seed, 4, schedules)));
}
