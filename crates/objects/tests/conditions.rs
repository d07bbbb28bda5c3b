//! The precondition of every write, at the commit point, on every operation.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use holdfast_model::{Condition, Generation, WriteConditions, WriteRefusal};
use holdfast_objects::{ObjectsError, WriteOperation, Written};
use support::*;

#[derive(Clone, Copy, Debug)]
enum Writer {
    Put,
    Append,
    Complete,
    Copy,
    Rename,
}

const WRITERS: [Writer; 5] = [Writer::Put, Writer::Append, Writer::Complete, Writer::Copy, Writer::Rename];

impl Writer {
    /// Writes `target` under a condition, by this operation. Sources are fresh each time; they are made before the state is looked at.
    async fn prepared(self, world: &World) -> Prepared {
        let (source, upload) = match self {
            Self::Put | Self::Append => (None, None),
            Self::Copy | Self::Rename => {
                world.put("source", body(9, 100), always()).await.unwrap();
                (Some("source"), None)
            }
            Self::Complete => {
                let upload = world.create_upload("target").await;
                let part = world.put_part("target", &upload, 1, body(9, 100)).await.unwrap();
                (None, Some((upload, vec![part])))
            }
        };
        Prepared { writer: self, source, upload }
    }
}

struct Prepared {
    writer: Writer,
    source: Option<&'static str>,
    upload: Option<(holdfast_model::UploadId, Vec<holdfast_objects::CompletePart>)>,
}

impl Prepared {
    async fn write(&self, world: &World, conditions: WriteConditions) -> Result<Written, ObjectsError> {
        self.write_as(world, conditions, "").await
    }

    async fn write_as(&self, world: &World, conditions: WriteConditions, invocation: &str) -> Result<Written, ObjectsError> {
        let who = caller(invocation);
        match self.writer {
            Writer::Put => world.put_as("target", body(9, 100), conditions, &who).await,
            Writer::Append => {
                let size = world.head("target").await.map_or(0, |head| head.current.size);
                world.append("target", body(9, 100), size, conditions, &who).await
            }
            Writer::Complete => {
                let (upload, parts) = self.upload.as_ref().unwrap();
                world.complete("target", upload, parts, conditions, &who).await
            }
            Writer::Copy => world.copy(self.source.unwrap(), "target", conditions, &who).await,
            Writer::Rename => world.rename(self.source.unwrap(), "target", conditions, None, &who).await,
        }
    }
}

fn generation(n: u64) -> WriteConditions {
    WriteConditions { generation: Some(Generation(n)), ..Default::default() }
}

#[tokio::test]
async fn a_refused_write_changes_nothing_by_any_operation() {
    use WriteRefusal::{NoSuchKey, PreconditionFailed};
    for writer in WRITERS {
        for present in [false, true] {
            let world = World::new().await;
            if present {
                world.put("target", body(1, 70_000), always()).await.unwrap();
            }
            let prepared = writer.prepared(&world).await;
            let before = world.everything().await;
            let (create, other, stale) = if present {
                (
                    Err(PreconditionFailed(Condition::IfNoneMatch)),
                    PreconditionFailed(Condition::IfMatch),
                    PreconditionFailed(Condition::IfGenerationMatch),
                )
            } else {
                (Ok(()), NoSuchKey(Condition::IfMatch), NoSuchKey(Condition::IfGenerationMatch))
            };
            assert_eq!(prepared.write(&world, if_match(&tag("other"))).await, Err(other.into()), "{writer:?} {present}");
            assert_eq!(prepared.write(&world, generation(999)).await, Err(stale.into()), "{writer:?} {present}");
            if let Err(refusal) = create {
                assert_eq!(prepared.write(&world, create_only()).await, Err(refusal.into()), "{writer:?}");
            }
            assert_eq!(world.everything().await, before, "{writer:?} {present}");
            if create.is_ok() {
                prepared.write(&world, create_only()).await.unwrap();
            }
            world.assert_sound().await;
        }
    }
}

