//! The S3 wire: route, authenticate, authorise, parse, render. All meaning lives in `objects`.
//!
//! Reading order: [`route`] tells what a request asks for, [`auth`] who asks, [`conditions`] and [`headers`] turn its
//! headers into `model` types, [`xml`] reads and writes documents, [`error`] is the only place that knows S3's codes.
//! Every parser here is a plain function over text or bytes, without I/O.

pub mod auth;
pub mod checksums;
pub mod conditions;
pub mod dates;
pub mod error;
pub mod fields;
pub mod headers;
pub mod listing;
pub mod query;
pub mod route;
pub mod sources;
pub mod unsupported;
pub mod uri;
pub mod xml;
