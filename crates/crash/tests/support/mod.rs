//! What the tests of faults share: a workload whose answers are written down, and the verdict on what a fault has left.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs, reason = "each test file uses some of it")]

pub mod bodies;
pub mod failed_syncs;
pub mod model;
pub mod verdict;
pub mod workload;
pub mod world;

use holdfast_crash::{Disk, Medium, Mounted, Rules};

/// Whether a file system can be mounted here. Says loudly if not.
pub fn can_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    match Mounted::new(&Disk::new(Medium::new(Rules::default())), folder.path()) {
        Ok(_) => true,
        Err(e) => {
            eprintln!(
                "SKIPPED: power cuts and disk faults are not tested here, since FUSE cannot be mounted ({e}). Run as root, with /dev/fuse."
            );
            false
        }
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// Prints a table, and writes it where `HOLDFAST_PROOF_DIR` says.
pub fn publish(name: &str, table: &str) {
    println!("{table}");
    if let Some(folder) = std::env::var_os("HOLDFAST_PROOF_DIR") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(name), table).unwrap();
    }
}

/// A disk that is mounted on a folder of its own.
pub struct MountedDisk {
    pub disk: Disk,
    mounted: Mounted,
    _folder: tempfile::TempDir,
}

impl MountedDisk {
    pub fn new(medium: Medium) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(medium);
        let mounted = Mounted::new(&disk, folder.path()).expect("could be mounted before");
        Self { disk, mounted, _folder: folder }
    }

    /// Where the store keeps its data.
    pub fn data(&self) -> std::path::PathBuf {
        self.mounted.path().join("data")
    }
}
