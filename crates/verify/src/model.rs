//! The sequential model of a group of keys: what a slot holds, what a request demands of it, what it makes of it.
//!
//! Contents and ETags are small numbers here. `apply` is the whole truth: it is deterministic, so an order of steps has one outcome.

/// What a key holds: 0 if absent, else the content above and the ETag below.
pub(crate) type Value = u64;

pub(crate) const ABSENT: Value = 0;

/// A content that no observation names: all such are one, because nothing tells them apart.
pub(crate) const UNSEEN: u32 = 1;
/// A content that may be any: the bytes of a copy of which nothing is known.
pub(crate) const WILD: u32 = 2;
pub(crate) const FIRST_CONTENT: u32 = 3;

/// An ETag that nobody was told: it may be any that belongs to no other content.
pub(crate) const ANY_ETAG: u32 = 0;
/// An ETag that is known and that no condition names.
pub(crate) const UNNAMED_ETAG: u32 = 1;
pub(crate) const FIRST_ETAG: u32 = 2;

pub(crate) const fn value(content: u32, etag: u32) -> Value {
    (content as u64) << 32 | etag as u64
}

pub(crate) const fn content_of(value: Value) -> u32 {
    (value >> 32) as u32
}

pub(crate) const fn etag_of(value: Value) -> u32 {
    value as u32
}

/// A demand on what one key holds. It never changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sight {
    Anything,
    /// No state explains this.
    Nothing,
    Absent,
    Present,
    /// Present with this content and this ETag.
    Is(u32, u32),
    /// Present, and the ETag is this one. The second number is the content that the ETag belongs to, or 0.
    Matches(u32, u32),
    /// Present, and the ETag is not this one.
    Differs(u32),
    AbsentOrMatches(u32, u32),
    AbsentOrDiffers(u32),
}

impl Sight {
    pub(crate) fn holds(self, slot: Value) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => false,
            Self::Absent => slot == ABSENT,
            Self::Present => slot != ABSENT,
            Self::Is(content, etag) => {
                let same = content_of(slot) == content && (etag_of(slot) == etag || etag_of(slot) == ANY_ETAG);
                slot != ABSENT && (same || content_of(slot) == WILD)
            }
            Self::Matches(etag, owner) => slot != ABSENT && may_match(slot, etag, owner),
            Self::Differs(etag) => slot != ABSENT && etag_of(slot) != etag,
            Self::AbsentOrMatches(etag, owner) => slot == ABSENT || may_match(slot, etag, owner),
            Self::AbsentOrDiffers(etag) => slot == ABSENT || etag_of(slot) != etag,
        }
    }

    /// The content that must be there when this holds, or 0.
    pub(crate) fn names(self) -> u32 {
        match self {
            Self::Is(content, _) => content,
            Self::Matches(_, owner) => owner,
            _ => 0,
        }
    }

    /// The ETag that this compares with, or 0.
    pub(crate) fn compares(self) -> u32 {
        match self {
            Self::Is(_, etag)
            | Self::Matches(etag, _)
            | Self::Differs(etag)
            | Self::AbsentOrMatches(etag, _)
            | Self::AbsentOrDiffers(etag) => etag,
            _ => 0,
        }
    }
}

fn may_match(slot: Value, etag: u32, owner: u32) -> bool {
    let (content, held) = (content_of(slot), etag_of(slot));
    held == etag || (held == ANY_ETAG && (content == WILD || owner == 0 || owner == content))
}

/// What a step makes of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// It only looked.
    None,
    Put(Value),
    Delete,
    /// The source's object goes to the key and leaves the source.
    Rename,
    /// The source's object is at the key too, with the ETag of the answer. The second number is the content that this ETag belongs to, or 0.
    Copy(u32, u32),
}

/// One request with one outcome: what it shows of the keys at its instant, and what it makes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Act {
    pub(crate) key: u32,
    pub(crate) sight: Sight,
    /// The source of a copy or rename.
    pub(crate) source: Option<(u32, Sight)>,
    /// Whether one of the two sights is enough. Only for acts without an effect.
    pub(crate) either: bool,
    pub(crate) effect: Effect,
}

impl Act {
    pub(crate) fn on(key: u32, sight: Sight, effect: Effect) -> Self {
        Self { key, sight, source: None, either: false, effect }
    }

    pub(crate) fn holds(&self, state: &[Value]) -> bool {
        let here = self.sight.holds(state[self.key as usize]);
        let Some((source, sight)) = self.source else { return here };
        let there = sight.holds(state[source as usize]);
        if self.either {
            return here || there;
        }
        here && there
            && match self.effect {
                Effect::Rename => state[source as usize] != ABSENT,
                Effect::Copy(_, owner) => {
                    let content = content_of(state[source as usize]);
                    content != 0 && (owner == 0 || owner == content || content == WILD)
                }
                _ => true,
            }
    }

    /// What the key holds afterwards. `holds` was asked before.
    pub(crate) fn result(&self, state: &[Value]) -> Value {
        let source = self.source.map_or(ABSENT, |(source, _)| state[source as usize]);
        match self.effect {
            Effect::None => state[self.key as usize],
            Effect::Put(value) => value,
            Effect::Delete => ABSENT,
            Effect::Rename => source,
            Effect::Copy(etag, 0) => value(content_of(source), etag),
            Effect::Copy(etag, owner) => value(owner, etag),
        }
    }

    /// The key that is absent afterwards because its object went elsewhere.
    pub(crate) fn empties(&self) -> Option<u32> {
        match (self.effect, self.source) {
            (Effect::Rename, Some((source, _))) if source != self.key => Some(source),
            _ => None,
        }
    }

    pub(crate) fn only_looks(&self) -> bool {
        self.effect == Effect::None
    }

    /// The contents that must exist when this act is possible; 0 stands for none.
    pub(crate) fn observes(&self) -> [u32; 3] {
        if self.either {
            return [0; 3];
        }
        let copied = if let Effect::Copy(_, owner) = self.effect { owner } else { 0 };
        let mut all = [self.sight.names(), self.source.map_or(0, |(_, sight)| sight.names()), copied];
        for at in 1..3 {
            if all[..at].contains(&all[at]) {
                all[at] = 0;
            }
        }
        all
    }

    /// The contents that must be at the key and at the source when this act is possible; content 0 is none.
    pub(crate) fn finds(&self) -> [Option<(u32, u32)>; 2] {
        if self.either {
            return [None; 2];
        }
        let at = |key: u32, sight: Sight| match (sight, sight.names()) {
            (Sight::Absent, _) => Some((key, 0)),
            (_, 0) => None,
            (_, content) => Some((key, content)),
        };
        let at_source = |(source, sight): (u32, Sight)| match self.effect {
            Effect::Copy(_, owner) if owner != 0 => Some((source, owner)),
            _ => at(source, sight),
        };
        [at(self.key, self.sight), self.source.and_then(at_source)]
    }

    /// Whether this may take a content from its source to its key.
    pub(crate) fn may_carry(&self, content: u32) -> bool {
        let other = |named: u32| named != 0 && named != content;
        match (self.effect, self.source) {
            (Effect::Rename, Some((_, sight))) => !other(sight.names()),
            (Effect::Copy(_, owner), Some((_, sight))) => !other(sight.names()) && !other(owner),
            _ => false,
        }
    }

    /// The key that this may make absent.
    pub(crate) fn may_empty(&self) -> Option<u32> {
        if self.effect == Effect::Delete { Some(self.key) } else { self.empties() }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = u32> {
        [Some(self.key), self.source.map(|(source, _)| source)].into_iter().flatten()
    }
}
