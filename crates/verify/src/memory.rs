//! The configurations that a search has been in: no use to come back to one with less in hand.
//!
//! A configuration is the set of steps that are ordered already and the state. It is remembered as 128 bits, the exclusive or of a random
//! number for each element, so it changes by one operation when the search takes or puts back a step. Two configurations of a billion are confused
//! with a probability of less than 2^-68.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::model::Value;

/// The keys are random bits already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64;
    }
}

const NONE: u32 = u32::MAX;

struct Visit {
    /// The possible steps that were taken, by number.
    used: Box<[u32]>,
    next: u32,
}

/// Where the search was: by the steps that must be and the state, the possible steps that it had used up.
#[derive(Default)]
pub(crate) struct Memory {
    heads: HashMap<u128, u32, BuildHasherDefault<AsIs>>,
    visits: Vec<Visit>,
}

impl Memory {
    /// Whether this is new. It is not if the search was here with the same steps used, or fewer: it could do then all that it can do now.
    pub(crate) fn enter(&mut self, configuration: u128, used: &[u32]) -> bool {
        let head = self.heads.entry(configuration).or_insert(NONE);
        let mut at = *head;
        while at != NONE {
            let visit = &self.visits[at as usize];
            if is_subset(&visit.used, used) {
                return false;
            }
            at = visit.next;
        }
        self.visits.push(Visit { used: used.into(), next: *head });
        *head = self.visits.len() as u32 - 1;
        true
    }
}

/// Both ascending.
fn is_subset(small: &[u32], large: &[u32]) -> bool {
    let mut rest = large.iter();
    small.len() <= large.len() && small.iter().all(|wanted| rest.by_ref().any(|one| one == wanted))
}

pub(crate) fn bits_of_step(step: usize) -> u128 {
    bits(step as u64, 0x51ed_270b_9f64_1c83)
}

pub(crate) fn bits_of_slot(key: usize, value: Value) -> u128 {
    bits(value, mix(key as u64 ^ 0xd1b5_4a32_d192_ed03))
}

fn bits(number: u64, salt: u64) -> u128 {
    let low = mix(mix(number ^ salt).wrapping_add(salt));
    let high = mix(mix(number.wrapping_add(0x2545_f491_4f6c_dd1d) ^ salt.rotate_left(31)) ^ 0x9e37_79b9_7f4a_7c15);
    u128::from(high) << 64 | u128::from(low)
}

/// The finaliser of splitmix64.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn only_a_visit_with_no_more_used_makes_another_needless() {
        let mut memory = Memory::default();
        assert!(memory.enter(1, &[2, 5]));
        assert!(!memory.enter(1, &[2, 5]));
        assert!(!memory.enter(1, &[2, 3, 5]));
        assert!(memory.enter(1, &[2, 3]));
        assert!(memory.enter(1, &[5]));
        assert!(memory.enter(2, &[2, 5]));
        assert!(memory.enter(1, &[]));
        assert!(!memory.enter(1, &[9]));
    }
}
