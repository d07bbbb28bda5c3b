//! Races: many tasks, one outcome that a sequential order explains.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::{sync::Barrier, task::JoinSet};

use super::{Subject, bytes_of, get, key, number, put, swap};
use crate::{Commit, Family, KeyRange, Metadata, RecordKey, Records, Step, Write, scan, transact};

const WRITERS: u64 = 16;

/// Of writers that create the same key at once, exactly one does, and the key has its value.
pub async fn one_of_many_writers_creates_a_key(subject: impl Subject) {
    for round in 0..20 {
        let barrier = Arc::new(Barrier::new(WRITERS as usize));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, barrier) = (subject.store(), Arc::clone(&barrier));
            writers.spawn(async move {
                barrier.wait().await;
                let created = swap(&store, &key(format!("once/{round}")), None, bytes_of(writer)).await.expect("an answer");
                created.then_some(writer)
            });
        }
        let winners: Vec<u64> = writers.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(number(get(&subject.store(), &key(format!("once/{round}"))).await.as_ref()), winners[0]);
    }
}

/// Increments by compare and swap are lost never and doubled never.
pub async fn a_counter_counts_every_increment_once(subject: impl Subject) {
    const EACH: u64 = 50;
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let store = subject.store();
        writers.spawn(async move {
            let mut done = 0;
            while done < EACH {
                let old = get(&store, &key("counter")).await;
                let next = bytes_of(number(old.as_ref()) + 1);
                done += u64::from(swap(&store, &key("counter"), old, next).await.expect("an answer"));
            }
        });
    }
    writers.join_all().await;
    assert_eq!(number(get(&subject.store(), &key("counter")).await.as_ref()), 8 * EACH);
}

/// A scan sees one snapshot: money that moves between accounts is neither seen twice nor missed.
pub async fn transfers_keep_their_sum_in_every_scan(subject: impl Subject) {
    const ACCOUNTS: u64 = 20;
    const SUM: u64 = ACCOUNTS * 100;
    let account = |n: u64| key(format!("account/{:02}", n % ACCOUNTS));
    put(&subject.store(), (0..ACCOUNTS).map(|n| Write::put(account(n), bytes_of(100))).collect()).await;
    let mut writers = JoinSet::new();
    for writer in 0..8u64 {
        let store = subject.store();
        writers.spawn(async move {
            for n in 0..100u64 {
                let (from, to) = (account(writer * 7 + n * 3), account(writer * 5 + n * 11 + 1));
                if from != to {
                    transfer(&store, from, to, n % 13).await;
                }
            }
        });
    }
    let mut scans = 0;
    while !writers.is_empty() {
        let range = KeyRange::of_prefix(Family::Object, b"account/");
        let store = subject.store();
        let sum = scan(&store, range, 0, |sum, _, value| {
            *sum += number(Some(value));
            Step::Next
        });
        assert_eq!(sum.await, Ok(SUM), "scan {scans}");
        scans += 1;
        while let Some(done) = writers.try_join_next() {
            done.expect("a writer succeeds");
        }
    }
}

async fn transfer(store: &impl Metadata, from: RecordKey, to: RecordKey, amount: u64) {
    let moved = transact(store, vec![from.clone(), to.clone()], move |r: &Records<'_>| {
        let (a, b) = (number(r.values[0].as_ref()), number(r.values[1].as_ref()));
        if a < amount {
            return Commit::Refuse(());
        }
        Commit::Write(vec![Write::put(from.clone(), bytes_of(a - amount)), Write::put(to.clone(), bytes_of(b + amount))], ())
    });
    // Too little money is a fine answer.
    let _: Result<(), ()> = moved.await.expect("an answer");
}

/// Reads are linearizable: who has seen a state never sees an older one, in `get`, `scan` and `transact` alike.
pub async fn a_reader_never_sees_a_state_go_back(subject: impl Subject) {
    const LAST: u64 = 300;
    let names: [Bytes; 3] = ["r1".into(), "r2".into(), "r3".into()];
    let store = subject.store();
    let writer = {
        let names = names.clone();
        tokio::spawn(async move {
            for n in 1..=LAST {
                put(&store, names.iter().map(|k| Write::put(key(k.clone()), bytes_of(n))).collect()).await;
            }
        })
    };
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (store, names) = (subject.store(), names.clone());
        readers.spawn(async move {
            let mut seen = 0;
            while seen < LAST {
                // Later reads of other keys of the same commits must not be older than earlier ones.
                for name in &names {
                    seen = not_before(seen, number(get(&store, &key(name.clone())).await.as_ref()));
                }
                let all = scan(&store, KeyRange::of_prefix(Family::Object, b"r"), HashMap::new(), |all, key, value| {
                    all.insert(key.clone(), number(Some(value)));
                    Step::Next
                });
                for n in all.await.expect("a scan").into_values() {
                    seen = not_before(seen, n);
                }
                let read = transact(&store, vec![key("r2")], |r: &Records<'_>| Commit::<(), u64>::Refuse(number(r.values[0].as_ref())));
                seen = not_before(seen, read.await.expect("an answer").expect_err("a refusal"));
            }
        });
    }
    readers.join_all().await;
    writer.await.expect("the writer succeeds");
}

fn not_before(seen: u64, now: u64) -> u64 {
    assert!(now >= seen, "{now} was read after {seen}");
    now
}
