//! UploadPartCopy: bytes of another object become a part.

use futures_util::StreamExt as _;
use holdfast_model::{ByteSpan, limits::PART_BYTES_MAX};
use holdfast_objects::{ExpectedDigests, OpenObject};

use super::{receive, render, upload_part::which};
use crate::{
    conditions::copy_source_conditions,
    error::S3Error,
    service::{Answer, Call},
    sources::{copy_source, copy_source_range},
    xml::{ChecksumFields, copy_part_result},
};

pub(super) async fn upload_part_copy(call: &mut Call<'_>) -> Answer {
    let (upload, number) = which(call)?;
    let source = copy_source(call.headers)?;
    let conditions = copy_source_conditions(call.headers)?;
    let range = copy_source_range(call.headers)?;
    receive::nothing(call).await?;

    let objects = call.objects();
    let found = objects.upload_for_parts(call.bucket()?, call.key()?, &upload, None).await.map_err(|e| call.refused(e))?;
    let open = objects.open_source(&source.bucket, &source.key, &conditions).await.map_err(|e| call.refused(e))?;
    let span = chosen(&open, range)?;
    let mut stage = objects.stage(found.algorithm, PART_BYTES_MAX);
    let mut bytes = open.read(span);
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|error| S3Error::internal(&error))?;
        stage.append(piece).await.map_err(|e| call.refused(e))?;
    }
    let staged = stage.seal(&ExpectedDigests::default()).await.map_err(|e| call.refused(e))?;
    let written = objects.put_part(&found, number, staged).await.map_err(|e| call.refused(e))?;
    let checksum = ChecksumFields::plain(written.checksum, None);
    Ok(render::document(copy_part_result(&written.etag, written.last_modified, Some(&checksum))))
}

/// The bytes that are copied: the whole, or a range that lies wholly inside the source.
fn chosen(open: &OpenObject, range: Option<(u64, u64)>) -> Result<ByteSpan, S3Error> {
    let size = open.head().current.size;
    let span = match range {
        None => ByteSpan::whole(size),
        Some((first, last)) if last < size => ByteSpan { start: first, end: last + 1 },
        Some((first, last)) => {
            let message = format!("Range specified is not valid for source object of size: {size}");
            return Err(S3Error::invalid_argument("x-amz-copy-source-range", &format!("bytes={first}-{last}"), message));
        }
    };
    if span.len() > PART_BYTES_MAX {
        let message =
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120. Copy ranges of it.";
        return Err(S3Error::invalid_request(message));
    }
    Ok(span)
}
