//! The offline check: every record decodes, every reference resolves, every byte has its digest, nothing is left over.

use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_model::{ByteSpan, ETag};
use holdfast_store::{BlobId, Family, KeyRange, RecordKey, Step, scan};
use md5::{Digest as _, Md5};

use crate::{
    Objects, ObjectsError,
    records::{
        BucketRecord, Content, ContentId, ContentKind, GarbageRecord, ManifestRecord, ObjectRecord, PartRecord, Piece, ReplayRecord,
        ShareRecord, UploadRecord, body_key, manifest_key, object_key_text, share_key,
    },
};

/// Records read at a time.
const PAGE: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: String,
    /// What.
    pub what: String,
}

/// What a check saw.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Everything that is wrong.
    pub wrong: Vec<Finding>,
    /// Records read.
    pub records: u64,
    /// Objects read.
    pub objects: u64,
    /// Bytes of bodies read.
    pub bytes: u64,
    /// Garbage records that wait for the collector.
    pub garbage: u64,
}

struct Check<'a> {
    objects: &'a Objects,
    found: Findings,
    buckets: HashSet<u64>,
    uploads: HashSet<[u8; 16]>,
    /// Contents that objects own, and how many do.
    owners: HashMap<ContentId, u64>,
    /// Contents and pieces that some record names.
    named: HashSet<ContentId>,
    /// Contents whose bytes have been read.
    read: HashSet<ContentId>,
}

impl Objects {
    /// Reads every record and every byte. Nothing else may use the store meanwhile.
    ///
    /// # Errors
    /// Only where the store cannot be read at all; everything else is a finding.
    pub async fn check(&self) -> Result<Findings, ObjectsError> {
        let mut check = Check {
            objects: self,
            found: Findings::default(),
            buckets: HashSet::new(),
            uploads: HashSet::new(),
            owners: HashMap::new(),
            named: HashSet::new(),
            read: HashSet::new(),
        };
        for family in [
            Family::Bucket,
            Family::Upload,
            Family::Garbage,
            Family::Object,
            Family::Part,
            Family::Replay,
            Family::Share,
            Family::Manifest,
            Family::Body,
            Family::Blob,
        ] {
            check.family(family).await?;
        }
        Ok(check.found)
    }
}

