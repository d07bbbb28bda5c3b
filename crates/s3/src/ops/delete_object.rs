//! DeleteObject.

use http::StatusCode;

use super::{receive, render};
use crate::{
    conditions::delete_conditions,
    service::{Answer, Call},
};

pub(super) async fn delete_object(call: &mut Call<'_>) -> Answer {
    let conditions = delete_conditions(call.headers)?;
    receive::nothing(call).await?;
    call.objects().delete(call.bucket()?, call.key()?, conditions).await.map_err(|e| call.refused(e))?;
    Ok(render::empty(StatusCode::NO_CONTENT))
}
