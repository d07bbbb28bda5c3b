//! Section 5: a body that was begun is of one version to its end.

use bytes::{Bytes, BytesMut};

use super::{Told, stories};
use crate::client::s3::{self, Options, Trouble};
use crate::client::{Call, Client, Head, Lost};
use crate::conformance::parts::Part;
use crate::conformance::row::{Row, Severity, Verdict};
use crate::conformance::world::World;

const GROUP: &str = "Bodies of one version";
/// Far more than fits between a server and a client that does not read.
const BODY_BYTES: usize = 4 << 20;

pub(super) fn rows() -> Vec<Row> {
    stories! {
        "body.overwritten", GROUP, &[] => overwritten;
        "GetObject of 4 MiB; it is overwritten while the body comes" => "the whole body of the first version";
        "body.deleted", GROUP, &[] => deleted;
        "GetObject of 4 MiB; it is deleted while the body comes" => "the whole body of the version that was begun";
        "body.completed-over", GROUP, &[Part::Multipart] => completed;
        "GetObject of 4 MiB; an upload is completed over it while the body comes" => "the whole body of the first version";
        "body.renamed-over", GROUP, &[Part::Rename] => renamed;
        "GetObject of 4 MiB; another object is renamed over it while the body comes" => "the whole body of the first version";
    }
}

async fn overwritten(world: &mut World<'_>) -> Result<Told, Trouble> {
    let call = s3::put(world.bucket, &world.key, filled(b'n'), &Options::none());
    read_while(world, call).await
}

async fn deleted(world: &mut World<'_>) -> Result<Told, Trouble> {
    let call = s3::delete(world.bucket, &world.key, &Options::none());
    read_while(world, call).await
}

async fn completed(world: &mut World<'_>) -> Result<Told, Trouble> {
    let upload = world.begin_upload("new").await?;
    let call = world.complete(&upload, &Options::none());
    read_while(world, call).await
}

async fn renamed(world: &mut World<'_>) -> Result<Told, Trouble> {
    let source = world.source.clone();
    world.client.must("writing an object", &s3::put(world.bucket, &source, filled(b'n'), &Options::none())).await?;
    let call = s3::rename(world.bucket, &source, &world.key, &Options::none());
    read_while(world, call).await
}

fn filled(with: u8) -> Bytes {
    Bytes::from(vec![with; BODY_BYTES])
}

/// Reads a body, and sends `meanwhile` after its first piece.
async fn read_while(world: &mut World<'_>, meanwhile: Call) -> Result<Told, Trouble> {
    let mut rival = world.rival();
    rival.must("writing an object", &s3::put(world.bucket, &world.key, filled(b'o'), &Options::none())).await?;
    let what = "reading a body";
    let call = s3::get(world.bucket, &world.key, &Options::none());
    let head = world.client.open(&call).await.map_err(|lost| Trouble::Lost { what, lost })?;
    let first = world.client.next_piece().await.map_err(|lost| Trouble::Lost { what, lost })?.unwrap_or_default();
    rival.must("changing the object", &meanwhile).await?;
    let mut body = BytesMut::from(&first[..]);
    let end = rest(world.client, &mut body).await;
    world.client.disconnect();
    Ok(judge(&head, &body, end))
}

async fn rest(client: &mut Client, body: &mut BytesMut) -> Result<(), Lost> {
    while let Some(piece) = client.next_piece().await? {
        body.extend_from_slice(&piece);
    }
    Ok(())
}

fn judge(head: &Head, body: &[u8], end: Result<(), Lost>) -> Told {
    let of_old = body.iter().map(|byte| usize::from(*byte == b'o')).sum::<usize>();
    let came = format!("{}, {} bytes, {of_old} of them of the version that was begun", head.status, body.len());
    if of_old != body.len() {
        return Told::deviates(came, Severity::DataLoss, "the body is torn: it is of two versions");
    }
    match end {
        Ok(()) if body.len() == BODY_BYTES => Told { came, verdict: Verdict::Holds },
        Ok(()) => Told::deviates(came, Severity::DataLoss, "the body is cut short and looks complete"),
        Err(lost) => Told::deviates(format!("{came}; {lost}"), Severity::WrongAnswer, "the connection broke in the middle of the body"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_and_short_bodies_are_data_loss_and_whole_ones_hold() {
        let head = Head { status: 200, ..Head::default() };
        let mut torn = filled(b'o').to_vec();
        torn[BODY_BYTES - 1] = b'n';
        assert_eq!(judge(&head, &torn, Ok(())).verdict.severity(), Some(Severity::DataLoss));
        assert_eq!(judge(&head, b"ooo", Ok(())).verdict.severity(), Some(Severity::DataLoss));
        assert_eq!(judge(&head, b"ooo", Err(Lost::Unknown(String::new()))).verdict.severity(), Some(Severity::WrongAnswer));
        assert_eq!(judge(&head, &filled(b'o'), Ok(())).verdict, Verdict::Holds);
    }
}
