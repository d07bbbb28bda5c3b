//! The closed list of ways in which a server of this test is wrong. Each is one that stores have shipped, or that one line too few makes.

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Nothing either, but it often does not know: 500 after a write, after a refusal, and before a write that comes later.
    Moody,
    /// A put's condition is judged when the head arrives, and not again after the body.
    CheckBeforeBody,
    /// Every condition is judged in one step, and the write is another.
    CheckWithoutLock,
    /// So it is in CompleteMultipartUpload only.
    CompleteWithoutLock,
    /// 412, and the metadata of the refused write stay.
    RefusalLeavesMetadata,
    /// 412, and the whole write stays.
    RefusalLeavesBody,
    /// A rename removes the source, and writes the destination later.
    RenameHidesBoth,
    /// A rename writes the destination, and removes the source later.
    RenameShowsBoth,
    /// Every eighth rename removes the source and forgets the rest.
    RenameLoses,
    /// A rename does not look at the conditions on its destination.
    RenameIgnoresDestination,
    /// No write looks at If-None-Match.
    IgnoresIfNoneMatch,
    /// No write looks at If-Match.
    IgnoresIfMatch,
    /// CompleteMultipartUpload looks at no condition.
    CompleteIgnores,
    /// CopyObject looks at no condition on its destination.
    CopyIgnores,
    /// CopyObject looks at no condition on its source.
    CopyIgnoresSource,
    /// DeleteObject does not look at If-Match.
    DeleteIgnores,
    /// A presigned request's conditions are not looked at.
    PresignedIgnores,
    /// A body is read in two steps, of whatever is there at each.
    TornRead,
    /// The head of a read is of one version, and its body of the next.
    NewBodyOldEtag,
    /// Reads come from a cache that writes do not clear.
    StaleRead,
    /// Conditions at the second endpoint are judged against a replica that lags.
    StaleReplica,
    /// A listing comes from an index that lags.
    StaleListing,
    /// A write is acknowledged before it is durable.
    AckBeforeDurable,
    /// Writes and reads wait until what they report is durable; a refusal does not.
    RefusalBeforeDurable,
    /// Completing an upload again under another key is answered 200.
    CompletedElsewhere,
    /// 500 after a write that is then applied a second time.
    AppliedTwice,
    /// What was deleted comes back.
    DeleteUndone,
    /// A put is answered 200 and is not there.
    WriteDropped,
}

impl Fault {
    pub(crate) const WRONG: &[Fault] = &[
        Fault::CheckBeforeBody,
        Fault::CheckWithoutLock,
        Fault::CompleteWithoutLock,
        Fault::RefusalLeavesMetadata,
        Fault::RefusalLeavesBody,
        Fault::RenameHidesBoth,
        Fault::RenameShowsBoth,
        Fault::RenameLoses,
        Fault::RenameIgnoresDestination,
        Fault::IgnoresIfNoneMatch,
        Fault::IgnoresIfMatch,
        Fault::CompleteIgnores,
        Fault::CopyIgnores,
        Fault::CopyIgnoresSource,
        Fault::DeleteIgnores,
        Fault::PresignedIgnores,
        Fault::TornRead,
        Fault::NewBodyOldEtag,
        Fault::StaleRead,
        Fault::StaleReplica,
        Fault::StaleListing,
        Fault::AckBeforeDurable,
        Fault::RefusalBeforeDurable,
        Fault::CompletedElsewhere,
        Fault::AppliedTwice,
        Fault::DeleteUndone,
        Fault::WriteDropped,
    ];

    /// As it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::None => "correct",
            Fault::Moody => "correct, often unsure",
            Fault::CheckBeforeBody => "check before the body",
            Fault::CheckWithoutLock => "check without lock",
            Fault::CompleteWithoutLock => "check without lock, in Complete only",
            Fault::RefusalLeavesMetadata => "refused write leaves its metadata",
            Fault::RefusalLeavesBody => "refused write leaves its body",
            Fault::RenameHidesBoth => "rename hides both for a moment",
            Fault::RenameShowsBoth => "rename shows both for a moment",
            Fault::RenameLoses => "lost rename",
            Fault::RenameIgnoresDestination => "ignored header: Rename, destination",
            Fault::IgnoresIfNoneMatch => "ignored header: If-None-Match",
            Fault::IgnoresIfMatch => "ignored header: If-Match",
            Fault::CompleteIgnores => "ignored header: Complete only",
            Fault::CopyIgnores => "ignored header: Copy only",
            Fault::CopyIgnoresSource => "ignored header: Copy, source",
            Fault::DeleteIgnores => "ignored header: Delete only",
            Fault::PresignedIgnores => "ignored header: presigned only",
            Fault::TornRead => "torn read",
            Fault::NewBodyOldEtag => "new body with the old ETag",
            Fault::StaleRead => "stale read after write",
            Fault::StaleReplica => "condition judged on a stale replica",
            Fault::StaleListing => "stale listing",
            Fault::AckBeforeDurable => "answer before durable",
            Fault::RefusalBeforeDurable => "refusal before durable",
            Fault::CompletedElsewhere => "complete again under another key",
            Fault::AppliedTwice => "500, then applied twice",
            Fault::DeleteUndone => "a delete comes undone",
            Fault::WriteDropped => "200 and nothing written",
        }
    }

    /// Conditions that this server does not hear.
    pub(crate) fn deaf_to(self, operation: Operation, presigned: bool) -> Deaf {
        let write = operation != Operation::Delete;
        let all = match self {
            Fault::CompleteIgnores => operation == Operation::Complete,
            Fault::CopyIgnores => operation == Operation::Copy,
            Fault::RenameIgnoresDestination => operation == Operation::Rename,
            Fault::DeleteIgnores => operation == Operation::Delete,
            Fault::PresignedIgnores => presigned,
            _ => false,
        };
        Deaf {
            absent: all || (write && self == Fault::IgnoresIfNoneMatch),
            matches: all || (write && self == Fault::IgnoresIfMatch),
            source: self == Fault::CopyIgnoresSource && operation == Operation::Copy,
        }
    }

    /// Whether the check and the write of an operation are two steps.
    pub(crate) fn is_racy(self, operation: Operation) -> bool {
        match self {
            Fault::CheckBeforeBody => operation == Operation::Put,
            Fault::CheckWithoutLock => true,
            Fault::CompleteWithoutLock => operation == Operation::Complete,
            _ => false,
        }
    }
}

/// The operations that change a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Complete,
    Copy,
    Rename,
    Delete,
}

/// Which conditions are not heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deaf {
    pub(crate) absent: bool,
    pub(crate) matches: bool,
    pub(crate) source: bool,
}
