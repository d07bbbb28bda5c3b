//! Section 1, point 6: a condition on a write that cannot honour it is refused, naming the header and who would honour it.

use crate::support::on_both_stores;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World};

const STANDARD: [(&str, &str); 4] =
    [("if-match", "{etag}"), ("if-none-match", "*"), ("if-modified-since", "{before}"), ("if-unmodified-since", "{after}")];

/// Every header that is a condition somewhere, with a value that would hold.
const ALL: &[(&str, &str)] = &[
    STANDARD[0],
    STANDARD[1],
    STANDARD[2],
    STANDARD[3],
    ("x-amz-copy-source-if-match", "{source}"),
    ("x-amz-copy-source-if-none-match", "{other}"),
    ("x-amz-copy-source-if-modified-since", "{before}"),
    ("x-amz-copy-source-if-unmodified-since", "{after}"),
    ("x-amz-rename-source-if-match", "{source}"),
    ("x-amz-rename-source-if-none-match", "{other}"),
    ("x-amz-rename-source-if-modified-since", "{before}"),
    ("x-amz-rename-source-if-unmodified-since", "{after}"),
    ("x-amz-if-match-size", "{size}"),
    ("x-amz-if-match-last-modified-time", "{same}"),
    ("x-amz-if-match-initiated-time", "{same}"),
    ("x-holdfast-if-generation-match", "{generation}"),
    ("x-goog-if-generation-match", "0"),
    ("cf-copy-destination-if-none-match", "*"),
    ("if-schedule-tag-match", "{etag}"),
    ("if", "(<a>)"),
];

fn honours(operation: &str, header: &str) -> bool {
    let tags = ["PutObject", "CompleteMultipartUpload", "CopyObject", "RenameObject"].contains(&operation);
    match header {
        "if-match" | "x-holdfast-if-generation-match" => tags || operation == "DeleteObject",
        "if-none-match" => tags,
        "if-modified-since" | "if-unmodified-since" => operation == "RenameObject",
        _ if header.starts_with("x-amz-copy-source-if-") => ["CopyObject", "UploadPartCopy"].contains(&operation),
        _ if header.starts_with("x-amz-rename-source-if-") => operation == "RenameObject",
        "x-amz-if-match-size" | "x-amz-if-match-last-modified-time" => operation == "DeleteObject",
        _ => false,
    }
}

fn writes(world: &World<'_>) -> Vec<(&'static str, Request)> {
    let upload = world.upload.as_str();
    let part = world.on("PUT", "k").query("uploadId", upload).query("partNumber", "2");
    let bucket = |method, name: &str| Request::new(method, &format!("/{}", world.bucket)).query(name, "");
    let tags = "<Tagging><TagSet><Tag><Key>new</Key><Value>tag</Value></Tag></TagSet></Tagging>";
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    vec![
        ("PutObject", world.request(Operation::Put)),
        ("CompleteMultipartUpload", world.request(Operation::Complete)),
        ("CopyObject", world.request(Operation::Copy)),
        ("RenameObject", world.request(Operation::Rename)),
        ("DeleteObject", world.on("DELETE", "k")),
        ("UploadPart", part.clone().body("part")),
        ("UploadPartCopy", part.header("x-amz-copy-source", &format!("/{}/s", world.bucket))),
        ("CreateMultipartUpload", world.on("POST", "k").query("uploads", "")),
        ("AbortMultipartUpload", world.on("DELETE", "k").query("uploadId", upload)),
        ("PutObjectTagging", world.on("PUT", "k").query("tagging", "").body(tags)),
        ("DeleteObjectTagging", world.on("DELETE", "k").query("tagging", "")),
        ("PutBucketTagging", bucket("PUT", "tagging").body(tags)),
        ("DeleteBucketTagging", bucket("DELETE", "tagging")),
        ("DeleteObjects", bucket("POST", "delete").body(delete)),
        ("CreateBucket", Request::new("PUT", &format!("/{}-new", world.bucket))),
        ("DeleteBucket", Request::new("DELETE", &format!("/{}", world.bucket))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_refuses_every_condition_that_it_does_not_honour() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        for (operation, request) in writes(&world) {
            for (header, value) in ALL.iter().filter(|(header, _)| !honours(operation, header)) {
                let row = format!("{operation} {header}");
                let conditional = request.clone().header(header, &world.fill(value));
                let answer = world.client.send(conditional).await;
                assert_eq!(answer.verdict(), "400 InvalidRequest", "{row}: {}", answer.text());
                let message = answer.element("Message").unwrap_or_default();
                assert!(message.contains(header) && message.contains(operation), "{row}: {message}");
                assert_eq!(answer.element("Header").as_deref(), Some(*header), "{row}");
            }
        }
        // Not one of them did anything.
        let fresh = World::new(server, State::Present).await;
        for key in ["k", "s", "z"] {
            let (was, is) = (fresh.on("GET", key), world.on("GET", key));
            let mut client = server.client();
            assert_eq!(client.must(was).await.text(), client.must(is).await.text(), "{key}");
        }
        let parts = world.on("GET", "k").query("uploadId", &world.upload.clone());
        assert_eq!(world.client.must(parts).await.text().matches("<Part>").count(), 1);
        let made = Request::new("HEAD", &format!("/{}-new", world.bucket));
        assert_eq!(world.client.send(made).await.status, 404);
    })
    .await;
}

