//! `holdfast check`: reads a data folder that no server uses, and reports what is wrong with it.

use std::path::{Path, PathBuf};

/// What was read, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Bytes of bodies read.
    pub bytes: u64,
    /// One sentence for each thing that is wrong.
    pub findings: Vec<String>,
}

/// Why a folder could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no such folder.
    #[error("{0} is not a data folder")]
    NoFolder(PathBuf),
    /// This build has no store whose folder could be read.
    #[error("this build has no store, so it cannot check one")]
    NoStore,
}

/// Reads every record and every byte under `data`.
///
/// # Errors
/// A folder that cannot be read; what is wrong inside it is in the report.
pub fn check(data: &Path) -> Result<Report, CheckError> {
    if !data.is_dir() {
        return Err(CheckError::NoFolder(data.to_owned()));
    }
    Err(CheckError::NoStore)
}
