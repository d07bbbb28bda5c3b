//! A listing with a delimiter costs a seek for each common prefix, and not a read of every key that it folds.

use holdfast_model::{BucketName, ObjectKey};
use holdfast_objects::records::{BucketRecord, ObjectRecord, bucket_key, object_key};
use holdfast_store::{Commit, Metadata, Write, transact};

use crate::support::client::{Client, elements};
use crate::support::request::Request;
use crate::support::world::new_bucket;
use crate::support::{Store, StoreKind, TestServer};

const PREFIXES: usize = 10;
/// How many keys, unless `HOLDFAST_TEST_KEYS` says otherwise.
const KEYS: usize = 100_000;
const KEYS_AT_ONCE: usize = 5_000;

fn keys() -> usize {
    std::env::var("HOLDFAST_TEST_KEYS").ok().map_or(KEYS, |text| text.parse().expect("a number of keys"))
}

fn key(n: usize, of: usize) -> String {
    format!("prefix-{:02}/key-{:07}", n * PREFIXES / of, n)
}

/// Writes the record of an object without bytes under every key, past HTTP: the listing is what is measured.
async fn fill(metadata: &impl Metadata, client: &mut Client, bucket: &str, count: usize) {
    client.must(Request::new("PUT", &format!("/{bucket}/template"))).await;
    let name = BucketName::parse(bucket).expect("a bucket name");
    let record = metadata.get(&bucket_key(&name)).await.expect("read").expect("there");
    let id = BucketRecord::decode(&record).expect("a bucket").id;
    let template = ObjectKey::parse("template").expect("a key");
    let record = metadata.get(&object_key(id, &template)).await.expect("read").expect("there");
    assert!(ObjectRecord::decode(&record).is_ok());
    client.must(Request::new("DELETE", &format!("/{bucket}/template"))).await;
    let all: Vec<usize> = (0..count).collect();
    for some in all.chunks(KEYS_AT_ONCE) {
        let write = |n: &usize| Write::put(object_key(id, &ObjectKey::parse(&key(*n, count)).expect("a key")), record.clone());
        let writes: Vec<Write> = some.iter().map(write).collect();
        let written = transact(metadata, Vec::new(), move |_| Commit::<(), ()>::Write(writes.clone(), ())).await;
        written.expect("no error").expect("written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_common_prefixes_takes_a_seek_for_each() {
    let server = TestServer::start(StoreKind::Embedded);
    let Store::Embedded(store) = server.store.clone() else { unreachable!("started so") };
    let mut client = server.client();
    let bucket = new_bucket(&mut client).await;
    fill(&store, &mut client, &bucket, keys()).await;
    let list = |name: &str, value: &str| Request::new("GET", &format!("/{bucket}")).query("delimiter", "/").query(name, value);

    for request in [list("list-type", "2"), list("encoding-type", "url")] {
        let before = store.stats().seeks.get();
        let page = client.must(request).await.text();
        let seeks = store.stats().seeks.get() - before;
        assert_eq!(elements(&page, "CommonPrefixes").len(), PREFIXES, "{page}");
        assert_eq!((page.matches("<Key>").count(), page.contains("<IsTruncated>false<")), (0, true));
        assert!(seeks <= PREFIXES as u64 + 2, "{seeks} seeks for {PREFIXES} prefixes");
    }

    // In pages of three, each page costs what it shows and goes on behind the last prefix of the page before.
    let (mut shown, mut token, mut seeks) = (Vec::new(), None::<String>, store.stats().seeks.get());
    loop {
        let mut request = list("list-type", "2").query("max-keys", "3");
        if let Some(token) = &token {
            request = request.query("continuation-token", token);
        }
        let page = client.must(request).await;
        shown.extend(elements(&page.text(), "CommonPrefixes"));
        let now = store.stats().seeks.get();
        assert!(now - seeks <= 6, "{} seeks for a page of three", now - seeks);
        seeks = now;
        token = page.element("NextContinuationToken");
        if token.is_none() {
            break;
        }
    }
    let expect: Vec<String> = (0..PREFIXES).map(|n| format!("<Prefix>prefix-{n:02}/</Prefix>")).collect();
    assert_eq!(shown, expect);

    // Inside a prefix there is nothing to fold: a page is one seek.
    let before = store.stats().seeks.get();
    let page = client.must(list("list-type", "2").query("prefix", "prefix-05/")).await.text();
    assert_eq!((page.matches("<Key>").count(), page.contains("<IsTruncated>true<")), (1000.min(keys() / PREFIXES), keys() > 10_000));
    assert!(store.stats().seeks.get() - before <= 2);
    server.stop().await;
}
