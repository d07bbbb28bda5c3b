//! Disturbances: the server is taken away under load and comes back, and the history goes on.

use std::time::Instant;

use futures_util::future::BoxFuture;

/// Why a disturbance could not be done. The run ends.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Something that befalls the endpoint in the middle of a run: `kill -9` and a restart, a network that breaks.
///
/// It is called after a seeded number of acknowledged operations, never by the clock.
pub trait Disturb: Send + Sync {
    /// Takes the endpoint away. Clients go on meanwhile, so it may wait for load to meet a failpoint. They go on
    /// beyond their budget until it returns; but it may begin with the very last answer, so its wait must have an end.
    ///
    /// Returns a moment at which the server was certainly dead, if there was one: what was asked before and not answered cannot take
    /// effect after [`Disturb::heal`] began. From that moment until `heal` it must stay dead.
    fn strike(&self) -> BoxFuture<'_, Result<Option<Instant>, Failure>>;

    /// Brings it back, and returns when it answers. No request is under way meanwhile.
    fn heal(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// The time in which the server was dead, in nanoseconds since the phase began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) dead: u64,
    pub(super) healed: u64,
}

/// The last moment at which an unanswered request can have taken effect, if one is known. It was called at `called`.
pub(super) fn latest_effect(outages: &[Outage], called: u64) -> Option<u64> {
    // All requests have ended before the endpoint is brought back, so the first outage that ends after the call has cut it off.
    let outage = outages.iter().find(|outage| called < outage.healed)?;
    Some(outage.dead.max(called))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unanswered_request_is_bounded_by_the_next_outage() {
        let outages = [Outage { dead: 100, healed: 200 }, Outage { dead: 300, healed: 400 }];
        assert_eq!(latest_effect(&outages, 50), Some(100));
        // Called when nobody was there.
        assert_eq!(latest_effect(&outages, 150), Some(150));
        assert_eq!(latest_effect(&outages, 250), Some(300));
        assert_eq!(latest_effect(&outages, 450), None);
    }
}
