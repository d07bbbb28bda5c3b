//! Two contents that must both have been there at once: the commonest violation, found without a search.
//!
//! Where nothing is copied or renamed, a content with one writer is at its key for one stretch of time. That covers all from the first return to the last call
//! of the steps that write or find it. Two such stretches of one key cannot overlap. What is found here is only a hint where to look: the search proves it.

use std::collections::HashMap;

use crate::{
    groups::Problem,
    model::{ANY_ETAG, Effect, content_of, value},
};

struct Stretch {
    content: u32,
    from: u64,
    to: u64,
    first: usize,
    last: usize,
}

/// The operations that show two contents at once, if the group is of one key.
pub(crate) fn overlap(problem: &Problem) -> Option<Vec<usize>> {
    if problem.keys.len() != 1 {
        return None;
    }
    let mut stretches: HashMap<u32, Stretch> = HashMap::new();
    for step in problem.steps.iter().filter(|step| step.required) {
        let written = if let Effect::Put(value) = step.act.effect { content_of(value) } else { 0 };
        let unique = |content: &u32| *content != 0 && problem.needs[*content as usize].is_some();
        for content in step.observes.into_iter().chain([written]).filter(unique) {
            let new = Stretch { content, from: u64::MAX, to: 0, first: step.operation, last: step.operation };
            let stretch = stretches.entry(content).or_insert(new);
            if step.returned < stretch.from {
                (stretch.from, stretch.first) = (step.returned, step.operation);
            }
            if step.called > stretch.to {
                (stretch.to, stretch.last) = (step.called, step.operation);
            }
        }
    }
    let mut certain: Vec<Stretch> = stretches.into_values().filter(|stretch| stretch.from < stretch.to).collect();
    certain.sort_by_key(|stretch| (stretch.from, stretch.first));
    let mut longest: Vec<&Stretch> = Vec::new();
    for stretch in &certain {
        if let Some(other) = longest.last()
            && other.to > stretch.from
        {
            return Some(vec![other.first, other.last, stretch.first, stretch.last]);
        }
        longest.push(longest.last().copied().filter(|other| other.to >= stretch.to).unwrap_or(stretch));
    }
    inside(problem, &longest)
}

/// A step within a stretch that would end it, or that does not find its content. `longest` are the stretches by their beginning, those that end before an earlier one
/// does replaced by that.
fn inside(problem: &Problem, longest: &[&Stretch]) -> Option<Vec<usize>> {
    problem.steps.iter().filter(|step| step.required).find_map(|step| {
        let after = longest.partition_point(|stretch| stretch.from < step.called);
        let stretch = longest.get(after.checked_sub(1)?)?;
        let fits = step.act.only_looks() && step.act.holds(&[value(stretch.content, ANY_ETAG)]);
        (step.returned < stretch.to && !fits).then(|| vec![stretch.first, stretch.last, step.operation])
    })
}
