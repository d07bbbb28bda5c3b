//! Listings against a naive model, and the number of seeks that they take.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeSet;

use holdfast_objects::{ListRequest, Listed};
use proptest::prelude::*;
use support::*;

/// Every entry after `after`, by reading all keys.
fn naive(keys: &BTreeSet<String>, request: &ListRequest) -> Vec<String> {
    let mut entries = BTreeSet::new();
    for key in keys.iter().filter(|k| k.starts_with(&request.prefix)) {
        let rest = &key[request.prefix.len()..];
        let entry = match request.delimiter.as_deref().filter(|d| !d.is_empty()).and_then(|d| rest.find(d).map(|at| at + d.len())) {
            Some(end) => key[..request.prefix.len() + end].to_owned(),
            None => key.clone(),
        };
        if request.after.as_ref().is_none_or(|after| entry > *after) {
            entries.insert(entry);
        }
    }
    entries.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_together_are_what_a_naive_listing_gives(
        keys in proptest::collection::btree_set("[a-b/\u{10ffff}]{1,5}", 0..30),
        prefix in "[a-b/]{0,2}", delimiter in prop_oneof![Just(None), Just(Some("/".to_owned())), Just(Some("b/".to_owned()))],
        after in proptest::option::of("[a-b/]{0,3}"), max in 1usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            for name in &keys {
                world.put(name, body(1, 1), always()).await.unwrap();
            }
            let request = ListRequest { prefix, delimiter, after, max };
            let expect = naive(&keys, &request);
            let (mut seen, mut next) = (Vec::new(), request.clone());
            loop {
                let page = world.objects.list(&world.bucket, next.clone()).await.unwrap();
                assert!(page.entries.len() <= max && (!page.truncated || page.entries.len() == max));
                seen.extend(page.entries.iter().map(|e| e.position().to_owned()));
                if !page.truncated {
                    break;
                }
                next.after = seen.last().cloned();
            }
            assert_eq!(seen, expect);
        });
    }
}

#[tokio::test]
async fn prefixes_are_told_from_objects_and_no_key_wanted_reads_none() {
    let world = World::new().await;
    for name in ["a", "a/1", "a/2", "b/c/d"] {
        world.put(name, body(1, 1), always()).await.unwrap();
    }
    let request = ListRequest { delimiter: Some("/".into()), max: 10, ..Default::default() };
    let page = world.objects.list(&world.bucket, request).await.unwrap();
    let kinds: Vec<_> = page.entries.iter().map(|e| (e.position(), matches!(e, Listed::Prefix(_)))).collect();
    assert_eq!(kinds, [("a", false), ("a/", true), ("b/", true)]);
    let none = world.objects.list(&world.bucket, ListRequest::default()).await.unwrap();
    assert!(none.entries.is_empty() && !none.truncated);
}
