//! Ordered records with one way to change them: read the named keys, decide, write, all in one step.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::{KeyRange, RecordKey, StoreError};

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which record.
    pub key: RecordKey,
    /// Its new value; `None` removes it. Never empty: some stores cannot tell an empty value from none.
    pub value: Option<Bytes>,
}

impl Write {
    /// Sets a record.
    pub fn put(key: RecordKey, value: impl Into<Bytes>) -> Self {
        let value = value.into();
        assert!(!value.is_empty(), "a record is never empty");
        Self { key, value: Some(value) }
    }

    /// Removes a record; it need not exist.
    pub fn remove(key: RecordKey) -> Self {
        Self { key, value: None }
    }
}

/// What a transaction reads: the named records in the order in which they were named.
#[derive(Debug)]
pub struct Records<'a> {
    /// Greater than the stamp of every earlier commit that named any of these keys, also after a restart, and at least 1.
    /// A commit gets this stamp, and no two commits of [`crate::Family::Bucket`] records get the same one.
    pub stamp: u64,
    /// The value of each named key.
    pub values: &'a [Option<Bytes>],
}

/// What a raw `decide` returns to the store.
#[derive(Debug)]
pub enum Decision {
    /// Apply all of these, or none.
    Commit(Vec<Write>),
    /// Change nothing.
    Refuse,
}

/// What became of a transaction; either way the evidence is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The writes are applied, under this stamp.
    Committed(u64),
    /// Nothing was changed.
    Refused,
}

/// A pure function from the current records to a decision. It may run several times; only its last run counts.
/// It must not block, wait, or have effects.
pub type Decide = Box<dyn FnMut(&Records<'_>) -> Decision + Send>;

/// Where a scan goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the next key.
    Next,
    /// To the first key that is not less than this one, which must be greater than the current key. One seek, however much it skips.
    SeekTo(Bytes),
    /// Nowhere.
    Stop,
}

/// Called with each key and value in order. It must not block or have effects.
pub type Visit = Box<dyn FnMut(&Bytes, &Bytes) -> Step + Send>;

/// Ordered records. All methods see and leave durable state only.
///
/// Implementations are cancel-safe: a dropped future of `transact_raw` leaves a transaction that either
/// happens whole or does not happen, and `decide` may still run after the drop.
#[async_trait]
pub trait Metadata: Send + Sync + 'static {
    /// The value of one record. Linearizable: it is at least as new as every commit acknowledged before the call.
    async fn get(&self, key: &RecordKey) -> Result<Option<Bytes>, StoreError>;

    /// Visits the records of a range in order, on one consistent snapshot that is at least as new as every commit
    /// acknowledged before the call. Prefer [`scan`], which returns what was gathered.
    async fn scan_raw(&self, range: KeyRange, visit: Visit) -> Result<(), StoreError>;

    /// Reads every key of `keys` (at most `limits::TRANSACTION_KEYS_MAX`), runs `decide` on them and applies its writes as one
    /// atomic, isolated, durable step. Writes may also name keys that were not read; those are written blindly.
    /// Prefer [`transact`], which returns what was decided.
    ///
    /// # Errors
    /// A definite error (nothing happened), or [`StoreError::Indefinite`].
    async fn transact_raw(&self, keys: Vec<RecordKey>, decide: Decide) -> Result<Outcome, StoreError>;
}

/// What a typed `decide` returns: writes and what they mean, or a refusal and why.
#[derive(Debug)]
pub enum Commit<T, R> {
    /// Apply the writes; `T` is the answer once they are durable.
    Write(Vec<Write>, T),
    /// Change nothing; `R` is the answer once its evidence is durable.
    Refuse(R),
}

/// Runs one transaction and returns what its last run of `decide` said: `Ok(Ok(_))` after a commit, `Ok(Err(_))` after a refusal.
///
/// # Errors
/// As [`Metadata::transact_raw`].
pub async fn transact<T, R>(
    metadata: &dyn Metadata,
    keys: Vec<RecordKey>,
    mut decide: impl FnMut(&Records<'_>) -> Commit<T, R> + Send + 'static,
) -> Result<Result<T, R>, StoreError>
where
    T: Send + 'static,
    R: Send + 'static,
{
    let answer = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&answer);
    let raw: Decide = Box::new(move |records| match decide(records) {
        Commit::Write(writes, t) => {
            *slot.lock() = Some(Ok(t));
            Decision::Commit(writes)
        }
        Commit::Refuse(r) => {
            *slot.lock() = Some(Err(r));
            Decision::Refuse
        }
    });
    let outcome = metadata.transact_raw(keys, raw).await?;
    let answer = answer.lock().take().expect("a transaction has run its decision before it returns");
    assert_eq!(matches!(outcome, Outcome::Committed(_)), answer.is_ok(), "the outcome is what was decided last");
    Ok(answer)
}

/// Scans a range, folding what it visits into `gathered`, which is returned.
///
/// # Errors
/// As [`Metadata::scan_raw`].
pub async fn scan<T: Send + 'static>(
    metadata: &dyn Metadata,
    range: KeyRange,
    gathered: T,
    mut visit: impl FnMut(&mut T, &Bytes, &Bytes) -> Step + Send + 'static,
) -> Result<T, StoreError> {
    let slot = Arc::new(Mutex::new(Some(gathered)));
    let inner = Arc::clone(&slot);
    let raw: Visit = Box::new(move |key, value| match inner.lock().as_mut() {
        Some(gathered) => visit(gathered, key, value),
        None => Step::Stop,
    });
    metadata.scan_raw(range, raw).await?;
    let gathered = slot.lock().take();
    Ok(gathered.expect("a scan is over when it returns"))
}
