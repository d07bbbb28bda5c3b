//! What a row of the contract is: what is there, what is sent, what must come, and what became of it.

use serde::Serialize;

use super::parts::Part;
use super::stories::Story;

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// An object was overwritten, deleted or changed although the condition was false, or an acknowledged write is not there.
    DataLoss,
    /// Success was answered for what must be refused; nothing that existed was lost.
    FalseSuccess,
    /// What must be done was refused, or something else came than must come.
    WrongAnswer,
    /// It was refused, and nothing changed, but with another status or code.
    WrongCode,
}

impl Severity {
    /// All, worst first.
    pub const ALL: [Self; 4] = [Self::DataLoss, Self::FalseSuccess, Self::WrongAnswer, Self::WrongCode];

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataLoss => "data loss",
            Self::FalseSuccess => "false success",
            Self::WrongAnswer => "wrong answer",
            Self::WrongCode => "wrong code",
        }
    }

    /// What it means, for who has not read the contract.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::DataLoss => {
                "An object was overwritten, deleted or changed although the condition was false, or an acknowledged write is not there."
            }
            Self::FalseSuccess => "Success was answered for what must be refused. Nothing that existed was lost this time.",
            Self::WrongAnswer => "What must be done was refused, or something else came than the contract says.",
            Self::WrongCode => "It was refused and nothing changed, but the status or the code is another. Clients may misunderstand it.",
        }
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// As the contract says.
    Holds,
    /// Another answer than Holdfast's, and a right one: `why` says by which document.
    Accepted {
        /// By which document.
        why: String,
    },
    /// The endpoint says that it has no such thing, or was found not to have it.
    NotSupported {
        /// What it answered.
        why: String,
    },
    /// The row could not be tried.
    NotRun {
        /// What was in the way.
        why: String,
    },
    /// A violation.
    Deviates {
        /// How bad.
        severity: Severity,
        /// Whether a condition was accepted and not honoured.
        ignored: bool,
        /// In a sentence.
        why: String,
    },
}

impl Verdict {
    pub(crate) fn deviates(severity: Severity, why: impl Into<String>) -> Self {
        Self::Deviates { severity, ignored: false, why: why.into() }
    }

    pub(crate) fn accepted(why: &str) -> Self {
        Self::Accepted { why: why.to_owned() }
    }

    /// How bad, if it is a violation.
    pub fn severity(&self) -> Option<Severity> {
        if let Self::Deviates { severity, .. } = self { Some(*severity) } else { None }
    }
}

/// A row that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Stable: `put.if-none-match-star.present`.
    pub id: String,
    /// The part of the contract.
    pub group: &'static str,
    /// What was there and what was sent.
    pub sent: String,
    /// What must come.
    pub expected: String,
    /// What is right too, and by which document.
    pub also: Vec<String>,
    /// What came, and what is there now if that is wrong.
    pub came: String,
    /// What to think of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Append,
    Complete,
    Copy,
    Rename,
    Delete,
    /// DeleteObjects with one key; the headers of the case are the elements of the key.
    DeleteObjects,
    Get,
    Head,
    UploadPart,
    UploadPartCopy,
    CreateUpload,
    AbortUpload,
    PutTagging,
    DeleteTagging,
    GetTagging,
    List,
    /// Of a bucket that does not exist, so that nothing is lost where conditions are ignored.
    DeleteBucket,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Put => "PutObject",
            Self::Append => "PutObject (append)",
            Self::Complete => "CompleteMultipartUpload",
            Self::Copy => "CopyObject",
            Self::Rename => "RenameObject",
            Self::Delete => "DeleteObject",
            Self::DeleteObjects => "DeleteObjects",
            Self::Get => "GetObject",
            Self::Head => "HeadObject",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::CreateUpload => "CreateMultipartUpload",
            Self::AbortUpload => "AbortMultipartUpload",
            Self::PutTagging => "PutObjectTagging",
            Self::DeleteTagging => "DeleteObjectTagging",
            Self::GetTagging => "GetObjectTagging",
            Self::List => "ListObjectsV2",
            Self::DeleteBucket => "DeleteBucket",
        }
    }

    pub(crate) fn has_source(self) -> bool {
        matches!(self, Self::Copy | Self::Rename | Self::UploadPartCopy)
    }

    pub(crate) fn has_upload(self) -> bool {
        matches!(self, Self::Complete | Self::UploadPart | Self::UploadPartCopy | Self::AbortUpload)
    }
}

/// What must come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// 2xx, and it is done.
    Done,
    /// That status and code (no code: only the status), and nothing changed. The name of the condition is compared if the answer has one.
    Refused { status: u16, code: &'static str, condition: &'static str },
}

impl Want {
    pub(crate) const fn refused(status: u16, code: &'static str) -> Self {
        Self::Refused { status, code, condition: "" }
    }

    pub(crate) const fn failed(condition: &'static str) -> Self {
        Self::Refused { status: 412, code: "PreconditionFailed", condition }
    }

    pub(crate) const MISSING: Self = Self::refused(404, "NoSuchKey");
    pub(crate) const INVALID: Self = Self::refused(400, "InvalidRequest");

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Done => "done".to_owned(),
            Self::Refused { status: 304, .. } => "304 Not Modified".to_owned(),
            Self::Refused { status, code, condition: "" } => format!("{status} {code}, nothing changed"),
            Self::Refused { status, code, condition } => format!("{status} {code} ({condition}), nothing changed"),
        }
    }
}

/// Another right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Also {
    pub(crate) want: Want,
    pub(crate) why: &'static str,
}

pub(crate) const AWS: &str = "as AWS documents it";
pub(crate) const RFC: &str = "as RFC 9110 has it";

/// A row that is one request.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) operation: Operation,
    /// Whether the key has an object.
    pub(crate) present: bool,
    /// Whether the source has one, where there is a source.
    pub(crate) source: bool,
    /// Names, and values with `{...}` for what is known only then; see `world.rs`. Elements for DeleteObjects.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Conditions go into the signed query.
    pub(crate) presigned: bool,
    pub(crate) want: Want,
    pub(crate) also: Vec<Also>,
    /// The worst that a deviation of this row can be called.
    pub(crate) worst: Severity,
    /// Elements that the error must have.
    pub(crate) elements: &'static [&'static str],
}

impl Case {
    pub(crate) fn new(operation: Operation, present: bool, headers: &[(&'static str, &str)], want: Want) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let (also, worst) = (Vec::new(), Severity::DataLoss);
        Self { operation, present, source: true, headers, presigned: false, want, also, worst, elements: &[] }
    }

    pub(crate) fn also(mut self, want: Want, why: &'static str) -> Self {
        self.also.push(Also { want, why });
        self
    }
}

/// How a row is tried.
#[derive(Clone, Debug)]
pub(crate) enum Trial {
    Case(Case),
    Story(Story),
}

/// A row of the contract.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) group: &'static str,
    /// Without these it makes no sense.
    pub(crate) needs: Vec<Part>,
    pub(crate) trial: Trial,
}
