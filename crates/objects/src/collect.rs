//! The collector: reclaims what transactions left as garbage, oldest first, and forgets answers that are old enough.
//!
//! Bytes are deleted only after the transaction that unnames them is durable, and never while a reader of this process needs them.
//! A crash at any point leaves garbage records to continue with, or unnamed blobs for the store to reclaim when it opens.

use std::ops::AddAssign;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use holdfast_model::limits::REPLAY_SECS_KEPT;
use holdfast_store::{BlobId, Commit, Family, KeyRange, RecordKey, Step, StoreError, Write, scan, transact};

use crate::{
    Objects, ObjectsError,
    records::{
        BucketId, Content, ContentId, ContentKind, GarbageRecord, KeptParts, ManifestRecord, PartRecord, Piece, ReplayRecord, ShareRecord,
        blob_key, body_key, garbage_key, manifest_key, part_number_of, parts_of, share_key, upload_key_parts, uploads_of,
    },
};

/// Garbage records taken at a time.
const BATCH: usize = 256;
/// Garbage records that are dealt with at a time: their transactions share syncs.
const AT_ONCE: usize = 32;
/// Records unnamed by one transaction.
const UNNAMED_MAX: usize = 512;

/// What a pass of the collector did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Garbage records that are done with.
    pub records: u64,
    /// Blobs deleted.
    pub blobs: u64,
    /// Remembered answers forgotten.
    pub replays: u64,
    /// Garbage that a reader still needs.
    pub pinned: u64,
}

impl AddAssign for Collected {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.blobs += other.blobs;
        self.replays += other.replays;
        self.pinned += other.pinned;
    }
}

impl Objects {
    /// Waits until a transaction may have left garbage.
    pub async fn garbage_made(&self) {
        self.garbage.notified().await;
    }

    /// Reclaims all garbage that is there now and that no reader needs. One pass at a time.
    ///
    /// # Errors
    /// The first store error or damaged record; everything else that can be reclaimed is.
    pub async fn collect(&self) -> Result<Collected, ObjectsError> {
        let mut done = Collected::default();
        let mut first_error = Ok(());
        let mut from = Bytes::new();
        // What becomes garbage meanwhile is for the next pass, or this one would never end.
        let end = Bytes::copy_from_slice(&(self.clock.now().millis() + 1).to_be_bytes());
        loop {
            let range = KeyRange { family: Family::Garbage, start: from, end: Some(end.clone()) };
            let batch = scan(&*self.metadata, range, Vec::new(), |batch: &mut Vec<(Bytes, Bytes)>, key, value| {
                batch.push((key.clone(), value.clone()));
                if batch.len() < BATCH { Step::Next } else { Step::Stop }
            });
            let batch = batch.await?;
            let Some((last, _)) = batch.last() else { return first_error.map(|()| done) };
            from = [&last[..], &[0]].concat().into();
            // Whoever looked up a record in which this garbage was still named has pinned it by now.
            self.readers.settled().await;
            let mut works = Vec::with_capacity(batch.len());
            for (key, value) in batch {
                works.push(self.collect_one(RecordKey::new(Family::Garbage, key), value));
            }
            let mut works = stream::iter(works).buffer_unordered(AT_ONCE);
            while let Some(collected) = works.next().await {
                match collected {
                    Ok(collected) => done += collected,
                    // One thing that cannot be reclaimed must not keep the rest.
                    Err(error) => first_error = first_error.and(Err(error)),
                }
            }
        }
    }

    async fn collect_one(&self, key: RecordKey, value: Bytes) -> Result<Collected, ObjectsError> {
        match GarbageRecord::decode(&value)? {
            GarbageRecord::Content(content) if content.shared => self.collect_shared(key, content).await,
            GarbageRecord::Content(content) => self.collect_content(key, content).await,
            GarbageRecord::Parts { bucket, upload, kept } => self.collect_parts(key, bucket, upload, kept).await,
            GarbageRecord::Bucket(bucket) => self.collect_bucket(key, bucket).await,
        }
    }

    /// One owner fewer; the last one's content is garbage of its own.
    async fn collect_shared(&self, key: RecordKey, content: Content) -> Result<Collected, ObjectsError> {
        let share = share_key(content.id);
        let garbage = key.clone();
        let decided = transact(&*self.metadata, vec![key, share.clone()], move |records| {
            if records.values[0].is_none() {
                return Commit::Refuse(Ok(()));
            }
            let extra_owners = match records.values[1].as_ref().map(|bytes| ShareRecord::decode(bytes)) {
                None => 0,
                Some(Ok(share)) => share.extra_owners,
                Some(Err(damaged)) => return Commit::Refuse(Err(damaged)),
            };
            let fewer = match extra_owners {
                0 => {
                    return Commit::Write(
                        vec![Write::put(garbage.clone(), GarbageRecord::Content(Content { shared: false, ..content }).encode())],
                        true,
                    );
                }
                1 => Write::remove(share.clone()),
                n => Write::put(share.clone(), ShareRecord { extra_owners: n - 1 }.encode()),
            };
            Commit::Write(vec![fewer, Write::remove(garbage.clone())], false)
        });
        match decided.await? {
            Ok(last_owner) => {
                if last_owner {
                    self.garbage.notify_one();
                }
                Ok(Collected { records: u64::from(!last_owner), ..Collected::default() })
            }
            Err(gone) => Ok(gone.map(|()| Collected::default())?),
        }
    }

