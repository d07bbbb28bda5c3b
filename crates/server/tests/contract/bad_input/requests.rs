//! Heads that ask for what does not exist: headers and query keys with a meaning that we lack, names, numbers, ranges, tokens.

use super::check;
use crate::support::on_both_stores;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World};

const LACKING: &str = "501 NotImplemented";
const ARGUMENT: &str = "400 InvalidArgument";
const REQUEST: &str = "400 InvalidRequest";

/// Headers with a meaning: to ignore them would break what they promise.
const HEADERS: &[(&str, &str)] = &[
    ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-server-side-encryption", "aws:kms"),
    ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    ("x-amz-object-lock-mode", "COMPLIANCE"),
    ("x-amz-object-lock-retain-until-date", "2027-01-01T00:00:00Z"),
    ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-acl", "public-read"),
    ("x-amz-acl", "public-read-write"),
    ("x-amz-acl", "authenticated-read"),
    ("x-amz-grant-read", "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""),
    ("x-amz-storage-class", "GLACIER"),
    ("x-amz-storage-class", ""),
    ("x-amz-mfa", "serial 123456"),
    ("x-amz-checksum-xxhash3", "AAAAAA=="),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_with_a_meaning_that_we_lack_are_refused_by_name() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        for (name, value) in HEADERS {
            let operations = [Operation::Put, Operation::Copy].map(|operation| world.request(operation));
            let begin = world.on("POST", "k").query("uploads", "");
            for request in operations.into_iter().chain([begin]) {
                let row = format!("{name}: {value}");
                let answer = world.refuses(request.header(name, value), LACKING, &row).await;
                assert!(answer.element("Message").is_some_and(|message| message.contains(name)), "{row}: {}", answer.text());
            }
        }
        let lock = Request::new("PUT", &format!("/{}-new", world.bucket)).header("x-amz-bucket-object-lock-enabled", "true");
        check(&mut world, [("a bucket with object lock", lock, LACKING)]).await;
    })
    .await;
}

