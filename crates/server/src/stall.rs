//! Patience with a peer: waiting time is counted only while the peer is waited for, and progress buys new patience.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Counts the waiting time since the last sufficient progress.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    /// Bytes that make the waiting time start anew.
    enough: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    progress: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration, enough: u64) -> Self {
        Patience { limit, enough, waited: Duration::ZERO, waiting_since: None, progress: 0, timer: None }
    }

    /// The peer is being waited for; ready when it has been waited for too long.
    pub(crate) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            let deadline = now + self.limit.saturating_sub(self.waited);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
        }
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }

    /// The peer sent or took this much.
    pub(crate) fn progressed(&mut self, bytes: u64) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        self.progress += bytes;
        if self.progress >= self.enough {
            self.restart();
        }
    }

    /// Something new begins, with patience in full.
    pub(crate) fn restart(&mut self) {
        self.waited = Duration::ZERO;
        self.waiting_since = None;
        self.progress = 0;
    }
}
