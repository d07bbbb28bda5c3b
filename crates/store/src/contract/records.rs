//! Records: atomicity, isolation, order, bounds, stamps, durability.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use holdfast_model::limits::INLINE_BYTES_MAX;

use super::{Subject, bytes_of, get, key, keys_of, number, put, swap};
use crate::{Commit, Decision, Family, KeyRange, Metadata, Outcome, RecordKey, Records, Step, Write, scan, transact};

/// All keys of a commit change together.
pub async fn a_commit_writes_all_its_keys_or_none(subject: impl Subject) {
    let store = subject.store();
    put(&store, vec![Write::put(key("a"), "1"), Write::put(key("b"), "1"), Write::put(key("gone"), "1")]).await;
    put(&store, vec![Write::put(key("a"), "2"), Write::put(RecordKey::new(Family::Part, "b"), "2"), Write::remove(key("gone"))]).await;
    assert_eq!(get(&store, &key("a")).await.as_deref(), Some(&b"2"[..]));
    assert_eq!(get(&store, &RecordKey::new(Family::Part, "b")).await.as_deref(), Some(&b"2"[..]));
    assert_eq!(get(&store, &key("b")).await.as_deref(), Some(&b"1"[..]));
    assert_eq!(get(&store, &key("gone")).await, None);
}

/// What a refused transaction would have written is nowhere.
pub async fn a_refusal_changes_nothing(subject: impl Subject) {
    let store = subject.store();
    put(&store, vec![Write::put(key("a"), "1")]).await;
    let refused = transact(&store, vec![key("a"), key("b")], |r: &Records<'_>| {
        assert_eq!(r.values[0].as_deref(), Some(&b"1"[..]));
        assert_eq!(r.values[1], None);
        Commit::<(), &str>::Refuse("no")
    });
    assert_eq!(refused.await, Ok(Err("no")));
    assert_eq!(keys_of(&store, KeyRange::of_prefix(Family::Object, b"")).await, ["a"]);
    assert_eq!(get(&store, &key("a")).await.as_deref(), Some(&b"1"[..]));
}

/// A transaction reads what every acknowledged one wrote.
pub async fn a_transaction_sees_the_writes_of_the_one_before(subject: impl Subject) {
    let store = subject.store();
    for n in 0..50 {
        let old = (n > 0).then(|| bytes_of(n));
        assert!(swap(&store, &key("n"), old, bytes_of(n + 1)).await.unwrap());
        assert!(!swap(&store, &key("n"), Some(bytes_of(n + 7)), bytes_of(0)).await.unwrap());
        assert_eq!(number(get(&store, &key("n")).await.as_ref()), n + 1);
    }
}

/// Values are those of the named keys, in order, also when a key is named twice.
pub async fn values_come_in_the_order_of_the_keys(subject: impl Subject) {
    let store = subject.store();
    put(&store, vec![Write::put(key("x"), "X"), Write::put(key("y"), "Y")]).await;
    let keys = vec![key("y"), key("none"), key("x"), key("y")];
    let read = transact(&store, keys, |r: &Records<'_>| Commit::<(), Vec<Option<Bytes>>>::Refuse(r.values.to_vec())).await;
    let expect = [Some("Y"), None, Some("X"), Some("Y")].map(|v| v.map(Bytes::from)).to_vec();
    assert_eq!(read, Ok(Err(expect)));
}

/// A write may name a key that the transaction did not read.
pub async fn a_key_that_was_not_read_is_written_blindly(subject: impl Subject) {
    let store = subject.store();
    let both = |v: &'static str| {
        transact(&store, vec![key("read")], move |_: &Records<'_>| {
            Commit::<(), ()>::Write(vec![Write::put(key("read"), v), Write::put(key("blind"), v)], ())
        })
    };
    both("1").await.unwrap().unwrap();
    both("2").await.unwrap().unwrap();
    assert_eq!(get(&store, &key("blind")).await.as_deref(), Some(&b"2"[..]));
    put(&store, vec![Write::remove(key("blind")), Write::remove(key("never"))]).await;
    assert_eq!(keys_of(&store, KeyRange::of_prefix(Family::Object, b"")).await, ["read"]);
}

