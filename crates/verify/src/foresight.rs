//! Which contents must still be found where, so that a search does not destroy what it needs.

use std::collections::HashMap;

use crate::{groups::Step, model::Act};

/// A key, and a content that must be found there; content 0 is none.
pub(crate) type Place = (u32, u32);

/// By place, the required steps that must find it so, by their return.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    finders: HashMap<Place, Vec<u32>>,
    /// By content, the keys where it must be found.
    keys: HashMap<u32, Vec<u32>>,
}

impl Places {
    pub(crate) fn of(steps: &[Step]) -> Self {
        let mut places = Self::default();
        for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.required) {
            for place in step.act.finds().into_iter().flatten() {
                places.finders.entry(place).or_default().push(at as u32);
            }
        }
        for ((key, content), finders) in &mut places.finders {
            finders.sort_by_key(|at| steps[*at as usize].returned);
            places.keys.entry(*content).or_default().push(*key);
        }
        places
    }

    /// The keys where a content must be found by some step.
    pub(crate) fn keys_of(&self, content: u32) -> &[u32] {
        self.keys.get(&content).map_or(&[], Vec::as_slice)
    }

    /// The steps that must find it so, by their return.
    pub(crate) fn finders(&self, place: Place) -> &[u32] {
        self.finders.get(&place).map_or(&[], Vec::as_slice)
    }
}

/// Whether a content can come to a key by these acts, in any order, from the keys where it is.
pub(crate) fn can_come<'a>(content: u32, to: u32, mut at: Vec<bool>, acts: &(impl Iterator<Item = &'a Act> + Clone)) -> bool {
    loop {
        if at[to as usize] {
            return true;
        }
        let mut spread = false;
        for act in acts.clone() {
            let Some((source, _)) = act.source else { continue };
            if at[source as usize] && !at[act.key as usize] && act.may_carry(content) {
                if act.key == to {
                    return true;
                }
                at[act.key as usize] = true;
                spread = true;
            }
        }
        if !spread {
            return false;
        }
    }
}
