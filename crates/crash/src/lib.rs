//! Faults for the tests of the store: a disk in memory, mounted by FUSE, that can lose power and fail at any call.
//!
//! `medium.rs` is the disk and what of it survives a power cut, `faults.rs` says when the power goes and which calls fail, `mount.rs` gives
//! it to the operating system. Nothing here is part of the server. The tests are in `tests/`.

mod content;
mod faults;
mod medium;
mod mount;
mod random;

pub use content::{Content, PAGE_BYTES};
pub use faults::{Call, Counts, CutAt, Disk, Failure, Image, Seen};
pub use medium::{Attributes, Medium, NodeId, ROOT, Rules, SECTOR_BYTES, Survivors};
pub use mount::Mounted;
pub use random::Random;
/// Errors of the operating system, as [`Failure`] names them.
pub use rustix::io::Errno;