/// A commit of no writes is answered as a commit.
pub async fn an_empty_commit_is_a_commit(subject: impl Subject) {
    let store = subject.store();
    let outcome = store.transact_raw(vec![key("a")], Box::new(|_| Decision::Commit(Vec::new()))).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed(stamp) if stamp >= 1));
    assert_eq!(get(&store, &key("a")).await, None);
}

/// Writes of one commit apply in order.
pub async fn the_last_write_of_a_key_in_one_commit_counts(mut subject: impl Subject) {
    let store = subject.store();
    put(&store, vec![Write::put(key("a"), "1"), Write::remove(key("a")), Write::put(key("a"), "3")]).await;
    put(&store, vec![Write::put(key("b"), "1"), Write::remove(key("b"))]).await;
    drop(store);
    for _ in 0..2 {
        let store = subject.store();
        assert_eq!(get(&store, &key("a")).await.as_deref(), Some(&b"3"[..]));
        assert_eq!(get(&store, &key("b")).await, None);
        drop(store);
        subject.reopen().await;
    }
}

/// The same bytes in two families are two keys.
pub async fn families_do_not_mix(subject: impl Subject) {
    let store = subject.store();
    let writes = Family::ALL.iter().map(|f| Write::put(RecordKey::new(*f, "k"), f.name())).collect();
    put(&store, writes).await;
    for family in Family::ALL {
        assert_eq!(get(&store, &RecordKey::new(family, "k")).await.as_deref(), Some(family.name().as_bytes()));
        assert_eq!(keys_of(&store, KeyRange::of_prefix(family, b"")).await, ["k"], "{family:?}");
    }
}

/// Keys are bytes: zeros, 0xff, prefixes of each other, long ones.
pub async fn any_bytes_are_a_key(mut subject: impl Subject) {
    let mut keys: Vec<Bytes> = [&b"\x00"[..], b"\x00\x00", b"\x00\xff", b"a", b"a\x00", b"a\x00b", b"a\xff", b"b", b"\xff", b"\xff\xff"]
        .into_iter()
        .map(Bytes::from_static)
        .collect();
    keys.push(vec![b'k'; 4096].into());
    keys.sort();
    put(&subject.store(), keys.iter().map(|k| Write::put(key(k.clone()), k.clone())).collect()).await;
    for _ in 0..2 {
        let store = subject.store();
        assert_eq!(keys_of(&store, KeyRange::of_prefix(Family::Object, b"")).await, keys);
        for k in &keys {
            assert_eq!(get(&store, &key(k.clone())).await.as_ref(), Some(k));
            let expect: Vec<_> = keys.iter().filter(|other| other.starts_with(k)).cloned().collect();
            assert_eq!(keys_of(&store, KeyRange::of_prefix(Family::Object, k)).await, expect, "prefix {k:?}");
        }
        drop(store);
        subject.reopen().await;
    }
}

/// Values from one byte to several hundred KiB, in the families that hold them.
pub async fn values_of_every_size_come_back(mut subject: impl Subject) {
    let sizes = [1, 1023, 1024, 1025, 4096, INLINE_BYTES_MAX, 600 * 1024];
    let value = |n: usize| Bytes::from((0..n).map(|i| (i * 31 % 251) as u8).collect::<Vec<_>>());
    for family in [Family::Body, Family::Manifest, Family::Upload] {
        for n in sizes {
            put(&subject.store(), vec![Write::put(RecordKey::new(family, n.to_string()), value(n))]).await;
        }
    }
    for _ in 0..2 {
        for family in [Family::Body, Family::Manifest, Family::Upload] {
            for n in sizes {
                let found = get(&subject.store(), &RecordKey::new(family, n.to_string())).await;
                assert!(found == Some(value(n)), "{n} bytes in {family:?}");
            }
        }
        subject.reopen().await;
    }
}

