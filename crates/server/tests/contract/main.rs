//! The contract over real HTTP, on both stores, as tables: every row of `docs/consistency.md`, and bad input.

mod append;
mod bad_input;
mod deletes;
mod early;
mod failures;
mod generations;
mod listing;
mod overtaken;
mod reads;
mod rename;
mod retries;
mod sources;
mod support;
mod unsupported;
mod writes;
