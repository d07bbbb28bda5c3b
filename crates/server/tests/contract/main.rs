//! The contract over real HTTP, on both stores, as tables: every row of `docs/consistency.md`, and bad input.

mod deletes;
mod early;
mod overtaken;
mod reads;
mod sources;
mod support;
mod writes;
