//! How scripts are drawn: few keys, bodies and times, so that requests meet each other; the common before the rare, so that failures
//! shrink to the common.

use holdfast_model::{ChecksumAlgorithm, ChecksumKind};
use proptest::{collection::vec, option, prelude::*};

use crate::script::*;

pub fn script() -> BoxedStrategy<Vec<Step>> {
    vec(step(), 0..40).boxed()
}

fn step() -> BoxedStrategy<Step> {
    let trouble = prop_oneof![
        5 => vec(rival(), 1..3).prop_map(Trouble::Rivals),
        1 => Just(Trouble::Twice),
        1 => Just(Trouble::Busy),
        2 => Just(Trouble::Applied),
        1 => Just(Trouble::Lost),
    ];
    let when = prop_oneof![3 => Just(0u8), 3 => Just(1u8), 5 => 2..9u8];
    (ask(), option::weighted(0.3, (when, trouble)), 0..3u8)
        .prop_map(|(ask, mut trouble, aimed)| {
            if let (1.., Some((_, Trouble::Rivals(rivals)))) = (aimed, &mut trouble) {
                rivals.iter_mut().for_each(|rival| aim(rival, &ask, aimed == 2));
            }
            Step { ask, trouble }
        })
        .boxed()
}

/// Makes a rival meet what the request names.
fn aim(rival: &mut Ask, ask: &Ask, at_source: bool) {
    if let Ask::PutPart { upload: of, .. } | Ask::Complete { upload: of, .. } | Ask::Abort { upload: of, .. } = ask {
        match rival {
            Ask::PutPart { upload, .. } | Ask::Complete { upload, .. } | Ask::Abort { upload, .. } => *upload = *of,
            Ask::Put { body, .. } => *rival = Ask::PutPart { upload: *of, number: 0, body: *body, given: None },
            _ => {}
        }
    }
    let (source, target) = match ask {
        Ask::Copy { from, to, .. } => (Some(*from), *to),
        Ask::Rename { bucket, from, to, .. } => (Some(At(*bucket, *from)), At(*bucket, *to)),
        Ask::Put { at, .. } | Ask::Append { at, .. } | Ask::Delete { at, .. } | Ask::Tag { at, .. } | Ask::Get { at, .. } => (None, *at),
        Ask::CreateBucket(bucket) | Ask::DeleteBucket(bucket) => (None, At(*bucket, 0)),
        _ => return,
    };
    let aimed = source.filter(|_| at_source).unwrap_or(target);
    match rival {
        Ask::Put { at, .. } | Ask::Append { at, .. } | Ask::Delete { at, .. } | Ask::Tag { at, .. } | Ask::Copy { to: at, .. } => {
            *at = aimed;
        }
        Ask::Rename { bucket, to, .. } => (*bucket, *to) = (aimed.0, aimed.1),
        Ask::CreateBucket(bucket) | Ask::DeleteBucket(bucket) => *bucket = aimed.0,
        _ => {}
    }
}

fn at() -> BoxedStrategy<At> {
    (prop_oneof![5 => Just(0u8), 1 => Just(1u8)], key()).prop_map(|(bucket, key)| At(bucket, key)).boxed()
}

fn key() -> BoxedStrategy<u8> {
    prop_oneof![6 => 0..2u8, 2 => 2..KEYS.len() as u8].boxed()
}

fn body() -> BoxedStrategy<Body> {
    (prop_oneof![2 => Just(7u32), 1 => Just(0), 1 => Just(65_537)], 0..3u8).prop_map(|(size, seed)| Body(size, seed)).boxed()
}

fn part_body() -> BoxedStrategy<Body> {
    (prop_oneof![3 => Just(5u32 << 20), 3 => Just(7), 1 => Just(0), 1 => Just(65_537)], 0..2u8)
        .prop_map(|(size, seed)| Body(size, seed))
        .boxed()
}

fn tag() -> BoxedStrategy<Tag> {
    prop_oneof![4 => Just(Tag::Current), 2 => Just(Tag::Former), 1 => Just(Tag::Any), 1 => Just(Tag::Foreign)].boxed()
}

