//! The lock of `readers.rs`, so that `tests/schedules.rs` compiles the same file on one whose schedule it chooses.

pub(crate) use parking_lot::Mutex;
