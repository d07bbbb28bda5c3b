//! Multipart uploads: their beginning and their completion.

use holdfast_model::{
    Attributes, BucketName, Checksum, ChecksumAlgorithm, ChecksumKind, Current, ETag, Generation, ObjectKey, PartNumber, Tags, Timestamp,
    UploadId, WriteConditions,
    limits::{OBJECT_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX},
};
use holdfast_store::{Commit, Step, Write, scan, transact};

use crate::{
    Arrived, Caller, DECISIONS_MAX, Objects, ObjectsError, StoredChecksum, WriteOperation, Written, answer,
    commit::{Change, CompleteChange, Intent, NotWritten, Place},
    digest::{checksum_of, combine, fingerprint, md5_of},
    records::{
        Content, ContentId, ContentKind, Damaged, ManifestRecord, ObjectRecord, PartRecord, Piece, UploadRecord, bucket_key,
        part_number_of, parts_of, upload_id_bytes, upload_key,
    },
    seams::fresh_id,
};

/// What an upload's object will have.
#[derive(Clone, Debug, Default)]
pub struct NewUpload {
    /// The algorithm of the checksums, if the client names one.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// What the object's checksum covers, if the client says.
    pub kind: Option<ChecksumKind>,
    /// Standard headers and user metadata.
    pub attributes: Attributes,
    /// Tags.
    pub tags: Tags,
}

/// An upload that has begun.
#[derive(Clone, Debug)]
pub struct CreatedUpload {
    /// Its id.
    pub id: UploadId,
    /// The algorithm, if the client named one.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// What the object's checksum will cover.
    pub kind: ChecksumKind,
}

/// A part as a completion lists it.
#[derive(Clone, Debug)]
pub struct CompletePart {
    /// Its number.
    pub number: PartNumber,
    /// Its tag, as UploadPart answered it.
    pub etag: ETag,
    /// Its checksum, if given.
    pub checksum: Option<Checksum>,
}

/// A completion that has passed the early look.
pub struct CompleteRequest {
    /// The key, from [`Objects::observe`].
    pub arrived: Arrived,
    /// What must hold at the commit point.
    pub conditions: WriteConditions,
    /// The upload.
    pub upload: UploadId,
    /// Its parts, ascending.
    pub parts: Vec<CompletePart>,
    /// What the client says the object's checksum is.
    pub checksum: Option<Checksum>,
    /// What the client says the checksum covers.
    pub kind: Option<ChecksumKind>,
    /// What the client says the object's size is, in bytes.
    pub size: Option<u64>,
    /// Who asks.
    pub caller: Caller,
}

