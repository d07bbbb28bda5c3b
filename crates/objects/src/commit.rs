//! THE decision. Every write of an object comes here, and only here is its precondition judged: [`decide`] is a pure
//! function from what the store holds at the commit point to the writes, or to a refusal that changes nothing. The store runs it inside
//! the same atomic step that writes.
//!
//! What must stay true:
//! - Nothing is judged on records that were read earlier. What was read earlier (which parts, which source, which pieces) is compared with
//!   what is there now, and where it differs the answer is [`NotWritten::Moved`]: read again, decide again.
//! - The writes of one decision are the whole change: object, bytes, garbage, remembered answers.
//! - No I/O, no clock, no randomness: everything comes in the [`Intent`].

use holdfast_model::{
    Arrival, ChecksumAlgorithm, Current, DeleteConditions, ETag, Generation, ObjectKey, PartNumber, SourceConditions, Timestamp,
    WriteConditions, WriteRefusal,
    limits::{OBJECT_BYTES_MAX, PARTS_MAX},
};
use holdfast_store::{Commit, RecordKey, Records, Write};

use crate::{
    digest::{combine, fingerprint, md5_of},
    error::ObjectsError,
    records::{
        BucketId, BucketRecord, BucketState, Content, ContentId, ContentKind, Damaged, GarbageRecord, KeptParts, ManifestRecord,
        ObjectRecord, Piece, ReplayRecord, ShareRecord, StoredChecksum, UploadRecord, WriteMark, body_key, bucket_key,
        completed_upload_key, garbage_key, manifest_key, object_key, share_key, token_key, upload_key,
    },
};

/// A key in a bucket whose id has been looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bucket: holdfast_model::BucketName,
    pub(crate) id: BucketId,
    pub(crate) key: ObjectKey,
}

impl Place {
    fn bucket_key(&self) -> RecordKey {
        bucket_key(&self.bucket)
    }

    fn object_key(&self) -> RecordKey {
        object_key(self.id, &self.key)
    }
}

/// What a request wants to do to one key, complete: the decision needs nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) target: Place,
    pub(crate) conditions: WriteConditions,
    pub(crate) arrival: Arrival,
    pub(crate) now: Timestamp,
    pub(crate) mark: Option<WriteMark>,
    pub(crate) change: Change,
}

/// The kinds of change.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(PutChange),
    Append(AppendChange),
    Complete(CompleteChange),
    Copy(CopyChange),
    Rename(RenameChange),
    Delete(DeleteConditions),
}

/// A new object of one content.
#[derive(Clone, Debug)]
pub(crate) struct PutChange {
    /// The object, but for its generation.
    pub(crate) object: ObjectRecord,
    /// Its bytes, or the record that names them.
    pub(crate) bytes: Option<Write>,
}

/// More bytes at the end.
#[derive(Clone, Debug)]
pub(crate) struct AppendChange {
    pub(crate) offset: u64,
    /// The object as it is when there is none yet.
    pub(crate) first: PutChange,
    /// The content that was met, which must still be there.
    pub(crate) before: Option<Content>,
    /// The id of the new list of pieces.
    pub(crate) manifest: ContentId,
}

/// The parts of an upload become an object.
#[derive(Clone, Debug)]
pub(crate) struct CompleteChange {
    pub(crate) upload: [u8; 16],
    /// The upload's revision when the parts were read.
    pub(crate) revision: u64,
    /// The object, but for its generation.
    pub(crate) object: ObjectRecord,
    pub(crate) manifest: ManifestRecord,
}

/// An object gets the bytes of another.
#[derive(Clone, Debug)]
pub(crate) struct CopyChange {
    pub(crate) source: Place,
    pub(crate) conditions: SourceConditions,
    /// The source's content that was met, which must still be there.
    pub(crate) content: Content,
    /// New standard headers and user metadata, instead of the source's.
    pub(crate) attributes: Option<holdfast_model::Attributes>,
    /// New tags, instead of the source's.
    pub(crate) tags: Option<holdfast_model::Tags>,
    /// A checksum computed from the content, instead of the source's.
    pub(crate) checksum: Option<StoredChecksum>,
    /// The algorithm that the copy's checksum must have.
    pub(crate) algorithm: Option<ChecksumAlgorithm>,
}

/// An object gets another key.
#[derive(Clone, Debug)]
pub(crate) struct RenameChange {
    /// The readings of the source's name; the first that exists is meant.
    pub(crate) sources: Vec<ObjectKey>,
    pub(crate) conditions: SourceConditions,
    /// Digest of principal and client token, and digest of the parameters.
    pub(crate) token: Option<([u8; 32], [u8; 32])>,
}

