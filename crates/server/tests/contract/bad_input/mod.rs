//! Bad input, as tables: the right status and code, nothing written, nothing left staged, and a server that answers what comes next.

mod bodies;
mod chunks;
mod documents;
mod requests;
mod signatures;

use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{World, check_error};

/// Sends each request, which is refused as the row says and changes nothing. The next row is the next request on the same connection
/// unless the answer announced its end.
async fn check(world: &mut World<'_>, rows: impl IntoIterator<Item = (impl AsRef<str>, Request, &'static str)>) {
    let before = picture(&mut world.client, &world.bucket).await;
    for (row, request, expect) in rows {
        let row = row.as_ref();
        eprintln!("{row}");
        let answer = world.client.send(request.clone()).await;
        assert_eq!(answer.verdict(), expect, "{row}: {}", answer.text());
        check_error(&answer, &request, row);
        assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{row}: nothing is written");
    }
}
