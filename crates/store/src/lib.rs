//! The waist of Holdfast: everything above is S3, everything below is a storage engine.
//!
//! A store keeps two things. [`Metadata`]: small ordered records that change only through
//! [`transact`], which reads, decides and writes in one atomic, isolated, durable step. [`Blobs`]: immutable
//! bytes that nobody sees until a record names them.
//!
//! Invariants that every store keeps, and that the contract suite checks:
//! - What `get` and `scan` return is durable. Nothing that a power cut could undo is ever seen.
//! - `transact` answers only when what it read and wrote is durable, a refusal as well as a commit.
//! - An error is definite (nothing happened) or indefinite (it may have), and says which.
//! - A blob is named exactly while the record `(Family::Blob, id)` exists. The transaction that first names a blob
//!   writes that record; a store that opens after a crash reclaims every blob without one.

mod blobs;
#[cfg(feature = "contract")]
#[allow(clippy::unwrap_used, reason = "a suite of tests, though not compiled as one")]
pub mod contract;
mod error;
#[cfg(feature = "contract")]
mod faulty;
mod key;
mod memory;
mod metadata;

pub use blobs::{BlobId, BlobWriter, Blobs, ByteStream, SealedBlob};
pub use error::StoreError;
#[cfg(feature = "contract")]
pub use faulty::{Fault, Faulty};
pub use key::{Family, KeyRange, RecordKey};
pub use memory::MemoryStore;
pub use metadata::{Commit, Decide, Decision, Metadata, Outcome, Records, Step, Visit, Write, scan, transact};
