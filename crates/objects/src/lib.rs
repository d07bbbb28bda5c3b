//! What S3 means.
pub mod records;
