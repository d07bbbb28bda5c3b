//! The S3 wire: route, authenticate, authorise, parse, render. All meaning lives in `objects`.
//!
//! Reading order: [`route`] tells what a request asks for, [`auth`] who asks, [`conditions`] and [`headers`] turn its
//! headers into `model` types, [`xml`] reads and writes documents, [`error`] is the only place that knows S3's codes.
//! Every parser here is a plain function over text or bytes, without I/O.

pub mod access;
pub mod auth;
mod body;
pub mod checksums;
pub mod conditions;
pub mod dates;
pub mod error;
pub mod facts;
pub mod fields;
pub mod headers;
pub mod listing;
mod ops;
pub mod query;
pub mod route;
pub mod service;
pub mod sources;
pub mod unsupported;
pub mod uri;
pub mod xml;

pub use body::{BoxError, WireBody};
pub use facts::RequestFacts;
pub use service::{Service, ServiceConfig};
