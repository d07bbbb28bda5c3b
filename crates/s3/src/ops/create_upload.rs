//! CreateMultipartUpload.

use holdfast_objects::NewUpload;

use super::{receive, render};
use crate::{
    checksums::checksum_request,
    headers::{attributes, tagging},
    service::{Answer, Call},
    xml::initiate_multipart_upload_result,
};

pub(super) async fn create_upload(call: &mut Call<'_>) -> Answer {
    let checksum = checksum_request(call.headers)?;
    let attributes = attributes(call.headers)?;
    let tags = tagging(call.headers)?.unwrap_or_default();
    receive::nothing(call).await?;
    let (bucket, key) = (call.bucket()?, call.key()?);
    let new = NewUpload { algorithm: checksum.algorithm, kind: checksum.kind, attributes, tags };
    let created = call.objects().create_upload(bucket, key, new).await.map_err(|e| call.refused(e))?;
    let mut response = render::document(initiate_multipart_upload_result(bucket, key.as_str(), &created.id));
    if let Some(algorithm) = created.algorithm {
        render::set(response.headers_mut(), "x-amz-checksum-algorithm", algorithm.name());
        render::set(response.headers_mut(), "x-amz-checksum-type", created.kind.name());
    }
    Ok(response)
}
