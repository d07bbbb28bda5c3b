//! ListObjects: a page on one snapshot, with one seek for each common prefix, never a walk over what the delimiter folds.

use bytes::Bytes;
use holdfast_model::{BucketName, ChecksumAlgorithm, ChecksumKind, Current};
use holdfast_store::{Step, scan};

use crate::{
    Objects, ObjectsError,
    records::{BucketId, Damaged, ObjectRecord, object_key_text, objects_from, objects_of},
};

/// Which objects to list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Keys begin with this.
    pub prefix: String,
    /// Keys that have this after the prefix are folded into one common prefix.
    pub delimiter: Option<String>,
    /// Keys and common prefixes come after this.
    pub after: Option<String>,
    /// Entries of the page, keys and common prefixes together.
    pub max: usize,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Tag, size, time, generation.
    pub current: Current,
    /// Its checksum's algorithm and kind.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// An object.
    Object(ListedObject),
    /// Keys folded by the delimiter.
    Prefix(String),
}

impl Listed {
    /// What the entry is sorted by; the next page begins after it.
    pub fn position(&self) -> &str {
        match self {
            Self::Object(object) => &object.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// The entries, in the order of their bytes.
    pub entries: Vec<Listed>,
    /// Whether more follow.
    pub truncated: bool,
}

/// What a delimiter makes of a key.
pub(crate) enum Fold {
    /// Nothing: it is listed.
    Itself,
    /// It is folded into this common prefix.
    Into(String),
    /// It is folded into this common prefix, which an earlier page has shown.
    Passed(String),
}

pub(crate) fn folded(key: &str, prefix: &str, delimiter: Option<&str>, after: Option<&str>) -> Fold {
    let Some(delimiter) = delimiter.filter(|d| !d.is_empty()) else { return Fold::Itself };
    let Some(at) = key.get(prefix.len()..).and_then(|rest| rest.find(delimiter)) else { return Fold::Itself };
    let common = key[..prefix.len() + at + delimiter.len()].to_owned();
    match after {
        Some(after) if common.as_str() <= after => Fold::Passed(common),
        _ => Fold::Into(common),
    }
}

impl Objects {
    /// A page of a bucket's objects.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], or a store error.
    pub async fn list(&self, bucket: &BucketName, request: ListRequest) -> Result<ListPage, ObjectsError> {
        let id = self.bucket_record(bucket).await?.id;
        if request.max == 0 {
            return Ok(ListPage::default());
        }
        let mut range = objects_of(id, &request.prefix);
        if let Some(after) = &request.after {
            let behind = objects_from(id, &[after.as_bytes(), &[0]].concat());
            range.start = range.start.max(behind);
        }
        let gathered = Ok(ListPage::default());
        let page = scan(&*self.metadata, range, gathered, move |page: &mut Result<ListPage, Damaged>, key, value| {
            let Ok(gathered) = page.as_mut() else { return Step::Stop };
            match visit(&request, id, gathered, key, value) {
                Ok(step) => step,
                Err(damaged) => {
                    *page = Err(damaged);
                    Step::Stop
                }
            }
        });
        Ok(page.await??)
    }
}

fn visit(request: &ListRequest, bucket: BucketId, page: &mut ListPage, record_key: &Bytes, value: &Bytes) -> Result<Step, Damaged> {
    let key = object_key_text(record_key)?;
    let fold = folded(key, &request.prefix, request.delimiter.as_deref(), request.after.as_deref());
    let behind = |prefix: &str| objects_of(bucket, prefix).end.map_or(Step::Stop, Step::SeekTo);
    if let Fold::Passed(prefix) = &fold {
        return Ok(behind(prefix));
    }
    if page.entries.len() == request.max {
        page.truncated = true;
        return Ok(Step::Stop);
    }
    match fold {
        Fold::Into(prefix) => {
            let next = behind(&prefix);
            page.entries.push(Listed::Prefix(prefix));
            Ok(next)
        }
        _ => {
            let object = ObjectRecord::decode(value)?;
            let checksum = object.checksum.map(|stored| (stored.checksum.algorithm(), stored.kind));
            page.entries.push(Listed::Object(ListedObject { key: key.to_owned(), current: object.current, checksum }));
            Ok(Step::Next)
        }
    }
}
