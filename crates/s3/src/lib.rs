//! The S3 wire: route, authenticate, authorise, parse, render. All meaning lives in `objects`.

pub mod auth;
