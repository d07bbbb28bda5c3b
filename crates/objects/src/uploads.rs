//! Uploads under way: abort them, list them and their parts.

use bytes::Bytes;
use holdfast_model::{BucketName, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, ObjectKey, PartNumber, Timestamp, UploadId};
use holdfast_store::{Commit, Step, Write, scan, transact};

use crate::{
    Objects, ObjectsError,
    list::{Fold, folded},
    records::{
        Damaged, GarbageRecord, KeptParts, PartRecord, UploadRecord, bucket_key, garbage_key, parts_of, upload_id_bytes, upload_key,
        upload_key_parts, upload_position, uploads_of,
    },
};

/// One part in a listing.
#[derive(Clone, Debug)]
pub struct UploadHead {
    /// Its number.
    pub number: PartNumber,
    /// Its tag.
    pub etag: ETag,
    /// Its bytes.
    pub size: u64,
    /// When it was written.
    pub last_modified: Timestamp,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// A page of an upload's parts.
#[derive(Clone, Debug)]
pub struct PartList {
    /// The parts, in order.
    pub parts: Vec<UploadHead>,
    /// Whether more follow.
    pub truncated: bool,
    /// The upload's algorithm, if the client named one.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// What the object's checksum will cover.
    pub kind: ChecksumKind,
}

/// Which uploads to list.
#[derive(Clone, Debug, Default)]
pub struct UploadsRequest {
    /// Keys begin with this.
    pub prefix: String,
    /// Keys that have this after the prefix are folded.
    pub delimiter: Option<String>,
    /// Begin after this key; after this upload of the key if `id_marker` is given.
    pub key_marker: Option<String>,
    /// See `key_marker`.
    pub id_marker: Option<UploadId>,
    /// Entries of the page.
    pub max: usize,
}

/// An upload or a common prefix in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedUpload {
    /// An upload.
    Upload {
        /// Its object's key.
        key: String,
        /// Its id.
        id: UploadId,
        /// When it began.
        initiated: Timestamp,
        /// The algorithm of its checksums, if the client named one.
        algorithm: Option<ChecksumAlgorithm>,
        /// What the object's checksum will cover.
        kind: ChecksumKind,
    },
    /// Keys folded by the delimiter.
    Prefix(String),
}

/// A page of uploads.
#[derive(Clone, Debug, Default)]
pub struct UploadsPage {
    /// The entries, in order.
    pub entries: Vec<ListedUpload>,
    /// Whether more follow.
    pub truncated: bool,
}

impl Objects {
    /// Forgets an upload and its parts.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchUpload`], or a store error.
    pub async fn abort_upload(&self, bucket: &BucketName, key: &ObjectKey, upload: &UploadId) -> Result<(), ObjectsError> {
        let place = self.place(bucket, key).await?;
        let upload = upload_id_bytes(upload).ok_or(ObjectsError::NoSuchUpload)?;
        let record = upload_key(place.id, key, upload);
        let garbage = GarbageRecord::Parts { bucket: place.id, upload, kept: KeptParts::default() };
        let writes = vec![
            Write::remove(record.clone()),
            Write::put(garbage_key(self.clock.now(), 0, u128::from_be_bytes(upload)), garbage.encode()),
        ];
        let keys = vec![bucket_key(&place.bucket), record];
        let decided = transact(&*self.metadata, keys, move |records| match &records.values[1] {
            Some(_) => Commit::Write(writes.clone(), ()),
            None => Commit::Refuse(ObjectsError::NoSuchUpload),
        });
        decided.await??;
        self.garbage.notify_one();
        Ok(())
    }