    async fn collect_content(&self, key: RecordKey, content: Content) -> Result<Collected, ObjectsError> {
        let pieces = match content.kind {
            ContentKind::Pieces => match self.metadata.get(&manifest_key(content.id)).await? {
                Some(bytes) => ManifestRecord::decode(&bytes)?.pieces.iter().map(|piece| (piece.kind, piece.id)).collect(),
                None => Vec::new(),
            },
            kind => vec![(kind, content.id)],
        };
        if pieces.iter().any(|(_, id)| self.readers.is_pinned(*id)) {
            return Ok(Collected { pinned: 1, ..Collected::default() });
        }
        let blobs = self.unname(&pieces).await?;
        let mut last = vec![Write::remove(key)];
        if content.kind == ContentKind::Pieces {
            last.push(Write::remove(manifest_key(content.id)));
        }
        self.write_blindly(last).await?;
        Ok(Collected { records: 1, blobs, ..Collected::default() })
    }

    /// Removes the records that name these bytes, then deletes the bytes.
    async fn unname(&self, pieces: &[(ContentKind, ContentId)]) -> Result<u64, ObjectsError> {
        let mut blobs = 0;
        for pieces in pieces.chunks(UNNAMED_MAX) {
            let removals = pieces.iter().filter_map(|(kind, id)| match kind {
                ContentKind::Inline => Some(Write::remove(body_key(*id))),
                ContentKind::Blob => Some(Write::remove(blob_key(*id))),
                ContentKind::Empty | ContentKind::Pieces => None,
            });
            self.write_blindly(removals.collect()).await?;
            for (_, id) in pieces.iter().filter(|(kind, _)| *kind == ContentKind::Blob) {
                self.blobs.delete(BlobId(id.0)).await?;
                blobs += 1;
            }
        }
        Ok(blobs)
    }

    async fn write_blindly(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let decided = transact(&*self.metadata, Vec::new(), move |_| Commit::<(), ()>::Write(writes.clone(), ()));
        decided.await.map(|_| ())
    }

    /// Forgets the parts of an upload that ended, a page at a time.
    async fn collect_parts(&self, key: RecordKey, bucket: BucketId, upload: [u8; 16], kept: KeptParts) -> Result<Collected, ObjectsError> {
        let mut blobs = 0;
        loop {
            let page = scan(&*self.metadata, parts_of(bucket, upload), Vec::new(), |page: &mut Vec<(Bytes, Bytes)>, key, value| {
                page.push((key.clone(), value.clone()));
                if page.len() < UNNAMED_MAX { Step::Next } else { Step::Stop }
            });
            let page = page.await?;
            if page.is_empty() {
                break;
            }
            let mut lost = Vec::new();
            for (key, value) in &page {
                let Piece { kind, id, .. } = PartRecord::decode(value)?.piece;
                if !kept.contains(part_number_of(key)?) {
                    lost.push((kind, id));
                }
            }
            blobs += self.unname(&lost).await?;
            self.write_blindly(page.into_iter().map(|(key, _)| Write::remove(RecordKey::new(Family::Part, key))).collect()).await?;
        }
        self.write_blindly(vec![Write::remove(key)]).await?;
        Ok(Collected { records: 1, blobs, ..Collected::default() })
    }

    /// Forgets the uploads of a bucket that is no more. Each becomes garbage in one step, so that its parts are found after a crash.
    async fn collect_bucket(&self, key: RecordKey, bucket: BucketId) -> Result<Collected, ObjectsError> {
        let uploads = scan(&*self.metadata, uploads_of(bucket, ""), Vec::new(), |uploads: &mut Vec<Bytes>, key, _| {
            uploads.push(key.clone());
            if uploads.len() < UNNAMED_MAX { Step::Next } else { Step::Stop }
        });
        let uploads = uploads.await?;
        let all = uploads.len() < UNNAMED_MAX;
        let mut writes = Vec::new();
        for upload in uploads {
            let (_, id) = upload_key_parts(&upload)?;
            let id = crate::records::upload_id_bytes(&id).unwrap_or_default();
            let garbage = GarbageRecord::Parts { bucket, upload: id, kept: KeptParts::default() };
            writes.push(Write::put(garbage_key(self.clock.now(), 0, u128::from_be_bytes(id)), garbage.encode()));
            writes.push(Write::remove(RecordKey::new(Family::Upload, upload)));
        }
        if all {
            writes.push(Write::remove(key));
        }
        self.write_blindly(writes).await?;
        self.garbage.notify_one();
        Ok(Collected { records: u64::from(all), ..Collected::default() })
    }

    /// Forgets remembered answers that are older than they must be kept.
    ///
    /// # Errors
    /// A store error or a damaged record.
    pub async fn forget_replays(&self) -> Result<Collected, ObjectsError> {
        let now = self.clock.now();
        let range = KeyRange { family: Family::Replay, start: Bytes::new(), end: None };
        let old = scan(&*self.metadata, range, Ok(Vec::new()), move |old: &mut Result<Vec<Bytes>, _>, key, value| {
            let Ok(found) = old.as_mut() else { return Step::Stop };
            match ReplayRecord::decode(value) {
                Ok(replay) if now.secs_since(replay.since) > REPLAY_SECS_KEPT => found.push(key.clone()),
                Ok(_) => {}
                Err(damaged) => *old = Err(damaged),
            }
            Step::Next
        });
        let old = old.await??;
        let replays = old.len() as u64;
        for page in old.chunks(UNNAMED_MAX) {
            self.write_blindly(page.iter().map(|key| Write::remove(RecordKey::new(Family::Replay, key.clone()))).collect()).await?;
        }
        Ok(Collected { replays, ..Collected::default() })
    }
}
