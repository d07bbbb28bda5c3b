//! Tags of buckets and objects: get, put, delete.

use holdfast_model::Tags;
use http::StatusCode;

use super::{receive, render};
use crate::{
    service::{Answer, Call},
    xml::{parse_bucket_tagging, parse_object_tagging, tagging_document},
};

pub(super) async fn get_bucket(call: &mut Call<'_>) -> Answer {
    let tags = call.objects().bucket_tags(call.bucket()?).await.map_err(|e| call.refused(e))?;
    Ok(render::document(tagging_document(&tags)))
}

pub(super) async fn put_bucket(call: &mut Call<'_>) -> Answer {
    let tags = parse_bucket_tagging(&receive::document(call).await?)?;
    set_bucket(call, tags).await
}

pub(super) async fn delete_bucket(call: &mut Call<'_>) -> Answer {
    receive::nothing(call).await?;
    set_bucket(call, Tags::default()).await
}

async fn set_bucket(call: &Call<'_>, tags: Tags) -> Answer {
    call.objects().set_bucket_tags(call.bucket()?, tags).await.map_err(|e| call.refused(e))?;
    Ok(render::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn get_object(call: &mut Call<'_>) -> Answer {
    let tags = call.objects().object_tags(call.bucket()?, call.key()?).await.map_err(|e| call.refused(e))?;
    Ok(render::document(tagging_document(&tags)))
}

pub(super) async fn put_object(call: &mut Call<'_>) -> Answer {
    let tags = parse_object_tagging(&receive::document(call).await?)?;
    call.objects().set_object_tags(call.bucket()?, call.key()?, tags).await.map_err(|e| call.refused(e))?;
    Ok(render::empty(StatusCode::OK))
}

pub(super) async fn delete_object(call: &mut Call<'_>) -> Answer {
    receive::nothing(call).await?;
    call.objects().set_object_tags(call.bucket()?, call.key()?, Tags::default()).await.map_err(|e| call.refused(e))?;
    Ok(render::empty(StatusCode::NO_CONTENT))
}
