//! `holdfast check`: reads a data folder that no server uses, and reports what is wrong with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_embedded::{BlobFault, Offline, OpenError};
use holdfast_objects::{Objects, ObjectsError, SystemClock};
use holdfast_store::StoreError;

/// What was read, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Objects read.
    pub objects: u64,
    /// Bytes of bodies read.
    pub bytes: u64,
    /// Records of garbage that waits to be reclaimed.
    pub garbage: u64,
    /// Blobs that no record names: the next start reclaims them.
    pub unnamed_blobs: u64,
    /// One sentence for each thing that is wrong.
    pub findings: Vec<String>,
}

/// Why a folder could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no such folder.
    #[error("{0} is not a data folder")]
    NoFolder(PathBuf),
    /// See the inner error.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The records cannot be read at all.
    #[error("the records cannot be read: {0}")]
    Objects(#[from] ObjectsError),
    /// The files cannot be read at all.
    #[error("the files cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// Reads every record and every byte under `data`.
///
/// # Errors
/// A folder that cannot be read; what is wrong inside it is in the report.
pub async fn check(data: &Path) -> Result<Report, CheckError> {
    if !data.is_dir() {
        return Err(CheckError::NoFolder(data.to_owned()));
    }
    let offline = Arc::new(Offline::open(data)?);
    let found = Objects::new(offline.clone(), offline.clone(), Arc::new(SystemClock)).check().await?;
    let blobs = offline.check_blobs()?;
    let mut findings: Vec<String> = found.wrong.iter().map(|finding| format!("{}: {}", finding.place, finding.what)).collect();
    findings.extend(blobs.faults.iter().map(|fault| match fault {
        BlobFault::Missing(id) => format!("blob {id}: a record names it and it is not there"),
        BlobFault::Damaged(id, error) => format!("blob {id}: {error}"),
        BlobFault::BadRecord(key) => format!("blob record {}: it names no blob", key.escape_ascii()),
    }));
    let files = offline.check_files()?;
    findings.extend(files.damaged.iter().map(|path| format!("{}: its checksum is wrong", path.display())));
    Ok(Report {
        records: found.records,
        objects: found.objects,
        bytes: found.bytes,
        garbage: found.garbage,
        unnamed_blobs: blobs.unnamed,
        findings,
    })
}
