//! ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, GetBucketVersioning.

use holdfast_model::limits::{BUCKETS_MAX, REGION_BYTES_MAX};
use http::{HeaderValue, StatusCode, header};

use super::{receive, render};
use crate::{
    access::owner,
    error::{Code, S3Error},
    listing::{continuation_token, list_buckets},
    service::{Answer, Call},
    xml::{ListAllMyBucketsResult, ListedBucket, location_constraint, parse_create_bucket, versioning_configuration},
};

/// `GET /health/live` and `/health/ready` are answered before any bucket is looked at.
const RESERVED_NAME: &str = "health";

pub(super) async fn list(call: &mut Call<'_>) -> Answer {
    let query = list_buckets(&call.route.query)?;
    let max = query.max_buckets.unwrap_or(BUCKETS_MAX);
    let after = (!query.after.is_empty()).then_some(query.after.as_str());
    let prefix = query.prefix.as_deref().unwrap_or_default();
    let mut found = call.objects().list_buckets(prefix, after, max + 1).await.map_err(|e| call.refused(e))?;
    let truncated = found.len() > max;
    found.truncate(max);
    let region = |location: &'_ str| if location.is_empty() { call.service.config.region.clone() } else { location.to_owned() };
    let regions: Vec<String> = found.iter().map(|bucket| region(&bucket.location)).collect();
    let buckets = found.iter().zip(&regions);
    let result = ListAllMyBucketsResult {
        owner: owner(),
        buckets: buckets.map(|(b, region)| ListedBucket { name: &b.name, created: b.created, region: Some(region) }).collect(),
        prefix: query.prefix.as_deref(),
        continuation_token: found.last().filter(|_| truncated).map(|last| continuation_token(last.name.as_str())),
    };
    Ok(render::document(result.xml()))
}

pub(super) async fn create(call: &mut Call<'_>) -> Answer {
    let document = receive::document(call).await?;
    let wanted = parse_create_bucket(&document)?;
    let location = wanted.location_constraint.unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if location.len() > REGION_BYTES_MAX || !location.bytes().all(fits) {
        return Err(S3Error::new(Code::InvalidLocationConstraint));
    }
    let name = call.bucket()?;
    if name.as_str() == RESERVED_NAME {
        return Err(S3Error::new(Code::InvalidBucketName)
            .with_message("The bucket name \"health\" is reserved for the health checks of this server."));
    }
    call.objects().create_bucket(name, &location, wanted.tags.unwrap_or_default()).await.map_err(|e| call.refused(e))?;
    let mut response = render::empty(StatusCode::OK);
    if let Ok(location) = HeaderValue::from_str(&format!("/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(super) async fn head(call: &mut Call<'_>) -> Answer {
    let bucket = call.objects().bucket(call.bucket()?).await.map_err(|e| call.refused(e))?;
    let mut response = render::empty(StatusCode::OK);
    let region = if bucket.location.is_empty() { &call.service.config.region } else { &bucket.location };
    render::set(response.headers_mut(), "x-amz-bucket-region", region);
    Ok(response)
}

pub(super) async fn delete(call: &mut Call<'_>) -> Answer {
    receive::nothing(call).await?;
    call.objects().delete_bucket(call.bucket()?).await.map_err(|e| call.refused(e))?;
    Ok(render::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn location(call: &mut Call<'_>) -> Answer {
    let bucket = call.objects().bucket(call.bucket()?).await.map_err(|e| call.refused(e))?;
    // The region that S3 calls empty is us-east-1.
    let region = if bucket.location.is_empty() { &call.service.config.region } else { &bucket.location };
    Ok(render::document(location_constraint(if region == "us-east-1" { "" } else { region })))
}

pub(super) async fn versioning(call: &mut Call<'_>) -> Answer {
    call.objects().bucket(call.bucket()?).await.map_err(|e| call.refused(e))?;
    Ok(render::document(versioning_configuration()))
}