/// Start is inclusive, end exclusive, order is by bytes.
pub async fn a_scan_visits_keys_in_order_within_its_bounds(subject: impl Subject) {
    let store = subject.store();
    put(&store, ["d", "b", "a", "c", "e"].map(|k| Write::put(key(k), "v")).to_vec()).await;
    for (start, end, expect) in [
        ("", None, "abcde"),
        ("b", None, "bcde"),
        ("b", Some("d"), "bc"),
        ("bb", Some("dd"), "cd"),
        ("b", Some("b"), ""),
        ("d", Some("b"), ""),
        ("f", None, ""),
        ("", Some("a"), ""),
    ] {
        for family in [Family::Object, Family::Bucket] {
            if family == Family::Bucket {
                put(&store, ["d", "b", "a", "c", "e"].map(|k| Write::put(RecordKey::new(family, k), "v")).to_vec()).await;
            }
            let range = KeyRange { family, start: start.into(), end: end.map(Bytes::from) };
            let keys = keys_of(&store, range).await.concat();
            assert_eq!(keys, expect.as_bytes(), "{start}..{end:?} of {family:?}");
        }
    }
}

/// `SeekTo` goes on at the first key that is not less, `Stop` ends.
pub async fn a_scan_seeks_over_what_it_skips(subject: impl Subject) {
    let store = subject.store();
    for family in [Family::Object, Family::Bucket] {
        let keys = ["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d"];
        put(&store, keys.map(|k| Write::put(RecordKey::new(family, k), "v")).to_vec()).await;
        let folded = scan(&store, KeyRange::of_prefix(family, b""), Vec::new(), |seen: &mut Vec<Bytes>, key, _| {
            seen.push(key.clone());
            match key.iter().position(|b| *b == b'/') {
                Some(at) => KeyRange::after_prefix(&key[..=at]).map_or(Step::Stop, Step::SeekTo),
                None if key == "b" => Step::SeekTo("b\x00".into()),
                None => Step::Next,
            }
        });
        assert_eq!(folded.await.unwrap(), ["a/1", "b", "c/1", "d"], "{family:?}");
        let two = scan(&store, KeyRange::of_prefix(family, b""), 0, |n, _, _| {
            *n += 1;
            if *n == 2 { Step::Stop } else { Step::Next }
        });
        assert_eq!(two.await, Ok(2));
        let beyond = KeyRange { family, start: "a".into(), end: Some("b".into()) };
        let seen = scan(&store, beyond, 0, |n, _, _| {
            *n += 1;
            Step::SeekTo("c".into())
        });
        assert_eq!(seen.await, Ok(1), "a seek beyond the end ends the scan");
    }
}

/// No key, no visit.
pub async fn an_empty_range_visits_nothing(subject: impl Subject) {
    let store = subject.store();
    for family in Family::ALL {
        assert!(keys_of(&store, KeyRange::of_prefix(family, b"")).await.is_empty());
        assert!(keys_of(&store, KeyRange::of_prefix(family, b"\xff")).await.is_empty());
    }
}

/// A removed key is as if it had never been, also after a restart and in the middle of others.
pub async fn a_removed_key_is_gone_for_reads_and_scans(mut subject: impl Subject) {
    let store = subject.store();
    put(&store, ["a", "b", "c"].map(|k| Write::put(key(k), "v")).to_vec()).await;
    put(&store, vec![Write::remove(key("b"))]).await;
    drop(store);
    for _ in 0..2 {
        let store = subject.store();
        assert_eq!(get(&store, &key("b")).await, None);
        assert_eq!(keys_of(&store, KeyRange::of_prefix(Family::Object, b"")).await, ["a", "c"]);
        drop(store);
        subject.reopen().await;
    }
}

