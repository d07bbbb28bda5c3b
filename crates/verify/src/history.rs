//! What clients asked, what came back, and when: the evidence of a run. No judgement here.
//!
//! Every write of a run sends bytes of its own, told apart by a number ([`Content`]) that is in the body and in the metadata, so
//! a read names the write that it saw.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// A key of the run, as a number: workloads give them names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub u32);

/// The number of the write whose bytes an object holds. Copies and renames carry it along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Content(pub u64);

/// An ETag as the endpoint gave it, without quotes.
pub type Etag = Arc<str>;

/// What a write demands of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// Nothing.
    None,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: <etag>`
    Matches(Etag),
}

/// One request, reduced to what it means for the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// PutObject.
    Put {
        /// Where to.
        key: Key,
        /// What is demanded of the key.
        condition: Condition,
        /// The number of these bytes, of this write only.
        content: Content,
    },
    /// CompleteMultipartUpload; its parts were sent before.
    Complete {
        /// Where to.
        key: Key,
        /// What is demanded of the key.
        condition: Condition,
        /// The number of these bytes, of this write only.
        content: Content,
    },
    /// CopyObject.
    Copy {
        /// Where from.
        source: Key,
        /// What is demanded of the source: `None`, `Present` or `Matches`.
        source_condition: Condition,
        /// Where to.
        key: Key,
        /// What is demanded of the key.
        condition: Condition,
    },
    /// RenameObject.
    Rename {
        /// Where from.
        source: Key,
        /// What is demanded of the source: `None`, `Present` or `Matches`.
        source_condition: Condition,
        /// Where to.
        key: Key,
        /// What is demanded of the key.
        condition: Condition,
    },
    /// DeleteObject.
    Delete {
        /// What to delete.
        key: Key,
        /// What is demanded of the key.
        condition: Condition,
    },
    /// GetObject: the whole body was read.
    Get {
        /// What to read.
        key: Key,
    },
    /// HeadObject.
    Head {
        /// What to read.
        key: Key,
    },
}

/// What the client learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// 200 of a write. The ETag if the answer had one (a rename's has none).
    Written(Option<Etag>),
    /// 204 of a delete, also where nothing was there.
    Deleted,
    /// 200 of a read.
    Found {
        /// Whose bytes these are.
        content: Content,
        /// The ETag in the same answer.
        etag: Etag,
    },
    /// 404 NoSuchKey: of a read, of a write or delete whose `If-Match` met no object, of a copy or rename without a source.
    Missing,
    /// 412 PreconditionFailed. `of_source` if the answer's `Condition` names a header of the source.
    Failed {
        /// Whether the source's condition failed, as far as the answer tells.
        of_source: bool,
    },
    /// 409 ConditionalRequestConflict: nothing was written, because of a rival.
    Conflict,
    /// Definitely nothing happened, and it says nothing of the key's state: 400, 403, 501, a 503 SlowDown that the endpoint documents as definite.
    Refused,
    /// Nobody knows: 500, a broken connection, no answer in time.
    Unknown,
}

/// A request with its outcome and the moments between which it took effect, in nanoseconds since the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who sent it. A client has one request under way at a time.
    pub client: u32,
    /// What was asked.
    pub request: Request,
    /// What came back.
    pub outcome: Outcome,
    /// Before the first byte was sent.
    pub called: u64,
    /// After the last byte of the answer; for an unknown outcome the moment after which it can take effect no more (the
    /// server was seen dead), or `None` if there is no such moment.
    pub returned: Option<u64>,
    /// The endpoint it was sent to, by its number.
    pub endpoint: u32,
}

/// All operations of a run, in no particular order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The seed that the workload was made from.
    pub seed: u64,
    /// The names of the keys.
    pub keys: Vec<String>,
    /// What was there at the beginning, if the run did not begin with empty keys.
    pub initial: Vec<(Key, Content, Etag)>,
    /// What was asked and answered.
    pub operations: Vec<Operation>,
}

impl History {
    /// Reads what `write` wrote.
    ///
    /// # Errors
    /// The file cannot be read, or is not the JSON of a history.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_reader(BufReader::new(File::open(path)?))?)
    }

    /// Writes the history as JSON, so that a failing run can be checked again.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        serde_json::to_writer(&mut file, self)?;
        file.flush()
    }
}
