//! From what came and what is there now to a verdict. Pure.

use super::row::{Case, Operation, Severity, Verdict, Want};
use super::state::State;
use crate::client::{Answer, xml};

/// An answer, reduced to what is judged. The `<Error>` of a key of DeleteObjects counts like an error of DeleteObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) success: bool,
    pub(crate) code: Option<String>,
    pub(crate) condition: Option<String>,
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn of(operation: Operation, answer: &Answer) -> Self {
        let mut seen = Self {
            status: answer.status(),
            success: answer.is_success(),
            code: answer.code(),
            condition: answer.condition(),
            text: answer.in_short(),
        };
        let errors = xml::records(&answer.body, "Error");
        if let (Operation::DeleteObjects, 200, Some(error)) = (operation, answer.status(), errors.first()) {
            let code = xml::field(error, "Code").unwrap_or_default();
            seen.status = match code {
                "NoSuchKey" => 404,
                "PreconditionFailed" => 412,
                "NotImplemented" => 501,
                _ => 400,
            };
            seen.success = false;
            seen.condition = xml::field(error, "Condition").map(str::to_owned);
            seen.code = Some(code.to_owned());
            seen.text = format!("200 with <Error> {code} for the key");
        }
        seen
    }
}

/// Everything about a tried case.
pub(crate) struct Tried<'a> {
    pub(crate) case: &'a Case,
    pub(crate) answer: &'a Answer,
    pub(crate) before: &'a State,
    pub(crate) after: &'a State,
    /// The bytes that the request brings.
    pub(crate) new: &'a str,
}

impl Tried<'_> {
    pub(crate) fn verdict(&self) -> Verdict {
        let seen = Seen::of(self.case.operation, self.answer);
        if self.meets(&self.case.want, &seen) {
            return match self.missing_element(&seen) {
                Some(element) => Verdict::deviates(Severity::WrongCode, format!("the error has no <{element}>")),
                None => Verdict::Holds,
            };
        }
        if let Some(also) = self.case.also.iter().find(|also| self.meets(&also.want, &seen)) {
            return Verdict::accepted(also.why);
        }
        let unchanged = self.before == self.after;
        if seen.status == 501 && unchanged {
            return Verdict::NotSupported { why: seen.text };
        }
        let (severity, why) = self.deviation(&seen, unchanged);
        let ignored = seen.success && self.case.want != Want::Done && !self.case.headers.is_empty();
        Verdict::Deviates { severity: severity.max(self.case.worst), ignored, why: why.to_owned() }
    }

    fn deviation(&self, seen: &Seen, unchanged: bool) -> (Severity, &'static str) {
        let reads = matches!(self.case.operation, Operation::Get | Operation::Head | Operation::GetTagging | Operation::List);
        match (&self.case.want, seen.success, unchanged) {
            (Want::Refused { .. }, _, false) if self.before.lost_something(self.after) => {
                (Severity::DataLoss, "it must be refused, and it changed what was there")
            }
            (Want::Refused { .. }, _, false) => (Severity::FalseSuccess, "it must be refused, and it was done"),
            (Want::Refused { .. }, true, true) if reads => (Severity::WrongAnswer, "the condition was not honoured"),
            (Want::Refused { .. }, true, true) => (Severity::FalseSuccess, "success, but nothing was done"),
            (Want::Refused { .. }, false, true) => (Severity::WrongCode, "refused, and nothing changed, but by another answer"),
            (Want::Done, true, _) if reads => (Severity::WrongAnswer, "what was served is not the object"),
            (Want::Done, true, true) => (Severity::DataLoss, "success, but nothing was done"),
            (Want::Done, true, false) => (Severity::DataLoss, "success, but what was asked is not there"),
            (Want::Done, false, false) => (Severity::DataLoss, "refused, and yet something changed"),
            (Want::Done, false, true) => (Severity::WrongAnswer, "refused, although nothing is in the way"),
        }
    }

    fn missing_element(&self, seen: &Seen) -> Option<&'static str> {
        let has = |name: &&&str| self.answer.error_field(name).is_some_and(|text| !text.is_empty());
        if seen.success { None } else { self.case.elements.iter().find(|name| !has(name)).copied() }
    }

    fn meets(&self, want: &Want, seen: &Seen) -> bool {
        match want {
            Want::Done => seen.success && self.is_done(),
            Want::Refused { status, code, condition } => {
                // A failed HEAD and a 304 have no body.
                let bare = self.case.operation == Operation::Head || *status == 304 || code.is_empty();
                let named = seen.condition.as_ref().is_none_or(|named| condition.is_empty() || named.eq_ignore_ascii_case(condition));
                seen.status == *status && (bare || seen.code.as_deref() == Some(code)) && named && self.before == self.after
            }
        }
    }

    fn is_done(&self) -> bool {
        let Self { case, answer, before, after, new } = self;
        let (object, source) = (after.object.as_ref(), before.source.as_ref());
        let tag_agrees = || answer.etag().is_none_or(|etag| object.is_some_and(|object| object.etag == etag));
        let only_read = || before == after;
        match case.operation {
            Operation::Put | Operation::Complete => {
                object.is_some_and(|object| object.body == *new && object.made() == Some("new")) && tag_agrees()
            }
            Operation::Append => {
                let old = before.object.as_ref().map_or(&b""[..], |old| &old.body[..]);
                object.is_some_and(|object| object.body == [old, new.as_bytes()].concat()) && tag_agrees()
            }
            Operation::Copy => {
                let copied =
                    object.zip(source).is_some_and(|(object, source)| object.body == source.body && object.made() == source.made());
                copied && before.source == after.source && tag_agrees()
            }
            Operation::Rename => object.zip(source).is_some_and(|(object, source)| object.is_moved_from(source)) && after.source.is_none(),
            Operation::Delete | Operation::DeleteObjects => after.object.is_none(),
            Operation::Get => before.object.as_ref().is_some_and(|object| object.body == answer.body) && tag_agrees() && only_read(),
            Operation::Head => answer.status() == 200 && tag_agrees() && only_read(),
            Operation::UploadPart | Operation::UploadPartCopy => {
                after.upload.as_ref().is_some_and(|parts| parts.iter().any(|(number, _)| number == "2")) && before.object == after.object
            }
            Operation::AbortUpload => after.upload.is_none(),
            Operation::PutTagging => {
                object.is_some_and(|object| object.tags.as_ref().is_none_or(|tags| *tags == [("made".to_owned(), "new".to_owned())]))
            }
            Operation::DeleteTagging => object.is_some_and(|object| object.tags.as_ref().is_none_or(Vec::is_empty)),
            Operation::CreateUpload | Operation::GetTagging | Operation::List | Operation::DeleteBucket => only_read(),
        }
    }
}

#[cfg(test)]
#[path = "weigh_tests.rs"]
mod tests;
