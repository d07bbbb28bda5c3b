//! UploadPart: a staged body becomes a part of an upload.

use holdfast_model::{BucketName, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, ObjectKey, PartNumber, Timestamp, UploadId};
use holdfast_store::{Commit, RecordKey, Records, Write, transact};

use crate::{
    Objects, ObjectsError, Staged,
    commit::{Place, disown},
    records::{Content, PartRecord, Piece, UploadRecord, bucket_key, part_key, upload_id_bytes, upload_key},
};

/// An upload that parts can be written to.
#[derive(Clone, Debug)]
pub struct UploadForParts {
    pub(crate) place: Place,
    pub(crate) upload: [u8; 16],
    /// The algorithm of its parts' checksums.
    pub algorithm: ChecksumAlgorithm,
    /// Whether the client named it.
    pub algorithm_named: bool,
    /// What the object's checksum will cover.
    pub kind: ChecksumKind,
}

/// A part that was written.
#[derive(Clone, Debug)]
pub struct WrittenPart {
    /// Its tag.
    pub etag: ETag,
    /// Its checksum: of the algorithm that the writer gave, else of the upload's.
    pub checksum: Checksum,
    /// When it was written.
    pub last_modified: Timestamp,
}

impl Objects {
    /// Looks an upload up before a part's body is read. `named` is the algorithm of the checksum that the part brings.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchUpload`], [`ObjectsError::ChecksumAlgorithmMismatch`], or a store error.
    pub async fn upload_for_parts(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: &UploadId,
        named: Option<ChecksumAlgorithm>,
    ) -> Result<UploadForParts, ObjectsError> {
        let place = self.place(bucket, key).await?;
        let upload = upload_id_bytes(upload).ok_or(ObjectsError::NoSuchUpload)?;
        let bytes = self.metadata.get(&upload_key(place.id, key, upload)).await?.ok_or(ObjectsError::NoSuchUpload)?;
        let record = UploadRecord::decode(&bytes)?;
        if record.algorithm_named && named.is_some_and(|named| named != record.algorithm) {
            return Err(ObjectsError::ChecksumAlgorithmMismatch { expected: record.algorithm });
        }
        Ok(UploadForParts { place, upload, algorithm: record.algorithm, algorithm_named: record.algorithm_named, kind: record.kind })
    }

    /// Commits a staged body as a part, replacing an earlier one of its number.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchUpload`], or a store error.
    pub async fn put_part(&self, upload: &UploadForParts, number: PartNumber, mut staged: Staged) -> Result<WrittenPart, ObjectsError> {
        assert_eq!(staged.checksum.algorithm(), upload.algorithm, "a part is staged with its upload's algorithm");
        let content = staged.content();
        let last_modified = self.clock.now();
        let piece = Piece {
            number,
            kind: content.kind,
            id: content.id,
            size: staged.size,
            md5: staged.md5,
            checksum: staged.checksum.value().to_vec(),
        };
        let checksum = staged.given.clone().unwrap_or_else(|| staged.checksum.clone());
        let written = WrittenPart { etag: staged.etag(), checksum, last_modified };
        let draft = PartDraft {
            keys: vec![
                bucket_key(&upload.place.bucket),
                upload_key(upload.place.id, &upload.place.key, upload.upload),
                part_key(upload.place.id, upload.upload, number),
            ],
            place: upload.place.clone(),
            part: PartRecord { piece, last_modified, given: staged.given.clone() },
            bytes: staged.write(),
        };
        let objects = self.clone();
        let committed = crate::to_the_end(async move {
            staged.set_in_doubt(true);
            let keys = draft.keys.clone();
            let decided = transact(&*objects.metadata, keys, move |records| draft.decide(records)).await;
            staged.settle(&decided);
            objects.garbage.notify_one();
            decided
        });
        committed.await??;
        Ok(written)
    }
}

struct PartDraft {
    keys: Vec<RecordKey>,
    place: Place,
    part: PartRecord,
    bytes: Option<Write>,
}

impl PartDraft {
    /// Writes the part if its upload is still there. Replacing a part changes the upload's revision, so that a completion which has
    /// read the old part reads again.
    fn decide(&self, records: &Records<'_>) -> Commit<(), ObjectsError> {
        match self.writes(records) {
            Ok(writes) => Commit::Write(writes, ()),
            Err(error) => Commit::Refuse(error),
        }
    }

    fn writes(&self, records: &Records<'_>) -> Result<Vec<Write>, ObjectsError> {
        if !crate::buckets::is_bucket(records.values[0].as_deref(), self.place.id)? {
            return Err(ObjectsError::NoSuchBucket);
        }
        let upload = records.values[1].as_ref().ok_or(ObjectsError::NoSuchUpload)?;
        let mut upload = UploadRecord::decode(upload)?;
        let mut writes = vec![Write::put(self.keys[2].clone(), self.part.encode())];
        writes.extend(self.bytes.clone());
        if let Some(bytes) = &records.values[2] {
            let before = PartRecord::decode(bytes)?.piece;
            let content = Content { kind: before.kind, id: before.id, shared: false };
            writes.extend(disown(content, self.part.last_modified, records.stamp));
            upload.revision += 1;
            writes.push(Write::put(self.keys[1].clone(), upload.encode()));
        }
        Ok(writes)
    }
}
