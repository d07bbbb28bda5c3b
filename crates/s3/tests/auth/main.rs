//! Signature Version 4 and signed bodies, from outside: AWS's published examples, requests signed by AWS's own signer,
//! and everything that must be refused.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic; clippy exempts only the test functions")]

mod bodies;
mod refusals;
mod signed_by_aws;
mod support;
mod vectors;
