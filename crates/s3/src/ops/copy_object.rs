//! CopyObject.

use holdfast_objects::CopyRequest;

use super::{receive, render};
use crate::{
    checksums::checksum_request,
    conditions::{copy_source_conditions, write_conditions},
    headers::{Directive, attributes, metadata_directive, tagging, tagging_directive},
    service::{Answer, Call},
    sources::copy_source,
    xml::copy_object_result,
};

pub(super) async fn copy_object(call: &mut Call<'_>) -> Answer {
    let source = copy_source(call.headers)?;
    let conditions = write_conditions(call.operation(), call.headers)?;
    let source_conditions = copy_source_conditions(call.headers)?;
    let attributes = match metadata_directive(call.headers)? {
        Directive::Copy => None,
        Directive::Replace => Some(attributes(call.headers)?),
    };
    let tags = match tagging_directive(call.headers)? {
        Directive::Copy => None,
        Directive::Replace => Some(tagging(call.headers)?.unwrap_or_default()),
    };
    let checksum = checksum_request(call.headers)?.algorithm;
    receive::nothing(call).await?;

    let objects = call.objects();
    let arrived = objects.observe(call.bucket()?, call.key()?).await.map_err(|e| call.refused(e))?;
    let request = CopyRequest {
        arrived,
        conditions,
        source_bucket: source.bucket,
        source_key: source.key,
        source_conditions,
        attributes,
        tags,
        checksum,
        caller: call.caller(),
    };
    let written = objects.copy(request).await.map_err(|e| call.refused(e))?;

    let checksum = written.checksum.as_ref().map(|stored| render::checksum_fields(stored, written.parts));
    let mut response = render::document(copy_object_result(&written.etag, written.last_modified, checksum.as_ref()));
    render::set_generation(response.headers_mut(), written.generation);
    Ok(response)
}
