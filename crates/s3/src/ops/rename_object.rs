//! RenameObject.

use holdfast_objects::{ObjectsError, RenameRequest};
use http::StatusCode;

use super::{receive, render};
use crate::{
    conditions::{rename_source_conditions, write_conditions},
    error::S3Error,
    headers::client_token,
    service::{Answer, Call},
    sources::{RenameSource, rename_source},
};

pub(super) async fn rename_object(call: &mut Call<'_>) -> Answer {
    let source = rename_source(call.headers, call.bucket()?)?;
    let conditions = write_conditions(call.operation(), call.headers)?;
    let source_conditions = rename_source_conditions(call.headers)?;
    let token = client_token(call.headers)?;
    receive::nothing(call).await?;

    let objects = call.objects();
    let arrived = objects.observe(call.bucket()?, call.key()?).await.map_err(|e| call.refused(e))?;
    let RenameSource { literal, behind_bucket, other_bucket } = source;
    let sources = [literal].into_iter().chain(behind_bucket).collect();
    let request = RenameRequest { arrived, conditions, sources, source_conditions, token, caller: call.caller() };
    let written = objects.rename(request).await.map_err(|error| match (error, other_bucket) {
        (ObjectsError::NoSuchSource { .. }, Some(other)) => S3Error::invalid_request(format!(
            "RenameObject stays inside one bucket, and the source names the bucket {other}. Nothing was changed; copy the object and delete it instead."
        )),
        (error, _) => call.refused(error),
    })?;

    let mut response = render::empty(StatusCode::OK);
    render::set_written(response.headers_mut(), &written);
    Ok(response)
}
