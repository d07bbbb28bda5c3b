//! CopyObject: the destination gets the source's bytes by naming them; none are moved.

use futures_util::StreamExt as _;
use holdfast_model::{
    Attributes, BucketName, ByteSpan, ChecksumAlgorithm, ChecksumKind, ObjectKey, ReadConditions, SourceConditions, Tags, WriteConditions,
};

use crate::{
    Arrived, Caller, DECISIONS_MAX, Objects, ObjectsError, StoredChecksum, WriteOperation, Written, answer,
    commit::{Change, CopyChange, Intent, NotWritten, Place},
    digest::{Running, md5_of},
    records::Content,
};

/// A copy that has passed the early check.
pub struct CopyRequest {
    /// The destination, from [`Objects::observe`].
    pub arrived: Arrived,
    /// What must hold for the destination.
    pub conditions: WriteConditions,
    /// The source's bucket.
    pub source_bucket: BucketName,
    /// The source.
    pub source_key: ObjectKey,
    /// What must hold for the source.
    pub source_conditions: SourceConditions,
    /// New standard headers and user metadata (directive REPLACE), or the source's.
    pub attributes: Option<Attributes>,
    /// New tags (directive REPLACE), or the source's.
    pub tags: Option<Tags>,
    /// The checksum that the copy is to have; the source's if none is named.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Who asks.
    pub caller: Caller,
}

impl Objects {
    /// Copies an object. Source and destination are judged on one snapshot, at the commit point.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchSource`], [`ObjectsError::SourcePrecondition`], [`ObjectsError::Write`],
    /// [`ObjectsError::SelfCopy`], [`ObjectsError::Contended`], or a store error.
    pub async fn copy(&self, request: CopyRequest) -> Result<Written, ObjectsError> {
        let source = self.place(&request.source_bucket, &request.source_key).await.map_err(|error| match error {
            ObjectsError::NoSuchBucket => ObjectsError::NoSuchSourceBucket,
            other => other,
        })?;
        if request.checksum.is_some() {
            // Computing a checksum reads the whole source: what is refused already is refused before.
            let Arrived { place, arrival } = &request.arrived;
            let object = self.object_record(place).await?;
            self.judge_early(object, &request.conditions, *arrival, WriteOperation::Copy, &request.caller)?;
        }
        let payload = md5_of([source.bucket.as_str().as_bytes(), b"/", source.key.as_bytes()]);
        let mark = request.caller.mark(WriteOperation::Copy, payload);
        let Arrived { place, arrival } = request.arrived;
        let draft = CopyChange {
            source: source.clone(),
            conditions: request.source_conditions,
            content: Content::EMPTY,
            attributes: request.attributes,
            tags: request.tags,
            checksum: None,
            algorithm: request.checksum,
        };
        for _ in 0..DECISIONS_MAX {
            let (content, checksum) = self.met_source(&source, &draft).await?;
            let change = Change::Copy(CopyChange { content, checksum, ..draft.clone() });
            let intent = Intent {
                target: place.clone(),
                conditions: request.conditions.clone(),
                arrival,
                now: self.clock.now(),
                mark: mark.clone(),
                change,
            };
            match self.commit(intent, &mut None).await? {
                Ok(written) => return Ok(written),
                Err(NotWritten::Moved) => {}
                Err(other) => return answer(other),
            }
        }
        Err(ObjectsError::Contended)
    }

    /// The content that the source has now, and its checksum if another is wanted than the source keeps: computed from these very bytes.
    async fn met_source(&self, source: &Place, draft: &CopyChange) -> Result<(Content, Option<StoredChecksum>), ObjectsError> {
        let Some(met) = self.object_record(source).await? else { return Ok((Content::EMPTY, None)) };
        let Some(wanted) =
            draft.algorithm.filter(|wanted| met.checksum.as_ref().is_none_or(|stored| stored.checksum.algorithm() != *wanted))
        else {
            return Ok((met.content, None));
        };
        if draft.conditions.judge_copy(&met.current, self.clock.now()).is_err() {
            // Nothing is read for what is refused. The decision says so, or that this request was carried out before.
            return Ok((met.content, None));
        }
        let open = match self.open(&source.bucket, &source.key, &ReadConditions::default()).await {
            Err(ObjectsError::NoSuchKey) => return Ok((Content::EMPTY, None)),
            open => open?,
        };
        let content = open.content();
        let whole = ByteSpan::whole(open.head().current.size);
        let mut running = Running::new(wanted);
        let mut bytes = open.read(whole);
        while let Some(chunk) = bytes.next().await {
            running.update(&chunk?);
        }
        Ok((content, Some(StoredChecksum { checksum: running.finish(), kind: ChecksumKind::FullObject })))
    }
}
