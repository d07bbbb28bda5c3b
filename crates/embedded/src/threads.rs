//! Where threads meet and wait, in one place: `committer.rs` and `shared.rs` take locks, channels and time from here, so that
//! `tests/schedules` compiles the same two files on primitives whose schedule it chooses.

pub(crate) use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread::park_timeout,
    time::Instant,
};

pub(crate) use parking_lot::{Mutex, RwLock};
