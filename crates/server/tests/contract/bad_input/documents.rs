//! Documents that are not what they should be.

use super::check;
use crate::support::on_both_stores;
use crate::support::request::Request;
use crate::support::world::{State, World};

const MALFORMED: &str = "400 MalformedXML";

/// What is wrong with the document in itself. `ROOT` stands for the right root, `INNER` for its right content.
fn broken() -> Vec<(&'static str, String)> {
    let nested = |name: &str, depth: usize| format!("{}{}", format!("<{name}>").repeat(depth), format!("</{name}>").repeat(depth));
    let entities = "<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">";
    vec![
        ("empty", String::new()),
        ("blank", " \r\n\t".to_owned()),
        ("no XML", "{\"parts\": []}".to_owned()),
        ("another root", "<Other>INNER</Other>".to_owned()),
        ("an empty root", "<ROOT/>".to_owned()),
        ("not closed", "<ROOT>INNER".to_owned()),
        ("closed by another name", "<ROOT>INNER</Other>".to_owned()),
        ("two roots", "<ROOT>INNER</ROOT><ROOT>INNER</ROOT>".to_owned()),
        ("text behind", "<ROOT>INNER</ROOT>text".to_owned()),
        ("text inside", "<ROOT>text INNER</ROOT>".to_owned()),
        ("an unknown element", "<ROOT><Unknown/>INNER</ROOT>".to_owned()),
        ("a document type", "<!DOCTYPE ROOT><ROOT>INNER</ROOT>".to_owned()),
        ("entities that grow", format!("<!DOCTYPE ROOT [{entities}]><ROOT>&b;INNER</ROOT>")),
        ("an external entity", "<!DOCTYPE ROOT [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><ROOT>&x;INNER</ROOT>".to_owned()),
        ("an unknown entity", "<ROOT>&nbsp;INNER</ROOT>".to_owned()),
        ("a processing instruction", "<ROOT><?php echo 1 ?>INNER</ROOT>".to_owned()),
        ("another encoding", "<?xml version=\"1.0\" encoding=\"UTF-16\"?><ROOT>INNER</ROOT>".to_owned()),
        ("200,000 levels", nested("a", 200_000)),
        ("200,000 levels inside", format!("<ROOT>{}INNER</ROOT>", nested("b", 200_000))),
        ("a tag that never ends", format!("<ROOT {}", "a".repeat(100_000))),
        ("20,000 attributes", format!("<ROOT {}>INNER</ROOT>", (0..20_000).map(|n| format!("a{n}=\"\" ")).collect::<String>())),
    ]
}