/// The message says who would honour it, so that a person need not look it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refusal_names_the_operations_that_honour_the_header() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let part = world.on("PUT", "k").query("uploadId", &world.upload.clone()).query("partNumber", "2").body("part");
        let answer = world.refuses(part.header("if-none-match", "*"), "400 InvalidRequest", "UploadPart").await;
        let message = answer.element("Message").expect("a message");
        assert!(message.contains("CompleteMultipartUpload") && message.contains("PutObject"), "{message}");
    })
    .await;
}

/// Presigned URLs: conditions in the signed query count like headers, and must agree with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_in_a_presigned_url_count_like_headers() {
    const EXISTS: &str = "412 PreconditionFailed If-None-Match";
    const DIFFERS: &str = "412 PreconditionFailed If-Match";
    /// In the query, as a header, and the answer.
    type Row = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], &'static str);
    const ROWS: &[Row] = &[
        (&[], &[], "200"),
        (&[("If-None-Match", "*")], &[], EXISTS),
        (&[("if-none-match", "*")], &[], EXISTS),
        (&[("If-Match", "{other}")], &[], DIFFERS),
        (&[("If-Match", "{etag}")], &[], "200"),
        (&[("If-Match", "{etag}")], &[("if-match", "{etag}")], "200"),
        (&[("If-Match", "{etag}")], &[("if-match", "{other}")], "400 InvalidRequest"),
        (&[("If-None-Match", "*")], &[("if-match", "{etag}")], "400 InvalidRequest"),
        (&[("If-Match", "")], &[], "400 InvalidRequest"),
        (&[("If-Match", "{etag}"), ("If-Match", "{etag}")], &[], "400"),
        (&[], &[("if-none-match", "*")], EXISTS),
        (&[("x-holdfast-if-generation-match", "0")], &[], "412 PreconditionFailed x-holdfast-if-generation-match"),
        (&[("x-holdfast-if-generation-match", "{generation}")], &[], "200"),
        (&[("If-Modified-Since", "{before}")], &[], "400 InvalidRequest"),
        (&[("x-amz-copy-source-if-match", "*")], &[], "400 InvalidRequest"),
    ];
    on_both_stores(async |server| {
        for (query, headers, expect) in ROWS {
            let mut world = World::new(server, State::Present).await;
            let row = format!("{query:?} {headers:?}");
            let mut request = world.on("PUT", "k").body("new bytes").headers(&world.filled(headers)).presigned(600);
            for (name, value) in world.filled(query) {
                request = request.query(&name, &value);
            }
            match *expect {
                "200" => drop(world.carries_out(Operation::Put, request, &row).await),
                // Given twice: refused, whichever code names it.
                "400" => assert_eq!(world.client.send(request).await.status, 400, "{row}"),
                refusal => drop(world.refuses(request, refusal, &row).await),
            }
        }
        // Reads and deletes too.
        let mut world = World::new(server, State::Present).await;
        let other = world.fill("{other}");
        let get = world.on("GET", "k").presigned(600).query("If-Match", &other);
        assert_eq!(world.client.send(get).await.verdict(), DIFFERS);
        let delete = world.on("DELETE", "k").presigned(600).query("If-Match", &other);
        world.refuses(delete, DIFFERS, "DELETE").await;
    })
    .await;
}
