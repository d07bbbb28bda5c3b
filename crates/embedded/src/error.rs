//! Why a data folder cannot be opened.

use std::{
    io,
    path::{Path, PathBuf},
};

use holdfast_store::StoreError;

use crate::space::is_full;

/// Why a data folder cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another holdfast process (pid {pid}) serves this folder")]
    InUse {
        /// As that process wrote it.
        pid: String,
    },
    /// It was written by another version.
    #[error("the folder has format version {found}; this version of holdfast reads version {known}: use the one that wrote it")]
    Format {
        /// What the folder says.
        found: u32,
        /// What we know.
        known: u32,
    },
    /// It holds something else.
    #[error("{} is there, but this is not a data folder of holdfast's embedded store: choose an empty or new folder", path.display())]
    NotOurs {
        /// What was found.
        path: PathBuf,
    },
    /// Acknowledged batches of the journal cannot be read. Opening would lose them.
    #[error("{} is damaged at byte {damaged}, and valid batches follow: keep a copy of the folder and restore a backup", path.display())]
    JournalDamaged {
        /// The journal.
        path: PathBuf,
        /// Where it is damaged.
        damaged: u64,
        /// Where it is valid again; 0 if that is in a later journal.
        valid: u64,
    },
    /// An acknowledged batch at the end of the journal cannot be read. Opening would lose it.
    #[error(
        "the last batch of {}, at byte {at}, was written whole and is damaged: keep a copy of the folder and restore a backup, or cut the \
         file to {at} bytes to give that batch up", path.display()
    )]
    LastBatchDamaged {
        /// The journal.
        path: PathBuf,
        /// Where the batch begins.
        at: u64,
    },
    /// A file that names others is damaged. Opening would lose those.
    #[error("{} is damaged: keep a copy of the folder and restore a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// There is no space left to open it.
    #[error("there is no space left to open the folder; free some, then start again: {0}")]
    Full(String),
    /// The records cannot be read.
    #[error("the records cannot be opened: {0}")]
    Records(String),
    /// The operating system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was opened or written.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::Full(format!("{}: {source}", path.display()));
        }
        Self::Io { path: path.to_owned(), source }
    }
}

impl From<fjall::Error> for OpenError {
    fn from(error: fjall::Error) -> Self {
        match &error {
            fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e)) if is_full(e) => Self::Full(e.to_string()),
            _ => Self::Records(error.to_string()),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Records(error.to_string())
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Records(error.to_string())
    }
}