fn documents(world: &World<'_>) -> Vec<(&'static str, Request, &'static str, String)> {
    let bucket = |method, name: &str| Request::new(method, &format!("/{}", world.bucket)).query(name, "");
    let complete = world.on("POST", "k").query("uploadId", &world.upload);
    let part = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>", world.part_etag);
    let tags = "<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>";
    vec![
        ("CompleteMultipartUpload", complete, "CompleteMultipartUpload", part),
        ("DeleteObjects", bucket("POST", "delete"), "Delete", "<Object><Key>k</Key></Object>".to_owned()),
        ("PutObjectTagging", world.on("PUT", "k").query("tagging", ""), "Tagging", tags.to_owned()),
        ("PutBucketTagging", bucket("PUT", "tagging"), "Tagging", tags.to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_cannot_be_read_is_refused_by_every_operation() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let mut rows = Vec::new();
        for (operation, request, root, inner) in documents(&world) {
            for (what, document) in broken() {
                let body = document.replace("ROOT", root).replace("INNER", &inner);
                rows.push((format!("{operation}, {what}"), request.clone().body(body), MALFORMED));
            }
            let not_utf8 = [b"<".to_vec(), root.into(), b">\xff\xfe</".to_vec(), root.into(), b">".to_vec()].concat();
            rows.push((format!("{operation}, not UTF-8"), request.clone().body(not_utf8), MALFORMED));
            let large = format!("<{root}>{}{inner}</{root}>", " ".repeat(10 << 20));
            rows.push((format!("{operation}, 10 MB"), request.clone().body(large), "400 MaxMessageLengthExceeded"));
        }
        check(&mut world, rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_configuration_that_cannot_be_read_makes_no_bucket() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Absent).await;
        let name = format!("/{}-new", world.bucket);
        let inner = "<LocationConstraint>eu-west-1</LocationConstraint>";
        // Nothing, and nothing inside, are fine here.
        let bad = broken().into_iter().filter(|(what, _)| !["empty", "blank", "an empty root"].contains(what));
        let rows: Vec<_> = bad
            .map(|(what, document)| {
                let body = document.replace("ROOT", "CreateBucketConfiguration").replace("INNER", inner);
                (what, Request::new("PUT", &name).body(body), MALFORMED)
            })
            .collect();
        check(&mut world, rows).await;
        assert_eq!(world.client.send(Request::new("HEAD", &name)).await.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_parts_that_make_no_sense_complete_nothing() {
    let part = |number: &str, etag: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let etag = world.part_etag.clone();
        let many: String = (1..=10_001).map(|n| part(&n.to_string(), &etag)).collect();
        let rows = [
            ("no parts", String::new(), MALFORMED),
            ("twice the same part", part("1", &etag).repeat(2), "400 InvalidPartOrder"),
            ("the wrong order", part("2", &etag) + &part("1", &etag), "400 InvalidPartOrder"),
            ("part 0", part("0", &etag), "400 InvalidArgument"),
            ("part 10001", part("10001", &etag), "400 InvalidArgument"),
            ("a part that is no number", part("one", &etag), "400 InvalidArgument"),
            ("a negative part", part("-1", &etag), "400 InvalidArgument"),
            ("a part that is not there", part("2", &etag), "400 InvalidPart"),
            ("another tag", part("1", "\"00112233445566778899aabbccddeeff\""), "400 InvalidPart"),
            ("a tag that is none", part("1", "not a tag, or two"), "400 InvalidPart"),
            ("no tag", "<Part><PartNumber>1</PartNumber></Part>".to_owned(), MALFORMED),
            ("no number", format!("<Part><ETag>{etag}</ETag></Part>"), MALFORMED),
            ("two tags", part("1", &format!("{etag}</ETag><ETag>{etag}")), MALFORMED),
            (
                "a wrong checksum",
                part("1", &etag).replace("</Part>", "<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></Part>"),
                "400 InvalidPart",
            ),
            (
                "another algorithm",
                part("1", &etag).replace("</Part>", "<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"),
                "400 InvalidRequest",
            ),
            ("a checksum that is none", part("1", &etag).replace("</Part>", "<ChecksumCRC32>AA</ChecksumCRC32></Part>"), "400 InvalidPart"),
            ("10,001 parts", many, "400"),
        ];
        let rows = rows.map(|(what, parts, expect)| {
            let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
            (what, world.on("POST", "k").query("uploadId", &world.upload).body(body), expect)
        });
        let (known, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, _, expect)| *expect != "400");
        check(&mut world, known).await;
        for (what, request, _) in rest {
            assert_eq!(world.client.send(request).await.status, 400, "{what}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletes_and_tags_beyond_the_bounds_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let delete = |entries: &str| {
            Request::new("POST", &format!("/{}", world.bucket)).query("delete", "").body(format!("<Delete>{entries}</Delete>"))
        };
        let tagging = |tags: &str| {
            let body = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
            world.on("PUT", "k").query("tagging", "").body(body)
        };
        let tag = |key: &str, value: &str| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let object = |key: &str| format!("<Object><Key>{key}</Key></Object>");
        let rows = vec![
            ("1001 keys", delete(&object("k").repeat(1001)), MALFORMED),
            ("no key", delete("<Object></Object>"), MALFORMED),
            ("an empty key", delete(&object("")), MALFORMED),
            ("a key of 1025 bytes", delete(&object(&"x".repeat(1025))), "400 KeyTooLongError"),
            ("two keys in one object", delete("<Object><Key>k</Key><Key>s</Key></Object>"), MALFORMED),
            ("quiet that is no boolean", delete(&format!("<Quiet>maybe</Quiet>{}", object("k"))), MALFORMED),
            ("11 tags", tagging(&(0..11).map(|n| tag(&n.to_string(), "")).collect::<String>()), "400 BadRequest"),
            ("one tag twice", tagging(&tag("a", "1").repeat(2)), "400 InvalidTag"),
            ("a long key of a tag", tagging(&tag(&"k".repeat(129), "")), "400 InvalidTag"),
            ("a long value of a tag", tagging(&tag("k", &"v".repeat(257))), "400 InvalidTag"),
            ("a reserved key of a tag", tagging(&tag("aws:k", "v")), "400 InvalidTag"),
            ("a tag without a value", tagging("<Tag><Key>k</Key></Tag>"), MALFORMED),
        ];
        check(&mut world, rows).await;
    })
    .await;
}
