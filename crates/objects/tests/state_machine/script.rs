//! The words of a script: what a client may ask, as small values that are easy to draw and to shrink. Where a request names something
//! that only a run knows (the tag that stands there now, an upload's id), it says which one; `run.rs` looks it up when its turn comes.

use std::{collections::HashMap, sync::OnceLock};

use bytes::Bytes;
use holdfast_model::{ChecksumAlgorithm, ChecksumKind};
use md5::{Digest as _, Md5};
use parking_lot::Mutex;

pub const BUCKETS: [&str; 2] = ["first", "second"];
/// Keys that fold, that are each other's prefixes, and that need care in the order of uploads.
pub const KEYS: [&str; 7] = ["a", "a/b", "b", "a/b/c", "a/", "a\0", "\u{e9}"];
pub const PREFIXES: [&str; 5] = ["", "a", "a/", "a/b", "\u{e9}"];
pub const DELIMITERS: [&str; 3] = ["", "/", "b/"];
pub const PART_NUMBERS: [u64; 5] = [1, 2, 3, 7, 9999];

/// A key in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(pub u8, pub u8);

impl At {
    pub fn bucket(self) -> &'static str {
        BUCKETS[usize::from(self.0)]
    }

    pub fn key(self) -> &'static str {
        KEYS[usize::from(self.1)]
    }
}

/// A body: its length and what makes it differ from others of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Body(pub u32, pub u8);

type Known = Mutex<HashMap<Body, (Bytes, [u8; 16])>>;

impl Body {
    fn known(self) -> (Bytes, [u8; 16]) {
        static KNOWN: OnceLock<Known> = OnceLock::new();
        let mut known = KNOWN.get_or_init(Mutex::default).lock();
        let make = || {
            let bytes: Bytes = (0..self.0).map(|n| (n as u8).wrapping_mul(31).wrapping_add(self.1)).collect::<Vec<_>>().into();
            let md5 = Md5::digest(&bytes).into();
            (bytes, md5)
        };
        known.entry(self).or_insert_with(make).clone()
    }

    pub fn bytes(self) -> Bytes {
        self.known().0
    }

    pub fn md5(self) -> [u8; 16] {
        self.known().1
    }
}

/// Which tag a condition names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    Any,
    Current,
    Former,
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Always,
    Create,
    Match(Tag),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Zero,
    Current,
    Former,
    Future,
}

/// A date, in milliseconds from when the object was written; `Tomorrow` lies ahead of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Date {
    Written(i64),
    Tomorrow,
}

/// Conditions of a write. Dates are for renames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    pub rule: Rule,
    pub generation: Option<Number>,
    pub modified: Option<Date>,
    pub unmodified: Option<Date>,
}

/// Conditions of a read or of a source. A tag may be weak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    pub matches: Option<(Tag, bool)>,
    pub none_match: Option<(Tag, bool)>,
    pub modified: Option<Date>,
    pub unmodified: Option<Date>,
}

/// Conditions of a delete. Sizes and dates are the object's, or one off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletes {
    pub matches: Option<Tag>,
    pub size: Option<bool>,
    pub date: Option<bool>,
    pub generation: Option<Number>,
}

/// Principal and invocation id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who(pub u8, pub Option<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    End,
    Start,
    Beyond,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Whole,
    FromTo(u32, u32),
    From(u32),
    Last(u32),
    Part(u8),
}

/// Which parts a completion lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    All,
    First,
    Last,
    Nothing,
    Backwards,
    Twice,
    /// The first one with the tag of something else.
    Wrong,
    /// All, and one that was never written.
    Missing,
}

/// How a listing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    pub prefix: u8,
    pub delimiter: u8,
    pub after: Option<u8>,
    pub max: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    CreateBucket(u8),
    DeleteBucket(u8),
    Put {
        at: At,
        body: Body,
        when: When,
        meta: u8,
        tags: u8,
        sum: ChecksumAlgorithm,
        who: Who,
    },
    Append {
        at: At,
        offset: Offset,
        body: Body,
        when: When,
        sum: ChecksumAlgorithm,
        who: Who,
    },
    Copy {
        from: At,
        to: At,
        source: Reads,
        when: When,
        meta: Option<u8>,
        tags: Option<u8>,
        sum: Option<ChecksumAlgorithm>,
        who: Who,
    },
    Rename {
        bucket: u8,
        from: u8,
        to: u8,
        source: Reads,
        when: When,
        token: Option<u8>,
        who: Who,
    },
    Delete {
        at: At,
        when: Deletes,
    },
    Tag {
        at: At,
        tags: u8,
    },
    CreateUpload {
        at: At,
        sum: Option<ChecksumAlgorithm>,
        kind: Option<ChecksumKind>,
        meta: u8,
        tags: u8,
    },
    PutPart {
        upload: u8,
        number: u8,
        body: Body,
        given: Option<ChecksumAlgorithm>,
    },
    CopyPart {
        upload: u8,
        number: u8,
        from: At,
        source: Reads,
    },
    Complete {
        upload: u8,
        other_key: bool,
        parts: Listing,
        sums: bool,
        size: Option<bool>,
        when: When,
        who: Who,
    },
    Abort {
        upload: u8,
        other_key: bool,
    },
    ListParts {
        upload: u8,
        after: u8,
        max: u8,
    },
    ListUploads {
        bucket: u8,
        pages: Pages,
    },
    List {
        bucket: u8,
        pages: Pages,
    },
    Get {
        at: At,
        when: Reads,
        span: Span,
    },
    /// Begins to read an object, and goes on when it is released.
    Hold {
        at: At,
    },
    Release,
    Collect,
    Forget,
    /// Milliseconds.
    Wait(u64),
    /// Sends a request of before again, byte by byte: the last one, the one before, ...
    Again(u8),
}

/// What happens while a request is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Others come in between.
    Rivals(Vec<Ask>),
    /// The transaction is refused as busy.
    Busy,
    /// The transaction happens, and nobody is told.
    Applied,
    /// The transaction does not happen, and nobody is told.
    Lost,
    /// The decision runs twice.
    Twice,
}

/// One request, and what happens just before its n-th call of the store (counted after it has arrived).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub ask: Ask,
    pub trouble: Option<(u8, Trouble)>,
}

impl Step {
    pub const fn quiet(ask: Ask) -> Self {
        Self { ask, trouble: None }
    }
}

pub const ALWAYS: When = When { rule: Rule::Always, generation: None, modified: None, unmodified: None };
pub const NOBODY: Who = Who(0, None);
