//! UploadPart.

use holdfast_model::{PartNumber, UploadId, limits::PART_BYTES_MAX};
use http::StatusCode;

use super::{
    receive::{self, Announced},
    render,
};
use crate::{
    error::S3Error,
    service::{Answer, Call},
};

pub(super) async fn upload_part(call: &mut Call<'_>) -> Answer {
    let (upload, number) = which(call)?;
    let announced = Announced::read(call)?;
    receive::check_encoding(call)?;
    receive::check_length(call, PART_BYTES_MAX)?;
    let objects = call.objects().clone();
    let found = objects.upload_for_parts(call.bucket()?, call.key()?, &upload, announced.checksum.algorithm).await;
    let found = found.map_err(|e| call.refused(e))?;
    let stage = objects.stage(found.algorithm, PART_BYTES_MAX).verifying(announced.checksum.algorithm);
    let staged = receive::stage(call, stage, &announced).await?;
    let written = objects.put_part(&found, number, staged).await.map_err(|e| call.refused(e))?;
    let mut response = render::empty(StatusCode::OK);
    render::set_etag(response.headers_mut(), &written.etag);
    render::set_checksum(response.headers_mut(), &written.checksum, None, None);
    Ok(response)
}

/// The upload and the part that the query names.
pub(super) fn which(call: &Call<'_>) -> Result<(UploadId, PartNumber), S3Error> {
    let upload = call.route.upload_id().ok_or_else(|| S3Error::invalid_argument("uploadId", "", "An uploadId is needed."))?;
    let number = call.route.part_number()?.ok_or_else(|| S3Error::invalid_argument("partNumber", "", "A partNumber is needed."))?;
    Ok((upload, number))
}
