//! PutObject with `x-amz-write-offset-bytes`: more bytes at the end of an object, without reading or moving those before.

use futures_util::StreamExt as _;
use holdfast_model::{ChecksumAlgorithm, limits::OBJECT_BYTES_MAX};
use holdfast_store::{Commit, Write, transact};

use crate::{
    Arrived, ExpectedDigests, Objects, ObjectsError, PutRequest, Staged, WriteOperation, Written, answer,
    commit::{AppendChange, Change, Intent, NotWritten, Place, disown},
    records::{Content, ContentId, ContentKind, ManifestRecord, ObjectRecord, Piece, manifest_key, object_key},
    seams::fresh_id,
};

/// How a content is made the object's own: the new content, what to write with it, and the bytes that must stay staged until then.
struct OwnCopy {
    content: Content,
    writes: Vec<Write>,
    staged: Vec<Staged>,
}

impl Objects {
    /// Commits a staged body as the continuation of the object, which must have exactly `offset` bytes; offset 0 creates it.
    ///
    /// # Errors
    /// As [`Objects::put`]; [`ObjectsError::InvalidWriteOffset`], [`ObjectsError::TooManyParts`], [`ObjectsError::EntityTooLarge`].
    pub async fn append(&self, request: PutRequest, offset: u64) -> Result<Written, ObjectsError> {
        let payload = crate::digest::md5_of([&request.staged.md5[..], &offset.to_be_bytes()]);
        let mark = request.caller.mark(WriteOperation::Append, payload);
        let first = self.put_change(&request.staged, request.attributes, request.tags);
        let mut staged = Some(request.staged);
        let Arrived { place, arrival } = request.arrived;
        for _ in 0..crate::DECISIONS_MAX {
            let before = self.object_record(&place).await?.map(|object| object.content);
            let manifest = ContentId(fresh_id(self.clock.now()));
            let change = Change::Append(AppendChange { offset, first: first.clone(), before, manifest });
            let intent = Intent {
                target: place.clone(),
                conditions: request.conditions.clone(),
                arrival,
                now: self.clock.now(),
                mark: mark.clone(),
                change,
            };
            match self.commit(intent, &mut staged).await? {
                Ok(written) => return Ok(written),
                Err(NotWritten::Moved) => {}
                // Judged already: only the bytes have to be its own.
                Err(NotWritten::Shared(shared)) => self.own_copy(&place, shared).await?,
                Err(other) => return answer(other),
            }
        }
        Err(ObjectsError::Contended)
    }

    pub(crate) async fn object_record(&self, place: &Place) -> Result<Option<ObjectRecord>, ObjectsError> {
        let bytes = self.metadata.get(&object_key(place.id, &place.key)).await?;
        Ok(bytes.map(|bytes| ObjectRecord::decode(&bytes)).transpose()?)
    }

    /// Gives an object whose bytes another object owns too bytes of its own, by copying them. The object does not change.
    async fn own_copy(&self, place: &Place, shared: Content) -> Result<(), ObjectsError> {
        let Some(OwnCopy { content, writes, mut staged }) = self.copy_bytes(place, shared).await? else { return Ok(()) };
        let (objects, place, now) = (self.clone(), place.clone(), self.clock.now());
        let swapped = crate::to_the_end(async move {
            staged.iter_mut().for_each(|s| s.set_in_doubt(true));
            let key = object_key(place.id, &place.key);
            let decided = transact(&*objects.metadata, vec![key.clone()], move |records| {
                let object = records.values[0].as_ref().and_then(|bytes| ObjectRecord::decode(bytes).ok());
                let Some(mut object) = object.filter(|o| o.content.id == shared.id) else { return Commit::Refuse(()) };
                object.content = content;
                let mut writes = writes.clone();
                writes.push(Write::put(key.clone(), object.encode()));
                writes.extend(disown(shared, now, records.stamp));
                Commit::Write(writes, ())
            });
            let decided = decided.await;
            staged.into_iter().for_each(|s| s.settle(&decided));
            objects.garbage.notify_one();
            decided
        });
        // Refused means that the object has other bytes by now; the caller looks again.
        swapped.await?.or(Ok(()))
    }

    /// Stages the bytes anew; `None` if the object has other bytes by now.
    async fn copy_bytes(&self, place: &Place, shared: Content) -> Result<Option<OwnCopy>, ObjectsError> {
        let open = match self.open(&place.bucket, &place.key, &holdfast_model::ReadConditions::default()).await {
            Err(ObjectsError::NoSuchKey) => return Ok(None),
            open => open?,
        };
        if open.content().id != shared.id {
            return Ok(None);
        }
        let mut pieces = Vec::new();
        let mut copy = OwnCopy { content: Content::EMPTY, writes: Vec::new(), staged: Vec::new() };
        for (piece, span) in open.pieces() {
            let mut stage = self.stage(ChecksumAlgorithm::Crc64Nvme, OBJECT_BYTES_MAX);
            if piece.is_some() {
                // Up to 10,000 pieces: none may wait in memory for the transaction.
                stage = stage.into_blob();
            }
            let mut bytes = open.read_again(span);
            while let Some(chunk) = bytes.next().await {
                stage.append(chunk?).await?;
            }
            let staged = stage.seal(&ExpectedDigests::default()).await?;
            copy.content = staged.content();
            copy.writes.extend(staged.write());
            pieces.extend(piece.map(|piece| Piece { kind: copy.content.kind, id: copy.content.id, ..piece }));
            copy.staged.push(staged);
        }
        if shared.kind == ContentKind::Pieces {
            copy.content = Content { kind: ContentKind::Pieces, id: ContentId(fresh_id(self.clock.now())), shared: false };
            copy.writes
                .push(Write::put(manifest_key(copy.content.id), ManifestRecord { algorithm: open.pieces_algorithm(), pieces }.encode()));
        }
        Ok(Some(copy))
    }
}