/// Every commit gets a greater stamp than those before it, at least 1; a refusal may reuse its own.
pub async fn stamps_grow_with_every_commit_of_a_key(subject: impl Subject) {
    let store = subject.store();
    let mut last = 0;
    for n in 0..20u64 {
        let name = key(if n % 3 == 0 { "a" } else { "b" });
        let stamp = put(&store, vec![Write::put(name.clone(), bytes_of(n))]).await;
        assert!(stamp > last, "{stamp} after {last}");
        last = stamp;
        let seen = transact(&store, vec![name], |r: &Records<'_>| Commit::<(), u64>::Refuse(r.stamp)).await;
        assert!(seen.unwrap().unwrap_err() > last);
    }
}

/// No stamp is given again after a restart.
pub async fn stamps_grow_over_a_restart(mut subject: impl Subject) {
    let mut last = 0;
    for n in 0..4 {
        for _ in 0..3 {
            let stamp = put(&subject.store(), vec![Write::put(key("a"), bytes_of(n))]).await;
            assert!(stamp > last, "{stamp} after {last}");
            last = stamp;
        }
        subject.reopen().await;
    }
}

/// Restarts change nothing.
pub async fn what_was_acknowledged_is_there_after_a_restart(mut subject: impl Subject) {
    for round in 0..3u64 {
        let store = subject.store();
        for n in 0..100u64 {
            put(&store, vec![Write::put(key(format!("{round}/{n}")), bytes_of(n)), Write::put(key("last"), bytes_of(round))]).await;
        }
        drop(store);
        subject.reopen().await;
        let store = subject.store();
        let all = keys_of(&store, KeyRange::of_prefix(Family::Object, b"")).await;
        assert_eq!(all.len() as u64, (round + 1) * 100 + 1);
        assert_eq!(number(get(&store, &key("last")).await.as_ref()), round);
    }
}

/// Whoever drops the future of a transaction leaves both of its keys changed, or neither; and the store goes on.
pub async fn a_dropped_transaction_happens_whole_or_not_at_all(subject: impl Subject) {
    let store = subject.store();
    for n in 1..=100u64 {
        let writes = vec![Write::put(key("a"), bytes_of(n)), Write::put(RecordKey::new(Family::Body, "b"), bytes_of(n))];
        let decide = Box::new(move |_: &Records<'_>| Decision::Commit(writes.clone()));
        let mut submitted = store.transact_raw(vec![key("a")], decide);
        let _: Poll<_> = submitted.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(submitted);
        let keys = vec![key("a"), RecordKey::new(Family::Body, "b")];
        let seen = transact(&store, keys, |r: &Records<'_>| Commit::<(), Vec<_>>::Refuse(r.values.to_vec())).await;
        let seen = seen.unwrap().unwrap_err();
        assert_eq!(seen[0], seen[1], "both or neither");
    }
    put(&store, vec![Write::put(key("a"), bytes_of(1000))]).await;
    assert_eq!(number(get(&store, &key("a")).await.as_ref()), 1000);
}

/// A decision that panics is a bug above the store; others must not pay for it.
pub async fn a_panic_in_a_decision_harms_only_its_own_transaction(subject: impl Subject) {
    let store = Arc::new(subject.store());
    put(&*store, vec![Write::put(key("a"), "1")]).await;
    let panics = Arc::clone(&store);
    let bad = tokio::spawn(async move { panics.transact_raw(vec![key("a")], Box::new(|_| panic!("a bug of the test"))).await });
    match bad.await {
        Err(e) => assert!(e.is_panic()),
        Ok(answer) => assert!(answer.is_err_and(|e| e.is_definite()), "nothing was written, and that is certain"),
    }
    put(&*store, vec![Write::put(key("a"), "2")]).await;
    assert_eq!(get(&*store, &key("a")).await.as_deref(), Some(&b"2"[..]));
}
