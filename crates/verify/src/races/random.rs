//! Numbers from a seed: the same on every machine, one stream for each client.

/// SplitMix64: small, and good enough to draw operations with.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of one client in one phase of a run.
    pub fn new(seed: u64, phase: u64, client: u64) -> Self {
        let mut random = Self(seed);
        random.0 = random.draw() ^ phase.wrapping_mul(0xd1b5_4a32_d192_ed03);
        random.0 = random.draw() ^ client.wrapping_mul(0xaef1_7502_108e_f2d9);
        random
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, with these weights; not all are 0.
    pub fn weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let mut at = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if at < *weight {
                return *choice;
            }
            at -= weight;
        }
        choices[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_the_same_for_the_same_seed_and_differ_by_client_and_phase() {
        let first = |seed, phase, client| Random::new(seed, phase, client).draw();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        assert_ne!(first(1, 2, 3), first(1, 2, 4));
        assert_ne!(first(1, 2, 3), first(1, 3, 3));
        assert_ne!(first(1, 2, 3), first(2, 2, 3));
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(7, 0, 0);
        let drawn = (0..4000).filter(|_| random.weighted(&[(1, true), (3, false), (0, true)])).count();
        assert!((900..1100).contains(&drawn), "{drawn} of 4000");
    }
}
