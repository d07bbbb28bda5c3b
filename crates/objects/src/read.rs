//! GetObject and HeadObject: one version, found once, served to its end whatever is written meanwhile.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use holdfast_model::{
    Attributes, BucketName, ByteSpan, ChecksumAlgorithm, Current, ObjectKey, PartNumber, ReadConditions, ReadVerdict, SourceConditions,
    Tags,
};
use holdfast_store::{BlobId, ByteStream, StoreError};

use crate::{
    Objects, ObjectsError, StoredChecksum,
    readers::Pins,
    records::{Content, ContentKind, Damaged, ManifestRecord, ObjectRecord, Piece, body_key, manifest_key},
};

/// How often a read begins anew because the object was replaced between its record and its bytes.
const READS_MAX: usize = 64;

/// Everything about an object but its bytes.
#[derive(Clone, Debug)]
pub struct ObjectHead {
    /// Tag, size, time and generation.
    pub current: Current,
    /// Standard headers and user metadata.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
    /// Its additional checksum.
    pub checksum: Option<StoredChecksum>,
    /// How many parts it has, if it was written in parts.
    pub parts: Option<u16>,
}

/// One part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number.
    pub number: PartNumber,
    /// Its bytes.
    pub size: u64,
    /// Its checksum in the object's algorithm; empty if there is none.
    pub checksum: Vec<u8>,
}

/// Some of an object's parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartsPage {
    /// The parts, in order.
    pub parts: Vec<PartInfo>,
    /// Whether more follow.
    pub truncated: bool,
}

/// An object that is being read.
pub struct OpenObject {
    head: ObjectHead,
    content: Content,
    bytes: OpenBytes,
    objects: Objects,
    pins: Pins,
}

enum OpenBytes {
    Here(Bytes),
    Blob,
    Pieces(ManifestRecord),
}

impl From<ObjectRecord> for ObjectHead {
    fn from(record: ObjectRecord) -> Self {
        let ObjectRecord { current, attributes, tags, checksum, parts, .. } = record;
        Self { current, attributes, tags, checksum, parts }
    }
}

impl Objects {
    /// Looks an object up.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchKey`], [`ObjectsError::NotModified`], [`ObjectsError::ReadPrecondition`], or a store error.
    pub async fn head(&self, bucket: &BucketName, key: &ObjectKey, conditions: &ReadConditions) -> Result<ObjectHead, ObjectsError> {
        Ok(self.current_object(bucket, key, conditions).await?.into())
    }

