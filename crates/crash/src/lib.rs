//! Faults for the tests of the store. A disk in memory, mounted by FUSE, that can lose power and fail at any call.
//!
//! Nothing here is part of the server. The tests are in `tests/`.
