//! Completions: what is judged, what survives a refusal, what a replay answers.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use holdfast_model::{Condition, WriteRefusal, limits::PART_BYTES_MIN};
use holdfast_objects::{ObjectsError, UploadsRequest};
use support::*;

#[tokio::test]
async fn a_completion_replayed_answers_again_before_any_condition() {
    let world = World::new().await;
    let upload = world.create_upload("k").await;
    let parts = [world.put_part("k", &upload, 3, body(1, 10)).await.unwrap()];
    let first = world.complete("k", &upload, &parts, create_only(), &caller("")).await.unwrap();
    assert!(first.etag.as_str().ends_with("-1"));
    world.put("k", body(2, 10), always()).await.unwrap();
    world.clock.advance_secs(24 * 3600);
    world.objects.forget_replays().await.unwrap();
    let again = world.complete("k", &upload, &parts, create_only(), &caller("")).await.unwrap();
    assert_eq!((again.etag, again.generation), (first.etag, first.generation));
    assert_eq!(world.get("k").await.unwrap(), body(2, 10), "a replay writes nothing");
    world.clock.advance_secs(48 * 3600);
    world.objects.forget_replays().await.unwrap();
    let late = world.complete("k", &upload, &parts, create_only(), &caller("")).await;
    assert_eq!(late, Err(ObjectsError::NoSuchUpload));
}

#[tokio::test]
async fn an_upload_survives_refusals_and_completes_then() {
    let world = World::new().await;
    world.put("k", body(1, 10), always()).await.unwrap();
    let upload = world.create_upload("k").await;
    let parts = [world.put_part("k", &upload, 1, body(2, 10)).await.unwrap()];
    let refused = world.complete("k", &upload, &parts, create_only(), &caller("")).await;
    assert_eq!(refused, Err(WriteRefusal::PreconditionFailed(Condition::IfNoneMatch).into()));
    let refused = world.complete("k", &upload, &parts, if_match(&tag("x")), &caller("")).await;
    assert_eq!(refused, Err(WriteRefusal::PreconditionFailed(Condition::IfMatch).into()));
    world.delete("k").await.unwrap();
    let refused = world.complete("k", &upload, &parts, if_match(&tag("x")), &caller("")).await;
    assert_eq!(refused, Err(WriteRefusal::NoSuchKey(Condition::IfMatch).into()));
    world.complete("k", &upload, &parts, create_only(), &caller("")).await.unwrap();
    assert_eq!(world.get("k").await.unwrap(), body(2, 10));
}

#[tokio::test]
async fn the_list_of_parts_is_checked() {
    let world = World::new().await;
    let upload = world.create_upload("k").await;
    let small = world.put_part("k", &upload, 1, body(1, 10)).await.unwrap();
    let large = world.put_part("k", &upload, 2, body(2, PART_BYTES_MIN as usize)).await.unwrap();
    let last = world.put_part("k", &upload, 3, body(3, 10)).await.unwrap();
    let mut wrong = last.clone();
    wrong.etag = tag("d41d8cd98f00b204e9800998ecf8427e");
    let mut missing = last.clone();
    missing.number = part(4);
    for (parts, expect) in [
        (vec![], ObjectsError::NoParts),
        (vec![last.clone(), large.clone()], ObjectsError::InvalidPartOrder),
        (vec![large.clone(), large.clone()], ObjectsError::InvalidPartOrder),
        (vec![large.clone(), wrong], ObjectsError::InvalidPart { part: part(3) }),
        (vec![large.clone(), missing], ObjectsError::InvalidPart { part: part(4) }),
        (
            vec![small.clone(), large.clone()],
            ObjectsError::PartTooSmall { part: part(1), size: 10, min: PART_BYTES_MIN, etag: small.etag.clone() },
        ),
    ] {
        assert_eq!(world.complete("k", &upload, &parts, always(), &caller("")).await, Err(expect));
    }
    world.complete("k", &upload, &[large, last], always(), &caller("")).await.unwrap();
    let head = world.head("k").await.unwrap();
    assert_eq!((head.current.size, head.parts), (PART_BYTES_MIN + 10, Some(2)));
    world.assert_sound().await;
}

#[tokio::test]
async fn a_rename_token_gives_the_first_answer_and_refuses_other_parameters() {
    let world = World::new().await;
    world.put("a", body(1, 10), always()).await.unwrap();
    let first = world.rename("a", "b", create_only(), Some("t"), &caller("")).await.unwrap();
    let again = world.rename("a", "b", create_only(), Some("t"), &caller("")).await.unwrap();
    assert_eq!((again.etag, again.generation), (first.etag, first.generation));
    assert_eq!(world.rename("a", "c", create_only(), Some("t"), &caller("")).await, Err(ObjectsError::TokenMismatch));
    assert_eq!(world.rename("a", "b", always(), Some("t"), &caller("")).await, Err(ObjectsError::TokenMismatch));
    assert_eq!(world.names().await, ["b"]);
    assert!(matches!(world.rename("a", "b", always(), Some("u"), &caller("")).await, Err(ObjectsError::NoSuchSource { .. })));
    assert_eq!(world.rename("b", "b", always(), None, &caller("")).await, Err(ObjectsError::SelfRename));
}

