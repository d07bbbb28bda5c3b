//! Preconditions: what a request may demand of the state it meets, and the pure rules that judge it.
//!
//! The wire parses headers into these types and never judges them; `objects/commit.rs` judges writes with them, inside
//! the atomic step that writes; reads are judged on the record that is then served. The rules are the
//! tables of `docs/consistency.md`.

use crate::{ETag, Timestamp};

/// The number of a write of a key: grows with every overwrite, never used twice for a key, also across
/// delete and re-create. 0 stands for "no object".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of a key that has no object.
    pub const ABSENT: Self = Self(0);
}

/// What preconditions look at in the current version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its entity tag.
    pub etag: ETag,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub last_modified: Timestamp,
    /// Which write of the key it is.
    pub generation: Generation,
}

/// Whether the key had an object when the request arrived, that is when its head was authenticated and the early check read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// There was none.
    Absent,
    /// There was one.
    Present,
}

/// The name of a condition, as error bodies give it in `<Condition>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the header of its name")]
pub enum Condition {
    IfMatch,
    IfNoneMatch,
    IfModifiedSince,
    IfUnmodifiedSince,
    IfGenerationMatch,
    IfMatchSize,
    IfMatchLastModifiedTime,
    CopySourceIfMatch,
    CopySourceIfNoneMatch,
    CopySourceIfModifiedSince,
    CopySourceIfUnmodifiedSince,
    RenameSourceIfMatch,
    RenameSourceIfNoneMatch,
    RenameSourceIfModifiedSince,
    RenameSourceIfUnmodifiedSince,
}

impl Condition {
    /// The header's name as S3 spells it in error bodies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IfMatch => "If-Match",
            Self::IfNoneMatch => "If-None-Match",
            Self::IfModifiedSince => "If-Modified-Since",
            Self::IfUnmodifiedSince => "If-Unmodified-Since",
            Self::IfGenerationMatch => "x-holdfast-if-generation-match",
            Self::IfMatchSize => "x-amz-if-match-size",
            Self::IfMatchLastModifiedTime => "x-amz-if-match-last-modified-time",
            Self::CopySourceIfMatch => "x-amz-copy-source-If-Match",
            Self::CopySourceIfNoneMatch => "x-amz-copy-source-If-None-Match",
            Self::CopySourceIfModifiedSince => "x-amz-copy-source-If-Modified-Since",
            Self::CopySourceIfUnmodifiedSince => "x-amz-copy-source-If-Unmodified-Since",
            Self::RenameSourceIfMatch => "x-amz-rename-source-If-Match",
            Self::RenameSourceIfNoneMatch => "x-amz-rename-source-If-None-Match",
            Self::RenameSourceIfModifiedSince => "x-amz-rename-source-If-Modified-Since",
            Self::RenameSourceIfUnmodifiedSince => "x-amz-rename-source-If-Unmodified-Since",
        }
    }
}

/// `If-Match` of a write: `*` or exactly one strong tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagMatch {
    /// Any object at all.
    Any,
    /// The object with this tag.
    Exactly(ETag),
}

impl ETagMatch {
    fn holds(&self, current: &Current) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(etag) => *etag == current.etag,
        }
    }
}

/// The entity-tag rule of a write. The two headers exclude each other, so they are one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteRule {
    /// Neither header.
    #[default]
    Always,
    /// `If-None-Match: *`.
    CreateOnly,
    /// `If-Match`.
    IfMatch(ETagMatch),
}

