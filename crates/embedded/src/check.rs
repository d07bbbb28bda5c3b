//! Reads everything offline: every record, every byte of every blob, and whether records and blobs agree.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{AbstractTree as _, Readable as _};
use holdfast_model::ByteSpan;
use holdfast_store::{
    BlobId, BlobWriter, Blobs, ByteStream, Decide, Family, KeyRange, Metadata, Outcome, RecordKey, SealedBlob, StoreError, Visit,
};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{
    OpenError, Stats,
    extent_format::{CHUNK_BYTES, checksum},
    extent_reader::{self, Extent},
    extents::{for_each_extent, path_of},
    folder::Folder,
    records::{Engine, View, caught},
    table_lists,
    tuning::READ_JOB_BYTES,
};

const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A data folder that nobody serves, opened to be read. Opening replays the journal, as serving does.
pub struct Offline {
    view: View,
    folder: Folder,
}

/// What is wrong with a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobFault {
    /// A record names it and it is not there.
    Missing(BlobId),
    /// Its bytes cannot be read or do not match their checksums.
    Damaged(BlobId, StoreError),
    /// The record of its name cannot be one.
    BadRecord(Bytes),
}

/// What the check of all files of records found.
#[derive(Debug, Default)]
pub struct FileCheck {
    /// Files that were read.
    pub files: u64,
    /// Those that are not as they were written.
    pub damaged: Vec<PathBuf>,
}

/// What the check of all blobs found.
#[derive(Debug, Default)]
pub struct BlobCheck {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that no record names; the next start of the server reclaims them.
    pub unnamed: u64,
    /// What is wrong.
    pub faults: Vec<BlobFault>,
}

