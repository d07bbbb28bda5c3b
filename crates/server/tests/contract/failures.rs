//! Section 1, point 5: a failure of the store is definite (503, nothing happened) or indefinite (500), and never the answer to a
//! precondition that was judged.

use holdfast_store::StoreError;

use crate::support::on_both_stores;
use crate::support::world::{Operation, State, World};

fn failures() -> [(StoreError, &'static str); 4] {
    [
        (StoreError::Busy, "503 SlowDown"),
        (StoreError::Full("no space".to_owned()), "503 SlowDown"),
        (StoreError::Unavailable("stopping".to_owned()), "503 ServiceUnavailable"),
        (StoreError::Indefinite("an I/O error".to_owned()), "500 InternalError"),
    ]
}

fn answer_is_definite(verdict: &str) -> bool {
    verdict.starts_with("503")
}

/// The commit point was not reached: the client is told so, nothing is there, nothing stays staged, and the same request succeeds later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_is_told_apart_from_a_condition_that_does() {
    on_both_stores(async |server| {
        for operation in Operation::ALL {
            for (error, expect) in failures() {
                let mut world = World::new(server, State::Absent).await;
                let row = format!("{operation:?} {error:?}");
                let request = world.request(operation).header("if-none-match", "*");
                server.gate.fail(Some(error));
                let answer = world.refuses(request.clone(), expect, &row).await;
                server.gate.fail(None);
                assert_eq!(answer.header("retry-after").is_some(), answer.status == 503, "{row}");
                assert!(!answer.text().contains("I/O error"), "{row}: what happened is for the log");
                world.carries_out(operation, request, &row).await;
            }
        }
        let mut world = World::new(server, State::Present).await;
        for (error, expect) in failures() {
            server.gate.fail(Some(error));
            let delete = world.on("DELETE", "k").header("if-match", "*");
            world.refuses(delete, expect, expect).await;
            // A large body lies beside its record. Where it may have been named it must stay; otherwise it is given back.
            if answer_is_definite(expect) {
                let large = world.on("PUT", "k").body(vec![b'x'; 300_000]);
                world.refuses(large, expect, expect).await;
                server.nothing_is_staged().await;
            }
            // A condition that is false at arrival needs no commit point.
            let early = world.request(Operation::Put).header("if-none-match", "*");
            world.refuses(early, "412 PreconditionFailed If-None-Match", expect).await;
            server.gate.fail(None);
        }
    })
    .await;
}
