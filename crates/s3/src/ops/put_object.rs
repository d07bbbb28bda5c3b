//! PutObject, and its form that appends.

use holdfast_model::{ChecksumAlgorithm, limits::PUT_BYTES_MAX};
use holdfast_objects::{PutRequest, WriteOperation};
use http::StatusCode;

use super::{
    receive::{self, Announced},
    render,
};
use crate::{
    conditions::{write_conditions, write_offset},
    headers::{attributes, tagging},
    service::{Answer, Call},
};

pub(super) async fn put_object(call: &mut Call<'_>) -> Answer {
    let offset = write_offset(call.headers)?;
    let conditions = write_conditions(call.operation(), call.headers)?;
    let (attributes, tags) = (attributes(call.headers)?, tagging(call.headers)?.unwrap_or_default());
    let announced = Announced::read(call)?;
    receive::check_encoding(call)?;
    receive::check_length(call, PUT_BYTES_MAX)?;
    let (caller, objects) = (call.caller(), call.objects().clone());
    let operation = if offset.is_some() { WriteOperation::Append } else { WriteOperation::Put };

    let arrived = objects.arrive(call.bucket()?, call.key()?, &conditions, operation, &caller).await.map_err(|e| call.refused(e))?;
    let algorithm = announced.checksum.algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let staged = receive::stage(call, objects.stage(algorithm, PUT_BYTES_MAX), &announced).await?;
    let request = PutRequest { arrived, conditions, staged, attributes, tags, caller };
    let written = match offset {
        None => objects.put(request).await,
        Some(offset) => objects.append(request, offset).await,
    };
    let written = written.map_err(|e| call.refused(e))?;

    let mut response = render::empty(StatusCode::OK);
    let headers = response.headers_mut();
    render::set_written(headers, &written);
    if let Some(stored) = &written.checksum {
        render::set_checksum(headers, &stored.checksum, Some(stored.kind), None);
    }
    if offset.is_some() {
        render::set(headers, "x-amz-object-size", &written.size.to_string());
    }
    Ok(response)
}
