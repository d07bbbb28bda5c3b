//! DeleteObjects: each key is judged and deleted by itself; the answer tells of each.

use futures_util::{StreamExt as _, stream};

use super::{receive, render};
use crate::{
    error::{Code, S3Error},
    service::{Answer, Call},
    xml::{DeleteEntry, DeleteOutcome, delete_result, parse_delete},
};

/// Deletes that wait for the same sync.
const AT_ONCE: usize = 64;

pub(super) async fn delete_objects(call: &mut Call<'_>) -> Answer {
    let request = parse_delete(&receive::document(call).await?)?;
    let call = &*call;
    call.objects().bucket(call.bucket()?).await.map_err(|e| call.refused(e))?;
    // Collected first: the compiler cannot prove a closure that borrows each entry to be fit for another thread.
    let mut deletes = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        deletes.push(delete(call, entry));
    }
    let outcomes: Vec<_> = stream::iter(deletes).buffered(AT_ONCE).collect().await;
    Ok(render::document(delete_result(&outcomes, request.quiet)))
}

async fn delete<'e>(call: &Call<'_>, entry: &'e DeleteEntry) -> DeleteOutcome<'e> {
    let deleted = match (call.bucket(), entry.version_id.as_deref()) {
        (Err(error), _) => Err(error),
        (_, Some(version)) if version != "null" && !version.is_empty() => Err(S3Error::new(Code::NoSuchVersion)),
        (Ok(bucket), _) => {
            let deleted = call.objects().delete(bucket, &entry.key, entry.conditions.clone()).await;
            deleted.map_err(|error| call.refused(error))
        }
    };
    let (key, version_id) = (entry.key.as_str(), entry.version_id.as_deref());
    match deleted {
        Ok(()) => DeleteOutcome::Deleted { key, version_id },
        Err(error) => DeleteOutcome::Error { key, version_id, error },
    }
}
