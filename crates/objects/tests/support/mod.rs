//! A world for tests: objects on the store in memory, with short words for requests.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs, reason = "each test file uses some of it")]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_model::*;
use holdfast_objects::*;
use holdfast_store::{Family, KeyRange, MemoryStore, RecordKey, Step, scan};

pub struct World {
    pub store: MemoryStore,
    pub objects: Objects,
    pub clock: Arc<ManualClock>,
    pub bucket: BucketName,
}

pub fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

pub fn tag(text: &str) -> ETag {
    ETag::parse(text).unwrap()
}

pub fn part(n: u64) -> PartNumber {
    PartNumber::new(n).unwrap()
}

pub fn create_only() -> WriteConditions {
    WriteConditions { rule: WriteRule::CreateOnly, ..Default::default() }
}

pub fn if_match(etag: &ETag) -> WriteConditions {
    WriteConditions { rule: WriteRule::IfMatch(ETagMatch::Exactly(etag.clone())), ..Default::default() }
}

pub fn always() -> WriteConditions {
    WriteConditions::default()
}

pub fn caller(invocation: &str) -> Caller {
    Caller { principal: "root".into(), invocation: (!invocation.is_empty()).then(|| invocation.to_owned()) }
}

/// `len` bytes that differ from those of other seeds.
pub fn body(seed: u8, len: usize) -> Bytes {
    (0..len).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed)).collect::<Vec<_>>().into()
}

impl World {
    pub async fn new() -> Self {
        let store = MemoryStore::default();
        let clock = Arc::new(ManualClock::default());
        clock.advance_secs(1000);
        let objects = Objects::new(Arc::new(store.clone()), Arc::new(store.clone()), clock.clone());
        let bucket = BucketName::parse("bucket").unwrap();
        objects.create_bucket(&bucket, "", Tags::default()).await.unwrap();
        Self { store, objects, clock, bucket }
    }

    pub async fn staged(&self, bytes: Bytes) -> Staged {
        let mut stage = self.objects.stage(ChecksumAlgorithm::Crc64Nvme, limits::PUT_BYTES_MAX);
        for chunk in bytes.chunks(64 * 1024) {
            stage.append(bytes.slice_ref(chunk)).await.unwrap();
        }
        stage.seal(&ExpectedDigests::default()).await.unwrap()
    }

    pub async fn request(&self, name: &str, bytes: Bytes, conditions: WriteConditions, who: &Caller) -> Result<PutRequest, ObjectsError> {
        let arrived = self.objects.arrive(&self.bucket, &key(name), &conditions, WriteOperation::Put, who).await?;
        let staged = self.staged(bytes).await;
        Ok(PutRequest { arrived, conditions, staged, attributes: Attributes::default(), tags: Tags::default(), caller: who.clone() })
    }

    pub async fn put(&self, name: &str, bytes: Bytes, conditions: WriteConditions) -> Result<Written, ObjectsError> {
        self.put_as(name, bytes, conditions, &caller("")).await
    }

    pub async fn put_as(&self, name: &str, bytes: Bytes, conditions: WriteConditions, who: &Caller) -> Result<Written, ObjectsError> {
        self.objects.put(self.request(name, bytes, conditions, who).await?).await
    }

    pub async fn append(
        &self,
        name: &str,
        bytes: Bytes,
        offset: u64,
        conditions: WriteConditions,
        who: &Caller,
    ) -> Result<Written, ObjectsError> {
        let arrived = self.objects.arrive(&self.bucket, &key(name), &conditions, WriteOperation::Append, who).await?;
        let staged = self.staged(bytes).await;
        let request =
            PutRequest { arrived, conditions, staged, attributes: Attributes::default(), tags: Tags::default(), caller: who.clone() };
        self.objects.append(request, offset).await
    }

    pub async fn get(&self, name: &str) -> Result<Bytes, ObjectsError> {
        let open = self.objects.open(&self.bucket, &key(name), &ReadConditions::default()).await?;
        let span = ByteSpan::whole(open.head().current.size);
        gather(open.read(span)).await
    }

