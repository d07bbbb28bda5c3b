//! What the outside gives: the time and fresh ids. Tests give their own.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use holdfast_model::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the seam that the lint points to")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(since.as_millis() as u64)
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Moves the time forward.
    pub fn advance_secs(&self, secs: u64) {
        self.0.fetch_add(secs * 1000, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// An id that is never given twice and cannot be guessed: 48 bits of milliseconds, then 80 random bits, so that ids sort by age.
///
/// # Panics
/// If the operating system has no randomness to give.
pub(crate) fn fresh_id(now: Timestamp) -> u128 {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the operating system gives randomness");
    u128::from(now.millis() & 0xffff_ffff_ffff) << 80 | u128::from_be_bytes(random) >> 48
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_sort_by_age() {
        let early = fresh_id(Timestamp::from_millis(1));
        assert_ne!(early, fresh_id(Timestamp::from_millis(1)));
        assert!(early < fresh_id(Timestamp::from_millis(2)));
    }
}