/// What would make the write another one elsewhere; served as a plain write it would replace an object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_would_make_a_write_another_one_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let mut rows = Vec::new();
        for (name, value) in [
            ("content-range", "bytes 0-8/18"),
            ("x-oss-forbid-overwrite", "true"),
            ("x-cos-forbid-overwrite", "true"),
            ("x-http-method-override", "DELETE"),
            ("x-http-method", "DELETE"),
        ] {
            for operation in Operation::ALL {
                rows.push((format!("{operation:?} {name}"), world.request(operation).header(name, value), REQUEST));
            }
            rows.push((format!("DELETE {name}"), world.on("DELETE", "k").header(name, value), REQUEST));
        }
        // The framing of chunks that are none would be stored as content.
        for encoding in ["aws-chunked", "gzip, aws-chunked"] {
            rows.push((encoding.to_owned(), world.request(Operation::Put).header("content-encoding", encoding), REQUEST));
        }
        check(&mut world, rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sub_resources_that_we_lack_are_not_implemented_and_unknown_keys_on_writes_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let bucket = |method| Request::new(method, &format!("/{}", world.bucket));
        let mut rows: Vec<(String, Request, &'static str)> = Vec::new();
        for name in ["acl", "cors", "encryption", "lifecycle", "logging", "notification", "object-lock", "policy", "replication", "website"]
        {
            rows.push((format!("GET bucket {name}"), bucket("GET").query(name, ""), LACKING));
            rows.push((format!("PUT bucket {name}"), bucket("PUT").query(name, "").body("<x/>"), LACKING));
        }
        rows.push(("PUT bucket versioning".into(), bucket("PUT").query("versioning", "").body("<x/>"), LACKING));
        rows.push(("GET bucket versions".into(), bucket("GET").query("versions", ""), LACKING));
        for (method, name) in
            [("GET", "acl"), ("PUT", "acl"), ("PUT", "retention"), ("PUT", "legal-hold"), ("POST", "restore"), ("GET", "torrent")]
        {
            rows.push((format!("{method} object {name}"), world.on(method, "k").query(name, ""), LACKING));
        }
        // What may be a verb of tomorrow must not become a write of today.
        for name in ["append", "renameobject", "moveObject", "compose", "partNumber", "versionid", "prefix", "y-id"] {
            for operation in [Operation::Put, Operation::Copy, Operation::Rename, Operation::Complete] {
                rows.push((format!("{operation:?} {name}"), world.request(operation).query(name, ""), ARGUMENT));
            }
            rows.push((format!("DELETE {name}"), world.on("DELETE", "k").query(name, ""), ARGUMENT));
            rows.push((format!("DELETE bucket {name}"), bucket("DELETE").query(name, ""), ARGUMENT));
        }
        rows.push(("two verbs".into(), world.on("PUT", "k").query("tagging", "").query("acl", ""), ARGUMENT));
        rows.push(("a verb twice".into(), world.on("PUT", "k").query("tagging", "").query("tagging", ""), ARGUMENT));
        rows.push(("a bucket's verb on an object".into(), world.on("PUT", "k").query("lifecycle", ""), ARGUMENT));
        rows.push(("a version that cannot be".into(), world.on("DELETE", "k").query("versionId", "v1"), "404 NoSuchVersion"));
        rows.push(("POST on an object".into(), world.on("POST", "k"), "405 MethodNotAllowed"));
        rows.push(("PATCH on an object".into(), world.on("PATCH", "k"), "405 MethodNotAllowed"));
        rows.push(("PUT on the service".into(), Request::new("PUT", "/"), "405 MethodNotAllowed"));
        check(&mut world, rows).await;
        // What SDKs add is ignored.
        world.client.must(world.request(Operation::Put).query("x-id", "PutObject")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_cannot_be_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let mut rows: Vec<(String, Request, &'static str)> = Vec::new();
        let long = "b".repeat(64);
        for name in
            ["ab", "Upper", "under_score", "-dash", "dash-", "a..b", "192.168.5.4", "xn--a", "b\u{e9}", "a b", long.as_str(), "a-s3alias"]
        {
            rows.push((format!("bucket {name}"), Request::new("PUT", &format!("/{name}")), "400 InvalidBucketName"));
            rows.push((format!("object in {name}"), Request::new("PUT", &format!("/{name}/k")).body("x"), "400 InvalidBucketName"));
        }
        rows.push(("the name of the health checks".into(), Request::new("PUT", "/health"), "400 InvalidBucketName"));
        for method in ["PUT", "GET", "DELETE"] {
            rows.push((format!("{method} a long key"), world.on(method, &"k".repeat(1025)), "400 KeyTooLongError"));
            rows.push((format!("{method} a long key of wide characters"), world.on(method, &"\u{e9}".repeat(513)), "400 KeyTooLongError"));
        }
        for number in ["0", "10001", "-1", "1.5", "", "one", "99999999999999999999"] {
            let part = world.on("PUT", "k").query("uploadId", &world.upload).query("partNumber", number).body("x");
            rows.push((format!("part {number:?}"), part, ARGUMENT));
        }
        let part = |upload: &str| world.on("PUT", "k").query("uploadId", upload).query("partNumber", "1").body("x");
        rows.push(("a part without a number".into(), world.on("PUT", "k").query("uploadId", &world.upload).body("x"), ARGUMENT));
        rows.push(("an unknown upload".into(), part("00112233445566778899aabbccddeeff"), "404 NoSuchUpload"));
        rows.push(("an upload that is no id".into(), part("../../etc"), "404 NoSuchUpload"));
        rows.push(("no upload".into(), part(""), "404 NoSuchUpload"));
        let abort = world.on("DELETE", "k").query("uploadId", "00112233445566778899aabbccddeeff");
        rows.push(("aborting an unknown upload".into(), abort, "404 NoSuchUpload"));
        let elsewhere = world.on("POST", "s").query("uploadId", &world.upload).body(world.request(Operation::Complete).body);
        rows.push(("an upload of another key".into(), elsewhere, "404 NoSuchUpload"));
        let nowhere = Request::new("PUT", "/no-such-bucket/k").body("x");
        rows.push(("no bucket".into(), nowhere, "404 NoSuchBucket"));
        check(&mut world, rows).await;
        // Half a percent sequence or bytes that are no UTF-8 in the path cannot be written down as a key.
        for path in ["%", "%zz", "%ff", "a%2"] {
            let mut request = world.request(Operation::Put);
            request.path = format!("/{}/{path}", world.bucket);
            let answer = world.client.send(request).await;
            assert_eq!(answer.verdict(), "400 InvalidURI", "{path}: {}", answer.text());
        }
        // The longest key there may be.
        let longest = "k".repeat(1024);
        world.client.must(world.on("PUT", &longest).body("x")).await;
        world.client.must(world.on("DELETE", &longest)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_listings_that_cannot_be_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let bucket = Request::new("GET", &format!("/{}", world.bucket));
        let v2 = bucket.clone().query("list-type", "2");
        let parts = world.on("GET", "k").query("uploadId", &world.upload);
        let mut rows: Vec<(String, Request, &'static str)> = Vec::new();
        for number in ["-1", "x", "2147483648", "1e3", "0x10", "+1"] {
            rows.push((format!("v1 max-keys {number}"), bucket.clone().query("max-keys", number), ARGUMENT));
            rows.push((format!("v2 max-keys {number}"), v2.clone().query("max-keys", number), ARGUMENT));
            rows.push((format!("max-uploads {number}"), bucket.clone().query("uploads", "").query("max-uploads", number), ARGUMENT));
            rows.push((format!("max-parts {number}"), parts.clone().query("max-parts", number), ARGUMENT));
            rows.push((format!("part-number-marker {number}"), parts.clone().query("part-number-marker", number), ARGUMENT));
        }
        for token in ["", "!", "_w", "====", "a b", &"A".repeat(3000)] {
            rows.push((format!("token {token}"), v2.clone().query("continuation-token", token), ARGUMENT));
        }
        rows.push(("encoding".into(), v2.clone().query("encoding-type", "base64"), ARGUMENT));
        rows.push(("list type".into(), bucket.clone().query("list-type", "3"), ARGUMENT));
        rows.push(("fetch-owner".into(), v2.clone().query("fetch-owner", "perhaps"), ARGUMENT));
        let attributes = world.on("GET", "k").query("attributes", "");
        rows.push(("no attributes".into(), attributes.clone(), REQUEST));
        rows.push(("unknown attributes".into(), attributes.header("x-amz-object-attributes", "Color"), ARGUMENT));
        check(&mut world, rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_that_cannot_be_are_refused_or_ignored() {
    const OUTSIDE: &str = "416 InvalidRange";
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        // The target has 18 bytes.
        for (range, expect) in [
            ("bytes=18-", OUTSIDE),
            ("bytes=18-20", OUTSIDE),
            ("bytes=-0", OUTSIDE),
            ("bytes=9999999999999999999-", OUTSIDE),
            ("bytes=5-4", "200"),
            ("bytes=", "200"),
            ("bytes=a-b", "200"),
            ("lines=0-1", "200"),
            ("0-1", "200"),
            ("bytes=0-1,3-4", "200"),
            ("bytes=0-0", "206"),
            ("bytes=17-99", "206"),
            ("bytes=-99", "206"),
        ] {
            let answer = world.client.send(world.on("GET", "k").header("range", range)).await;
            assert_eq!(answer.verdict(), expect, "{range}: {}", answer.text());
            if expect == OUTSIDE {
                assert_eq!(answer.header("content-range"), Some("bytes */18"), "{range}");
            }
        }
        for (number, expect) in [("2", "416 InvalidPartNumber"), ("0", ARGUMENT), ("10001", ARGUMENT), ("1", "200")] {
            let answer = world.client.send(world.on("GET", "k").query("partNumber", number)).await;
            assert_eq!(answer.verdict(), expect, "{number}: {}", answer.text());
        }
        let both = world.on("GET", "k").query("partNumber", "1").header("range", "bytes=0-1");
        assert_eq!(world.client.send(both).await.verdict(), REQUEST);
        // Ranges of a part that is copied guard a write: they are exact or refused.
        for range in ["bytes=0-18", "bytes=18-18", "bytes=5-4", "bytes=0-", "bytes=-5", "0-5", ""] {
            let part = world.on("PUT", "k").query("uploadId", &world.upload).query("partNumber", "2");
            let part = part.header("x-amz-copy-source", &format!("/{}/s", world.bucket)).header("x-amz-copy-source-range", range);
            world.refuses(part, ARGUMENT, range).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_sources_and_attributes_that_cannot_be_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let copy = |source: &str| world.on("PUT", "k").header("x-amz-copy-source", source);
        let source = format!("/{}/s", world.bucket);
        let put = || world.request(Operation::Put);
        let mut rows: Vec<(String, Request, &'static str)> = ["", "s", "/", "//", "/b", "/UPPER/s", "/b%/s", "%ff/s"]
            .iter()
            .map(|source| (format!("source {source:?}"), copy(source), ARGUMENT))
            .collect();
        let version = format!("{source}?versionId=v1");
        rows.push(("a version of the source".into(), copy(&version), "404 NoSuchVersion"));
        rows.push(("two sources".into(), copy(&source).header("x-amz-copy-source", &source), ARGUMENT));
        rows.push(("an unknown directive".into(), copy(&source).header("x-amz-metadata-directive", "MERGE"), ARGUMENT));
        rows.push(("an unknown tagging directive".into(), copy(&source).header("x-amz-tagging-directive", "MERGE"), ARGUMENT));
        rows.push(("a body with a copy".into(), copy(&source).body("x"), REQUEST));
        rows.push(("large metadata".into(), put().header("x-amz-meta-large", &"v".repeat(2100)), "400 MetadataTooLarge"));
        rows.push(("11 tags".into(), put().header("x-amz-tagging", "a&b&c&d&e&f&g&h&i&j&k"), "400 BadRequest"));
        rows.push(("a tag twice".into(), put().header("x-amz-tagging", "a=1&a=2"), "400 InvalidTag"));
        rows.push(("a tag of half a sequence".into(), put().header("x-amz-tagging", "a=%2"), ARGUMENT));
        let tags = world.request(Operation::Complete).header("x-amz-tagging", "a=1");
        rows.push(("tags on a completion".into(), tags, REQUEST));
        check(&mut world, rows).await;
    })
    .await;
}
