//! Everything that a client can see of a bucket, as text: what a refused request must leave byte for byte as it was.

use super::client::{Answer, Client, elements};
use super::request::Request;

/// A line for each answer that shows a part of the bucket.
pub(crate) type Picture = Vec<String>;

/// Headers that differ from answer to answer.
const PASSING: [&str; 3] = ["date", "x-amz-request-id", "x-amz-id-2"];

/// Takes a picture: listing, uploads with their parts, objects with all headers and bytes, tags of each and of the bucket.
pub(crate) async fn picture(client: &mut Client, bucket: &str) -> Picture {
    let mut picture = Vec::new();
    let on_bucket = |name: &str, value: &str| Request::new("GET", &format!("/{bucket}")).query(name, value);
    let listing = client.must(on_bucket("list-type", "2").query("fetch-owner", "true")).await;
    let uploads = client.must(on_bucket("uploads", "")).await;
    for (key, id) in elements(&uploads.text(), "Key").iter().zip(elements(&uploads.text(), "UploadId")) {
        let parts = client.must(Request::new("GET", &format!("/{bucket}/{key}")).query("uploadId", &id)).await;
        picture.push(shown(&parts));
    }
    for key in elements(&listing.text(), "Key") {
        let at = format!("/{bucket}/{key}");
        let object = client.must(Request::new("GET", &at).header("x-amz-checksum-mode", "ENABLED")).await;
        let tags = client.must(Request::new("GET", &at).query("tagging", "")).await;
        picture.extend([shown(&object), shown(&tags)]);
    }
    picture.extend([shown(&listing), shown(&uploads)]);
    picture.push(shown(&client.send(on_bucket("tagging", "")).await));
    picture
}

fn shown(answer: &Answer) -> String {
    let headers = answer.headers.iter().filter(|(name, _)| !PASSING.contains(&name.as_str()));
    let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    let body = answer.text();
    let body = body.split_once("<RequestId>").map_or(body.as_str(), |(before, _)| before);
    format!("{} [{}] {body}", answer.status, headers.join(", "))
}