#[tokio::test]
async fn a_true_condition_writes_by_any_operation() {
    for writer in WRITERS {
        let world = World::new().await;
        let first = world.put("target", body(1, 70_000), always()).await.unwrap();
        let prepared = writer.prepared(&world).await;
        let written = prepared.write(&world, if_match(&first.etag)).await.unwrap();
        assert!(written.generation > first.generation, "{writer:?}");
        assert_eq!(world.head("target").await.unwrap().current.etag, written.etag);
        let again = writer.prepared(&world).await;
        let written = again.write(&world, generation(written.generation.0)).await.unwrap();
        assert_eq!(world.head("target").await.unwrap().current.generation, written.generation);
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn a_create_that_loses_while_its_body_arrives_is_a_conflict_and_a_later_one_fails() {
    let world = World::new().await;
    let overtaken = world.request("k", body(1, 100), create_only(), &caller("")).await.unwrap();
    let winner = world.put("k", body(2, 100), create_only()).await.unwrap();
    assert_eq!(world.objects.put(overtaken).await, Err(WriteRefusal::Conflict(Condition::IfNoneMatch).into()));
    let late = world.put("k", body(3, 100), create_only()).await;
    assert_eq!(late, Err(WriteRefusal::PreconditionFailed(Condition::IfNoneMatch).into()));
    assert_eq!(world.get("k").await.unwrap(), body(2, 100));
    assert_eq!(world.head("k").await.unwrap().current.generation, winner.generation);
}

#[tokio::test]
async fn a_condition_is_judged_at_the_commit_point_too() {
    let world = World::new().await;
    let first = world.put("k", body(1, 100), always()).await.unwrap();
    let overtaken = world.request("k", body(2, 100), if_match(&first.etag), &caller("")).await.unwrap();
    world.put("k", body(3, 100), always()).await.unwrap();
    assert_eq!(world.objects.put(overtaken).await, Err(WriteRefusal::PreconditionFailed(Condition::IfMatch).into()));
    let overtaken = world.request("k", body(2, 100), if_match(&world.head("k").await.unwrap().current.etag), &caller("")).await.unwrap();
    world.delete("k").await.unwrap();
    assert_eq!(world.objects.put(overtaken).await, Err(WriteRefusal::NoSuchKey(Condition::IfMatch).into()));
    assert_eq!(world.names().await, [""; 0]);
}

#[tokio::test]
async fn generations_tell_equal_bytes_apart_and_never_come_again() {
    let world = World::new().await;
    let first = world.put("k", body(1, 10), always()).await.unwrap();
    let second = world.put("k", body(2, 10), always()).await.unwrap();
    let third = world.put("k", body(1, 10), always()).await.unwrap();
    assert_eq!(first.etag, third.etag);
    assert_eq!(
        world.put("k", body(4, 10), generation(first.generation.0)).await,
        Err(WriteRefusal::PreconditionFailed(Condition::IfGenerationMatch).into())
    );
    world.delete("k").await.unwrap();
    let fourth = world.put("k", body(1, 10), generation(0)).await.unwrap();
    assert!([first, second, third].iter().all(|w| w.generation < fourth.generation));
}

#[tokio::test]
async fn a_resent_write_gets_its_first_answer_and_only_that_one_does() {
    for writer in WRITERS {
        let world = World::new().await;
        let prepared = writer.prepared(&world).await;
        let first = prepared.write_as(&world, create_only(), "invocation").await.unwrap();
        let before = world.everything().await;
        if !matches!(writer, Writer::Append) {
            let resent = prepared.write_as(&world, create_only(), "invocation").await.unwrap();
            assert_eq!((&resent.etag, resent.generation, resent.repeated), (&first.etag, first.generation, true), "{writer:?}");
        }
        // A rival with another invocation, and the same client after another write, are refused.
        if !matches!(writer, Writer::Complete | Writer::Rename) {
            assert!(prepared.write_as(&world, create_only(), "other").await.is_err(), "{writer:?}");
        }
        assert_eq!(world.everything().await, before, "{writer:?}");
    }
    let world = World::new().await;
    world.put_as("k", body(1, 10), create_only(), &caller("i")).await.unwrap();
    assert!(world.put_as("k", body(2, 10), create_only(), &caller("i")).await.is_err(), "another payload");
    world.put_as("k", body(3, 10), always(), &caller("j")).await.unwrap();
    assert!(world.put_as("k", body(1, 10), create_only(), &caller("i")).await.is_err(), "overwritten since");
}

#[tokio::test]
async fn a_resent_append_is_not_appended_twice() {
    let world = World::new().await;
    world.put("k", body(1, 10), always()).await.unwrap();
    let first = world.append("k", body(2, 5), 10, always(), &caller("i")).await.unwrap();
    let resent = world.append("k", body(2, 5), 10, always(), &caller("i")).await.unwrap();
    assert_eq!((resent.etag, resent.generation), (first.etag, first.generation));
    assert_eq!(world.append("k", body(2, 5), 10, always(), &caller("j")).await, Err(ObjectsError::InvalidWriteOffset { size: 15 }));
    assert_eq!(world.head("k").await.unwrap().current.size, 15);
}

#[tokio::test]
async fn the_early_check_refuses_before_anything_is_staged() {
    let world = World::new().await;
    world.put("k", body(1, 10), always()).await.unwrap();
    let refused = world.objects.arrive(&world.bucket, &key("k"), &create_only(), WriteOperation::Put, &caller("")).await;
    assert_eq!(refused.unwrap_err(), WriteRefusal::PreconditionFailed(Condition::IfNoneMatch).into());
}

#[tokio::test]
async fn a_copy_onto_itself_is_judged_before_it_is_called_pointless() {
    let world = World::new().await;
    let copy = async |conditions| {
        let arrived = world.objects.observe(&world.bucket, &key("k")).await.unwrap();
        let request = holdfast_objects::CopyRequest {
            arrived,
            conditions,
            source_bucket: world.bucket.clone(),
            source_key: key("k"),
            source_conditions: holdfast_model::SourceConditions::default(),
            attributes: None,
            tags: None,
            checksum: None,
            caller: caller(""),
        };
        world.objects.copy(request).await
    };
    assert_eq!(copy(always()).await, Err(ObjectsError::NoSuchSource { key: "k".into() }));
    world.put("k", body(1, 10), always()).await.unwrap();
    assert_eq!(copy(create_only()).await, Err(WriteRefusal::PreconditionFailed(Condition::IfNoneMatch).into()));
    assert_eq!(copy(if_match(&tag("x"))).await, Err(WriteRefusal::PreconditionFailed(Condition::IfMatch).into()));
    assert_eq!(copy(always()).await, Err(ObjectsError::SelfCopy));
}