/// What a write answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The object's tag.
    pub etag: ETag,
    /// The number of this write.
    pub generation: Generation,
    /// The object's size in bytes.
    pub size: u64,
    /// When the object was written.
    pub last_modified: Timestamp,
    /// Its additional checksum.
    pub checksum: Option<StoredChecksum>,
    /// How many parts it has, if it was written in parts.
    pub parts: Option<u16>,
    /// Whether this is the answer of an earlier request given again.
    pub repeated: bool,
}

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// The request was carried out before; this is its answer.
    Repeated(Written),
    /// What was read before the commit point is no longer so. Read again and decide again.
    Moved,
    /// The content has several owners; make one of its own first.
    Shared(Content),
    /// The request fails.
    Failed(Box<ObjectsError>),
}

impl<E: Into<ObjectsError>> From<E> for NotWritten {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

impl Written {
    fn of(object: &ObjectRecord) -> Self {
        let Current { etag, size, last_modified, generation } = object.current.clone();
        Self { etag, generation, size, last_modified, checksum: object.checksum.clone(), parts: object.parts, repeated: false }
    }
}

impl Intent {
    /// The records that [`decide`] reads, in the order in which it reads them.
    pub(crate) fn keys(&self) -> Vec<RecordKey> {
        let mut keys = vec![self.target.bucket_key(), self.target.object_key()];
        match &self.change {
            Change::Put(_) | Change::Delete(_) => {}
            Change::Append(append) => keys.extend(append.before.filter(|c| c.kind == ContentKind::Pieces).map(|c| manifest_key(c.id))),
            Change::Complete(complete) => {
                keys.push(upload_key(self.target.id, &self.target.key, complete.upload));
                keys.push(completed_upload_key(self.target.id, complete.upload));
            }
            Change::Copy(copy) => keys.extend([copy.source.bucket_key(), copy.source.object_key(), share_key(copy.content.id)]),
            Change::Rename(rename) => {
                keys.extend(rename.sources.iter().map(|key| object_key(self.target.id, key)));
                keys.extend(rename.token.map(|(token, _)| token_key(token)));
            }
        }
        keys
    }
}

/// Decides one write on the records that [`Intent::keys`] names.
pub(crate) fn decide(intent: &Intent, records: &Records<'_>) -> Commit<Written, NotWritten> {
    match Meeting::read(intent, records).and_then(Meeting::decide) {
        Ok((writes, written)) => Commit::Write(writes, written),
        Err(not_written) => Commit::Refuse(not_written),
    }
}

type Decided = Result<(Vec<Write>, Written), NotWritten>;

/// What becomes of the content that the target had.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// It loses this owner.
    Disowned,
    /// The new version owns it, or its pieces.
    PassesOn,
}

/// An intent and the records it met.
struct Meeting<'a> {
    intent: &'a Intent,
    records: &'a Records<'a>,
    /// Sets the bucket back to active if a delete is looking at it.
    bucket: Option<Write>,
    current: Option<ObjectRecord>,
}

impl<'a> Meeting<'a> {
    fn read(intent: &'a Intent, records: &'a Records<'a>) -> Result<Self, NotWritten> {
        assert_eq!(records.values.len(), intent.keys().len(), "the store gives a value for each key");
        let bucket = stay_active(&intent.target, records, 0)?;
        Ok(Self { intent, records, bucket, current: object_at(records, 1)? })
    }

    fn decide(self) -> Decided {
        match &self.intent.change {
            Change::Put(put) => self.put(put),
            Change::Append(append) => self.append(append),
            Change::Complete(complete) => self.complete(complete),
            Change::Copy(copy) => self.copy(copy),
            Change::Rename(rename) => self.rename(rename),
            Change::Delete(conditions) => self.delete(conditions),
        }
    }

    /// The one judgement of a write's precondition.
    fn judge(&self) -> Result<(), NotWritten> {
        let current = self.current.as_ref().map(|object| &object.current);
        let verdict = self.intent.conditions.judge(current, self.intent.arrival, self.intent.now);
        verdict.map_err(|refusal: WriteRefusal| self.refused(refusal))
    }

    /// A refusal, unless the record it rests on was made by this very request, sent before.
    fn refused(&self, error: impl Into<ObjectsError>) -> NotWritten {
        self.repeated().unwrap_or_else(|| error.into().into())
    }

    /// The answer of this very request, if the record that stands there was made by it.
    fn repeated(&self) -> Option<NotWritten> {
        let object = self.current.as_ref().filter(|object| self.intent.mark.is_some() && object.mark == self.intent.mark)?;
        Some(NotWritten::Repeated(Written { repeated: true, ..Written::of(object) }))
    }