    pub async fn head(&self, name: &str) -> Result<ObjectHead, ObjectsError> {
        self.objects.head(&self.bucket, &key(name), &ReadConditions::default()).await
    }

    pub async fn delete(&self, name: &str) -> Result<(), ObjectsError> {
        self.objects.delete(&self.bucket, &key(name), DeleteConditions::default()).await
    }

    pub async fn copy(&self, from: &str, to: &str, conditions: WriteConditions, who: &Caller) -> Result<Written, ObjectsError> {
        let arrived = self.objects.observe(&self.bucket, &key(to)).await?;
        let request = CopyRequest {
            arrived,
            conditions,
            source_bucket: self.bucket.clone(),
            source_key: key(from),
            source_conditions: SourceConditions::default(),
            attributes: (from == to).then(Attributes::default),
            tags: None,
            checksum: None,
            caller: who.clone(),
        };
        self.objects.copy(request).await
    }

    pub async fn rename(
        &self,
        from: &str,
        to: &str,
        conditions: WriteConditions,
        token: Option<&str>,
        who: &Caller,
    ) -> Result<Written, ObjectsError> {
        let arrived = self.objects.observe(&self.bucket, &key(to)).await?;
        let request = RenameRequest {
            arrived,
            conditions,
            sources: vec![key(from)],
            source_conditions: SourceConditions::default(),
            token: token.map(str::to_owned),
            caller: who.clone(),
        };
        self.objects.rename(request).await
    }

    pub async fn create_upload(&self, name: &str) -> UploadId {
        self.objects.create_upload(&self.bucket, &key(name), NewUpload::default()).await.unwrap().id
    }

    pub async fn put_part(&self, name: &str, upload: &UploadId, number: u64, bytes: Bytes) -> Result<CompletePart, ObjectsError> {
        let found = self.objects.upload_for_parts(&self.bucket, &key(name), upload, None).await?;
        let written = self.objects.put_part(&found, part(number), self.staged(bytes).await).await?;
        Ok(CompletePart { number: part(number), etag: written.etag, checksum: None })
    }

    pub async fn complete(
        &self,
        name: &str,
        upload: &UploadId,
        parts: &[CompletePart],
        conditions: WriteConditions,
        who: &Caller,
    ) -> Result<Written, ObjectsError> {
        let arrived = self.objects.observe(&self.bucket, &key(name)).await?;
        let request = CompleteRequest {
            arrived,
            conditions,
            upload: upload.clone(),
            parts: parts.to_vec(),
            checksum: None,
            kind: None,
            size: None,
            caller: who.clone(),
        };
        self.objects.complete_upload(request).await
    }

    pub async fn names(&self) -> Vec<String> {
        let request = ListRequest { max: 1000, ..Default::default() };
        let page = self.objects.list(&self.bucket, request).await.unwrap();
        page.entries.iter().map(|e| e.position().to_owned()).collect()
    }

    /// Every record of these families.
    pub async fn records(&self, families: &[Family]) -> Vec<(RecordKey, Bytes)> {
        let mut all = Vec::new();
        for family in families {
            let range = KeyRange { family: *family, start: Bytes::new(), end: None };
            let found = scan(&self.store, range, Vec::new(), |found: &mut Vec<(Bytes, Bytes)>, key, value| {
                found.push((key.clone(), value.clone()));
                Step::Next
            });
            all.extend(found.await.unwrap().into_iter().map(|(k, v)| (RecordKey::new(*family, k), v)));
        }
        all
    }

    pub async fn everything(&self) -> Vec<(RecordKey, Bytes)> {
        self.records(&Family::ALL).await
    }

    /// Nothing is wrong, and once the collector has run nothing is left over.
    pub async fn assert_sound(&self) {
        let found = self.objects.check().await.unwrap();
        assert_eq!(found.wrong, []);
        while !self.records(&[Family::Garbage]).await.is_empty() {
            self.objects.collect().await.unwrap();
            let found = self.objects.check().await.unwrap();
            assert_eq!(found.wrong, []);
        }
    }
}

pub async fn gather(mut stream: holdfast_store::ByteStream) -> Result<Bytes, ObjectsError> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all.into())
}
