//! The checker proves that it can fail: each wrong server is caught within a stated number of operations, and a right one is not accused.

mod broken;

use std::{sync::Arc, time::Instant};

use broken::{Server, fault::Fault};
use futures_util::{FutureExt, future::BoxFuture};
use holdfast_verify::{
    client::{Client, Credentials, Target, s3},
    races::{self, Bodies, Budget, Disturb, Failure, Found, Options},
};

const BUCKET: &str = "race";

/// `kill -9` of a server in memory.
struct Kill(Server);

impl Disturb for Kill {
    fn strike(&self) -> BoxFuture<'_, Result<Option<Instant>, Failure>> {
        async {
            self.0.kill().await;
            Ok(Some(Instant::now()))
        }
        .boxed()
    }

    fn heal(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async {
            self.0.restart().await;
            Ok(())
        }
        .boxed()
    }
}

async fn target(server: &Server) -> Arc<Target> {
    let credentials = Credentials { access_key: "key".into(), secret_key: "secret".into(), session_token: None };
    let target = Target::with_credentials(&server.urls(), false, credentials, "us-east-1".into(), None).expect("URLs of the loopback");
    let target = Arc::new(target);
    Client::new(target.clone(), 0).must("creating the bucket", &s3::create_bucket(BUCKET, "us-east-1")).await.expect("a bucket");
    target
}

fn options(seed: u64, operations: u64) -> Options {
    let bodies = Bodies {
        small_bytes_max: 256,
        medium_bytes: 2048,
        slow_bytes: 64 << 10,
        slow_pieces: 4,
        rivals_per_piece: 10,
        first_part_bytes: 4096,
    };
    Options { clients: 8, budget: Budget::Operations(operations), bodies, disturb_every: 60, ..Options::new(BUCKET, "", seed) }
}

async fn race(fault: Fault, options: &Options) -> Found {
    let kill = Kill(Server::start(fault, 2).await);
    let target = target(&kill.0).await;
    races::run_disturbed(&target, options, Some(&kill), |_| {}).await.expect("a run to its end")
}

#[tokio::test]
async fn it_answers() {
    for fault in [Fault::None, Fault::TornRead, Fault::StaleListing] {
        let found = race(fault, &options(1, 4000)).await;
        println!("{fault:?}: {:#?}\n{:?}", found.figures, found.violations.iter().take(3).collect::<Vec<_>>());
    }
}
