//! `aws-sdk-s3` with its default settings: every conditional operation, retries and checksums on.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use holdfast_client_tests::client_and_bucket;

const KEY: &str = "models/ü+ %/current";
const OTHER_ETAG: &str = "\"0123456789abcdef0123456789abcdef\"";

/// The status and the S3 code of an answer, ("200", "") for a success.
fn verdict<T, E: ProvideErrorMetadata>(answer: Result<T, SdkError<E>>) -> (u16, String) {
    match answer {
        Ok(_) => (200, String::new()),
        Err(error) => {
            let status = error.raw_response().map_or(0, |r| r.status().as_u16());
            (status, error.code().unwrap_or("no code").to_owned())
        }
    }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn ok() -> (u16, String) {
    (200, String::new())
}

async fn put(s3: &Client, bucket: &str, key: &str, body: &'static [u8]) -> String {
    let answer = s3.put_object().bucket(bucket).key(key).body(ByteStream::from_static(body)).send().await.expect("a plain put");
    answer.e_tag().expect("an ETag").to_owned()
}

async fn body(s3: &Client, bucket: &str, key: &str) -> Vec<u8> {
    let answer = s3.get_object().bucket(bucket).key(key).send().await.expect("a get");
    answer.body.collect().await.expect("a whole body whose checksum holds").to_vec()
}

#[tokio::test]
async fn put_object_is_conditional() {
    let (s3, bucket) = client_and_bucket().await;
    let attempt = |body: &'static [u8]| s3.put_object().bucket(&bucket).key(KEY).body(ByteStream::from_static(body));
    assert_eq!(verdict(attempt(b"x").if_match(OTHER_ETAG).send().await), refused(404, "NoSuchKey"));
    assert_eq!(verdict(attempt(b"first").if_none_match("*").send().await), ok());
    assert_eq!(verdict(attempt(b"second").if_none_match("*").send().await), refused(412, "PreconditionFailed"));
    assert_eq!(verdict(attempt(b"second").if_match(OTHER_ETAG).send().await), refused(412, "PreconditionFailed"));
    assert_eq!(body(&s3, &bucket, KEY).await, b"first");
    let etag = put(&s3, &bucket, KEY, b"third").await;
    assert_eq!(verdict(attempt(b"fourth").if_match(etag).send().await), ok());
    assert_eq!(body(&s3, &bucket, KEY).await, b"fourth");
}

#[tokio::test]
async fn complete_multipart_upload_is_conditional() {
    let (s3, bucket) = client_and_bucket().await;
    let etag = put(&s3, &bucket, KEY, b"rival").await;
    let upload = s3.create_multipart_upload().bucket(&bucket).key(KEY).send().await.expect("an upload");
    let upload = upload.upload_id().expect("an upload id");
    let mut parts = CompletedMultipartUpload::builder();
    for (number, part) in [(1, vec![b'a'; 5 << 20]), (2, b"tail".to_vec())] {
        let request = s3.upload_part().bucket(&bucket).key(KEY).upload_id(upload).part_number(number).body(part.into());
        let answer = request.send().await.expect("a part");
        let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).set_checksum_crc32(answer.checksum_crc32);
        parts = parts.parts(part.set_checksum_crc64_nvme(answer.checksum_crc64_nvme).build());
    }
    let parts = parts.build();
    let complete = || s3.complete_multipart_upload().bucket(&bucket).key(KEY).upload_id(upload).multipart_upload(parts.clone());
    assert_eq!(verdict(complete().if_none_match("*").send().await), refused(412, "PreconditionFailed"));
    assert_eq!(verdict(complete().if_match(OTHER_ETAG).send().await), refused(412, "PreconditionFailed"));
    assert_eq!(verdict(complete().if_match(etag).send().await), ok());
    assert_eq!(body(&s3, &bucket, KEY).await.len(), (5 << 20) + 4);
}

#[tokio::test]
async fn copy_and_rename_are_conditional_on_both_ends() {
    let (s3, bucket) = client_and_bucket().await;
    let etag = put(&s3, &bucket, "source", b"moved").await;
    let copy = || s3.copy_object().bucket(&bucket).key(KEY).copy_source(format!("{bucket}/source"));
    assert_eq!(verdict(copy().copy_source_if_match(OTHER_ETAG).send().await), refused(412, "PreconditionFailed"));
    assert_eq!(verdict(copy().if_none_match("*").send().await), ok());
    assert_eq!(verdict(copy().if_none_match("*").send().await), refused(412, "PreconditionFailed"));
    assert_eq!(verdict(copy().if_match(&etag).copy_source_if_match(&etag).send().await), ok());
    let rename = || s3.rename_object().bucket(&bucket).key(KEY).rename_source("source");
    assert_eq!(verdict(rename().destination_if_none_match("*").send().await), refused(412, "PreconditionFailed"));
    assert_eq!(verdict(rename().source_if_match(OTHER_ETAG).send().await), refused(412, "PreconditionFailed"));
    assert_eq!(verdict(rename().destination_if_match(&etag).source_if_match(&etag).send().await), ok());
    assert_eq!(body(&s3, &bucket, KEY).await, b"moved");
    assert_eq!(verdict(s3.get_object().bucket(&bucket).key("source").send().await), refused(404, "NoSuchKey"));
}

#[tokio::test]
async fn deletes_are_conditional_one_and_many() {
    let (s3, bucket) = client_and_bucket().await;
    let etag = put(&s3, &bucket, "one", b"1").await;
    put(&s3, &bucket, "two", b"2").await;
    let delete = |etag: &str| s3.delete_object().bucket(&bucket).key("one").if_match(etag).send();
    assert_eq!(verdict(delete(OTHER_ETAG).await), refused(412, "PreconditionFailed"));
    let named = |key: &str, etag: &str| ObjectIdentifier::builder().key(key).e_tag(etag).build().expect("an identifier");
    let wanted = Delete::builder().objects(named("one", &etag)).objects(named("two", OTHER_ETAG)).build().expect("a request");
    let answer = s3.delete_objects().bucket(&bucket).delete(wanted).send().await.expect("an answer for each key");
    assert_eq!(answer.deleted().iter().filter_map(|d| d.key()).collect::<Vec<_>>(), ["one"]);
    let errors: Vec<_> = answer.errors().iter().map(|e| (e.key().unwrap_or_default(), e.code().unwrap_or_default())).collect();
    assert_eq!(errors, [("two", "PreconditionFailed")]);
}

#[tokio::test]
async fn listings_page_in_order() {
    let (s3, bucket) = client_and_bucket().await;
    let keys = ["a b", "a%b", "a+b", "a/../b", "a//b", "a🦀", "b"];
    for key in keys {
        put(&s3, &bucket, key, b"").await;
    }
    let mut pages = s3.list_objects_v2().bucket(&bucket).max_keys(2).into_paginator().send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        seen.extend(page.expect("a page").contents().iter().filter_map(|o| o.key().map(str::to_owned)));
    }
    let mut expected = keys.map(str::to_owned);
    expected.sort();
    assert_eq!(seen, expected);
}
