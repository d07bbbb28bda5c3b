//! One file an operation, or a family of small ones: parse, call `objects`, render.

mod attributes;
mod buckets;
mod complete_upload;
mod copy_object;
mod create_upload;
mod delete_object;
mod delete_objects;
mod get_object;
mod list_objects;
mod put_object;
mod receive;
mod rename_object;
mod render;
mod tagging;
mod upload_part;
mod upload_part_copy;
mod uploads;

use crate::{
    route::Operation,
    service::{Answer, Call},
};

/// Carries out the operation that was asked for.
pub(crate) async fn operate(call: &mut Call<'_>) -> Answer {
    match call.operation() {
        Operation::ListBuckets => buckets::list(call).await,
        Operation::CreateBucket => buckets::create(call).await,
        Operation::HeadBucket => buckets::head(call).await,
        Operation::DeleteBucket => buckets::delete(call).await,
        Operation::GetBucketLocation => buckets::location(call).await,
        Operation::GetBucketVersioning => buckets::versioning(call).await,
        Operation::GetBucketTagging => tagging::get_bucket(call).await,
        Operation::PutBucketTagging => tagging::put_bucket(call).await,
        Operation::DeleteBucketTagging => tagging::delete_bucket(call).await,
        Operation::ListObjects => list_objects::v1(call).await,
        Operation::ListObjectsV2 => list_objects::v2(call).await,
        Operation::ListMultipartUploads => uploads::list(call).await,
        Operation::DeleteObjects => delete_objects::delete_objects(call).await,
        Operation::PutObject => put_object::put_object(call).await,
        Operation::GetObject => get_object::get_object(call).await,
        Operation::HeadObject => get_object::head_object(call).await,
        Operation::DeleteObject => delete_object::delete_object(call).await,
        Operation::CopyObject => copy_object::copy_object(call).await,
        Operation::RenameObject => rename_object::rename_object(call).await,
        Operation::GetObjectAttributes => attributes::get_object_attributes(call).await,
        Operation::GetObjectTagging => tagging::get_object(call).await,
        Operation::PutObjectTagging => tagging::put_object(call).await,
        Operation::DeleteObjectTagging => tagging::delete_object(call).await,
        Operation::CreateMultipartUpload => create_upload::create_upload(call).await,
        Operation::UploadPart => upload_part::upload_part(call).await,
        Operation::UploadPartCopy => upload_part_copy::upload_part_copy(call).await,
        Operation::CompleteMultipartUpload => complete_upload::complete_upload(call).await,
        Operation::AbortMultipartUpload => uploads::abort(call).await,
        Operation::ListParts => uploads::list_parts(call).await,
    }
}