    /// Writes `object` as the next version of the target; what becomes of the content that stood there is said by `before`.
    fn become_current(&self, mut object: ObjectRecord, mut writes: Vec<Write>, before: Before) -> (Vec<Write>, Written) {
        object.current.generation = Generation(self.records.stamp);
        assert!(
            self.current.as_ref().is_none_or(|before| before.current.generation < object.current.generation),
            "a generation grows with every write of its key"
        );
        object.mark.clone_from(&self.intent.mark);
        writes.push(Write::put(self.intent.target.object_key(), object.encode()));
        writes.extend(self.bucket.clone());
        if let (Before::Disowned, Some(before)) = (before, &self.current) {
            writes.extend(disown(before.content, self.intent.now, self.records.stamp));
        }
        (writes, Written::of(&object))
    }

    fn put(&self, put: &PutChange) -> Decided {
        self.judge()?;
        Ok(self.become_current(put.object.clone(), put.bytes.iter().cloned().collect(), Before::Disowned))
    }

    fn append(&self, append: &AppendChange) -> Decided {
        self.judge()?;
        let size = self.current.as_ref().map_or(0, |object| object.current.size);
        if append.offset != size {
            return Err(self.refused(ObjectsError::InvalidWriteOffset { size }));
        }
        let Some(before) = &self.current else {
            return self.put(&append.first);
        };
        if append.before != Some(before.content) {
            return Err(NotWritten::Moved);
        }
        if before.content.shared {
            return Err(NotWritten::Shared(before.content));
        }
        let (object, manifest) = self.appended(append, before)?;
        let mut writes = vec![Write::put(manifest_key(append.manifest), manifest.encode())];
        writes.extend(append.first.bytes.clone());
        if before.content.kind == ContentKind::Pieces {
            writes.push(Write::remove(manifest_key(before.content.id)));
        }
        Ok(self.become_current(object, writes, Before::PassesOn))
    }

    fn appended(&self, append: &AppendChange, before: &ObjectRecord) -> Result<(ObjectRecord, ManifestRecord), NotWritten> {
        let (met, mut pieces) = match before.content.kind {
            ContentKind::Pieces => manifest_at(self.records, 2).map(|manifest| (manifest.algorithm, manifest.pieces))?,
            ContentKind::Empty => (None, Vec::new()),
            ContentKind::Inline | ContentKind::Blob => (algorithm_of(before), vec![piece_of(before, 1)?]),
        };
        let added = &append.first.object;
        let size = before.current.size + added.current.size;
        if pieces.len() >= usize::from(PARTS_MAX) {
            return Err(ObjectsError::TooManyParts.into());
        }
        if size > OBJECT_BYTES_MAX {
            return Err(ObjectsError::EntityTooLarge { size, max: OBJECT_BYTES_MAX }.into());
        }
        let number = pieces.last().map_or(1, |last| last.number.get() + 1);
        pieces.push(piece_of(added, u64::from(number))?);
        let md5 = md5_of(pieces.iter().map(|piece| &piece.md5[..]));
        let mut object = before.clone();
        object.current = Current {
            etag: ETag::of_parts(md5, pieces.len()),
            size,
            last_modified: self.intent.now,
            generation: before.current.generation,
        };
        object.content = Content { kind: ContentKind::Pieces, id: append.manifest, shared: false };
        object.parts = u16::try_from(pieces.len()).ok();
        object.checksum = appended_checksum(before, added);
        let algorithm = algorithm_of(&object);
        // A list of pieces names one algorithm: checksums of another would pass for its.
        let last = pieces.len() - 1;
        for (nth, piece) in pieces.iter_mut().enumerate() {
            let own = if nth < last { met } else { algorithm_of(added) };
            if algorithm.is_none() || own != algorithm {
                piece.checksum.clear();
            }
        }
        Ok((object, ManifestRecord { algorithm, pieces }))
    }

