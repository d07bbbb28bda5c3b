//! Pages of listings, of objects and of uploads, against a fold over all keys.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use holdfast_model::{BucketName, Current, ETag, Generation, ObjectKey, Tags, Timestamp};
use holdfast_objects::{
    ListRequest, ListedUpload, ManualClock, Objects, UploadsRequest,
    records::{BucketRecord, Content, ObjectRecord, UploadRecord, bucket_key, object_key, upload_key},
};
use holdfast_store::{Commit, MemoryStore, Metadata as _, RecordKey, Write, transact};

use crate::input::Input;

/// What keys are made of: delimiters, their beginnings, the bytes around them, and characters of several bytes.
const PIECES: [&str; 12] = ["a", "b", "/", "//", "ab", "a/", "\u{0}", "\u{1}", "\u{ff}", "\u{10ffff}", ".", "0"];
const KEYS_MAX: usize = 24;

fn short_text(input: &mut Input<'_>, pieces_max: usize) -> String {
    let count = input.byte() as usize % (pieces_max + 1);
    (0..count).map(|_| *input.pick(&PIECES)).collect()
}

pub(crate) fn listing(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mode = input.byte();
    let request = ListRequest {
        prefix: short_text(&mut input, 2),
        delimiter: (mode & 1 == 0).then(|| short_text(&mut input, 2)),
        after: (mode & 2 == 0).then(|| short_text(&mut input, 4)),
        max: 1 + usize::from(input.byte() % 5),
    };
    let mut keys = BTreeSet::new();
    while !input.is_empty() && keys.len() < KEYS_MAX {
        let key = short_text(&mut input, 5);
        if !key.is_empty() {
            keys.insert(key);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        if mode & 4 == 0 { world.objects(&keys, request).await } else { world.uploads(&keys, request).await }
    });
}

/// Every entry after `after`, by reading all keys.
fn fold(keys: &BTreeSet<String>, request: &ListRequest) -> Vec<String> {
    let mut entries = BTreeSet::new();
    for key in keys.iter().filter(|key| key.starts_with(&request.prefix)) {
        let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let rest = &key[request.prefix.len()..];
        let entry = match delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len())) {
            Some(end) => &key[..request.prefix.len() + end],
            None => key,
        };
        if request.after.as_deref().is_none_or(|after| entry > after) {
            entries.insert(entry.to_owned());
        }
    }
    entries.into_iter().collect()
}

struct World {
    store: MemoryStore,
    objects: Objects,
    bucket: BucketName,
    record: BucketRecord,
}

impl World {
    async fn new() -> Self {
        let store = MemoryStore::default();
        let objects = Objects::new(Arc::new(store.clone()), Arc::new(store.clone()), Arc::new(ManualClock::default()));
        let bucket = BucketName::parse("bucket").unwrap();
        objects.create_bucket(&bucket, "", Tags::default()).await.unwrap();
        let record = store.get(&bucket_key(&bucket)).await.unwrap().unwrap();
        let record = BucketRecord::decode(&record).unwrap();
        Self { store, objects, bucket, record }
    }

    async fn write(&self, records: impl Iterator<Item = (RecordKey, Bytes)>) {
        let writes: Vec<Write> = records.map(|(key, value)| Write::put(key, value)).collect();
        let decided = transact(&self.store, Vec::new(), move |_| Commit::<(), ()>::Write(writes.clone(), ()));
        decided.await.unwrap().unwrap();
    }

    async fn objects(&self, keys: &BTreeSet<String>, request: ListRequest) {
        let current =
            Current { etag: ETag::parse("a").unwrap(), size: 0, last_modified: Timestamp::from_secs(1), generation: Generation(1) };
        let record = ObjectRecord {
            current,
            content: Content::EMPTY,
            parts: None,
            checksum: None,
            attributes: holdfast_model::Attributes::default(),
            tags: Tags::default(),
            mark: None,
        };
        let value = record.encode();
        self.write(keys.iter().map(|key| (object_key(self.record.id, &ObjectKey::parse(key).unwrap()), value.clone()))).await;
        let expected = fold(keys, &request);
        let (mut seen, mut next) = (Vec::new(), request.clone());
        loop {
            let page = self.objects.list(&self.bucket, next.clone()).await.unwrap();
            assert!(page.entries.len() <= request.max && (!page.truncated || page.entries.len() == request.max), "{request:?} {keys:?}");
            seen.extend(page.entries.iter().map(|entry| entry.position().to_owned()));
            assert!(seen.len() <= expected.len(), "pages go on for ever: {request:?} {keys:?}");
            if !page.truncated {
                break;
            }
            next.after = seen.last().cloned();
        }
        assert_eq!(seen, expected, "{request:?} {keys:?}");
    }

    /// Every second key has two uploads. A page goes on after the last entry: a key and an id, or a common prefix.
    async fn uploads(&self, keys: &BTreeSet<String>, request: ListRequest) {
        let algorithm = holdfast_model::ChecksumAlgorithm::Crc32;
        let record = UploadRecord {
            initiated: Timestamp::from_secs(1),
            revision: 1,
            algorithm,
            kind: algorithm.default_kind(),
            algorithm_named: false,
            attributes: holdfast_model::Attributes::default(),
            tags: Tags::default(),
        };
        let value = record.encode();
        let ids = |at: usize| 1..=1 + at as u128 % 2;
        let records = keys.iter().enumerate().flat_map(|(at, key)| ids(at).map(move |id| (ObjectKey::parse(key).unwrap(), id)));
        self.write(records.map(|(key, id)| (upload_key(self.record.id, &key, id.to_be_bytes()), value.clone()))).await;
        let mut expected = Vec::new();
        for entry in fold(keys, &request) {
            let listed_itself = fold(&BTreeSet::from([entry.clone()]), &ListRequest { after: None, ..request.clone() }) == [entry.clone()];
            match keys.iter().position(|key| *key == entry) {
                Some(at) if listed_itself && !is_folded(&entry, &request) => expected.extend(ids(at).map(|_| entry.clone())),
                _ => expected.push(entry),
            }
        }
        let mut next = UploadsRequest {
            prefix: request.prefix.clone(),
            delimiter: request.delimiter.clone(),
            key_marker: request.after.clone(),
            id_marker: None,
            max: request.max,
        };
        let mut seen = Vec::new();
        loop {
            let page = self.objects.list_uploads(&self.bucket, next.clone()).await.unwrap();
            assert!(page.entries.len() <= request.max && (!page.truncated || page.entries.len() == request.max), "{request:?} {keys:?}");
            for entry in &page.entries {
                let (key, id) = match entry {
                    ListedUpload::Upload { key, id, .. } => (key.clone(), Some(id.clone())),
                    ListedUpload::Prefix(prefix) => (prefix.clone(), None),
                };
                seen.push(key.clone());
                (next.key_marker, next.id_marker) = (Some(key), id);
            }
            assert!(seen.len() <= expected.len(), "pages go on for ever: {request:?} {keys:?}");
            if !page.truncated {
                break;
            }
        }
        assert_eq!(seen, expected, "{request:?} {keys:?}");
    }
}

fn is_folded(key: &str, request: &ListRequest) -> bool {
    let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    delimiter.is_some_and(|delimiter| key[request.prefix.len()..].contains(delimiter))
}
