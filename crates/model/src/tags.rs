//! Tags of objects and buckets: a small ordered set of unique keys.

use crate::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX};

/// Tags in the order in which they were given; keys are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags(Vec<(String, String)>);

/// Why a set of tags is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTags {
    /// More tags than the thing may have.
    #[error("at most {max} tags are allowed")]
    TooMany {
        /// The bound that was passed.
        max: usize,
    },
    /// One key twice.
    #[error("the tag key {0:?} is given twice")]
    Duplicate(String),
    /// A key of 0 or more than 128 characters.
    #[error("a tag key has 1 to 128 characters")]
    Key,
    /// A value of more than 256 characters.
    #[error("a tag value has at most 256 characters")]
    Value,
    /// A key in S3's own name space.
    #[error("tag keys that begin with \"aws:\" are reserved")]
    Reserved,
}

impl Tags {
    /// Checks `pairs` against the rules; `max` is the bound for this kind of thing.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(pairs: Vec<(String, String)>, max: usize) -> Result<Self, InvalidTags> {
        if pairs.len() > max {
            return Err(InvalidTags::TooMany { max });
        }
        for (i, (key, value)) in pairs.iter().enumerate() {
            if key.is_empty() || key.chars().count() > TAG_KEY_CHARS_MAX {
                return Err(InvalidTags::Key);
            }
            if value.chars().count() > TAG_VALUE_CHARS_MAX {
                return Err(InvalidTags::Value);
            }
            if key.starts_with("aws:") {
                return Err(InvalidTags::Reserved);
            }
            if pairs[..i].iter().any(|(earlier, _)| earlier == key) {
                return Err(InvalidTags::Duplicate(key.clone()));
            }
        }
        Ok(Self(pairs))
    }

    /// Key and value of each tag.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// How many tags.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], expect: &Result<usize, InvalidTags>) {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(Tags::new(pairs, 2).map(|t| t.len()), *expect);
    }

    #[test]
    fn tags_are_few_unique_and_short() {
        check(&[], &Ok(0));
        check(&[("a", ""), ("b", "x")], &Ok(2));
        check(&[("a", ""), ("b", ""), ("c", "")], &Err(InvalidTags::TooMany { max: 2 }));
        check(&[("a", "1"), ("a", "2")], &Err(InvalidTags::Duplicate("a".into())));
        check(&[("", "1")], &Err(InvalidTags::Key));
        check(&[(&"k".repeat(129), "1")], &Err(InvalidTags::Key));
        check(&[("k", &"v".repeat(257))], &Err(InvalidTags::Value));
        check(&[("aws:x", "1")], &Err(InvalidTags::Reserved));
    }
}
