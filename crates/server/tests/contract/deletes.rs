//! Section 4 of the contract: conditional deletes, one by one and in bulk.

use crate::support::client::elements;
use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{State, World, for_each_row};

/// Names and values, and what is answered if the key is absent or present.
type Row = (&'static [(&'static str, &'static str)], &'static str, &'static str);

const REFUSED: &str = "400 InvalidRequest";
const NOT_A_NUMBER: &str = "400 InvalidArgument";
const MISSING: &str = "404 NoSuchKey";
const OTHER_SIZE: &str = "412 PreconditionFailed x-amz-if-match-size";
const OTHER_TIME: &str = "412 PreconditionFailed x-amz-if-match-last-modified-time";
const OTHER_WRITE: &str = "412 PreconditionFailed x-holdfast-if-generation-match";

const DELETES: &[Row] = &[
    (&[], "204", "204"),
    (&[("if-match", "{etag}")], MISSING, "204"),
    (&[("if-match", "{bare}")], MISSING, "204"),
    (&[("if-match", "*")], MISSING, "204"),
    (&[("if-match", "{other}")], MISSING, "412 PreconditionFailed If-Match"),
    (&[("if-match", "W/{etag}")], REFUSED, REFUSED),
    (&[("if-match", "{etag}, {other}")], REFUSED, REFUSED),
    (&[("if-match", "")], REFUSED, REFUSED),
    (&[("if-match", "{etag}"), ("if-match", "{etag}")], REFUSED, REFUSED),
    (&[("if-none-match", "*")], REFUSED, REFUSED),
    (&[("if-unmodified-since", "{after}")], REFUSED, REFUSED),
    (&[("x-amz-if-match-size", "{size}")], MISSING, "204"),
    (&[("x-amz-if-match-size", "0")], MISSING, OTHER_SIZE),
    (&[("x-amz-if-match-size", "-1")], NOT_A_NUMBER, NOT_A_NUMBER),
    (&[("x-amz-if-match-size", "")], NOT_A_NUMBER, NOT_A_NUMBER),
    (&[("x-amz-if-match-last-modified-time", "{same}")], MISSING, "204"),
    (&[("x-amz-if-match-last-modified-time", "{same-iso}")], MISSING, "204"),
    (&[("x-amz-if-match-last-modified-time", "{before}")], MISSING, OTHER_TIME),
    (&[("x-amz-if-match-last-modified-time", "{after}")], MISSING, OTHER_TIME),
    (&[("x-amz-if-match-last-modified-time", "today")], REFUSED, REFUSED),
    (&[("if-match", "{etag}"), ("x-amz-if-match-size", "{size}")], MISSING, "204"),
    (&[("if-match", "{etag}"), ("x-amz-if-match-size", "0")], MISSING, OTHER_SIZE),
    (&[("if-match", "{etag}"), ("x-amz-if-match-last-modified-time", "{before}")], MISSING, OTHER_TIME),
    (&[("x-holdfast-if-generation-match", "{generation}")], MISSING, "204"),
    (&[("x-holdfast-if-generation-match", "{older-generation}")], MISSING, OTHER_WRITE),
    (&[("x-holdfast-if-generation-match", "0")], "204", OTHER_WRITE),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_object_follows_its_table() {
    on_both_stores(async |server| {
        let rows = DELETES.iter().flat_map(|row| State::ALL.map(|state| (state, (state, row))));
        for_each_row(server, rows, async |mut world, (state, (headers, absent, present))| {
            let expect = if state == State::Present { present } else { absent };
            let request = world.on("DELETE", "k").headers(&world.filled(headers));
            let row = format!("{state:?} {headers:?}");
            if *expect == "204" {
                let answer = world.client.send(request).await;
                assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{row}: {}", answer.text());
                assert_eq!(world.client.send(world.on("HEAD", "k")).await.status, 404, "{row}");
            } else {
                let answer = world.refuses(request, expect, &row).await;
                if *expect == MISSING {
                    assert_eq!(answer.element("Key").as_deref(), Some("k"), "{row}");
                }
            }
        })
        .await;
    })
    .await;
}

/// Elements of one `<Object>`, and what is told of the key if it is absent or present.
const ENTRIES: &[Row] = &[
    (&[], "Deleted", "Deleted"),
    (&[("ETag", "{etag}")], "NoSuchKey", "Deleted"),
    (&[("ETag", "{bare}")], "NoSuchKey", "Deleted"),
    (&[("ETag", "*")], "NoSuchKey", "Deleted"),
    (&[("ETag", "{other}")], "NoSuchKey", "PreconditionFailed"),
    (&[("Size", "{size}")], "NoSuchKey", "Deleted"),
    (&[("Size", "1")], "NoSuchKey", "PreconditionFailed"),
    (&[("LastModifiedTime", "{same}")], "NoSuchKey", "Deleted"),
    (&[("LastModifiedTime", "{same-iso}")], "NoSuchKey", "Deleted"),
    (&[("LastModifiedTime", "{before}")], "NoSuchKey", "PreconditionFailed"),
    (&[("ETag", "{etag}"), ("Size", "{size}"), ("LastModifiedTime", "{same}")], "NoSuchKey", "Deleted"),
    (&[("ETag", "{etag}"), ("Size", "1")], "NoSuchKey", "PreconditionFailed"),
];

fn entry(world: &World<'_>, key: &str, elements: &[(&str, &str)]) -> String {
    let elements: String = elements.iter().map(|(name, value)| format!("<{name}>{}</{name}>", world.fill(value))).collect();
    format!("<Object><Key>{key}</Key>{elements}</Object>")
}

fn delete_objects(world: &World<'_>, entries: &str) -> Request {
    let request = Request::new("POST", &format!("/{}", world.bucket)).query("delete", "");
    request.body(format!("<Delete>{entries}</Delete>"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_objects_judges_each_key_by_its_own_elements() {
    on_both_stores(async |server| {
        let rows = ENTRIES.iter().flat_map(|row| State::ALL.map(|state| (state, (state, row))));
        for_each_row(server, rows, async |mut world, (state, (elements_given, absent, present))| {
            let expect = if state == State::Present { *present } else { *absent };
            let row = format!("{state:?} {elements_given:?}");
            let before = picture(&mut world.client, &world.bucket).await;
            let answer = world.client.must(delete_objects(&world, &entry(&world, "k", elements_given))).await;
            let told = answer.element("Code").unwrap_or_else(|| if answer.text().contains("<Deleted>") { "Deleted" } else { "" }.into());
            assert_eq!((told.as_str(), answer.element("Key").as_deref()), (expect, Some("k")), "{row}: {}", answer.text());
            if expect == "Deleted" {
                assert_eq!(world.client.send(world.on("HEAD", "k")).await.status, 404, "{row}");
            } else {
                assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{row}");
            }
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_request_do_not_share_their_fate() {
    on_both_stores(async |server| {
        for quiet in [false, true] {
            let mut world = World::new(server, State::Present).await;
            let quietly = if quiet { "<Quiet>true</Quiet>" } else { "" };
            let entries = [
                quietly.to_owned(),
                entry(&world, "k", &[("ETag", "{other}")]),
                entry(&world, "s", &[("ETag", "{source}")]),
                entry(&world, "gone", &[("ETag", "*")]),
                entry(&world, "never", &[]),
            ];
            let answer = world.client.must(delete_objects(&world, &entries.concat())).await.text();
            assert_eq!(elements(&answer, "Code"), ["PreconditionFailed", "NoSuchKey"], "{answer}");
            let deleted = if quiet { 0 } else { 2 };
            assert_eq!(answer.matches("<Deleted>").count(), deleted, "{answer}");
            let left = [("k", 200), ("s", 404), ("z", 200)];
            for (key, status) in left {
                assert_eq!(world.client.send(world.on("HEAD", key)).await.status, status, "{key}");
            }
        }
    })
    .await;
}

/// A condition that would be for all keys at once is none that DeleteObjects knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_objects_refuses_conditions_in_headers_and_elements_that_cannot_be_judged() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let one = entry(&world, "k", &[]);
        for (name, value) in [
            ("if-match", "*"),
            ("if-none-match", "*"),
            ("x-amz-if-match-size", "1"),
            ("x-amz-if-match-last-modified-time", "{same}"),
            ("x-holdfast-if-generation-match", "1"),
        ] {
            let request = delete_objects(&world, &one).header(name, &world.fill(value));
            world.refuses(request, REFUSED, name).await;
        }
        for (elements, expect) in [
            (("ETag", ""), REFUSED),
            (("ETag", "W/{etag}"), REFUSED),
            (("ETag", "{etag}, {other}"), REFUSED),
            (("Size", "many"), "400 MalformedXML"),
            (("LastModifiedTime", "now"), "400 MalformedXML"),
        ] {
            let entries = [entry(&world, "s", &[]), entry(&world, "k", &[elements])].concat();
            let request = delete_objects(&world, &entries);
            world.refuses(request, expect, &format!("{elements:?}")).await;
        }
    })
    .await;
}
