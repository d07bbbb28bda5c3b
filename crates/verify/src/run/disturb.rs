//! A disturbance by a command of the user's: whatever it does to the store, the store must keep its promises.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::client::{Client, Target, s3};
use crate::races::{Disturb, Failure};

/// How long the endpoint may take to come back.
const BACK_WITHIN: Duration = Duration::from_mins(2);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A shell command that takes the endpoint away and brings it back.
pub(super) struct Command {
    shell: String,
    target: Arc<Target>,
    bucket: String,
}

impl Command {
    pub(super) fn new(command: &str, target: Arc<Target>, bucket: &str) -> Self {
        Self { shell: command.to_owned(), target, bucket: bucket.to_owned() }
    }

    async fn run(&self) -> Result<(), Failure> {
        let command = self.shell.clone();
        let status = tokio::task::spawn_blocking(move || std::process::Command::new("sh").arg("-c").arg(command).status()).await??;
        if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", self.shell).into()) }
    }

    async fn answers(&self) {
        let mut ticks = interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut client = Client::new(Arc::clone(&self.target), 0);
            if client.send(&s3::head_bucket(&self.bucket)).await.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
        }
    }
}

impl Disturb for Command {
    /// When exactly the endpoint was dead is not known, so what got no answer stays open.
    fn strike(&self) -> BoxFuture<'_, Result<Option<Instant>, Failure>> {
        Box::pin(async {
            self.run().await?;
            Ok(None)
        })
    }

    fn heal(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async {
            let back = timeout(BACK_WITHIN, self.answers()).await;
            back.map_err(|_| format!("the endpoint did not come back within {} seconds", BACK_WITHIN.as_secs()).into())
        })
    }
}