    async fn current_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        conditions: &ReadConditions,
    ) -> Result<ObjectRecord, ObjectsError> {
        let place = self.place(bucket, key).await?;
        let record = self.object_record(&place).await?.ok_or(ObjectsError::NoSuchKey)?;
        match conditions.judge(&record.current, self.clock.now()) {
            ReadVerdict::Serve => Ok(record),
            ReadVerdict::Failed(condition) => Err(ObjectsError::ReadPrecondition(condition)),
            ReadVerdict::NotModified(_) => {
                Err(ObjectsError::NotModified { etag: record.current.etag, last_modified: record.current.last_modified })
            }
        }
    }

    /// Looks an object up and holds on to its bytes.
    ///
    /// # Errors
    /// As [`Objects::head`].
    pub async fn open(&self, bucket: &BucketName, key: &ObjectKey, conditions: &ReadConditions) -> Result<OpenObject, ObjectsError> {
        for _ in 0..READS_MAX {
            let ticket = self.readers.enter();
            let record = self.current_object(bucket, key, conditions).await?;
            let content = record.content;
            // Bytes that are gone were replaced after their record was read: the next look finds the newer version.
            let (bytes, pinned) = match content.kind {
                ContentKind::Empty => (OpenBytes::Here(Bytes::new()), Vec::new()),
                ContentKind::Blob => (OpenBytes::Blob, vec![content.id]),
                ContentKind::Inline => match self.metadata.get(&body_key(content.id)).await? {
                    Some(bytes) if bytes.len() as u64 == record.current.size => (OpenBytes::Here(bytes), Vec::new()),
                    Some(_) => return Err(Damaged { family: "body", expected: "as many bytes as the object has" }.into()),
                    None => continue,
                },
                ContentKind::Pieces => match self.metadata.get(&manifest_key(content.id)).await? {
                    Some(bytes) => {
                        let manifest = ManifestRecord::decode(&bytes)?;
                        let pinned = manifest.pieces.iter().map(|piece| piece.id).collect();
                        (OpenBytes::Pieces(manifest), pinned)
                    }
                    None => continue,
                },
            };
            let pins = ticket.pin(pinned);
            return Ok(OpenObject { head: record.into(), content, bytes, objects: self.clone(), pins });
        }
        // Either it is overwritten faster than it can be read, or its bytes are lost.
        self.lost_or_contended(bucket, key).await
    }

    /// Looks up the source of UploadPartCopy and holds on to its bytes.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchSourceBucket`], [`ObjectsError::NoSuchSource`], [`ObjectsError::SourcePrecondition`], or a store error.
    pub async fn open_source(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        conditions: &SourceConditions,
    ) -> Result<OpenObject, ObjectsError> {
        let open = self.open(bucket, key, &ReadConditions::default()).await.map_err(|error| match error {
            ObjectsError::NoSuchBucket => ObjectsError::NoSuchSourceBucket,
            ObjectsError::NoSuchKey => ObjectsError::NoSuchSource { key: key.as_str().to_owned() },
            other => other,
        })?;
        conditions.judge_copy(&open.head.current, self.clock.now()).map_err(ObjectsError::SourcePrecondition)?;
        Ok(open)
    }

    async fn lost_or_contended<T>(&self, bucket: &BucketName, key: &ObjectKey) -> Result<T, ObjectsError> {
        let before = self.current_object(bucket, key, &ReadConditions::default()).await?;
        let bytes = match before.content.kind {
            ContentKind::Inline => self.metadata.get(&body_key(before.content.id)).await?,
            _ => self.metadata.get(&manifest_key(before.content.id)).await?,
        };
        let after = self.current_object(bucket, key, &ReadConditions::default()).await?;
        if bytes.is_none() && before == after {
            return Err(Damaged { family: "object", expected: "the bytes that the object names" }.into());
        }
        Err(ObjectsError::Contended)
    }
}

impl OpenObject {
    /// Everything about the object but its bytes.
    pub const fn head(&self) -> &ObjectHead {
        &self.head
    }

    pub(crate) const fn content(&self) -> Content {
        self.content
    }

    /// Where a part's bytes are. An object that was not written in parts has one: the whole.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchPart`].
    pub fn part(&self, number: PartNumber) -> Result<ByteSpan, ObjectsError> {
        let OpenBytes::Pieces(ManifestRecord { pieces, .. }) = &self.bytes else {
            let whole = ByteSpan::whole(self.head.current.size);
            return if number.get() == 1 { Ok(whole) } else { Err(ObjectsError::NoSuchPart { parts: 1 }) };
        };
        let mut start = 0;
        for (nth, piece) in pieces.iter().enumerate() {
            // S3 counts the parts of a finished object from 1, whatever numbers they were uploaded under.
            if nth + 1 == usize::from(number.get()) {
                return Ok(ByteSpan { start, end: start + piece.size });
            }
            start += piece.size;
        }
        Err(ObjectsError::NoSuchPart { parts: pieces.len() as u16 })
    }

    /// The parts after number `marker`, at most `max` of them.
    pub fn parts(&self, marker: u16, max: usize) -> PartsPage {
        let OpenBytes::Pieces(ManifestRecord { algorithm, pieces }) = &self.bytes else { return PartsPage::default() };
        // A copy may have a checksum of another algorithm than the pieces that it shares.
        let common = *algorithm == self.head.checksum.as_ref().map(|stored| stored.checksum.algorithm());
        let checksum = |piece: &Piece| if common { piece.checksum.clone() } else { Vec::new() };
        let info = |piece: &Piece| PartInfo { number: piece.number, size: piece.size, checksum: checksum(piece) };
        let mut rest = pieces.iter().filter(|piece| piece.number.get() > marker);
        let parts = rest.by_ref().take(max).map(info).collect();
        PartsPage { parts, truncated: rest.next().is_some() }
    }