    fn complete(&self, complete: &CompleteChange) -> Decided {
        let of_this_key = fingerprint([self.intent.target.key.as_bytes()]);
        if let Some(bytes) = &self.records.values[3] {
            let replay = ReplayRecord::decode(bytes)?;
            let same = replay.parameters == of_this_key;
            return Err(if same { repeat_of(&replay, complete.object.current.size) } else { ObjectsError::NoSuchUpload.into() });
        }
        let Some(bytes) = &self.records.values[2] else {
            return Err(self.refused(ObjectsError::NoSuchUpload));
        };
        self.judge()?;
        if UploadRecord::decode(bytes)?.revision != complete.revision {
            return Err(NotWritten::Moved);
        }
        let (place, now) = (&self.intent.target, self.intent.now);
        let kept = KeptParts::of(complete.manifest.pieces.iter().map(|piece| piece.number));
        let garbage = GarbageRecord::Parts { bucket: place.id, upload: complete.upload, kept };
        let writes = vec![
            Write::put(manifest_key(complete.object.content.id), complete.manifest.encode()),
            Write::remove(upload_key(place.id, &place.key, complete.upload)),
            Write::put(garbage_key(now, 0, u128::from_be_bytes(complete.upload)), garbage.encode()),
        ];
        let (mut writes, written) = self.become_current(complete.object.clone(), writes, Before::Disowned);
        writes.push(Write::put(completed_upload_key(place.id, complete.upload), replay(&written, now, of_this_key).encode()));
        Ok((writes, written))
    }

    fn copy(&self, copy: &CopyChange) -> Decided {
        stay_active(&copy.source, self.records, 2).map_err(|_| ObjectsError::NoSuchSourceBucket)?;
        let no_source = || ObjectsError::NoSuchSource { key: copy.source.key.as_str().to_owned() };
        let mut source = object_at(self.records, 3)?.ok_or_else(|| self.refused(no_source()))?;
        copy.conditions.judge_copy(&source.current, self.intent.now).map_err(|c| self.refused(ObjectsError::SourcePrecondition(c)))?;
        self.judge()?;
        if copy.source == self.intent.target && copy.attributes.is_none() && copy.tags.is_none() && copy.algorithm.is_none() {
            return Err(ObjectsError::SelfCopy.into());
        }
        if source.content.id != copy.content.id {
            return Err(NotWritten::Moved);
        }
        let mut object = source.clone();
        object.current.last_modified = self.intent.now;
        object.attributes = copy.attributes.clone().unwrap_or(object.attributes);
        object.tags = copy.tags.clone().unwrap_or(object.tags);
        object.checksum = copy.checksum.clone().or(object.checksum);
        let has = algorithm_of(&object);
        if copy.algorithm.is_some() && copy.algorithm != has {
            return Err(NotWritten::Moved);
        }
        let owned_already = self.current.as_ref().is_some_and(|before| before.content.id == source.content.id);
        if owned_already || source.content.kind == ContentKind::Empty {
            let before = if owned_already { Before::PassesOn } else { Before::Disowned };
            return Ok(self.become_current(object, Vec::new(), before));
        }
        object.content.shared = true;
        let extra_owners = share_at(self.records, 4)? + 1;
        let mut writes = vec![Write::put(share_key(source.content.id), ShareRecord { extra_owners }.encode())];
        if !source.content.shared {
            source.content.shared = true;
            writes.push(Write::put(copy.source.object_key(), source.encode()));
        }
        Ok(self.become_current(object, writes, Before::Disowned))
    }

    fn rename(&self, rename: &RenameChange) -> Decided {
        let names = rename.sources.len();
        if let (Some((_, parameters)), Some(bytes)) = (rename.token, self.records.values.get(2 + names).and_then(Option::as_ref)) {
            let replay = ReplayRecord::decode(bytes)?;
            let same = replay.parameters == parameters;
            return Err(if same { repeat_of(&replay, 0) } else { ObjectsError::TokenMismatch.into() });
        }
        if let Some(repeated) = self.repeated() {
            // Its source has gone already; what stands there now is another object.
            return Err(repeated);
        }
        let mut source = None;
        for (at, name) in rename.sources.iter().enumerate() {
            if let Some(object) = object_at(self.records, 2 + at)? {
                source = Some((name, object));
                break;
            }
        }
        let no_source = || ObjectsError::NoSuchSource { key: rename.sources[0].as_str().to_owned() };
        let (name, object) = source.ok_or_else(|| self.refused(no_source()))?;
        if *name == self.intent.target.key {
            return Err(ObjectsError::SelfRename.into());
        }
        rename.conditions.judge_rename(&object.current, self.intent.now).map_err(|c| self.refused(ObjectsError::SourcePrecondition(c)))?;
        self.judge()?;
        let (mut writes, written) =
            self.become_current(object, vec![Write::remove(object_key(self.intent.target.id, name))], Before::Disowned);
        if let Some((token, parameters)) = rename.token {
            writes.push(Write::put(token_key(token), replay(&written, self.intent.now, parameters).encode()));
        }
        Ok((writes, written))
    }

