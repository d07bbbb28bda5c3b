//! What the tests of both Rust clients share: a client and a fresh bucket. `tests/clients/run rust` sets the environment.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, Region};

/// A setting of the environment.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start these tests with tests/clients/run rust"))
}

/// `aws-sdk-s3` with its default settings, and a bucket that no other test of this run uses.
pub async fn client_and_bucket() -> (Client, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let bucket = format!("rust-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let credentials = Credentials::new(setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"), None, None, "tests");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version_latest()
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(setting("HOLDFAST_URL"))
        .region(Region::new(setting("AWS_REGION")))
        .credentials_provider(credentials)
        .force_path_style(true)
        .build();
    let s3 = Client::from_conf(config);
    s3.create_bucket().bucket(&bucket).send().await.expect("a new bucket");
    (s3, bucket)
}
