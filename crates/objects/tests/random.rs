//! Random requests: whatever happens, every record resolves, and what nobody owns is reclaimed.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_store::Family;
use proptest::prelude::*;
use support::*;

#[derive(Clone, Debug)]
enum Request {
    Put(u8, u8, usize),
    Append(u8, u8, usize),
    Copy(u8, u8),
    Rename(u8, u8),
    Delete(u8),
    Upload(u8, u8),
    Collect,
}

fn request() -> impl Strategy<Value = Request> {
    let size = || prop_oneof![Just(0usize), Just(7), Just(70_000)];
    prop_oneof![
        (0..3u8, any::<u8>(), size()).prop_map(|(k, b, n)| Request::Put(k, b, n)),
        (0..3u8, any::<u8>(), size()).prop_map(|(k, b, n)| Request::Append(k, b, n)),
        (0..3u8, 0..3u8).prop_map(|(a, b)| Request::Copy(a, b)),
        (0..3u8, 0..3u8).prop_map(|(a, b)| Request::Rename(a, b)),
        (0..3u8).prop_map(Request::Delete),
        (0..3u8, any::<u8>()).prop_map(|(k, b)| Request::Upload(k, b)),
        Just(Request::Collect),
    ]
}

async fn apply(world: &World, model: &mut BTreeMap<String, Bytes>, request: Request) {
    let name = |k: u8| format!("k{k}");
    let who = caller("");
    match request {
        Request::Put(k, b, n) => {
            world.put(&name(k), body(b, n), always()).await.unwrap();
            model.insert(name(k), body(b, n));
        }
        Request::Append(k, b, n) => {
            let before = model.get(&name(k)).cloned().unwrap_or_default();
            world.append(&name(k), body(b, n), before.len() as u64, always(), &who).await.unwrap();
            model.insert(name(k), [before, body(b, n)].concat().into());
        }
        Request::Copy(a, b) => {
            let copied = world.copy(&name(a), &name(b), always(), &who).await;
            assert_eq!(copied.is_ok(), model.contains_key(&name(a)));
            if let Some(bytes) = model.get(&name(a)).cloned() {
                model.insert(name(b), bytes);
            }
        }
        Request::Rename(a, b) => {
            let renamed = world.rename(&name(a), &name(b), always(), None, &who).await;
            assert_eq!(renamed.is_ok(), a != b && model.contains_key(&name(a)));
            if a != b
                && let Some(bytes) = model.remove(&name(a))
            {
                model.insert(name(b), bytes);
            }
        }
        Request::Delete(k) => {
            world.delete(&name(k)).await.unwrap();
            model.remove(&name(k));
        }
        Request::Upload(k, b) => {
            let upload = world.create_upload(&name(k)).await;
            let part = world.put_part(&name(k), &upload, 1, body(b, 70_000)).await.unwrap();
            world.put_part(&name(k), &upload, 2, body(b, 7)).await.unwrap();
            world.complete(&name(k), &upload, &[part], always(), &who).await.unwrap();
            model.insert(name(k), body(b, 70_000));
        }
        Request::Collect => {
            world.objects.collect().await.unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_requests_leave_a_sound_store_that_empties(requests in proptest::collection::vec(request(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut model = BTreeMap::new();
            for request in requests {
                apply(&world, &mut model, request).await;
            }
            for (name, bytes) in &model {
                assert!(world.get(name).await.unwrap() == *bytes);
            }
            assert_eq!(world.names().await, model.keys().cloned().collect::<Vec<_>>());
            world.assert_sound().await;
            for name in model.keys() {
                world.delete(name).await.unwrap();
            }
            world.assert_sound().await;
            let left = [Family::Object, Family::Body, Family::Manifest, Family::Blob, Family::Share, Family::Part, Family::Upload];
            assert_eq!(world.records(&left).await, []);
            world.objects.delete_bucket(&world.bucket).await.unwrap();
        });
    }
}
