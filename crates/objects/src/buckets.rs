//! Buckets: create, look up, list, delete.
//!
//! Deleting needs an empty bucket, and emptiness is no single record. The delete marks the bucket, looks, and removes it only if its mark
//! is still there; every write into the bucket wipes the mark. Nobody waits for anybody, and a delete that dies leaves nothing behind
//! that would stop a write.

use holdfast_model::{BucketName, Tags, Timestamp, limits::BUCKETS_MAX};
use holdfast_store::{Commit, Step, Write, scan, transact};

use crate::{
    Objects, ObjectsError,
    records::{BucketId, BucketRecord, BucketState, Damaged, GarbageRecord, bucket_key, bucket_name_of, buckets, garbage_key, objects_of},
    seams::fresh_id,
};

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: BucketName,
    /// When it was created.
    pub created: Timestamp,
    /// Where it was asked to be; empty for the default.
    pub location: String,
    /// Its tags.
    pub tags: Tags,
}

/// Whether a bucket's record is there and is of this bucket, not of a later one of its name.
pub(crate) fn is_bucket(record: Option<&[u8]>, id: BucketId) -> Result<bool, Damaged> {
    Ok(record.map(BucketRecord::decode).transpose()?.is_some_and(|bucket| bucket.id == id))
}

impl Bucket {
    fn of(name: BucketName, record: BucketRecord) -> Self {
        Self { name, created: record.created, location: record.location, tags: record.tags }
    }
}

impl Objects {
    /// Creates a bucket.
    ///
    /// # Errors
    /// [`ObjectsError::BucketAlreadyOwnedByYou`], [`ObjectsError::TooManyBuckets`], or a store error.
    pub async fn create_bucket(&self, name: &BucketName, location: &str, tags: Tags) -> Result<(), ObjectsError> {
        if self.list_buckets("", None, BUCKETS_MAX).await?.len() >= BUCKETS_MAX {
            return Err(ObjectsError::TooManyBuckets);
        }
        let key = bucket_key(name);
        let (created, location) = (self.clock.now(), location.to_owned());
        let decided = transact(&*self.metadata, vec![key.clone()], move |records| {
            if records.values[0].is_some() {
                return Commit::Refuse(ObjectsError::BucketAlreadyOwnedByYou);
            }
            let id = BucketId(records.stamp);
            let record = BucketRecord { id, created, location: location.clone(), tags: tags.clone(), state: BucketState::Active };
            Commit::Write(vec![Write::put(key.clone(), record.encode())], ())
        });
        decided.await?
    }

    /// Looks a bucket up.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], or a store error.
    pub async fn bucket(&self, name: &BucketName) -> Result<Bucket, ObjectsError> {
        Ok(Bucket::of(name.clone(), self.bucket_record(name).await?))
    }

    /// The buckets whose names begin with `prefix` and come after `after`, at most `max`, in order.
    ///
    /// # Errors
    /// A store error.
    pub async fn list_buckets(&self, prefix: &str, after: Option<&str>, max: usize) -> Result<Vec<Bucket>, ObjectsError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let gathered = Ok(Vec::new());
        let list = scan(&*self.metadata, buckets(), gathered, move |list: &mut Result<Vec<Bucket>, Damaged>, key, value| {
            let Ok(found) = list.as_mut() else { return Step::Stop };
            if found.len() == max {
                return Step::Stop;
            }
            match bucket_name_of(key).and_then(|name| Ok(Bucket::of(name, BucketRecord::decode(value)?))) {
                Ok(bucket) if bucket.name.as_str().starts_with(&prefix) && after.as_deref().is_none_or(|a| bucket.name.as_str() > a) => {
                    found.push(bucket);
                }
                Ok(_) => {}
                Err(damaged) => *list = Err(damaged),
            }
            Step::Next
        });
        Ok(list.await??)
    }

    /// Deletes an empty bucket, and the uploads in it.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::BucketNotEmpty`], or a store error.
    pub async fn delete_bucket(&self, name: &BucketName) -> Result<(), ObjectsError> {
        let attempt = BucketState::Deleting(fresh_id(self.clock.now()));
        let id = self.set_state(name, attempt).await?;
        let empty = scan(&*self.metadata, objects_of(id, ""), true, |empty, _, _| {
            *empty = false;
            Step::Stop
        });
        if !empty.await? {
            return Err(ObjectsError::BucketNotEmpty);
        }
        let (key, now) = (bucket_key(name), self.clock.now());
        let decided = transact(&*self.metadata, vec![key.clone()], move |records| {
            let bucket = match records.values[0].as_ref().map(|bytes| BucketRecord::decode(bytes)) {
                None => return Commit::Refuse(ObjectsError::NoSuchBucket),
                Some(Err(damaged)) => return Commit::Refuse(damaged.into()),
                Some(Ok(bucket)) => bucket,
            };
            if bucket.id != id {
                // The one that was to be deleted is gone; another of its name is there by now.
                return Commit::Refuse(ObjectsError::NoSuchBucket);
            }
            if bucket.state != attempt {
                // A write wiped the mark, so there is something in it; or another delete set its own, and will see it through.
                let written = bucket.state == BucketState::Active;
                return Commit::Refuse(if written { ObjectsError::BucketNotEmpty } else { ObjectsError::Contended });
            }
            let garbage = Write::put(garbage_key(now, 0, u128::from(id.0)), GarbageRecord::Bucket(id).encode());
            Commit::Write(vec![Write::remove(key.clone()), garbage], ())
        });
        decided.await??;
        self.garbage.notify_one();
        Ok(())
    }

    async fn set_state(&self, name: &BucketName, state: BucketState) -> Result<BucketId, ObjectsError> {
        self.change_bucket(name, move |bucket| bucket.state = state).await
    }

    /// Changes a bucket's record in one step.
    pub(crate) async fn change_bucket(
        &self,
        name: &BucketName,
        change: impl Fn(&mut BucketRecord) + Send + 'static,
    ) -> Result<BucketId, ObjectsError> {
        let key = bucket_key(name);
        let decided = transact(&*self.metadata, vec![key.clone()], move |records| {
            match records.values[0].as_ref().map(|bytes| BucketRecord::decode(bytes)) {
                None => Commit::Refuse(ObjectsError::NoSuchBucket),
                Some(Err(damaged)) => Commit::Refuse(damaged.into()),
                Some(Ok(mut bucket)) => {
                    change(&mut bucket);
                    Commit::Write(vec![Write::put(key.clone(), bucket.encode())], bucket.id)
                }
            }
        });
        decided.await?
    }
}
