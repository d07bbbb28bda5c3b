//! What S3 means, written once for every store: buckets, objects, multipart uploads, listings, retries, garbage.
//!
//! A write goes: [`Objects::arrive`] (early check) -> [`Objects::stage`] (bytes in, invisible) -> one of the commits, all of which end
//! in the one pure decision of `commit.rs` inside [`holdfast_store::transact`]. Nothing else judges a write's precondition.

mod append;
mod buckets;
mod check;
mod collect;
mod commit;
mod copy;
mod delete;
mod digest;
mod error;
mod list;
mod multipart;
mod put;
mod read;
mod readers;
#[cfg(test)]
mod readers_tests;
pub mod records;
mod rename;
mod seams;
mod stage;
mod tags;
mod threads;
mod upload_part;
mod uploads;

use std::sync::Arc;

use holdfast_model::{BucketName, ObjectKey, limits::INVOCATION_ID_BYTES_MAX};
use holdfast_store::{Blobs, Metadata, Write, transact};
pub use holdfast_store::{ByteStream, StoreError};
use tokio::sync::Notify;

pub use buckets::Bucket;
pub use check::{Finding, Findings};
pub use collect::Collected;
pub use commit::Written;
pub use copy::CopyRequest;
pub use error::ObjectsError;
pub use list::{ListPage, ListRequest, Listed, ListedObject};
pub use multipart::{CompletePart, CompleteRequest, CreatedUpload, NewUpload};
pub use put::{Arrived, PutRequest};
pub use read::{ObjectHead, OpenObject, PartInfo, PartsPage};
pub use records::{StoredChecksum, WriteOperation};
pub use rename::RenameRequest;
pub use seams::{Clock, ManualClock, SystemClock};
pub use stage::{ExpectedDigests, Stage, Staged, verify};
pub use upload_part::{UploadForParts, WrittenPart};
pub use uploads::{ListedUpload, PartList, UploadHead, UploadsPage, UploadsRequest};

use commit::{Intent, NotWritten, Place};
use readers::Readers;
use records::{BucketRecord, WriteMark, bucket_key};

/// Who sends a request, as far as objects need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The authenticated principal.
    pub principal: String,
    /// `amz-sdk-invocation-id`: the same for every attempt of one request.
    pub invocation: Option<String>,
}

impl Caller {
    fn mark(&self, operation: WriteOperation, payload: [u8; 16]) -> Option<WriteMark> {
        let invocation = self.invocation.clone().filter(|id| !id.is_empty() && id.len() <= INVOCATION_ID_BYTES_MAX)?;
        Some(WriteMark { invocation, principal: self.principal.clone(), operation, payload })
    }
}

/// The operations of S3 on one store. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    readers: Readers,
    garbage: Arc<Notify>,
}

/// How often a decision is made anew because what was read before the commit point has moved.
const DECISIONS_MAX: usize = 32;

impl Objects {
    /// Objects kept in this store.
    pub fn new(metadata: Arc<dyn Metadata>, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) -> Self {
        Self { metadata, blobs, clock, readers: Readers::default(), garbage: Arc::default() }
    }

    /// Writes and forgets one record: succeeds exactly if a write is durable now.
    ///
    /// # Errors
    /// Why nothing can be written.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let key = holdfast_store::RecordKey::new(holdfast_store::Family::Probe, &b"ready"[..]);
        let now = self.clock.now().millis().to_be_bytes();
        let decided = transact(&*self.metadata, vec![key.clone()], move |_| {
            holdfast_store::Commit::<(), ()>::Write(vec![Write::put(key.clone(), now.to_vec())], ())
        });
        decided.await.map(|_| ())
    }

    /// The time as this store's objects see it.
    pub fn now(&self) -> holdfast_model::Timestamp {
        self.clock.now()
    }

    async fn bucket_record(&self, bucket: &BucketName) -> Result<BucketRecord, ObjectsError> {
        let bytes = self.metadata.get(&bucket_key(bucket)).await?.ok_or(ObjectsError::NoSuchBucket)?;
        Ok(BucketRecord::decode(&bytes)?)
    }

    async fn place(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Place, ObjectsError> {
        let id = self.bucket_record(bucket).await?.id;
        Ok(Place { bucket: bucket.clone(), id, key: key.clone() })
    }

    /// Runs the decision at the commit point. Once it is called the transaction goes on to its end even if the caller's future is
    /// dropped, since a body that may have been named must not be discarded. What was staged comes back only if the decision has to be
    /// made anew.
    async fn commit(&self, intent: Intent, staged: &mut Option<Staged>) -> Result<Result<Written, NotWritten>, StoreError> {
        let objects = self.clone();
        let mut taken = staged.take();
        let (decided, back) = to_the_end(async move {
            let keys = intent.keys();
            taken.iter_mut().for_each(|staged| staged.set_in_doubt(true));
            let decided = transact(&*objects.metadata, keys, move |records| commit::decide(&intent, records)).await;
            objects.garbage.notify_one();
            if matches!(decided, Ok(Err(NotWritten::Moved | NotWritten::Shared(_)))) {
                taken.iter_mut().for_each(|staged| staged.set_in_doubt(false));
                return Ok((decided, taken));
            }
            if let Some(staged) = taken {
                staged.settle(&decided);
            }
            Ok((decided, None))
        })
        .await?;
        *staged = back;
        decided
    }
}

/// Runs `work` to its end even if the caller's future is dropped: what it may have written decides what becomes of the bytes it staged.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Result<T, StoreError> {
    tokio::spawn(work).await.unwrap_or_else(|panic| Err(StoreError::Indefinite(panic.to_string())))
}

/// What a refusal is to the caller: the first answer again, or an error.
fn answer(refused: NotWritten) -> Result<Written, ObjectsError> {
    match refused {
        NotWritten::Repeated(written) => Ok(written),
        NotWritten::Moved | NotWritten::Shared(_) => Err(ObjectsError::Contended),
        NotWritten::Failed(error) => Err(*error),
    }
}
