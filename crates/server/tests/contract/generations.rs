//! Section 7 of the contract: generations grow with every write of a key and are never used twice, also across delete and re-create.

use crate::support::on_both_stores;
use crate::support::world::{Operation, State, World, begin_upload, complete_xml};

/// Every kind of write of one key, in a row with deletes between; each answer tells the number that reads then show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_grow_over_every_kind_of_write_and_across_deletes() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Absent).await;
        let mut last = 0;
        for round in 0..3 {
            let path = format!("/{}/k", world.bucket);
            let (upload, part) = begin_upload(&mut world.client, &path, "part").await;
            world.client.must(world.on("PUT", "s").body("a source again")).await;
            let steps = [
                world.on("PUT", "k").body("same bytes"),
                world.on("PUT", "k").body("same bytes"),
                world.request(Operation::Copy),
                world.on("POST", "k").query("uploadId", &upload).body(complete_xml(&[(1, &part)])),
                world.on("PUT", "k").body("!").header("x-amz-write-offset-bytes", "4"),
                world.request(Operation::Rename),
            ];
            for (step, request) in steps.into_iter().enumerate() {
                let written = world.client.must(request).await.generation();
                assert!(written > last, "round {round}, step {step}: {written} after {last}");
                for method in ["GET", "HEAD"] {
                    assert_eq!(world.client.must(world.on(method, "k")).await.generation(), written, "round {round}, step {step}");
                }
                last = written;
            }
            world.client.must(world.on("DELETE", "k")).await;
        }
    })
    .await;
}

/// The ABA problem: content comes back, its tag with it, and only the generation tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_tells_apart_what_a_tag_cannot() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let (etag, generation) = (world.fill("{etag}"), world.fill("{generation}"));
        world.client.must(world.on("PUT", "k").body("something else")).await;
        world.client.must(world.on("DELETE", "k")).await;
        world.client.must(world.on("PUT", "k").body("the target's bytes")).await;
        let by_generation = world.request(Operation::Put).header("x-holdfast-if-generation-match", &generation);
        world.refuses(by_generation, "412 PreconditionFailed x-holdfast-if-generation-match", "generation").await;
        let by_tag = world.request(Operation::Put).header("if-match", &etag);
        world.client.must(by_tag).await;
    })
    .await;
}

/// Metadata that a tagging changes is no new version of the object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_refusals_and_tags_leave_the_generation_alone() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let generation: u64 = world.fill("{generation}").parse().expect("a number");
        let tags = "<Tagging><TagSet><Tag><Key>new</Key><Value>tag</Value></Tag></TagSet></Tagging>";
        world.client.must(world.on("PUT", "k").query("tagging", "").body(tags)).await;
        world.client.send(world.request(Operation::Put).header("if-none-match", "*")).await;
        assert_eq!(world.client.must(world.on("HEAD", "k")).await.generation(), generation);
    })
    .await;
}
