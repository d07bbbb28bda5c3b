//! AbortMultipartUpload, ListMultipartUploads, ListParts.

use holdfast_model::UploadId;
use holdfast_objects::{ListedUpload as Found, UploadHead, UploadsPage, UploadsRequest};
use http::StatusCode;

use super::{receive, render};
use crate::{
    access::owner,
    error::S3Error,
    listing::{list_parts as parts_query, list_uploads},
    service::{Answer, Call},
    xml::{ChecksumFields, ListMultipartUploadsResult, ListPartsResult, ListedPart, ListedUpload},
};

fn upload(call: &Call<'_>) -> Result<UploadId, S3Error> {
    call.route.upload_id().ok_or_else(|| S3Error::invalid_argument("uploadId", "", "An uploadId is needed."))
}

pub(super) async fn abort(call: &mut Call<'_>) -> Answer {
    let upload = upload(call)?;
    receive::nothing(call).await?;
    call.objects().abort_upload(call.bucket()?, call.key()?, &upload).await.map_err(|e| call.refused(e))?;
    Ok(render::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn list_parts(call: &mut Call<'_>) -> Answer {
    let (upload, query) = (upload(call)?, parts_query(&call.route.query)?);
    let (bucket, key) = (call.bucket()?, call.key()?);
    let list = call.objects().list_parts(bucket, key, &upload, query.part_number_marker, query.max_parts).await;
    let list = list.map_err(|e| call.refused(e))?;
    let result = ListPartsResult {
        bucket,
        key: key.as_str(),
        upload_id: &upload,
        owner: owner(),
        part_number_marker: query.part_number_marker,
        next_part_number_marker: list.parts.last().filter(|_| list.truncated).map(|part| part.number.get()),
        max_parts: query.max_parts,
        is_truncated: list.truncated,
        checksum_algorithm: list.algorithm,
        checksum_kind: list.algorithm.map(|_| list.kind),
        parts: list.parts.into_iter().map(listed_part).collect(),
    };
    Ok(render::document(result.xml()))
}

fn listed_part(part: UploadHead) -> ListedPart {
    let UploadHead { number, etag, size, last_modified, checksum } = part;
    ListedPart { number, last_modified, etag, size, checksum: checksum.map(|checksum| ChecksumFields::plain(checksum, None)) }
}

pub(super) async fn list(call: &mut Call<'_>) -> Answer {
    let query = list_uploads(&call.route.query)?;
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let request = UploadsRequest {
        prefix: query.prefix.clone(),
        delimiter: query.delimiter.clone(),
        key_marker: given(&query.key_marker),
        id_marker: given(&query.upload_id_marker).map(|id| UploadId::new(&id)),
        max: query.max_uploads,
    };
    let page = call.objects().list_uploads(call.bucket()?, request).await.map_err(|e| call.refused(e))?;
    let (uploads, common_prefixes) = split(&page);
    let (next_key, next_id) = match page.entries.last().filter(|_| page.truncated) {
        Some(Found::Upload { key, id, .. }) => (Some(key.as_str()), Some(id.as_str())),
        Some(Found::Prefix(prefix)) => (Some(prefix.as_str()), None),
        None => (None, None),
    };
    let result = ListMultipartUploadsResult {
        bucket: call.bucket()?,
        prefix: &query.prefix,
        delimiter: query.delimiter.as_deref(),
        key_marker: &query.key_marker,
        upload_id_marker: &query.upload_id_marker,
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        max_uploads: query.max_uploads,
        is_truncated: page.truncated,
        url_encoded: query.url_encoded,
        owner: owner(),
        uploads,
        common_prefixes,
    };
    Ok(render::document(result.xml()))
}

fn split(page: &UploadsPage) -> (Vec<ListedUpload<'_>>, Vec<&str>) {
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            Found::Prefix(prefix) => prefixes.push(prefix.as_str()),
            Found::Upload { key, id, initiated, algorithm, kind } => uploads.push(ListedUpload {
                key,
                upload_id: id,
                initiated: *initiated,
                checksum_algorithm: *algorithm,
                checksum_kind: algorithm.map(|_| *kind),
            }),
        }
    }
    (uploads, prefixes)
}
