//! CompleteMultipartUpload. The status is real: it is sent when everything is decided and durable.

use holdfast_objects::{CompletePart, CompleteRequest};
use http::header;

use super::{receive, render};
use crate::{
    checksums::checksum_request,
    conditions::write_conditions,
    error::S3Error,
    headers::multipart_object_size,
    service::{Answer, Call},
    uri::encode_key,
    xml::{CompleteMultipartUploadResult, CompletedPart, parse_complete_multipart_upload},
};

pub(super) async fn complete_upload(call: &mut Call<'_>) -> Answer {
    let upload = call.route.upload_id().ok_or_else(|| S3Error::invalid_argument("uploadId", "", "An uploadId is needed."))?;
    let conditions = write_conditions(call.operation(), call.headers)?;
    let checksum = checksum_request(call.headers)?;
    let size = multipart_object_size(call.headers)?;
    let objects = call.objects().clone();
    let arrived = objects.observe(call.bucket()?, call.key()?).await.map_err(|e| call.refused(e))?;
    let listed = parse_complete_multipart_upload(&receive::document_about_object(call).await?)?;
    let parts: Vec<CompletePart> = listed.into_iter().map(part).collect();
    let request = CompleteRequest {
        arrived,
        conditions,
        upload,
        parts,
        checksum: checksum.value.map(|value| value.checksum),
        kind: checksum.kind,
        size,
        caller: call.caller(),
    };
    let written = objects.complete_upload(request).await.map_err(|e| call.refused(e))?;

    let (bucket, key) = (call.bucket()?, call.key()?);
    let result = CompleteMultipartUploadResult {
        location: &location(call),
        bucket,
        key: key.as_str(),
        etag: &written.etag,
        checksum: written.checksum.as_ref().map(|stored| render::checksum_fields(stored, written.parts)),
    };
    let mut response = render::document(result.xml());
    render::set_generation(response.headers_mut(), written.generation);
    Ok(response)
}

fn part(listed: CompletedPart) -> CompletePart {
    CompletePart { number: listed.number, etag: listed.etag, checksum: listed.checksum.map(|wire| wire.checksum) }
}

/// Where the object can be read, as the client addressed it.
fn location(call: &Call<'_>) -> String {
    let host = call.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let bucket = call.route.bucket.as_ref().map_or("", |bucket| bucket.as_str());
    let key = encode_key(call.route.key.as_ref().map_or("", |key| key.as_str()));
    let scheme = if call.service.config.tls { "https" } else { "http" };
    let named_by_host = host.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.'));
    if named_by_host { format!("{scheme}://{host}/{key}") } else { format!("{scheme}://{host}/{bucket}/{key}") }
}
