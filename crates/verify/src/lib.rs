//! The checker: a plain S3 client that tells the owner of any endpoint whether its conditional writes can be trusted.
//!
//! It shares no code with the server: the judge is not the accused. It depends on nothing of ours.

pub mod client;
pub mod conformance;
pub mod history;
pub mod judge;
pub mod races;
pub mod report;
pub mod run;
pub mod timeline;

mod facts;
mod foresight;
mod groups;
mod linear;
mod memory;
mod model;
mod shrink;
mod words;
mod zones;
