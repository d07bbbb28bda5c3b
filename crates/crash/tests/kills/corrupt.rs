//! A flipped bit under a server that runs: no client is told that wrong bytes are an object.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdfast_verify::client::{
    Answer, Client, Lost,
    s3::{self, Options},
};

use crate::server::{Server, Started};

const BUCKET: &str = "flips";
const METRIC: &str = "holdfast_corrupt_reads_total";

fn noise(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| ((n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

async fn put(client: &mut Client, key: &str, bytes: &[u8]) {
    let answer = client.send(&s3::put(BUCKET, key, bytes.to_vec(), &Options::none())).await.expect("an answer");
    assert!(answer.is_success(), "{}", answer.in_short());
}

async fn get(client: &mut Client, key: &str) -> Result<Answer, Lost> {
    client.send(&s3::get(BUCKET, key, &Options::none())).await
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Where these bytes lie: the file, and the offset in it.
fn find(folder: &Path, bytes: &[u8]) -> Option<(PathBuf, usize)> {
    files(folder).into_iter().find_map(|path| {
        let held = fs::read(&path).expect("a file");
        let at = held.windows(bytes.len()).position(|window| window == bytes)?;
        Some((path, at))
    })
}

fn flip(path: &Path, at: usize) {
    let file = File::options().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).expect("a byte");
    file.write_all_at(&[byte[0] ^ 4], at as u64).expect("a write");
}

/// A complete 200 with the right bytes, or an error, or an answer that breaks off.
async fn is_whole(client: &mut Client, key: &str, bytes: &[u8], place: &str) -> bool {
    match get(client, key).await {
        Ok(answer) if answer.status() == 200 => {
            assert!(answer.body == bytes, "{place}: a 200 of wrong bytes");
            true
        }
        Ok(answer) => {
            assert!(answer.status() >= 500, "{place}: {}", answer.in_short());
            false
        }
        Err(lost) => {
            assert!(!lost.is_definite(), "{place}: {lost}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupted_body_is_an_error_or_a_broken_answer_and_a_metric_counts_it() {
    let mut server = Server::new();
    assert_eq!(server.start(None, false), Started::Ready);
    let mut client = Client::new(Arc::new(server.target()), 0);
    let created = client.send(&s3::create_bucket(BUCKET, "us-east-1")).await.expect("an answer");
    assert!(created.is_success(), "{}", created.in_short());

    let large = noise(1, 3_000_000);
    put(&mut client, "large", &large).await;
    let (extent, at) = find(&server.data().join("extents"), &large[..64]).expect("an extent");
    let len = fs::metadata(&extent).expect("an extent").len() as usize;
    assert_eq!(at, 0, "the data come first");
    for at in [0, 65_536, 1_500_000, large.len() - 1, large.len(), len - 49, len - 48, len - 20, len - 1] {
        let before = server.metric(METRIC).expect("a number");
        flip(&extent, at);
        // The checksum of all checksums is for the check only.
        let place = format!("bit of byte {at} of {len} of an extent");
        assert!(!is_whole(&mut client, "large", &large, &place).await, "{place}: served as if nothing were wrong");
        assert!(server.metric(METRIC).expect("a number") > before, "{place}: nobody counts it");
        flip(&extent, at);
        assert!(is_whole(&mut client, "large", &large, &place).await, "the bit is back");
    }

    // Bodies beside their records, until some were flushed to a value file.
    let values = server.data().join("records/keyspaces");
    let small = noise(2, 30_000);
    put(&mut client, "small", &small).await;
    for n in 0..100 {
        put(&mut client, &format!("other/{n}"), &noise(n + 3, 30_000)).await;
    }
    server.wait_until("the body is flushed", |_| find(&values, &small[..64]).is_some());
    server.stop();
    let (file, at) = find(&values, &small[..64]).expect("a value file");
    flip(&file, at + 20_000);
    assert!(server.check().is_err(), "the check finds nothing");
    assert_eq!(server.start(None, false), Started::Ready);
    client.disconnect();
    assert!(!is_whole(&mut client, "small", &small, "a value file").await, "served as if nothing were wrong");
    assert!(server.metric(METRIC).expect("a number") > 0.0, "nobody counts it");
    let other = noise(3, 30_000);
    assert!(is_whole(&mut client, "other/0", &other, "another body").await, "one bit costs one object");
    server.stop();
    flip(&file, at + 20_000);
    server.assert_checked();
}
