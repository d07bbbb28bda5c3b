//! What each fuzz target checks. libFuzzer calls these functions from `fuzz/`; the replay test calls them on stable with the corpora.
//!
//! A function takes any bytes and panics exactly if a property is broken. Each says more than "no panic": what is read is compared with
//! a second reading that is written here from the specification, or the same bytes are read in several ways that must agree.
#![allow(
    missing_docs,
    clippy::format_push_string,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "test code: a panic is a finding"
)]

mod auth;
mod chunked;
mod conditions;
mod documents;
mod files;
mod heads;
mod input;
mod listing;
mod records;
mod signer;
mod sources;

/// What a target does with an input: it panics if a property is broken.
pub type Check = fn(&[u8]);

/// Every target: its name, and what it checks.
pub const TARGETS: &[(&str, Check)] = &[
    ("sigv4_header", auth::sigv4_header),
    ("sigv4_presigned", auth::sigv4_presigned),
    ("aws_chunked", chunked::aws_chunked),
    ("xml_documents", documents::xml_documents),
    ("conditions", conditions::conditions),
    ("ranges_and_dates", conditions::ranges_and_dates),
    ("sources", sources::sources),
    ("records", records::records),
    ("listing", listing::listing),
    ("http_heads", heads::http_heads),
    ("journal", files::journal),
    ("extents", files::extents),
];

/// Runs the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, check) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    check(bytes);
}