    fn delete(&self, conditions: &DeleteConditions) -> Decided {
        conditions.judge(self.current.as_ref().map(|object| &object.current))?;
        let Some(object) = &self.current else {
            return Err(ObjectsError::NoSuchKey.into());
        };
        let mut writes = vec![Write::remove(self.intent.target.object_key())];
        writes.extend(disown(object.content, self.intent.now, self.records.stamp));
        Ok((writes, Written::of(object)))
    }
}

/// Checks that the bucket is still the one that was looked up. A delete that is looking at it must not succeed any more.
fn stay_active(place: &Place, records: &Records<'_>, at: usize) -> Result<Option<Write>, NotWritten> {
    let bytes = records.values[at].as_ref().ok_or(ObjectsError::NoSuchBucket)?;
    let mut bucket = BucketRecord::decode(bytes)?;
    if bucket.id != place.id {
        return Err(ObjectsError::NoSuchBucket.into());
    }
    if bucket.state == BucketState::Active {
        return Ok(None);
    }
    bucket.state = BucketState::Active;
    Ok(Some(Write::put(place.bucket_key(), bucket.encode())))
}

fn object_at(records: &Records<'_>, at: usize) -> Result<Option<ObjectRecord>, Damaged> {
    records.values[at].as_ref().map(|bytes| ObjectRecord::decode(bytes)).transpose()
}

fn manifest_at(records: &Records<'_>, at: usize) -> Result<ManifestRecord, NotWritten> {
    let bytes = records.values[at].as_ref().ok_or(NotWritten::Moved)?;
    Ok(ManifestRecord::decode(bytes)?)
}

fn share_at(records: &Records<'_>, at: usize) -> Result<u64, Damaged> {
    let share = records.values[at].as_ref().map(|bytes| ShareRecord::decode(bytes)).transpose()?;
    Ok(share.map_or(0, |share| share.extra_owners))
}

/// An owner of a content goes. A small body of one owner goes with it; everything else is left to the collector.
pub(crate) fn disown(content: Content, now: Timestamp, stamp: u64) -> Option<Write> {
    match (content.kind, content.shared) {
        (ContentKind::Empty, _) => None,
        (ContentKind::Inline, false) => Some(Write::remove(body_key(content.id))),
        _ => Some(Write::put(garbage_key(now, stamp, content.id.0), GarbageRecord::Content(content).encode())),
    }
}

/// The object's bytes as the piece of a longer one.
pub(crate) fn piece_of(object: &ObjectRecord, number: u64) -> Result<Piece, NotWritten> {
    let damaged = Damaged { family: "object", expected: "the tag of an object of one piece to be its MD5" };
    Ok(Piece {
        number: PartNumber::new(number).map_err(|_| ObjectsError::TooManyParts)?,
        kind: object.content.kind,
        id: object.content.id,
        size: object.current.size,
        md5: md5_in(&object.current.etag).ok_or(damaged)?,
        checksum: object.checksum.as_ref().map(|stored| stored.checksum.value().to_vec()).unwrap_or_default(),
    })
}

fn algorithm_of(object: &ObjectRecord) -> Option<ChecksumAlgorithm> {
    object.checksum.as_ref().map(|stored| stored.checksum.algorithm())
}

fn md5_in(etag: &ETag) -> Option<[u8; 16]> {
    let text = etag.as_str();
    let number = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok())?;
    number.map(u128::to_be_bytes)
}

/// The checksum of the longer object, where it follows from those of its halves.
fn appended_checksum(before: &ObjectRecord, added: &ObjectRecord) -> Option<StoredChecksum> {
    let (first, second) = (before.checksum.as_ref()?, added.checksum.as_ref()?);
    let algorithm = first.checksum.algorithm();
    if first.kind != holdfast_model::ChecksumKind::FullObject || second.checksum.algorithm() != algorithm {
        return None;
    }
    let value = combine(algorithm, first.checksum.value(), second.checksum.value(), added.current.size)?;
    let checksum = holdfast_model::Checksum::new(algorithm, &value).ok()?;
    Some(StoredChecksum { checksum, kind: first.kind })
}

fn replay(written: &Written, since: Timestamp, parameters: [u8; 32]) -> ReplayRecord {
    ReplayRecord {
        since,
        parameters,
        etag: written.etag.clone(),
        generation: written.generation,
        checksum: written.checksum.clone(),
        parts: written.parts,
    }
}

fn repeat_of(replay: &ReplayRecord, size: u64) -> NotWritten {
    NotWritten::Repeated(Written {
        etag: replay.etag.clone(),
        generation: replay.generation,
        size,
        last_modified: replay.since,
        checksum: replay.checksum.clone(),
        parts: replay.parts,
        repeated: true,
    })
}
