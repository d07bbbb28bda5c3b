//! Tags of objects and buckets.

use holdfast_model::{BucketName, ObjectKey, ReadConditions, Tags};
use holdfast_store::{Commit, Write, transact};

use crate::{
    Objects, ObjectsError,
    records::{ObjectRecord, bucket_key, object_key},
};

impl Objects {
    /// The tags of an object.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchKey`], or a store error.
    pub async fn object_tags(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Tags, ObjectsError> {
        Ok(self.head(bucket, key, &ReadConditions::default()).await?.tags)
    }

    /// Replaces the tags of an object. Its bytes, tag, time and generation stay.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchKey`], or a store error.
    pub async fn set_object_tags(&self, bucket: &BucketName, key: &ObjectKey, tags: Tags) -> Result<(), ObjectsError> {
        let place = self.place(bucket, key).await?;
        let record = object_key(place.id, key);
        let keys = vec![bucket_key(bucket), record.clone()];
        let decided =
            transact(&*self.metadata, keys, move |records| match records.values[1].as_ref().map(|bytes| ObjectRecord::decode(bytes)) {
                None => Commit::Refuse(ObjectsError::NoSuchKey),
                Some(Err(damaged)) => Commit::Refuse(damaged.into()),
                Some(Ok(mut object)) => {
                    object.tags = tags.clone();
                    Commit::Write(vec![Write::put(record.clone(), object.encode())], ())
                }
            });
        decided.await?
    }

    /// The tags of a bucket.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchTagSet`], or a store error.
    pub async fn bucket_tags(&self, bucket: &BucketName) -> Result<Tags, ObjectsError> {
        let tags = self.bucket_record(bucket).await?.tags;
        if tags.is_empty() { Err(ObjectsError::NoSuchTagSet) } else { Ok(tags) }
    }

    /// Replaces the tags of a bucket.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], or a store error.
    pub async fn set_bucket_tags(&self, bucket: &BucketName, tags: Tags) -> Result<(), ObjectsError> {
        self.change_bucket(bucket, move |record| record.tags = tags.clone()).await.map(|_| ())
    }
}
