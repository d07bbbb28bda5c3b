//! The `object_store` crate: its own suite of what a store must do, with conditional puts and both ways of copy-if-not-exists.

use std::sync::Arc;

use futures::future::join_all;
use holdfast_client_tests::{client_and_bucket, setting};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3ConditionalPut, S3CopyIfNotExists};
use object_store::integration as suite;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

fn builder(bucket: &str) -> AmazonS3Builder {
    // reqwest is built without a provider of its own; a second installation is refused, and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    AmazonS3Builder::new()
        .with_endpoint(setting("HOLDFAST_URL"))
        .with_allow_http(true)
        .with_bucket_name(bucket)
        .with_region(setting("AWS_REGION"))
        .with_access_key_id(setting("AWS_ACCESS_KEY_ID"))
        .with_secret_access_key(setting("AWS_SECRET_ACCESS_KEY"))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
}

async fn store(change: impl FnOnce(AmazonS3Builder) -> AmazonS3Builder) -> AmazonS3 {
    let (_, bucket) = client_and_bucket().await;
    change(builder(&bucket)).build().expect("a store")
}

#[tokio::test]
async fn objects_and_listings_behave_as_the_crate_demands() {
    let store = store(|b| b).await;
    suite::put_get_delete_list(&store).await;
    suite::list_with_offset_exclusivity(&store).await;
    suite::list_uses_directories_correctly(&store).await;
    suite::list_with_delimiter(&store).await;
    suite::rename_and_copy(&store).await;
    suite::stream_get(&store).await;
    suite::put_get_attributes(&store).await;
    suite::list_paginated(&store, &store).await;
}

#[tokio::test]
async fn conditional_reads_and_writes_behave_as_the_crate_demands() {
    let store = store(|b| b).await;
    suite::get_opts(&store).await;
    suite::put_opts(&store, true).await;
}

#[tokio::test]
async fn multipart_uploads_behave_as_the_crate_demands() {
    let store = store(|b| b).await;
    suite::multipart(&store, &store).await;
    suite::multipart_with_opts(&store, &store).await;
    suite::multipart_put_part_out_of_order(&store, &store).await;
    suite::multipart_race_condition(&store, true).await;
    suite::multipart_out_of_order(&store).await;
}

#[tokio::test]
async fn copy_if_not_exists_holds_by_header() {
    let header = S3CopyIfNotExists::Header("if-none-match".into(), "*".into());
    suite::copy_if_not_exists(&store(|b| b.with_copy_if_not_exists(header)).await).await;
}

#[tokio::test]
async fn copy_if_not_exists_holds_by_multipart_upload() {
    suite::copy_if_not_exists(&store(|b| b.with_copy_if_not_exists(S3CopyIfNotExists::Multipart)).await).await;
}

#[tokio::test]
async fn bodies_may_be_unsigned_or_carry_checksums() {
    suite::put_get_delete_list(&store(|b| b.with_unsigned_payload(true)).await).await;
    suite::put_get_delete_list(&store(|b| b.with_checksum_algorithm(Checksum::SHA256)).await).await;
    suite::put_get_delete_list(&store(|b| b.with_checksum_algorithm(Checksum::CRC64NVME)).await).await;
}

#[tokio::test]
async fn of_many_creators_one_wins_and_all_others_learn_it() {
    let store = Arc::new(store(|b| b).await);
    for round in 0..20 {
        let path = Path::from(format!("race/{round}"));
        let attempts = (0..16).map(|writer| {
            let (store, path) = (Arc::clone(&store), path.clone());
            async move { store.put_opts(&path, format!("writer {writer}").into(), PutMode::Create.into()).await }
        });
        let answers = join_all(attempts).await;
        let winners: Vec<_> = answers.iter().enumerate().filter(|(_, a)| a.is_ok()).map(|(writer, _)| writer).collect();
        assert_eq!(winners.len(), 1, "round {round}: {answers:?}");
        for answer in answers.iter().filter_map(|a| a.as_ref().err()) {
            assert!(matches!(answer, Error::AlreadyExists { .. }), "round {round}: {answer:?}");
        }
        let stored = store.get(&path).await.expect("the winner's object").bytes().await.expect("its bytes");
        assert_eq!(stored, format!("writer {}", winners[0]).as_bytes());
    }
}

#[tokio::test]
async fn a_counter_by_compare_and_swap_loses_no_increment() {
    const WORKERS: u64 = 8;
    const INCREMENTS: u64 = 15;
    let store = Arc::new(store(|b| b).await);
    let path = Path::from("counter");
    store.put(&path, "0".into()).await.expect("the first value");
    let workers = (0..WORKERS).map(|_| {
        let (store, path) = (Arc::clone(&store), path.clone());
        tokio::spawn(async move {
            for _ in 0..INCREMENTS {
                increment(&store, &path).await;
            }
        })
    });
    for worker in join_all(workers).await {
        worker.expect("a worker that finished");
    }
    let value = store.get(&path).await.expect("the counter").bytes().await.expect("its bytes");
    assert_eq!(value, (WORKERS * INCREMENTS).to_string().as_bytes());
}

async fn increment(store: &AmazonS3, path: &Path) {
    loop {
        let current = store.get(path).await.expect("the counter");
        let version = UpdateVersion { e_tag: current.meta.e_tag.clone(), version: current.meta.version.clone() };
        let value: u64 = std::str::from_utf8(&current.bytes().await.expect("its bytes")).expect("digits").parse().expect("a number");
        let options = PutOptions::from(PutMode::Update(version));
        match store.put_opts(path, (value + 1).to_string().into(), options).await {
            Ok(_) => return,
            Err(Error::Precondition { .. }) => {}
            Err(other) => panic!("an update may only fail because another came first: {other}"),
        }
    }
}