impl Objects {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::ChecksumKindImpossible`], or a store error.
    pub async fn create_upload(&self, bucket: &BucketName, key: &ObjectKey, new: NewUpload) -> Result<CreatedUpload, ObjectsError> {
        let place = self.place(bucket, key).await?;
        let algorithm = new.algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let kind = new.kind.unwrap_or(algorithm.default_kind());
        if !algorithm.allows(kind) {
            return Err(ObjectsError::ChecksumKindImpossible(algorithm));
        }
        let now = self.clock.now();
        let id = fresh_id(now);
        let record = UploadRecord {
            initiated: now,
            revision: 0,
            algorithm,
            kind,
            algorithm_named: new.algorithm.is_some(),
            attributes: new.attributes,
            tags: new.tags,
        };
        let write = Write::put(upload_key(place.id, key, id.to_be_bytes()), record.encode());
        self.write_in_bucket(&place, vec![write]).await?;
        Ok(CreatedUpload { id: UploadId::new(&format!("{id:032x}")), algorithm: new.algorithm, kind })
    }

    /// Writes records that need only their bucket to be there.
    async fn write_in_bucket(&self, place: &Place, writes: Vec<Write>) -> Result<(), ObjectsError> {
        let id = place.id;
        let decided = transact(&*self.metadata, vec![bucket_key(&place.bucket)], move |records| {
            match crate::buckets::is_bucket(records.values[0].as_deref(), id) {
                Ok(true) => Commit::Write(writes.clone(), ()),
                Ok(false) => Commit::Refuse(ObjectsError::NoSuchBucket),
                Err(damaged) => Commit::Refuse(damaged.into()),
            }
        });
        decided.await?
    }

    /// Makes an object of an upload's parts. Completing an upload that was completed gives the first answer again, whatever the
    /// conditions say now. After a refusal the upload and its parts are still there.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchUpload`], [`ObjectsError::Write`], the errors of the list of parts, or a store error.
    pub async fn complete_upload(&self, request: CompleteRequest) -> Result<Written, ObjectsError> {
        let Arrived { place, arrival } = request.arrived.clone();
        let upload = upload_id_bytes(&request.upload).ok_or(ObjectsError::NoSuchUpload)?;
        let payload = complete_payload(&request);
        let mark = request.caller.mark(WriteOperation::Complete, payload);
        for _ in 0..DECISIONS_MAX {
            let now = self.clock.now();
            let change = match self.completion(&place, upload, &request, now).await {
                Ok(change) => change,
                Err(error @ ObjectsError::Store(_)) => return Err(error),
                // The upload may be gone because it was completed, perhaps between two looks at it: the decision finds the
                // remembered answer, or that there is no such upload.
                Err(error) => match self.metadata.get(&upload_key(place.id, &place.key, upload)).await? {
                    Some(_) => return Err(error),
                    None => gone(upload, now),
                },
            };
            let intent = Intent {
                target: place.clone(),
                conditions: request.conditions.clone(),
                arrival,
                now,
                mark: mark.clone(),
                change: Change::Complete(change),
            };
            match self.commit(intent, &mut None).await? {
                Ok(written) => return Ok(written),
                Err(NotWritten::Moved) => {}
                Err(other) => return answer(other),
            }
        }
        Err(ObjectsError::Contended)
    }

    /// Reads the upload and its parts, and says what the object would be.
    async fn completion(
        &self,
        place: &Place,
        upload: [u8; 16],
        request: &CompleteRequest,
        now: Timestamp,
    ) -> Result<CompleteChange, ObjectsError> {
        let bytes = self.metadata.get(&upload_key(place.id, &place.key, upload)).await?.ok_or(ObjectsError::NoSuchUpload)?;
        let record = UploadRecord::decode(&bytes)?;
        let there = self.part_records(place, upload).await?;
        let pieces = chosen(&request.parts, &there, &record)?;
        let size: u64 = pieces.iter().map(|piece| piece.size).sum();
        if size > OBJECT_BYTES_MAX {
            return Err(ObjectsError::EntityTooLarge { size, max: OBJECT_BYTES_MAX });
        }
        if let Some(announced) = request.size.filter(|announced| *announced != size) {
            return Err(ObjectsError::ObjectSizeMismatch { announced, actual: size });
        }
        let checksum = whole_checksum(&pieces, &record)?;
        agree(&checksum, request)?;
        let md5 = md5_of(pieces.iter().map(|piece| &piece.md5[..]));
        let object = ObjectRecord {
            current: Current { etag: ETag::of_parts(md5, pieces.len()), size, last_modified: now, generation: Generation::ABSENT },
            content: Content { kind: ContentKind::Pieces, id: ContentId(fresh_id(now)), shared: false },
            parts: Some(pieces.len() as u16),
            checksum: Some(checksum),
            attributes: record.attributes,
            tags: record.tags,
            mark: None,
        };
        Ok(CompleteChange {
            upload,
            revision: record.revision,
            object,
            manifest: ManifestRecord { algorithm: Some(record.algorithm), pieces },
        })
    }

    async fn part_records(&self, place: &Place, upload: [u8; 16]) -> Result<Vec<PartRecord>, ObjectsError> {
        let range = parts_of(place.id, upload);
        let parts = scan(&*self.metadata, range, Ok(Vec::new()), |parts: &mut Result<Vec<PartRecord>, Damaged>, key, value| {
            match (parts.as_mut(), part_number_of(key).and_then(|_| PartRecord::decode(value))) {
                (Ok(list), Ok(part)) => list.push(part),
                (_, Err(damaged)) => *parts = Err(damaged),
                (Err(_), _) => {}
            }
            if parts.is_ok() { Step::Next } else { Step::Stop }
        });
        Ok(parts.await??)
    }
}

fn complete_payload(request: &CompleteRequest) -> [u8; 16] {
    let mut fields = vec![request.upload.as_str().as_bytes().to_vec()];
    fields.extend(request.parts.iter().map(|part| format!("{}:{}", part.number, part.etag).into_bytes()));
    let digest = fingerprint(fields.iter().map(Vec::as_slice));
    md5_of([&digest[..]])
}