impl Check<'_> {
    fn wrong(&mut self, place: impl Display, what: impl Display) {
        self.found.wrong.push(Finding { place: place.to_string(), what: what.to_string() });
    }

    async fn family(&mut self, family: Family) -> Result<(), ObjectsError> {
        let mut start = Bytes::new();
        loop {
            let range = KeyRange { family, start, end: None };
            let page = scan(&*self.objects.metadata, range, Vec::new(), |page: &mut Vec<(Bytes, Bytes)>, key, value| {
                page.push((key.clone(), value.clone()));
                if page.len() < PAGE { Step::Next } else { Step::Stop }
            });
            let page = page.await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            start = [&last[..], &[0]].concat().into();
            for (key, value) in page {
                self.found.records += 1;
                if let Err(error) = self.record(family, &key, &value).await {
                    self.wrong(format_args!("{} {}", family.name(), key.escape_ascii()), error);
                }
            }
        }
    }

    async fn record(&mut self, family: Family, key: &[u8], value: &[u8]) -> Result<(), ObjectsError> {
        let place = format!("{} {}", family.name(), key.escape_ascii());
        match family {
            Family::Bucket => {
                self.buckets.insert(BucketRecord::decode(value)?.id.0);
            }
            Family::Upload => {
                UploadRecord::decode(value)?;
                self.uploads.insert(key.last_chunk().copied().unwrap_or_default());
            }
            Family::Garbage => self.garbage(value).await?,
            Family::Object => self.object(&place, key, value).await?,
            Family::Part => self.part(&place, key, value).await?,
            Family::Replay => {
                ReplayRecord::decode(value)?;
            }
            Family::Share => self.share(&place, key, value)?,
            Family::Manifest => {
                ManifestRecord::decode(value)?;
                self.must_be_named(&place, key);
            }
            Family::Body | Family::Blob => self.must_be_named(&place, key),
            Family::Probe => {}
        }
        Ok(())
    }

    fn must_be_named(&mut self, place: &str, key: &[u8]) {
        let id = key.try_into().map(|bytes| ContentId(u128::from_be_bytes(bytes)));
        if !id.is_ok_and(|id| self.named.contains(&id)) {
            self.wrong(place, "no object, part or garbage names it");
        }
    }

    async fn garbage(&mut self, value: &[u8]) -> Result<(), ObjectsError> {
        self.found.garbage += 1;
        if let GarbageRecord::Content(content) = GarbageRecord::decode(value)? {
            *self.owners.entry(content.id).or_default() += 1;
            self.named.insert(content.id);
            if let Some(bytes) = self.objects.metadata.get(&manifest_key(content.id)).await? {
                self.named.extend(ManifestRecord::decode(&bytes)?.pieces.iter().map(|piece| piece.id));
            }
        }
        Ok(())
    }

    async fn object(&mut self, place: &str, key: &[u8], value: &[u8]) -> Result<(), ObjectsError> {
        self.found.objects += 1;
        object_key_text(key)?;
        let bucket = key.first_chunk().map(|id| u64::from_be_bytes(*id));
        if !bucket.is_some_and(|id| self.buckets.contains(&id)) {
            self.wrong(place, "its bucket does not exist");
        }
        let object = ObjectRecord::decode(value)?;
        self.owned(place, object.content).await?;
        let pieces = match object.content.kind {
            ContentKind::Pieces => {
                let Some(bytes) = self.objects.metadata.get(&manifest_key(object.content.id)).await? else {
                    self.wrong(place, "its list of pieces is not there");
                    return Ok(());
                };
                ManifestRecord::decode(&bytes)?.pieces
            }
            _ => vec![whole(&object)?],
        };
        let size: u64 = pieces.iter().map(|piece| piece.size).sum();
        if size != object.current.size {
            self.wrong(place, format_args!("its pieces have {size} bytes, it has {}", object.current.size));
        }
        for piece in pieces {
            self.piece(place, &piece).await?;
        }
        Ok(())
    }

    /// owners + garbage = 1 + extra owners. Garbage has been counted before objects are.
    async fn owned(&mut self, place: &str, content: Content) -> Result<(), ObjectsError> {
        if content.kind == ContentKind::Empty {
            return Ok(());
        }
        self.named.insert(content.id);
        let owners = self.owners.entry(content.id).or_default();
        *owners += 1;
        let owners = *owners;
        let share = self.objects.metadata.get(&share_key(content.id)).await?;
        let extra = share.map(|bytes| ShareRecord::decode(&bytes)).transpose()?.map_or(0, |share| share.extra_owners);
        if owners > 1 + extra || (extra > 0 && !content.shared) {
            self.wrong(place, "its bytes have more owners than are counted");
        }
        Ok(())
    }

    /// owners + garbage = 1 + extra owners, exactly; objects and garbage have been counted.
    fn share(&mut self, place: &str, key: &[u8], value: &[u8]) -> Result<(), ObjectsError> {
        let extra = ShareRecord::decode(value)?.extra_owners;
        let id = key.try_into().map(|bytes| ContentId(u128::from_be_bytes(bytes)));
        let owners = id.ok().and_then(|id| self.owners.get(&id).copied()).unwrap_or(0);
        if owners != 1 + extra {
            self.wrong(place, format_args!("it counts {} owners, there are {owners}", 1 + extra));
        }
        Ok(())
    }

    async fn part(&mut self, place: &str, key: &[u8], value: &[u8]) -> Result<(), ObjectsError> {
        let piece = PartRecord::decode(value)?.piece;
        self.named.insert(piece.id);
        // A part whose upload has ended waits for the collector; its bytes may be gone.
        let upload: Option<&[u8; 16]> = key.get(8..24).and_then(|id| id.try_into().ok());
        if upload.is_some_and(|id| self.uploads.contains(id)) {
            self.piece(place, &piece).await?;
        }
        Ok(())
    }

    /// Reads the bytes of a piece, once, and compares them with their MD5.
    async fn piece(&mut self, place: &str, piece: &Piece) -> Result<(), ObjectsError> {
        self.named.insert(piece.id);
        if piece.kind == ContentKind::Empty || !self.read.insert(piece.id) {
            return Ok(());
        }
        match self.digest(piece).await {
            Ok((size, md5)) if size == piece.size && md5 == piece.md5 => self.found.bytes += size,
            Ok((size, _)) => {
                self.wrong(place, format_args!("{size} bytes that are not those that were written ({})", ETag::of_md5(piece.md5)));
            }
            Err(error) => self.wrong(place, error),
        }
        Ok(())
    }

    async fn digest(&self, piece: &Piece) -> Result<(u64, [u8; 16]), ObjectsError> {
        let mut digest = Md5::new();
        let mut size = 0;
        if piece.kind == ContentKind::Inline {
            let bytes = self.objects.metadata.get(&body_key(piece.id)).await?.unwrap_or_default();
            digest.update(&bytes);
            return Ok((bytes.len() as u64, digest.finalize().into()));
        }
        let named = self.objects.metadata.get(&RecordKey::new(Family::Blob, piece.id.0.to_be_bytes().to_vec())).await?;
        if named.is_none() {
            return Err(holdfast_store::StoreError::NoSuchBlob.into());
        }
        let mut bytes = self.objects.blobs.read(BlobId(piece.id.0), ByteSpan::whole(piece.size)).await?;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            size += chunk.len() as u64;
            digest.update(&chunk);
        }
        Ok((size, digest.finalize().into()))
    }
}

/// The bytes of an object of one piece.
fn whole(object: &ObjectRecord) -> Result<Piece, ObjectsError> {
    Ok(crate::commit::piece_of(object, 1)
        .map_err(|_| crate::records::Damaged { family: "object", expected: "the tag of one piece to be its MD5" })?)
}
