//! Every kind of request, met by every kind of rival at each of its calls of the store: the interleavings that chance meets seldom.

use holdfast_model::ChecksumAlgorithm::{Crc32, Crc64Nvme};

use crate::{outcome, script::*};

const A: At = At(0, 0);
const B: At = At(0, 2);
const C: At = At(0, 1);
const CALLS: u8 = 8;

const fn when(rule: Rule) -> When {
    When { rule, ..ALWAYS }
}

fn put(at: At, body: Body, rule: Rule) -> Ask {
    Ask::Put { at, body, when: when(rule), meta: 1, tags: 1, sum: Crc64Nvme, who: NOBODY }
}

fn append(at: At) -> Ask {
    Ask::Append { at, offset: Offset::End, body: Body(7, 1), when: ALWAYS, sum: Crc64Nvme, who: NOBODY }
}

fn copy(from: At, to: At, rule: Rule, new_sum: bool) -> Ask {
    let sum = new_sum.then_some(Crc32);
    Ask::Copy { from, to, source: Reads::default(), when: when(rule), meta: Some(2), tags: None, sum, who: NOBODY }
}

fn rename(from: At, to: At, rule: Rule) -> Ask {
    Ask::Rename { bucket: 0, from: from.1, to: to.1, source: Reads::default(), when: when(rule), token: Some(0), who: NOBODY }
}

fn put_part(seed: u8) -> Ask {
    Ask::PutPart { upload: 0, number: 0, body: Body(7, seed), given: None }
}

fn complete(rule: Rule) -> Ask {
    Ask::Complete { upload: 0, other_key: false, parts: Listing::All, sums: false, size: None, when: when(rule), who: NOBODY }
}

fn delete(at: At) -> Ask {
    Ask::Delete { at, when: Deletes::default() }
}

/// An object of two pieces whose bytes another one shares, and an upload of one part to a third key.
fn before() -> Vec<Ask> {
    let upload = Ask::CreateUpload { at: C, sum: None, kind: None, meta: 1, tags: 2 };
    vec![put(A, Body(7, 0), Rule::Always), append(A), copy(A, B, Rule::Always, false), upload, put_part(0)]
}

fn requests() -> Vec<Ask> {
    vec![
        put(C, Body(65_537, 0), Rule::Create),
        put(A, Body(7, 2), Rule::Match(Tag::Current)),
        append(A),
        copy(A, C, Rule::Create, false),
        copy(A, C, Rule::Create, true),
        copy(A, A, Rule::Match(Tag::Current), false),
        rename(A, C, Rule::Create),
        Ask::Delete { at: A, when: Deletes { matches: Some(Tag::Current), ..Deletes::default() } },
        put_part(1),
        complete(Rule::Create),
        Ask::Abort { upload: 0, other_key: false },
        Ask::Get { at: A, when: Reads::default(), span: Span::Whole },
    ]
}

fn rivals() -> Vec<Vec<Ask>> {
    vec![
        vec![put(A, Body(14, 1), Rule::Always)],
        vec![put(A, Body(7, 2), Rule::Always), append(A)],
        vec![put(C, Body(7, 1), Rule::Create)],
        vec![put(C, Body(7, 1), Rule::Create), delete(C)],
        vec![append(A)],
        vec![delete(A), delete(B), Ask::Collect],
        vec![put(A, Body(14, 1), Rule::Always), copy(A, B, Rule::Always, false), Ask::Collect],
        vec![copy(A, C, Rule::Create, false)],
        vec![rename(A, C, Rule::Create)],
        vec![rename(B, A, Rule::Always)],
        vec![put_part(1)],
        vec![complete(Rule::Create)],
        vec![Ask::Abort { upload: 0, other_key: false }, Ask::Collect],
        vec![delete(A), delete(B), Ask::DeleteBucket(0), Ask::CreateBucket(0)],
    ]
}

fn met_by(before: &[Ask], request: &Ask, rivals: &[Ask]) {
    for call in 0..CALLS {
        let mut script: Vec<_> = before.iter().cloned().map(Step::quiet).collect();
        script.push(Step { ask: request.clone(), trouble: Some((call, Trouble::Rivals(rivals.to_vec()))) });
        if let Err(why) = outcome(&script) {
            panic!("{why}");
        }
    }
}

#[test]
fn every_request_that_is_met_by_any_rival_at_any_call_is_one_instant() {
    for request in requests() {
        rivals().iter().for_each(|rivals| met_by(&before(), &request, rivals));
    }
}

#[test]
fn a_bucket_that_is_written_to_while_it_is_deleted_stays() {
    for rivals in [vec![put(A, Body(7, 0), Rule::Create)], vec![put(A, Body(0, 0), Rule::Create), delete(A)], vec![Ask::DeleteBucket(0)]] {
        met_by(&[], &Ask::DeleteBucket(0), &rivals);
    }
}