/// The change of an upload that was not found; its decision never writes it, because the upload's record is not there, or was there too late.
fn gone(upload: [u8; 16], now: Timestamp) -> CompleteChange {
    let object = ObjectRecord {
        current: Current { etag: ETag::of_parts([0; 16], 0), size: 0, last_modified: now, generation: Generation::ABSENT },
        content: Content::EMPTY,
        parts: None,
        checksum: None,
        attributes: Attributes::default(),
        tags: Tags::default(),
        mark: None,
    };
    CompleteChange { upload, revision: u64::MAX, object, manifest: ManifestRecord::default() }
}

/// Matches the parts that were listed with those that are there.
fn chosen(listed: &[CompletePart], there: &[PartRecord], upload: &UploadRecord) -> Result<Vec<Piece>, ObjectsError> {
    if listed.is_empty() {
        return Err(ObjectsError::NoParts);
    }
    if listed.len() > usize::from(PARTS_MAX) {
        return Err(ObjectsError::TooManyParts);
    }
    if !listed.is_sorted_by(|a, b| a.number < b.number) {
        return Err(ObjectsError::InvalidPartOrder);
    }
    let mut pieces = Vec::with_capacity(listed.len());
    for (nth, part) in listed.iter().enumerate() {
        let found = there.binary_search_by_key(&part.number, |there| there.piece.number).ok().map(|at| &there[at]);
        let found =
            found.filter(|there| ETag::of_md5(there.piece.md5) == part.etag).ok_or(ObjectsError::InvalidPart { part: part.number })?;
        checked(part, found, upload)?;
        let piece = &found.piece;
        if nth + 1 < listed.len() && piece.size < PART_BYTES_MIN {
            return Err(ObjectsError::PartTooSmall { part: part.number, size: piece.size, min: PART_BYTES_MIN, etag: part.etag.clone() });
        }
        pieces.push(piece.clone());
    }
    Ok(pieces)
}

/// The checksum that is listed for a part must be the part's; an upload for composite checksums needs every one.
fn checked(part: &CompletePart, there: &PartRecord, upload: &UploadRecord) -> Result<(), ObjectsError> {
    match &part.checksum {
        Some(listed) if there.given.as_ref() == Some(listed) => Ok(()),
        Some(listed) if listed.algorithm() != upload.algorithm && (upload.algorithm_named || there.given.is_none()) => {
            Err(ObjectsError::ChecksumAlgorithmMismatch { expected: upload.algorithm })
        }
        Some(listed) if listed.algorithm() != upload.algorithm || listed.value() != there.piece.checksum => {
            Err(ObjectsError::InvalidPart { part: part.number })
        }
        None if upload.algorithm_named && upload.kind == ChecksumKind::Composite => {
            Err(ObjectsError::ChecksumMissing { algorithm: upload.algorithm, part: part.number })
        }
        _ => Ok(()),
    }
}

fn whole_checksum(pieces: &[Piece], upload: &UploadRecord) -> Result<StoredChecksum, ObjectsError> {
    let algorithm = upload.algorithm;
    let damaged = Damaged { family: "part", expected: "a checksum in the upload's algorithm" };
    let checksum = match upload.kind {
        ChecksumKind::Composite => {
            checksum_of(algorithm, &pieces.iter().flat_map(|piece| piece.checksum.iter().copied()).collect::<Vec<_>>())
        }
        ChecksumKind::FullObject => {
            let mut whole = checksum_of(algorithm, b"").value().to_vec();
            for piece in pieces {
                whole = combine(algorithm, &whole, &piece.checksum, piece.size).ok_or(damaged)?;
            }
            Checksum::new(algorithm, &whole).map_err(|_| damaged)?
        }
    };
    Ok(StoredChecksum { checksum, kind: upload.kind })
}

/// What the client says of the object's checksum must be true.
fn agree(stored: &StoredChecksum, request: &CompleteRequest) -> Result<(), ObjectsError> {
    let algorithm = stored.checksum.algorithm();
    if request.kind.is_some_and(|kind| kind != stored.kind) {
        return Err(ObjectsError::ChecksumKindImpossible(algorithm));
    }
    match &request.checksum {
        Some(given) if given.algorithm() != algorithm => Err(ObjectsError::ChecksumAlgorithmMismatch { expected: algorithm }),
        Some(given) if *given != stored.checksum => Err(ObjectsError::BadChecksum(algorithm)),
        _ => Ok(()),
    }
}
