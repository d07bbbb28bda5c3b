//! Scripts that found a bug, as a failure printed them, shortened by hand. Each fails without its fix.

use holdfast_model::ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme};

use crate::{outcome, script::*};

const A: At = At(0, 0);
const B: At = At(0, 2);
const SMALL: Body = Body(7, 0);
const LARGE: Body = Body(65_537, 0);
const CREATE: When = When { rule: Rule::Create, ..ALWAYS };

fn holds(script: impl IntoIterator<Item = Step>) {
    if let Err(why) = outcome(&script.into_iter().collect::<Vec<_>>()) {
        panic!("{why}");
    }
}

fn put(at: At, body: Body) -> Ask {
    Ask::Put { at, body, when: ALWAYS, meta: 0, tags: 0, sum: Crc64Nvme, who: NOBODY }
}

fn copy(from: At, to: At) -> Ask {
    Ask::Copy { from, to, source: Reads::default(), when: ALWAYS, meta: None, tags: None, sum: None, who: NOBODY }
}

fn append(at: At, sum: holdfast_model::ChecksumAlgorithm) -> Ask {
    Ask::Append { at, offset: Offset::End, body: SMALL, when: ALWAYS, sum, who: NOBODY }
}

/// `ask`, with `rivals` at each of its calls of the store in turn.
fn met_by(ask: &Ask, rivals: &[Ask], before: &[Ask]) {
    for call in 0..8 {
        let met = Step { ask: ask.clone(), trouble: Some((call, Trouble::Rivals(rivals.to_vec()))) };
        holds(before.iter().cloned().map(Step::quiet).chain([met]));
    }
}

#[test]
fn a_list_of_pieces_has_checksums_of_one_algorithm() {
    let first = Ask::Put { at: A, body: SMALL, when: ALWAYS, meta: 0, tags: 0, sum: Crc32, who: NOBODY };
    holds([Step::quiet(first.clone()), Step::quiet(append(A, Crc64Nvme))]);
    let anew = Ask::Copy { from: A, to: B, source: Reads::default(), when: ALWAYS, meta: None, tags: None, sum: Some(Crc32c), who: NOBODY };
    holds([first, append(A, Crc32), anew, append(B, Crc32c)].map(Step::quiet));
}

#[test]
fn a_copy_with_a_new_checksum_that_is_overtaken_is_a_conflict() {
    let asked = Ask::Copy { from: A, to: B, source: Reads::default(), when: CREATE, meta: None, tags: None, sum: Some(Crc32), who: NOBODY };
    met_by(&asked, &[put(B, SMALL)], &[put(A, SMALL)]);
}

#[test]
fn a_copy_with_a_new_checksum_that_is_sent_again_has_the_first_answer() {
    let source = Reads { none_match: Some((Tag::Former, false)), unmodified: Some(Date::Written(0)), ..Reads::default() };
    let asked = Ask::Copy { from: A, to: B, source, when: ALWAYS, meta: None, tags: None, sum: Some(Crc32), who: Who(0, Some(0)) };
    holds([put(A, SMALL), asked, Ask::Wait(2000), put(A, LARGE), Ask::Again(1)].map(Step::quiet));
}

#[test]
fn deleting_a_bucket_that_was_replaced_meanwhile_does_not_call_it_full() {
    met_by(&Ask::DeleteBucket(0), &[Ask::DeleteBucket(0), Ask::CreateBucket(0)], &[]);
}

#[test]
fn an_append_to_shared_bytes_whose_object_goes_meanwhile_names_the_offset() {
    met_by(&append(A, Crc64Nvme), &[Ask::Delete { at: A, when: Deletes::default() }], &[put(A, LARGE), copy(A, B)]);
}