    /// The parts of an upload after number `marker`, at most `max`.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchUpload`], or a store error.
    pub async fn list_parts(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: &UploadId,
        marker: u16,
        max: usize,
    ) -> Result<PartList, ObjectsError> {
        let found = self.upload_for_parts(bucket, key, upload, None).await?;
        let mut range = parts_of(found.place.id, found.upload);
        range.start = [&range.start[..], &marker.saturating_add(1).to_be_bytes()].concat().into();
        let algorithm = found.algorithm;
        let gathered = Ok((Vec::new(), false));
        let page = scan(&*self.metadata, range, gathered, move |page: &mut Result<(Vec<UploadHead>, bool), Damaged>, _, value| {
            let (Ok((parts, truncated)), part) = (page.as_mut(), PartRecord::decode(value)) else { return Step::Stop };
            match part {
                Ok(_) if parts.len() == max => *truncated = true,
                Ok(part) => {
                    parts.push(upload_head(part, algorithm));
                    return Step::Next;
                }
                Err(damaged) => *page = Err(damaged),
            }
            Step::Stop
        });
        let (parts, truncated) = page.await??;
        Ok(PartList { parts, truncated: truncated && max > 0, algorithm: found.algorithm_named.then_some(algorithm), kind: found.kind })
    }

    /// A page of the uploads of a bucket, by key, then by when they began.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], or a store error.
    pub async fn list_uploads(&self, bucket: &BucketName, request: UploadsRequest) -> Result<UploadsPage, ObjectsError> {
        let id = self.bucket_record(bucket).await?.id;
        if request.max == 0 {
            return Ok(UploadsPage::default());
        }
        let mut range = uploads_of(id, &request.prefix);
        if let Some(marker) = &request.key_marker {
            let after = match request.id_marker.as_ref().and_then(upload_id_bytes) {
                // After this upload of the key.
                Some(upload) => [&upload_position(id, marker.as_bytes(), Some(upload))[..], &[0]].concat().into(),
                // After all uploads of the key: above every id.
                None => [&upload_position(id, marker.as_bytes(), Some([0xff; 16]))[..], &[0]].concat().into(),
            };
            range.start = range.start.max(after);
        }
        let gathered = Ok(UploadsPage::default());
        let page = scan(&*self.metadata, range, gathered, move |page: &mut Result<UploadsPage, Damaged>, key, value| {
            let Ok(gathered) = page.as_mut() else { return Step::Stop };
            match visit(&request, gathered, key, value, |prefix| uploads_of(id, prefix).end) {
                Ok(step) => step,
                Err(damaged) => {
                    *page = Err(damaged);
                    Step::Stop
                }
            }
        });
        Ok(page.await??)
    }
}

fn upload_head(part: PartRecord, algorithm: ChecksumAlgorithm) -> UploadHead {
    let PartRecord { piece, last_modified, given } = part;
    let checksum = given.or(Checksum::new(algorithm, &piece.checksum).ok());
    UploadHead { number: piece.number, etag: ETag::of_md5(piece.md5), size: piece.size, last_modified, checksum }
}

fn visit(
    request: &UploadsRequest,
    page: &mut UploadsPage,
    record_key: &[u8],
    value: &[u8],
    end_of: impl Fn(&str) -> Option<Bytes>,
) -> Result<Step, Damaged> {
    let (key, id) = upload_key_parts(record_key)?;
    let fold = folded(&key, &request.prefix, request.delimiter.as_deref(), request.key_marker.as_deref());
    if let Fold::Passed(prefix) = &fold {
        return Ok(end_of(prefix).map_or(Step::Stop, Step::SeekTo));
    }
    if page.entries.len() == request.max {
        page.truncated = true;
        return Ok(Step::Stop);
    }
    match fold {
        Fold::Into(prefix) => {
            let next = end_of(&prefix).map_or(Step::Stop, Step::SeekTo);
            page.entries.push(ListedUpload::Prefix(prefix));
            Ok(next)
        }
        _ => {
            let upload = UploadRecord::decode(value)?;
            let algorithm = upload.algorithm_named.then_some(upload.algorithm);
            page.entries.push(ListedUpload::Upload { key, id, initiated: upload.initiated, algorithm, kind: upload.kind });
            Ok(Step::Next)
        }
    }
}
