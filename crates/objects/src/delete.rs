//! DeleteObject, with or without conditions.

use holdfast_model::{Arrival, BucketName, DeleteConditions, ObjectKey, WriteConditions};

use crate::{
    Objects, ObjectsError,
    commit::{Change, Intent, NotWritten},
};

impl Objects {
    /// Deletes an object. One that is not there is no error, unless a condition needs it.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::Write`], or a store error.
    pub async fn delete(&self, bucket: &BucketName, key: &ObjectKey, conditions: DeleteConditions) -> Result<(), ObjectsError> {
        let target = self.place(bucket, key).await?;
        let intent = Intent {
            target,
            conditions: WriteConditions::default(),
            arrival: Arrival::Present,
            now: self.clock.now(),
            mark: None,
            change: Change::Delete(conditions),
        };
        match self.commit(intent, &mut None).await? {
            Ok(_) => Ok(()),
            Err(NotWritten::Failed(error)) if *error == ObjectsError::NoSuchKey => Ok(()),
            Err(NotWritten::Failed(error)) => Err(*error),
            Err(_) => Err(ObjectsError::Contended),
        }
    }
}