impl Offline {
    /// Takes the folder.
    ///
    /// # Errors
    /// As [`crate::EmbeddedStore::open`]; also if the folder is not there.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        if !path.join("FORMAT").exists() {
            return Err(OpenError::NotOurs { path: path.to_owned() });
        }
        let folder = Folder::open(path)?;
        let engine = Engine::open(&folder.records(), CACHE_BYTES)?;
        Ok(Self { view: View::first(Arc::new(engine))?, folder })
    }

    /// Calls `each` with every record of a family in order, until it returns false.
    ///
    /// # Errors
    /// The records cannot be read from there on.
    pub fn for_each_record(&self, family: Family, mut each: impl FnMut(&Bytes, &Bytes) -> bool) -> Result<(), StoreError> {
        let mut items = self.view.snapshot().iter(self.view.engine.keyspace(family));
        while let Some((key, value)) = caught(|| items.next().map(fjall::Guard::into_inner).transpose())? {
            if !each(&key.into(), &value.into()) {
                break;
            }
        }
        Ok(())
    }

    /// The value of one record.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        self.view.get(key)
    }

    /// The length of a blob, if its file has a valid end.
    ///
    /// # Errors
    /// It is not there or damaged.
    pub fn blob_len(&self, id: BlobId) -> Result<u64, StoreError> {
        Ok(self.extent(id)?.trailer.len)
    }

    /// Reads every byte of every blob, named or not, and looks for the blob of every record of [`Family::Blob`].
    ///
    /// # Errors
    /// Folders or records cannot be read; what is wrong with blobs is in the answer.
    pub fn check_blobs(&self) -> Result<BlobCheck, StoreError> {
        let mut check = BlobCheck::default();
        for_each_extent(&self.folder.extents(), |id, _, _| {
            if self.view.get(&RecordKey::new(Family::Blob, id.to_bytes().to_vec()))?.is_none() {
                check.unnamed += 1;
                return Ok(());
            }
            check.blobs += 1;
            match self.read_whole(id) {
                Ok(bytes) => check.bytes += bytes,
                Err(error) => check.faults.push(BlobFault::Damaged(id, error)),
            }
            Ok(())
        })?;
        self.for_each_record(Family::Blob, |key, _| {
            match <[u8; 16]>::try_from(key.as_ref()).map(BlobId::from_bytes) {
                Ok(id) if !path_of(&self.folder.extents(), id).exists() => check.faults.push(BlobFault::Missing(id)),
                Ok(_) => {}
                Err(_) => check.faults.push(BlobFault::BadRecord(key.clone())),
            }
            true
        })?;
        Ok(check)
    }

    /// Reads every file that holds records, also the parts of them that no read needs, and compares it with its checksum.
    ///
    /// # Errors
    /// A file cannot be read for another reason than damage.
    pub fn check_files(&self) -> Result<FileCheck, StoreError> {
        let mut check = FileCheck::default();
        for keyspace in self.view.engine.keyspaces() {
            let version = keyspace.tree.current_version();
            let tables = version.iter_tables().map(|table| (keyspace.path().join("tables").join(table.id().to_string()), table.checksum()));
            let values = version.blob_files.iter().map(|file| (file.path().to_owned(), file.checksum()));
            for (path, checksum) in tables.chain(values) {
                let found = checksum_of(&path).map_err(|e| StoreError::Read(format!("{}: {e}", path.display())))?;
                check.files += 1;
                if found != checksum.into_u128() {
                    check.damaged.push(path);
                }
            }
        }
        let records = self.folder.records();
        let damaged = table_lists::damaged_tables_of_fjall(&records);
        check.damaged.extend(damaged.map_err(|e| StoreError::Read(format!("{}: {e}", records.display())))?);
        Ok(check)
    }

    fn extent(&self, id: BlobId) -> Result<Extent, StoreError> {
        Extent::open(&path_of(&self.folder.extents(), id), id, Arc::new(Stats::default()))
    }

    fn read_whole(&self, id: BlobId) -> Result<u64, StoreError> {
        let extent = self.extent(id)?;
        let len = extent.trailer.len;
        let sums = extent.read_checksums(0, len.div_ceil(CHUNK_BYTES))?;
        if checksum(&sums) != extent.trailer.checksums {
            return Err(StoreError::Corrupt(format!("blob {id}: wrong checksum of its checksums")));
        }
        let mut from = 0;
        while from < len {
            let to = (from + READ_JOB_BYTES).min(len);
            extent.read_chunks(from, to)?;
            from = to;
        }
        Ok(len)
    }
}

/// The records as they are; nothing can be written.
#[async_trait]
impl Metadata for Offline {
    async fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError> {
        self.view.get(key)
    }

    async fn scan_raw(&self, range: KeyRange, mut visit: Visit) -> Result<(), StoreError> {
        self.view.scan(&range, &Stats::default(), &mut visit)
    }

    async fn transact_raw(&self, _keys: Vec<RecordKey>, _decide: Decide) -> Result<Outcome, StoreError> {
        Err(read_only())
    }
}

/// The blobs as they are; none can be written or deleted.
#[async_trait]
impl Blobs for Offline {
    async fn stage(&self) -> Result<Box<dyn BlobWriter>, StoreError> {
        Err(read_only())
    }

    async fn read(&self, blob: BlobId, span: ByteSpan) -> Result<ByteStream, StoreError> {
        extent_reader::read(path_of(&self.folder.extents(), blob), blob, span, Arc::new(Stats::default())).await
    }

    async fn delete(&self, _blob: BlobId) -> Result<(), StoreError> {
        Err(read_only())
    }

    fn staged_bytes(&self) -> u64 {
        0
    }

    fn named(&self, _blob: SealedBlob) {}
}

fn checksum_of(path: &Path) -> io::Result<u128> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Xxh3Default::new(), vec![0; READ_JOB_BYTES as usize]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.digest128()),
            len => hash.update(&buffer[..len]),
        }
    }
}

fn read_only() -> StoreError {
    StoreError::Unavailable("the folder is opened to be read only".into())
}
