//! A search that is not thorough: it leaves early mistakes instead of trying everything that follows from them. It only ever says that there is an order.

use std::time::Instant;

use super::{Halt, Search};
use crate::memory::Memory;

/// How many configurations a probe visits before it leaves its decisions, and how many steps it leaves at first.
const PATIENCE: u64 = 2_000;
const PATIENCE_BACK: usize = 32;

impl Search<'_> {
    /// Searches without being thorough: where it does not get on it leaves all that it decided lately, further back each time, and tries in another order. So it finds an
    /// order where the thorough search would first try everything that follows from one early mistake; but that there is none it cannot find.
    pub(crate) fn probe(&mut self, budget: u64) -> Halt {
        let spread = self.usual_time();
        let (mut left, mut back) = (usize::MAX, PATIENCE_BACK);
        while self.visited < budget && self.end.is_none_or(|end| Instant::now() < end) {
            if self.run((self.visited + PATIENCE).min(budget)) == Halt::Ordered {
                return Halt::Ordered;
            }
            let now = self.best.left.unwrap_or(usize::MAX);
            back = if now < left || back > self.trail.len() { PATIENCE_BACK } else { back * 2 };
            left = left.min(now);
            self.disorder = (self.disorder.0 + 1, spread);
            self.leave(back);
        }
        Halt::Spent
    }

    /// Forgets the last decisions, without remembering that they were bad.
    fn leave(&mut self, steps: usize) {
        let to = self.trail.len().saturating_sub(steps);
        let mut length = 0;
        while let Some(frame) = self.frames.pop() {
            self.choices.truncate(frame.choices);
            length = frame.trail;
            if frame.trail <= to {
                break;
            }
        }
        if self.frames.is_empty() {
            length = 0;
        }
        self.put_back(length);
        self.memory = Memory::default();
    }

    fn usual_time(&self) -> u64 {
        let certain = self.problem.steps.iter().filter(|step| step.required && step.returned != u64::MAX);
        let (count, sum) =
            certain.fold((1, 0), |(count, sum), step| (count + 1, sum + u128::from(step.returned.saturating_sub(step.called))));
        (sum / count) as u64
    }
}