    /// Streams `span`, which must lie within the object.
    pub fn read(self, span: ByteSpan) -> ByteStream {
        let stream = self.read_again(span);
        Box::pin(Pinned { stream, _pins: self.pins })
    }

    /// As `read`; the object stays open, and must until the stream has ended.
    pub(crate) fn read_again(&self, span: ByteSpan) -> ByteStream {
        assert!(span.end <= self.head.current.size, "a span is resolved against the object's size");
        match &self.bytes {
            OpenBytes::Here(bytes) => {
                let bytes = bytes.slice(span.start as usize..span.end as usize);
                Box::pin(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))))
            }
            OpenBytes::Blob => Box::pin(blob_stream(self.objects.clone(), BlobId(self.content.id.0), span)),
            OpenBytes::Pieces(ManifestRecord { pieces, .. }) => {
                let objects = self.objects.clone();
                let wanted = overlaps(pieces, span);
                Box::pin(stream::iter(wanted).flat_map(move |(piece, span)| piece_stream(objects.clone(), &piece, span)))
            }
        }
    }

    /// The algorithm of the pieces' checksums.
    pub(crate) fn pieces_algorithm(&self) -> Option<ChecksumAlgorithm> {
        match &self.bytes {
            OpenBytes::Pieces(manifest) => manifest.algorithm,
            OpenBytes::Here(_) | OpenBytes::Blob => None,
        }
    }

    /// Each piece and where its bytes are; `None` for the only one.
    pub(crate) fn pieces(&self) -> Vec<(Option<Piece>, ByteSpan)> {
        let OpenBytes::Pieces(ManifestRecord { pieces, .. }) = &self.bytes else {
            return vec![(None, ByteSpan::whole(self.head.current.size))];
        };
        let mut start = 0;
        let place = |piece: &Piece| {
            let span = ByteSpan { start, end: start + piece.size };
            start = span.end;
            (Some(piece.clone()), span)
        };
        pieces.iter().map(place).collect()
    }
}

/// The pieces that hold bytes of `span`, each with the span inside the piece.
fn overlaps(pieces: &[Piece], span: ByteSpan) -> Vec<(Piece, ByteSpan)> {
    let mut wanted = Vec::new();
    let mut start = 0;
    for piece in pieces {
        let end = start + piece.size;
        let inside = ByteSpan { start: span.start.max(start), end: span.end.min(end) };
        if inside.start < inside.end {
            wanted.push((piece.clone(), ByteSpan { start: inside.start - start, end: inside.end - start }));
        }
        start = end;
    }
    wanted
}

fn piece_stream(objects: Objects, piece: &Piece, span: ByteSpan) -> ByteStream {
    if piece.kind == ContentKind::Blob {
        return Box::pin(blob_stream(objects, BlobId(piece.id.0), span));
    }
    let (id, size) = (piece.id, piece.size);
    Box::pin(stream::once(async move {
        let bytes = objects.metadata.get(&body_key(id)).await?;
        let bytes = bytes.filter(|bytes| bytes.len() as u64 == size);
        let bytes = bytes.ok_or_else(|| StoreError::Corrupt("a piece that the object names is not there".to_owned()))?;
        Ok(bytes.slice(span.start as usize..span.end as usize))
    }))
}

fn blob_stream(objects: Objects, blob: BlobId, span: ByteSpan) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    stream::once(async move { objects.blobs.read(blob, span).await }).flat_map(|opened| match opened {
        Ok(bytes) => bytes,
        Err(StoreError::NoSuchBlob) => failed(StoreError::Corrupt("a blob that the object names is not there".to_owned())),
        Err(error) => failed(error),
    })
}

fn failed(error: StoreError) -> ByteStream {
    Box::pin(stream::iter([Err(error)]))
}

/// A stream that keeps what it reads from being reclaimed.
struct Pinned {
    stream: ByteStream,
    _pins: Pins,
}

impl Stream for Pinned {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(cx)
    }
}