fn number() -> BoxedStrategy<Number> {
    prop_oneof![3 => Just(Number::Current), 2 => Just(Number::Zero), 2 => Just(Number::Former), 1 => Just(Number::Future)].boxed()
}

fn date() -> BoxedStrategy<Date> {
    let written = prop_oneof![Just(0i64), Just(-1000), Just(1000), Just(-1), Just(1), Just(999)];
    prop_oneof![5 => written.prop_map(Date::Written), 1 => Just(Date::Tomorrow)].boxed()
}

fn when(dates: f64) -> BoxedStrategy<When> {
    let rule = prop_oneof![3 => Just(Rule::Always), 3 => Just(Rule::Create), 3 => tag().prop_map(Rule::Match)];
    let dates = move || if dates > 0.0 { option::weighted(dates, date()).boxed() } else { Just(None).boxed() };
    (rule, option::weighted(0.2, number()), dates(), dates())
        .prop_map(|(rule, generation, modified, unmodified)| When { rule, generation, modified, unmodified })
        .boxed()
}

fn reads(given: f64) -> BoxedStrategy<Reads> {
    let tags = move || option::weighted(given, (tag(), prop::bool::weighted(0.2)));
    let dates = move || option::weighted(given, date());
    (tags(), tags(), dates(), dates())
        .prop_map(|(matches, none_match, modified, unmodified)| Reads { matches, none_match, modified, unmodified })
        .boxed()
}

fn deletes() -> BoxedStrategy<Deletes> {
    let right = || option::weighted(0.2, prop::bool::weighted(0.8));
    (option::weighted(0.3, tag()), right(), right(), option::weighted(0.2, number()))
        .prop_map(|(matches, size, date, generation)| Deletes { matches, size, date, generation })
        .boxed()
}

fn who() -> BoxedStrategy<Who> {
    (prop_oneof![4 => Just(0u8), 1 => Just(1u8)], option::weighted(0.5, 0..2u8)).prop_map(|(principal, id)| Who(principal, id)).boxed()
}

fn sum() -> BoxedStrategy<ChecksumAlgorithm> {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Sha256};
    prop_oneof![5 => Just(Crc64Nvme), 1 => Just(Crc32), 1 => Just(Crc32c), 1 => Just(Sha256)].boxed()
}

fn pages() -> BoxedStrategy<Pages> {
    let after = option::weighted(0.4, 0..KEYS.len() as u8);
    (0..PREFIXES.len() as u8, 0..DELIMITERS.len() as u8, after, 1..4u8)
        .prop_map(|(prefix, delimiter, after, max)| Pages { prefix, delimiter, after, max })
        .boxed()
}

fn span() -> BoxedStrategy<Span> {
    let at = || prop_oneof![0..10u32, 65_530..65_550u32];
    prop_oneof![
        Just(Span::Whole),
        (at(), at()).prop_map(|(a, b)| Span::FromTo(a.min(b), a.max(b))),
        at().prop_map(Span::From),
        at().prop_map(Span::Last),
        (1..4u8).prop_map(Span::Part),
    ]
    .boxed()
}

fn small() -> BoxedStrategy<u8> {
    (0..3u8).boxed()
}

fn upload() -> BoxedStrategy<u8> {
    prop_oneof![3 => Just(0u8), 1 => 1..4u8].boxed()
}

fn ask() -> BoxedStrategy<Ask> {
    prop_oneof![10 => writes(), 5 => uploads(), 3 => reading(), 3 => upkeep()].boxed()
}

/// Time stands still while a request is under way: which instant of it becomes Last-Modified is not promised.
fn rival() -> BoxedStrategy<Ask> {
    prop_oneof![10 => writes(), 4 => uploads(), 1 => reading(), 2 => upkeep_at_once()].boxed()
}

