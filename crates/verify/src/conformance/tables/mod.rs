//! The tables of the contract as data. Each row is one request on keys of its own.

mod copies;
mod deletes;
mod errors;
mod misplaced;
mod reads;
mod renames;
mod writes;

use super::parts::Part;
use super::row::{Case, Operation, Row, Trial};

pub(super) fn all() -> Vec<Row> {
    [writes::rows(), copies::rows(), renames::rows(), deletes::rows(), reads::rows(), misplaced::rows(), errors::rows()].concat()
}

fn row(id: String, group: &'static str, needs: &[Part], case: Case) -> Row {
    Row { id, group, needs: needs.to_vec(), trial: Trial::Case(case) }
}

fn short(operation: Operation) -> &'static str {
    match operation {
        Operation::Put => "put",
        Operation::Append => "append",
        Operation::Complete => "complete",
        Operation::Copy => "copy",
        Operation::Rename => "rename",
        Operation::Delete => "delete",
        Operation::DeleteObjects => "delete-objects",
        Operation::Get => "get",
        Operation::Head => "head",
        Operation::UploadPart => "upload-part",
        Operation::UploadPartCopy => "upload-part-copy",
        Operation::CreateUpload => "create-upload",
        Operation::AbortUpload => "abort-upload",
        Operation::PutTagging => "put-tagging",
        Operation::DeleteTagging => "delete-tagging",
        Operation::GetTagging => "get-tagging",
        Operation::List => "list",
        Operation::DeleteBucket => "delete-bucket",
    }
}

fn presence(present: bool) -> &'static str {
    if present { "present" } else { "absent" }
}

/// The parts that an operation needs to be tried at all, and those that its conditions need.
fn needs(operation: Operation, conditional: bool) -> Vec<Part> {
    let (always, for_conditions): (&[Part], &[Part]) = match operation {
        Operation::Append => (&[Part::Append], &[]),
        Operation::Complete => (&[Part::Multipart], &[Part::CompleteConditions]),
        Operation::Copy => (&[], &[Part::CopyDestination]),
        Operation::Rename => (&[Part::Rename], &[]),
        Operation::UploadPart | Operation::UploadPartCopy | Operation::CreateUpload | Operation::AbortUpload => (&[Part::Multipart], &[]),
        Operation::PutTagging | Operation::DeleteTagging | Operation::GetTagging => (&[Part::Tags], &[]),
        _ => (&[], &[]),
    };
    [always, if conditional { for_conditions } else { &[] }].concat()
}