#[tokio::test]
async fn uploads_are_listed_by_key_then_by_age() {
    let world = World::new().await;
    let mut expect = Vec::new();
    for name in ["a", "a\u{0}", "a/1", "a/2", "b"] {
        for _ in 0..2 {
            world.clock.advance_secs(1);
            expect.push((name.to_owned(), world.create_upload(name).await));
        }
    }
    for max in 1..=11 {
        let mut seen = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let request = UploadsRequest { max, key_marker: key_marker.clone(), id_marker: id_marker.clone(), ..Default::default() };
            let page = world.objects.list_uploads(&world.bucket, request).await.unwrap();
            for entry in &page.entries {
                let holdfast_objects::ListedUpload::Upload { key, id, .. } = entry else { panic!("no delimiter") };
                seen.push((key.clone(), id.clone()));
            }
            (key_marker, id_marker) = (seen.last().map(|s| s.0.clone()), seen.last().map(|s| s.1.clone()));
            if !page.truncated {
                break;
            }
        }
        assert_eq!(seen, expect, "pages of {max}");
    }
}

#[tokio::test]
async fn an_upload_that_named_no_algorithm_takes_parts_of_any_and_verifies_them() {
    use holdfast_model::{Checksum, ChecksumAlgorithm};
    use holdfast_objects::ExpectedDigests;
    let world = World::new().await;
    let upload = world.create_upload("k").await;
    let found = world.objects.upload_for_parts(&world.bucket, &key("k"), &upload, Some(ChecksumAlgorithm::Crc32)).await.unwrap();
    let sealed = |value: [u8; 4]| {
        let mut stage = world.objects.stage(found.algorithm, 100).verifying(Some(ChecksumAlgorithm::Crc32));
        let checksum = Checksum::new(ChecksumAlgorithm::Crc32, &value).unwrap();
        async move {
            stage.append(bytes::Bytes::from_static(b"123456789")).await.unwrap();
            stage.seal(&ExpectedDigests { md5: None, checksum: Some(checksum) }).await
        }
    };
    assert_eq!(sealed([0; 4]).await.err(), Some(ObjectsError::BadChecksum(ChecksumAlgorithm::Crc32)));
    let right = [0xcb, 0xf4, 0x39, 0x26];
    let written = world.objects.put_part(&found, part(1), sealed(right).await.unwrap()).await.unwrap();
    assert_eq!(written.checksum.value(), right);
    let listed = |value: &[u8; 4]| holdfast_objects::CompletePart {
        number: part(1),
        etag: written.etag.clone(),
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, value).ok(),
    };
    let refused = world.complete("k", &upload, &[listed(&[0; 4])], always(), &caller("")).await;
    assert_eq!(refused, Err(ObjectsError::InvalidPart { part: part(1) }));
    let object = world.complete("k", &upload, &[listed(&right)], always(), &caller("")).await.unwrap();
    let stored = object.checksum.unwrap().checksum;
    assert_eq!((stored.algorithm(), stored.value()), (ChecksumAlgorithm::Crc64Nvme, &[0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88][..]));
}

#[tokio::test]
async fn a_completed_upload_answers_again_for_its_own_key_only() {
    let world = World::new().await;
    let upload = world.create_upload("a").await;
    let parts = [world.put_part("a", &upload, 1, body(1, 10)).await.unwrap()];
    world.complete("a", &upload, &parts, always(), &caller("")).await.unwrap();
    assert_eq!(world.complete("b", &upload, &parts, create_only(), &caller("")).await, Err(ObjectsError::NoSuchUpload));
    assert_eq!(world.names().await, ["a"]);
}

#[tokio::test]
async fn a_resent_rename_does_not_move_what_has_come_since() {
    let world = World::new().await;
    world.put("a", body(1, 10), always()).await.unwrap();
    let first = world.rename("a", "b", always(), None, &caller("i")).await.unwrap();
    world.put("a", body(2, 10), always()).await.unwrap();
    let resent = world.rename("a", "b", always(), None, &caller("i")).await.unwrap();
    assert_eq!((resent.etag, resent.generation), (first.etag, first.generation));
    assert_eq!((world.get("a").await.unwrap(), world.get("b").await.unwrap()), (body(2, 10), body(1, 10)));
}