/// Everything a write may demand of the current version of its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteConditions {
    /// `If-Match` or `If-None-Match: *`.
    pub rule: WriteRule,
    /// `x-holdfast-if-generation-match`.
    pub generation: Option<Generation>,
    /// `If-Modified-Since`; RenameObject only.
    pub modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`; RenameObject only.
    pub unmodified_since: Option<Timestamp>,
}

/// Why a write is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteRefusal {
    /// 404 NoSuchKey: the condition needs an object and there is none.
    #[error("there is no object with this key for {} to match", .0.name())]
    NoSuchKey(Condition),
    /// 412 PreconditionFailed.
    #[error("{} does not hold for the current object", .0.name())]
    PreconditionFailed(Condition),
    /// 409 ConditionalRequestConflict: the key was absent on arrival and a rival's write has committed since.
    #[error("another request created the object while this one was under way; {} no longer holds", .0.name())]
    Conflict(Condition),
}

impl WriteConditions {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Judges the demands against the current version. `arrival` is what the early check saw; it only tells a
    /// create that lost to a rival under way (409) from one that came too late (412).
    ///
    /// # Errors
    /// The first demand that does not hold; nothing may be written then.
    pub fn judge(&self, current: Option<&Current>, arrival: Arrival, now: Timestamp) -> Result<(), WriteRefusal> {
        self.judge_rule(current, arrival)?;
        self.judge_generation(current, arrival)?;
        self.judge_dates(current, now)
    }

    fn judge_rule(&self, current: Option<&Current>, arrival: Arrival) -> Result<(), WriteRefusal> {
        match (&self.rule, current) {
            (WriteRule::Always, _) | (WriteRule::CreateOnly, None) => Ok(()),
            (WriteRule::CreateOnly, Some(_)) => Err(taken(arrival, Condition::IfNoneMatch)),
            (WriteRule::IfMatch(_), None) => Err(WriteRefusal::NoSuchKey(Condition::IfMatch)),
            (WriteRule::IfMatch(tag), Some(current)) if tag.holds(current) => Ok(()),
            (WriteRule::IfMatch(_), Some(_)) => Err(WriteRefusal::PreconditionFailed(Condition::IfMatch)),
        }
    }

    fn judge_generation(&self, current: Option<&Current>, arrival: Arrival) -> Result<(), WriteRefusal> {
        let condition = Condition::IfGenerationMatch;
        match (self.generation, current) {
            (None, _) | (Some(Generation::ABSENT), None) => Ok(()),
            (Some(Generation::ABSENT), Some(_)) => Err(taken(arrival, condition)),
            (Some(_), None) => Err(WriteRefusal::NoSuchKey(condition)),
            (Some(wanted), Some(current)) if wanted == current.generation => Ok(()),
            (Some(_), Some(_)) => Err(WriteRefusal::PreconditionFailed(condition)),
        }
    }

    /// A true If-Match outweighs If-Unmodified-Since, a true If-None-Match outweighs If-Modified-Since (RFC 9110 section 13.2.2).
    /// Where there is no object, a date condition cannot be true: refusing can lose nothing.
    fn judge_dates(&self, current: Option<&Current>, now: Timestamp) -> Result<(), WriteRefusal> {
        if let (Some(date), WriteRule::Always | WriteRule::CreateOnly) = (self.unmodified_since, &self.rule)
            && !current.is_some_and(|c| unmodified_since(c, date))
        {
            return Err(WriteRefusal::PreconditionFailed(Condition::IfUnmodifiedSince));
        }
        if let (Some(date), WriteRule::Always | WriteRule::IfMatch(_)) = (self.modified_since, &self.rule)
            && !current.is_some_and(|c| modified_since(c, date, now))
        {
            return Err(WriteRefusal::PreconditionFailed(Condition::IfModifiedSince));
        }
        Ok(())
    }
}

/// A create found an object: lost the race (409) or came too late (412).
fn taken(arrival: Arrival, condition: Condition) -> WriteRefusal {
    match arrival {
        Arrival::Absent => WriteRefusal::Conflict(condition),
        Arrival::Present => WriteRefusal::PreconditionFailed(condition),
    }
}

/// Everything a delete may demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteConditions {
    /// `If-Match`.
    pub if_match: Option<ETagMatch>,
    /// `x-amz-if-match-size`, bytes.
    pub size: Option<u64>,
    /// `x-amz-if-match-last-modified-time`, compared by the second.
    pub last_modified: Option<Timestamp>,
    /// `x-holdfast-if-generation-match`.
    pub generation: Option<Generation>,
}

impl DeleteConditions {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Judges the demands against the current version. `x-holdfast-if-generation-match: 0` holds where there is no object.
    ///
    /// # Errors
    /// [`WriteRefusal::NoSuchKey`] or [`WriteRefusal::PreconditionFailed`]; nothing may be deleted then.
    pub fn judge(&self, current: Option<&Current>) -> Result<(), WriteRefusal> {
        let Some(current) = current else {
            return match self.first_that_needs_an_object() {
                Some(condition) => Err(WriteRefusal::NoSuchKey(condition)),
                None => Ok(()),
            };
        };
        let checks = [
            (self.if_match.as_ref().is_none_or(|m| m.holds(current)), Condition::IfMatch),
            (self.size.is_none_or(|n| n == current.size), Condition::IfMatchSize),
            (self.last_modified.is_none_or(|t| t.secs() == current.last_modified.secs()), Condition::IfMatchLastModifiedTime),
            (self.generation.is_none_or(|g| g == current.generation), Condition::IfGenerationMatch),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, condition)) => Err(WriteRefusal::PreconditionFailed(condition)),
            None => Ok(()),
        }
    }

    fn first_that_needs_an_object(&self) -> Option<Condition> {
        [
            (self.if_match.is_some(), Condition::IfMatch),
            (self.size.is_some(), Condition::IfMatchSize),
            (self.last_modified.is_some(), Condition::IfMatchLastModifiedTime),
            (self.generation.is_some_and(|g| g != Generation::ABSENT), Condition::IfGenerationMatch),
        ]
        .into_iter()
        .find_map(|(given, condition)| given.then_some(condition))
    }
}

/// The tags of a read's `If-Match` or `If-None-Match`: `*`, or a list in which tags may be weak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagSet {
    /// `*`.
    Any,
    /// Each tag, and whether it is weak.
    OneOf(Vec<(ETag, bool)>),
}

impl ETagSet {
    /// Strong comparison (RFC 9110 section 8.8.3.2), for If-Match: weak tags never match.
    fn holds_strongly(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|(tag, weak)| !weak && tag == etag),
        }
    }

    /// Weak comparison, for If-None-Match.
    fn holds_weakly(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|(tag, _)| tag == etag),
        }
    }
}

/// Conditions of GetObject and HeadObject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// `If-Match`.
    pub if_match: Option<ETagSet>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagSet>,
    /// `If-Modified-Since`.
    pub modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<Timestamp>,
}

/// What a read's conditions lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadVerdict {
    /// Serve the object.
    Serve,
    /// 304 Not Modified.
    NotModified(Condition),
    /// 412 PreconditionFailed.
    Failed(Condition),
}

impl ReadConditions {
    /// Judges in the order of RFC 9110 section 13.2.2.
    pub fn judge(&self, current: &Current, now: Timestamp) -> ReadVerdict {
        match (&self.if_match, self.unmodified_since) {
            (Some(tags), _) if !tags.holds_strongly(&current.etag) => return ReadVerdict::Failed(Condition::IfMatch),
            (None, Some(date)) if !unmodified_since(current, date) => return ReadVerdict::Failed(Condition::IfUnmodifiedSince),
            _ => {}
        }
        match (&self.if_none_match, self.modified_since) {
            (Some(tags), _) if tags.holds_weakly(&current.etag) => ReadVerdict::NotModified(Condition::IfNoneMatch),
            (None, Some(date)) if !modified_since(current, date, now) => ReadVerdict::NotModified(Condition::IfModifiedSince),
            _ => ReadVerdict::Serve,
        }
    }
}

/// Conditions on the source of a copy or a rename: the read order, but every failure is 412, under the operation's own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceConditions(pub ReadConditions);

impl SourceConditions {
    /// Judges the source of CopyObject or UploadPartCopy.
    ///
    /// # Errors
    /// The condition that does not hold.
    pub fn judge_copy(&self, source: &Current, now: Timestamp) -> Result<(), Condition> {
        self.judge(source, now, |c| match c {
            Condition::IfMatch => Condition::CopySourceIfMatch,
            Condition::IfNoneMatch => Condition::CopySourceIfNoneMatch,
            Condition::IfModifiedSince => Condition::CopySourceIfModifiedSince,
            _ => Condition::CopySourceIfUnmodifiedSince,
        })
    }

    /// Judges the source of RenameObject.
    ///
    /// # Errors
    /// The condition that does not hold.
    pub fn judge_rename(&self, source: &Current, now: Timestamp) -> Result<(), Condition> {
        self.judge(source, now, |c| match c {
            Condition::IfMatch => Condition::RenameSourceIfMatch,
            Condition::IfNoneMatch => Condition::RenameSourceIfNoneMatch,
            Condition::IfModifiedSince => Condition::RenameSourceIfModifiedSince,
            _ => Condition::RenameSourceIfUnmodifiedSince,
        })
    }

    fn judge(&self, source: &Current, now: Timestamp, named: fn(Condition) -> Condition) -> Result<(), Condition> {
        match self.0.judge(source, now) {
            ReadVerdict::Serve => Ok(()),
            ReadVerdict::NotModified(c) | ReadVerdict::Failed(c) => Err(named(c)),
        }
    }
}

fn unmodified_since(current: &Current, date: Timestamp) -> bool {
    current.last_modified.secs() <= date.secs()
}

/// A date in the future is ignored: the condition holds (RFC 9110 section 13.1.3 calls such a date invalid).
fn modified_since(current: &Current, date: Timestamp, now: Timestamp) -> bool {
    date.secs() > now.secs() || current.last_modified.secs() > date.secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn current() -> Current {
        Current { etag: ETag::parse("a").unwrap(), size: 5, last_modified: Timestamp::from_millis(500_700), generation: Generation(7) }
    }

    fn tag(text: &str) -> ETag {
        ETag::parse(text).unwrap()
    }

    fn rule(rule: WriteRule) -> WriteConditions {
        WriteConditions { rule, ..Default::default() }
    }

    #[allow(clippy::unnecessary_wraps, reason = "the cases below read as the fields that they fill")]
    fn at(secs: u64) -> Option<Timestamp> {
        Some(Timestamp::from_secs(secs))
    }

    #[test]
    fn writes_follow_the_table_of_the_contract() {
        use Condition::{IfGenerationMatch, IfMatch, IfNoneMatch};
        use WriteRefusal::{Conflict, NoSuchKey, PreconditionFailed};
        let generation = |n| WriteConditions { generation: Some(Generation(n)), ..Default::default() };
        for (conditions, absent, present, raced) in [
            (rule(WriteRule::Always), Ok(()), Ok(()), Ok(())),
            (rule(WriteRule::CreateOnly), Ok(()), Err(PreconditionFailed(IfNoneMatch)), Err(Conflict(IfNoneMatch))),
            (rule(WriteRule::IfMatch(ETagMatch::Any)), Err(NoSuchKey(IfMatch)), Ok(()), Ok(())),
            (rule(WriteRule::IfMatch(ETagMatch::Exactly(tag("a")))), Err(NoSuchKey(IfMatch)), Ok(()), Ok(())),
            (
                rule(WriteRule::IfMatch(ETagMatch::Exactly(tag("b")))),
                Err(NoSuchKey(IfMatch)),
                Err(PreconditionFailed(IfMatch)),
                Err(PreconditionFailed(IfMatch)),
            ),
            (generation(0), Ok(()), Err(PreconditionFailed(IfGenerationMatch)), Err(Conflict(IfGenerationMatch))),
            (generation(7), Err(NoSuchKey(IfGenerationMatch)), Ok(()), Ok(())),
            (
                generation(6),
                Err(NoSuchKey(IfGenerationMatch)),
                Err(PreconditionFailed(IfGenerationMatch)),
                Err(PreconditionFailed(IfGenerationMatch)),
            ),
        ] {
            assert_eq!(conditions.judge(None, Arrival::Absent, NOW), absent, "{conditions:?} absent");
            assert_eq!(conditions.judge(Some(&current()), Arrival::Present, NOW), present, "{conditions:?} present");
            assert_eq!(conditions.judge(Some(&current()), Arrival::Absent, NOW), raced, "{conditions:?} raced");
        }
    }

    #[test]
    fn date_conditions_of_a_rename_compare_by_the_second_and_yield_to_tags() {
        use Condition::{IfModifiedSince, IfUnmodifiedSince};
        let dates = |modified_since, unmodified_since, rule| WriteConditions { rule, modified_since, unmodified_since, generation: None };
        let if_match = || WriteRule::IfMatch(ETagMatch::Any);
        for (conditions, present) in [
            (dates(None, at(500), WriteRule::Always), None),
            (dates(None, at(499), WriteRule::Always), Some(IfUnmodifiedSince)),
            (dates(at(499), None, WriteRule::Always), None),
            (dates(at(500), None, WriteRule::Always), Some(IfModifiedSince)),
            (dates(at(1001), None, WriteRule::Always), None),
            (dates(None, at(499), if_match()), None),
            (dates(at(500), None, if_match()), Some(IfModifiedSince)),
        ] {
            let expect = present.map_or(Ok(()), |c| Err(WriteRefusal::PreconditionFailed(c)));
            assert_eq!(conditions.judge(Some(&current()), Arrival::Present, NOW), expect, "{conditions:?}");
        }
        assert!(dates(at(1), None, WriteRule::Always).judge(None, Arrival::Absent, NOW).is_err());
        assert!(dates(None, at(1), WriteRule::Always).judge(None, Arrival::Absent, NOW).is_err());
        assert!(dates(at(1), None, WriteRule::CreateOnly).judge(None, Arrival::Absent, NOW).is_ok());
    }

    #[test]
    fn deletes_follow_the_table_of_the_contract() {
        use Condition::{IfGenerationMatch, IfMatch, IfMatchLastModifiedTime, IfMatchSize};
        let none = DeleteConditions::default;
        for (conditions, needs_object, present) in [
            (none(), None, None),
            (DeleteConditions { if_match: Some(ETagMatch::Any), ..none() }, Some(IfMatch), None),
            (DeleteConditions { if_match: Some(ETagMatch::Exactly(tag("a"))), ..none() }, Some(IfMatch), None),
            (DeleteConditions { if_match: Some(ETagMatch::Exactly(tag("b"))), ..none() }, Some(IfMatch), Some(IfMatch)),
            (DeleteConditions { size: Some(5), ..none() }, Some(IfMatchSize), None),
            (DeleteConditions { size: Some(6), ..none() }, Some(IfMatchSize), Some(IfMatchSize)),
            (DeleteConditions { last_modified: at(500), ..none() }, Some(IfMatchLastModifiedTime), None),
            (DeleteConditions { last_modified: at(501), ..none() }, Some(IfMatchLastModifiedTime), Some(IfMatchLastModifiedTime)),
            (DeleteConditions { generation: Some(Generation(7)), ..none() }, Some(IfGenerationMatch), None),
            (DeleteConditions { generation: Some(Generation(8)), ..none() }, Some(IfGenerationMatch), Some(IfGenerationMatch)),
            (DeleteConditions { generation: Some(Generation(0)), ..none() }, None, Some(IfGenerationMatch)),
        ] {
            let absent = needs_object.map_or(Ok(()), |c| Err(WriteRefusal::NoSuchKey(c)));
            let present = present.map_or(Ok(()), |c| Err(WriteRefusal::PreconditionFailed(c)));
            assert_eq!(conditions.judge(None), absent, "{conditions:?} absent");
            assert_eq!(conditions.judge(Some(&current())), present, "{conditions:?} present");
        }
    }

    /// Every combination of the four conditions, each absent, true or false, against the order written out by hand.
    #[test]
    fn reads_are_judged_in_the_order_of_rfc_9110() {
        let states = [None, Some(true), Some(false)];
        for if_match in states {
            for unmodified in states {
                for none_match in states {
                    for modified in states {
                        let conditions = ReadConditions {
                            if_match: if_match.map(|t| ETagSet::OneOf(vec![(tag(if t { "a" } else { "b" }), false)])),
                            unmodified_since: unmodified.and_then(|t| at(if t { 500 } else { 499 })),
                            if_none_match: none_match.map(|t| ETagSet::OneOf(vec![(tag(if t { "b" } else { "a" }), true)])),
                            modified_since: modified.and_then(|t| at(if t { 499 } else { 500 })),
                        };
                        let expect = if if_match == Some(false) {
                            ReadVerdict::Failed(Condition::IfMatch)
                        } else if if_match.is_none() && unmodified == Some(false) {
                            ReadVerdict::Failed(Condition::IfUnmodifiedSince)
                        } else if none_match == Some(false) {
                            ReadVerdict::NotModified(Condition::IfNoneMatch)
                        } else if none_match.is_none() && modified == Some(false) {
                            ReadVerdict::NotModified(Condition::IfModifiedSince)
                        } else {
                            ReadVerdict::Serve
                        };
                        assert_eq!(conditions.judge(&current(), NOW), expect, "{conditions:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn weak_tags_never_satisfy_if_match_and_future_dates_are_ignored() {
        let weak = ETagSet::OneOf(vec![(tag("a"), true)]);
        let conditions = ReadConditions { if_match: Some(weak), ..Default::default() };
        assert_eq!(conditions.judge(&current(), NOW), ReadVerdict::Failed(Condition::IfMatch));
        let future = ReadConditions { modified_since: at(1001), ..Default::default() };
        assert_eq!(future.judge(&current(), NOW), ReadVerdict::Serve);
        let source = SourceConditions(ReadConditions { if_none_match: Some(ETagSet::Any), ..Default::default() });
        assert_eq!(source.judge_copy(&current(), NOW), Err(Condition::CopySourceIfNoneMatch));
        assert_eq!(source.judge_rename(&current(), NOW), Err(Condition::RenameSourceIfNoneMatch));
    }
}
