//! Signature Version 4 and signed bodies, from outside: AWS's published examples, requests signed by AWS's own signer,
//! and everything that must be refused.

mod bodies;
mod refusals;
mod signed_by_aws;
mod support;
mod vectors;
