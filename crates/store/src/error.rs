//! What can go wrong in a store, by what the caller must do next.

/// An error of a store. [`StoreError::is_definite`] tells whether the step may have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was submitted because a bounded queue is full. Try again later.
    #[error("the store has as much queued as it may; try again")]
    Busy,
    /// Nothing was submitted because there is no space left. Free some, then try again.
    #[error("the store has no space left: {0}")]
    Full(String),
    /// Nothing was submitted because the store is closed, or refuses to go on after an I/O error.
    #[error("the store does not accept requests: {0}")]
    Unavailable(String),
    /// The step was submitted and its outcome is not known: it may be durable, now or after a restart. The store settles what it
    /// staged for it; the caller neither deletes nor names those blobs again.
    #[error("the outcome is not known: {0}")]
    Indefinite(String),
    /// Bytes that were read do not match their checksum, or a record that must exist is missing.
    #[error("stored bytes are damaged: {0}")]
    Corrupt(String),
    /// Reading failed.
    #[error("reading failed: {0}")]
    Read(String),
    /// The blob is not there. Of a blob that was named when its record was read: it has been deleted since.
    #[error("the blob is not in the store")]
    NoSuchBlob,
}

impl StoreError {
    /// Whether it is certain that nothing was written.
    pub const fn is_definite(&self) -> bool {
        !matches!(self, Self::Indefinite(_))
    }
}
