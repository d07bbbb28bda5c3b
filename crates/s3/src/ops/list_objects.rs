//! ListObjects, versions 1 and 2.

use holdfast_objects::{ListPage, ListRequest, Listed};

use super::render;
use crate::{
    access::owner,
    error::S3Error,
    listing::{continuation_token, list_objects, list_objects_v2},
    service::{Answer, Call},
    xml::{ListObjectsResult, ListObjectsV2Result, ListedObject},
};

pub(super) async fn v1(call: &mut Call<'_>) -> Answer {
    let query = list_objects(&call.route.query)?;
    let page = page(call, &query.prefix, query.delimiter.as_ref(), &query.marker, query.max_keys).await?;
    let (objects, common_prefixes) = split(&page);
    let result = ListObjectsResult {
        bucket: call.bucket()?,
        prefix: &query.prefix,
        marker: &query.marker,
        delimiter: query.delimiter.as_deref(),
        max_keys: query.max_keys,
        url_encoded: query.url_encoded,
        // S3 gives it with a delimiter only; otherwise the last key serves.
        next_marker: last(&page).filter(|_| page.truncated && query.delimiter.is_some()),
        is_truncated: page.truncated,
        owner: owner(),
        objects,
        common_prefixes,
    };
    Ok(render::document(result.xml()))
}

pub(super) async fn v2(call: &mut Call<'_>) -> Answer {
    let query = list_objects_v2(&call.route.query)?;
    let page = page(call, &query.prefix, query.delimiter.as_ref(), &query.after, query.max_keys).await?;
    let (objects, common_prefixes) = split(&page);
    let result = ListObjectsV2Result {
        bucket: call.bucket()?,
        prefix: &query.prefix,
        delimiter: query.delimiter.as_deref(),
        max_keys: query.max_keys,
        url_encoded: query.url_encoded,
        start_after: query.start_after.as_deref(),
        continuation_token: query.continuation_token.as_deref(),
        next_continuation_token: last(&page).filter(|_| page.truncated).map(continuation_token),
        is_truncated: page.truncated,
        owner: query.fetch_owner.then(owner),
        objects,
        common_prefixes,
    };
    Ok(render::document(result.xml()))
}

async fn page(call: &Call<'_>, prefix: &str, delimiter: Option<&String>, after: &str, max: usize) -> Result<ListPage, S3Error> {
    let after = (!after.is_empty()).then(|| after.to_owned());
    let request = ListRequest { prefix: prefix.to_owned(), delimiter: delimiter.cloned(), after, max };
    call.objects().list(call.bucket()?, request).await.map_err(|e| call.refused(e))
}

fn last(page: &ListPage) -> Option<&str> {
    page.entries.last().map(Listed::position)
}

fn split(page: &ListPage) -> (Vec<ListedObject<'_>>, Vec<&str>) {
    let mut objects = Vec::with_capacity(page.entries.len());
    let mut prefixes = Vec::new();
    for entry in &page.entries {
        match entry {
            Listed::Prefix(prefix) => prefixes.push(prefix.as_str()),
            Listed::Object(object) => objects.push(ListedObject {
                key: &object.key,
                last_modified: object.current.last_modified,
                etag: &object.current.etag,
                size: object.current.size,
                checksum_algorithm: object.checksum.map(|(algorithm, _)| algorithm),
                checksum_kind: object.checksum.map(|(_, kind)| kind),
            }),
        }
    }
    (objects, prefixes)
}
