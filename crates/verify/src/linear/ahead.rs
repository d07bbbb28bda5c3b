//! What to try first, and what not at all: a step that takes from another what that must still find.
//!
//! **Why leaving out a step is sound.** A content with one writer comes to a key only by that write or by a copy or rename that is left; a key becomes absent
//! only by a delete or rename that is left. What was called after a finder returned comes too late for it. So if none of what is left can bring back what a finder needs, no order
//! begins with this step. Possible steps count as left always, used or not, late or not: that leaves out less. A step that only possible ones could make good is tried last.

use super::{END, Search};
use crate::{
    foresight::{Place, can_come},
    memory::bits_of_step,
    model::{ABSENT, Act, Effect, content_of},
};

/// How many of the steps to come are asked whether this one strands what they write. Fewer leave out less; an endless step would ask all.
const UNBORN_MAX: usize = 64;

impl<'p> Search<'p> {
    /// Puts the best choice first: steps that must be, those that leave to others what they need, the one that has to come first.
    pub(super) fn rank(&mut self, begin: usize, first: u32) {
        let mut ranked: Vec<_> = Vec::with_capacity(self.choices.len() - begin);
        for at in self.choices.drain(begin..).collect::<Vec<_>>() {
            let strands = self.strands(at, false);
            if !strands || !self.strands(at, true) {
                let step = self.step(at);
                let late = step.returned.saturating_add(self.disorder(at));
                ranked.push((!step.required, strands, at != first && self.disorder.0 == 0, late, at));
            }
        }
        ranked.sort_unstable();
        self.choices.extend(ranked.into_iter().map(|(.., at)| at));
    }

    fn disorder(&self, at: u32) -> u64 {
        let (seed, extent) = self.disorder;
        if extent == 0 { 0 } else { bits_of_step((seed as usize) << 32 | at as usize) as u64 % extent }
    }

    /// Whether a step must still find what cannot be there any more after this one: nothing that is left can bring it there in time, of the steps that must be, or
    /// of these and the possible ones.
    fn strands(&self, at: u32, with_possible: bool) -> bool {
        let act = &self.step(at).act;
        if act.only_looks() || !self.foresight {
            return false;
        }
        let before = self.state[act.key as usize];
        let result = act.result(&self.state);
        if before == ABSENT && result != ABSENT && self.cannot_empty(at, act.key, with_possible) {
            return true;
        }
        if act.source.is_none() {
            return self.loses(at, content_of(before), with_possible) || self.loses(at, content_of(result), with_possible);
        }
        self.state.iter().any(|held| self.loses(at, content_of(*held), with_possible)) || self.strands_unborn(at, with_possible)
    }

    /// The same for a content that is still to be written, to another key than it must be found at: this step may be the one that takes it there.
    fn strands_unborn(&self, at: u32, with_possible: bool) -> bool {
        let act = &self.step(at).act;
        self.left_until(self.step(at).returned).filter(|writer| *writer != at).take(UNBORN_MAX).any(|writer| {
            let writer = &self.step(writer).act;
            let Effect::Put(written) = writer.effect else { return false };
            let content = content_of(written);
            if self.needs[content as usize].is_none_or(|needed| needed == 0) || !act.may_carry(content) {
                return false;
            }
            self.problem.places.keys_of(content).iter().filter(|key| **key != writer.key).any(|key| {
                let Some(until) = self.found_until((*key, content), at) else { return false };
                let here = (0..self.state.len()).map(|key| key == writer.key as usize).collect();
                !can_come(content, *key, here, &self.acts_until(until, at, with_possible))
            })
        })
    }

    /// When a step must find this at the latest, of the rest but one.
    fn found_until(&self, place: Place, but: u32) -> Option<u64> {
        let finders = self.problem.places.finders(place);
        // Those that returned before all of the rest are taken.
        let begin = finders.partition_point(|finder| self.step(*finder).returned < self.front);
        let finders = finders[begin..].iter();
        let mut left = finders.filter(|finder| !self.taken[**finder as usize] && **finder != but);
        left.next().map(|finder| self.step(*finder).returned)
    }

    fn cannot_empty(&self, at: u32, key: u32, with_possible: bool) -> bool {
        let Some(until) = self.found_until((key, 0), at) else { return false };
        !self.acts_until(until, at, with_possible).any(|act| act.may_empty() == Some(key))
    }

    fn loses(&self, at: u32, content: u32, with_possible: bool) -> bool {
        if content == 0 || self.needs[content as usize].is_none_or(|needed| needed == 0) {
            return false;
        }
        let act = &self.step(at).act;
        let emptied = act.empties();
        let result = content_of(act.result(&self.state));
        let holds = |key: usize| match key as u32 {
            key if key == act.key => result == content,
            key if Some(key) == emptied => false,
            _ => content_of(self.state[key]) == content,
        };
        self.problem.places.keys_of(content).iter().any(|key| {
            if holds(*key as usize) {
                return false;
            }
            let Some(until) = self.found_until((*key, content), at) else { return false };
            let here = (0..self.state.len()).map(holds).collect();
            !can_come(content, *key, here, &self.acts_until(until, at, with_possible))
        })
    }

    /// The required steps that are left and were called by then.
    fn left_until(&self, until: u64) -> impl Iterator<Item = u32> + Clone {
        let one = |at: u32| Some(at).filter(|at| *at != END);
        std::iter::successors(one(self.next[self.problem.steps.len()]), move |at| one(self.next[*at as usize]))
            .take_while(move |at| self.step(*at).called <= until)
    }

    /// What is left to do and was called by then, but for one step.
    fn acts_until(&self, until: u64, but: u32, with_possible: bool) -> impl Iterator<Item = &'p Act> + Clone {
        let left = self.left_until(until).filter(move |at| *at != but).map(|at| &self.step(at).act);
        let pools = self.pools.iter().filter(move |_| with_possible);
        let possible = pools.filter_map(|pool| pool.ending.first().or(pool.endless.first()));
        left.chain(possible.map(|at| &self.step(*at).act))
    }
}