fn writes() -> BoxedStrategy<Ask> {
    let offset = prop_oneof![4 => Just(Offset::End), 1 => Just(Offset::Start), 1 => Just(Offset::Beyond)];
    prop_oneof![
        4 => (at(), body(), when(0.0), small(), small(), sum(), who())
            .prop_map(|(at, body, when, meta, tags, sum, who)| Ask::Put { at, body, when, meta, tags, sum, who }),
        3 => (at(), offset, body(), when(0.0), sum(), who())
            .prop_map(|(at, offset, body, when, sum, who)| Ask::Append { at, offset, body, when, sum, who }),
        4 => (at(), at(), reads(0.15), when(0.0), option::of(small()), option::of(small()), option::weighted(0.3, sum()), who())
            .prop_map(|(from, to, source, when, meta, tags, sum, who)| Ask::Copy { from, to, source, when, meta, tags, sum, who }),
        4 => (0..1u8, key(), key(), reads(0.15), when(0.15), option::weighted(0.3, 0..2u8), who())
            .prop_map(|(bucket, from, to, source, when, token, who)| Ask::Rename { bucket, from, to, source, when, token, who }),
        3 => (at(), deletes()).prop_map(|(at, when)| Ask::Delete { at, when }),
        1 => (at(), small()).prop_map(|(at, tags)| Ask::Tag { at, tags }),
        3 => small().prop_map(Ask::Again),
    ]
    .boxed()
}

fn uploads() -> BoxedStrategy<Ask> {
    let kind = option::weighted(0.3, prop_oneof![Just(ChecksumKind::FullObject), Just(ChecksumKind::Composite)]);
    let listed = prop_oneof![
        8 => Just(Listing::All),
        2 => Just(Listing::First),
        2 => Just(Listing::Last),
        1 => Just(Listing::Nothing),
        1 => Just(Listing::Backwards),
        1 => Just(Listing::Twice),
        1 => Just(Listing::Wrong),
        1 => Just(Listing::Missing),
    ];
    let rarely = || prop::bool::weighted(0.1);
    let size = option::weighted(0.1, prop::bool::weighted(0.7));
    let number = || prop_oneof![3 => Just(0u8), 3 => Just(1u8), 1 => 2..PART_NUMBERS.len() as u8];
    prop_oneof![
        3 => (at(), option::weighted(0.4, sum()), kind, small(), small())
            .prop_map(|(at, sum, kind, meta, tags)| Ask::CreateUpload { at, sum, kind, meta, tags }),
        5 => (upload(), number(), part_body(), option::weighted(0.2, sum()))
            .prop_map(|(upload, number, body, given)| Ask::PutPart { upload, number, body, given }),
        1 => (upload(), number(), at(), reads(0.1))
            .prop_map(|(upload, number, from, source)| Ask::CopyPart { upload, number, from, source }),
        5 => (upload(), rarely(), listed, any::<bool>(), size, when(0.0), who())
            .prop_map(|(upload, other_key, parts, sums, size, when, who)| Ask::Complete { upload, other_key, parts, sums, size, when, who }),
        1 => (upload(), rarely()).prop_map(|(upload, other_key)| Ask::Abort { upload, other_key }),
        1 => (upload(), 0..3u8, 1..3u8).prop_map(|(upload, after, max)| Ask::ListParts { upload, after, max }),
        1 => (0..2u8, pages()).prop_map(|(bucket, pages)| Ask::ListUploads { bucket, pages }),
    ].boxed()
}

fn reading() -> BoxedStrategy<Ask> {
    prop_oneof![
        3 => (at(), reads(0.3), span()).prop_map(|(at, when, span)| Ask::Get { at, when, span }),
        2 => (0..2u8, pages()).prop_map(|(bucket, pages)| Ask::List { bucket, pages }),
        1 => at().prop_map(|at| Ask::Hold { at }),
        1 => Just(Ask::Release),
    ]
    .boxed()
}

fn upkeep() -> BoxedStrategy<Ask> {
    let wait = prop_oneof![3 => Just(1u64), 3 => Just(700), 1 => Just(3_600_000 * 25), 1 => Just(3_600_000 * 49)];
    prop_oneof![2 => upkeep_at_once(), 1 => wait.prop_map(Ask::Wait)].boxed()
}

fn upkeep_at_once() -> BoxedStrategy<Ask> {
    prop_oneof![
        3 => Just(Ask::Collect),
        1 => Just(Ask::Forget),
        1 => (0..2u8).prop_map(Ask::CreateBucket),
        1 => (0..2u8).prop_map(Ask::DeleteBucket),
    ]
    .boxed()
}
