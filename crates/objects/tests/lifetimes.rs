//! Bytes live as long as somebody names or reads them, and no longer.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use futures_util::StreamExt as _;
use holdfast_model::{ByteSpan, ReadConditions};
use holdfast_objects::ObjectsError;
use holdfast_store::Family;
use support::*;

const BYTES: [Family; 4] = [Family::Body, Family::Manifest, Family::Blob, Family::Share];

#[tokio::test]
async fn bytes_of_every_size_read_back_and_are_reclaimed() {
    let world = World::new().await;
    for size in [0, 1, 65_536, 65_537, 300_000] {
        world.put("k", body(1, size), always()).await.unwrap();
        assert_eq!(world.get("k").await.unwrap(), body(1, size), "{size}");
        world.assert_sound().await;
    }
    world.delete("k").await.unwrap();
    world.assert_sound().await;
    assert_eq!(world.records(&BYTES).await, []);
}

#[tokio::test]
async fn a_copy_owns_the_same_bytes_until_the_last_owner_goes() {
    for size in [10, 100_000] {
        let world = World::new().await;
        world.put("a", body(1, size), always()).await.unwrap();
        world.copy("a", "b", always(), &caller("")).await.unwrap();
        world.copy("b", "c", always(), &caller("")).await.unwrap();
        world.copy("a", "c", always(), &caller("")).await.unwrap();
        world.rename("c", "b", always(), None, &caller("")).await.unwrap();
        world.assert_sound().await;
        world.delete("a").await.unwrap();
        world.assert_sound().await;
        assert_eq!(world.get("b").await.unwrap(), body(1, size));
        world.put("b", body(2, 3), always()).await.unwrap();
        world.assert_sound().await;
        assert_eq!(world.records(&BYTES).await.len(), 1, "only the three new bytes are left");
    }
}

#[tokio::test]
async fn a_reader_reads_one_version_to_its_end_whatever_is_written_and_collected_meanwhile() {
    let world = World::new().await;
    let upload = world.create_upload("k").await;
    let mut parts = vec![world.put_part("k", &upload, 1, body(1, 5 << 20)).await.unwrap()];
    parts.push(world.put_part("k", &upload, 2, body(2, 1000)).await.unwrap());
    world.complete("k", &upload, &parts, always(), &caller("")).await.unwrap();
    let whole = [body(1, 5 << 20), body(2, 1000)].concat();

    let open = world.objects.open(&world.bucket, &key("k"), &ReadConditions::default()).await.unwrap();
    let mut stream = open.read(ByteSpan::whole(whole.len() as u64));
    let first = stream.next().await.unwrap().unwrap();
    world.put("k", body(3, 10), always()).await.unwrap();
    world.objects.collect().await.unwrap();
    let mut read = first.to_vec();
    read.extend_from_slice(&gather(stream).await.unwrap());
    assert!(read == whole);
    world.assert_sound().await;
    assert_eq!(world.records(&BYTES).await.len(), 1);
}

#[tokio::test]
async fn parts_that_were_replaced_left_out_or_aborted_are_reclaimed() {
    let world = World::new().await;
    let upload = world.create_upload("k").await;
    world.put_part("k", &upload, 1, body(1, 70_000)).await.unwrap();
    let one = world.put_part("k", &upload, 1, body(2, 70_000)).await.unwrap();
    world.put_part("k", &upload, 2, body(3, 70_000)).await.unwrap();
    world.complete("k", &upload, &[one], always(), &caller("")).await.unwrap();
    let aborted = world.create_upload("k").await;
    world.put_part("k", &aborted, 7, body(4, 70_000)).await.unwrap();
    world.objects.abort_upload(&world.bucket, &key("k"), &aborted).await.unwrap();
    assert_eq!(world.put_part("k", &aborted, 8, body(4, 10)).await.unwrap_err(), ObjectsError::NoSuchUpload);
    world.assert_sound().await;
    assert_eq!(world.get("k").await.unwrap(), body(2, 70_000));
    assert_eq!(world.records(&BYTES).await.len(), 2, "one manifest, one blob");
    assert_eq!(world.records(&[Family::Part, Family::Upload]).await, []);
}

#[tokio::test]
async fn appends_extend_an_object_of_any_kind_and_leave_copies_alone() {
    for first in [0, 10, 100_000] {
        let world = World::new().await;
        world.append("k", body(1, first), 0, always(), &caller("")).await.unwrap();
        world.copy("k", "copy", always(), &caller("")).await.unwrap();
        world.append("k", body(2, 70_000), first as u64, always(), &caller("")).await.unwrap();
        world.append("k", body(3, 5), first as u64 + 70_000, always(), &caller("")).await.unwrap();
        let whole = [body(1, first), body(2, 70_000), body(3, 5)].concat();
        assert!(world.get("k").await.unwrap() == whole);
        assert_eq!(world.get("copy").await.unwrap(), body(1, first));
        assert_eq!(
            world.append("k", body(3, 5), 1, always(), &caller("")).await,
            Err(ObjectsError::InvalidWriteOffset { size: whole.len() as u64 })
        );
        world.copy("k", "copy", always(), &caller("")).await.unwrap();
        world.append("copy", body(4, 1), whole.len() as u64, always(), &caller("")).await.unwrap();
        assert!(world.get("k").await.unwrap() == whole);
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn a_stage_that_is_dropped_or_refused_leaves_nothing_staged() {
    use holdfast_store::Blobs as _;
    let world = World::new().await;
    let overtaken = world.request("k", body(1, 100_000), create_only(), &caller("")).await.unwrap();
    world.put("k", body(2, 100_000), always()).await.unwrap();
    assert!(world.objects.put(overtaken).await.is_err());
    drop(world.staged(body(3, 100_000)).await);
    while world.store.staged_bytes() > 0 {
        tokio::task::yield_now().await;
    }
    world.assert_sound().await;
}

#[tokio::test]
async fn damaged_garbage_does_not_keep_the_rest_from_being_reclaimed() {
    use holdfast_store::{Commit, RecordKey, Write, transact};
    let world = World::new().await;
    let bad = RecordKey::new(Family::Garbage, vec![0; 32]);
    let write = Write::put(bad, vec![9, 9]);
    transact(&world.store, Vec::new(), move |_| Commit::<(), ()>::Write(vec![write.clone()], ())).await.unwrap().unwrap();
    world.put("k", body(1, 100_000), always()).await.unwrap();
    world.delete("k").await.unwrap();
    assert!(world.objects.collect().await.is_err());
    assert_eq!(world.records(&BYTES).await, []);
}

#[tokio::test]
async fn an_append_that_is_refused_copies_nothing() {
    use holdfast_store::Blobs as _;
    let world = World::new().await;
    world.put("k", body(1, 100_000), always()).await.unwrap();
    world.copy("k", "copy", always(), &caller("")).await.unwrap();
    let before = world.everything().await;
    assert!(world.append("k", body(2, 5), 7, always(), &caller("")).await.is_err());
    assert!(world.append("k", body(2, 5), 100_000, if_match(&tag("x")), &caller("")).await.is_err());
    assert_eq!(world.everything().await, before);
    assert_eq!(world.store.staged_bytes(), 0);
}
