//! PutObject: the early check when the head has arrived, and the commit when the body has.

use holdfast_model::{
    Arrival, Attributes, BucketName, ChecksumAlgorithm, ChecksumKind, Current, Generation, ObjectKey, Tags, WriteConditions,
};

use crate::{
    Caller, Objects, ObjectsError, Stage, Staged, WriteOperation, Written, answer,
    commit::{Change, Intent, Place, PutChange},
    records::{ObjectRecord, StoredChecksum, object_key},
    seams::fresh_id,
};

/// A request whose head has passed the early check.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub(crate) place: Place,
    pub(crate) arrival: Arrival,
}

/// A put whose body is staged.
pub struct PutRequest {
    /// From [`Objects::arrive`].
    pub arrived: Arrived,
    /// What must hold at the commit point.
    pub conditions: WriteConditions,
    /// The body.
    pub staged: Staged,
    /// Standard headers and user metadata.
    pub attributes: Attributes,
    /// Tags.
    pub tags: Tags,
    /// Who asks.
    pub caller: Caller,
}

impl Objects {
    /// The early check: refuses what is refused already before a byte of the body is read, and remembers whether the key
    /// had an object. It grants nothing; the commit point judges again.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::Write`], or a store error.
    pub async fn arrive(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        conditions: &WriteConditions,
        operation: WriteOperation,
        caller: &Caller,
    ) -> Result<Arrived, ObjectsError> {
        let place = self.place(bucket, key).await?;
        if conditions.is_empty() {
            return Ok(Arrived { place, arrival: Arrival::Present });
        }
        let record = self.metadata.get(&object_key(place.id, key)).await?;
        let object = record.map(|bytes| ObjectRecord::decode(&bytes)).transpose()?;
        let arrival = if object.is_some() { Arrival::Present } else { Arrival::Absent };
        self.judge_early(object, conditions, arrival, operation, caller)?;
        Ok(Arrived { place, arrival })
    }

    /// Refuses what is refused already, unless what stands there may be this very request's, sent before.
    pub(crate) fn judge_early(
        &self,
        object: Option<ObjectRecord>,
        conditions: &WriteConditions,
        arrival: Arrival,
        operation: WriteOperation,
        caller: &Caller,
    ) -> Result<(), ObjectsError> {
        let Err(refusal) = conditions.judge(object.as_ref().map(|o| &o.current), arrival, self.clock.now()) else { return Ok(()) };
        // Whether this very request wrote it is known when its body is.
        let mark = object.and_then(|o| o.mark);
        let perhaps_repeated = mark.is_some_and(|m| caller.mark(operation, m.payload).as_ref() == Some(&m));
        if perhaps_repeated { Ok(()) } else { Err(refusal.into()) }
    }

    /// The early look of an operation without a body: remembers whether the key had an object, and leaves every judgement to the commit
    /// point, where remembered answers come before conditions.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], or a store error.
    pub async fn observe(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Arrived, ObjectsError> {
        let place = self.place(bucket, key).await?;
        let present = self.metadata.get(&object_key(place.id, key)).await?.is_some();
        Ok(Arrived { place, arrival: if present { Arrival::Present } else { Arrival::Absent } })
    }

    /// Begins to stage a body of at most `size_max` bytes, with its MD5 and a checksum of `algorithm`.
    pub fn stage(&self, algorithm: ChecksumAlgorithm, size_max: u64) -> Stage {
        Stage::new(self.blobs.clone(), fresh_id(self.clock.now()), algorithm, size_max)
    }

    /// Commits a staged body as the object.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::Write`], or a store error; the object stays as it was, unless the error is indefinite.
    pub async fn put(&self, request: PutRequest) -> Result<Written, ObjectsError> {
        let mark = request.caller.mark(WriteOperation::Put, request.staged.md5);
        let change = Change::Put(self.put_change(&request.staged, request.attributes, request.tags));
        let Arrived { place, arrival } = request.arrived;
        let intent = Intent { target: place, conditions: request.conditions, arrival, now: self.clock.now(), mark, change };
        self.commit(intent, &mut Some(request.staged)).await?.or_else(answer)
    }

    pub(crate) fn put_change(&self, staged: &Staged, attributes: Attributes, tags: Tags) -> PutChange {
        let current = Current { etag: staged.etag(), size: staged.size(), last_modified: self.clock.now(), generation: Generation::ABSENT };
        let checksum = Some(StoredChecksum { checksum: staged.checksum().clone(), kind: ChecksumKind::FullObject });
        let object = ObjectRecord { current, content: staged.content(), parts: None, checksum, attributes, tags, mark: None };
        PutChange { object, bytes: staged.write() }
    }
}
