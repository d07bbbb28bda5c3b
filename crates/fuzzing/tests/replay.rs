//! Every input in `fuzz/corpus` and `fuzz/regressions`, on stable, without libFuzzer.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files of a target, in order.
fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(kind).join(target);
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let corpus = inputs("corpus", target);
    assert!(corpus.len() >= 3, "the corpus of {target} is missing");
    let breaks = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap();
        std::panic::catch_unwind(|| holdfast_fuzzing::run(target, &bytes)).is_err()
    };
    let broken: Vec<PathBuf> = inputs("regressions", target).into_iter().chain(corpus).filter(breaks).collect();
    assert!(broken.is_empty(), "{target} breaks on {broken:?}; the reasons stand above");
}

/// A test for each target, so that each is named when it fails.
macro_rules! replayed {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn every_target_is_replayed_and_has_its_shim() {
            let replayed = [$(stringify!($target)),*];
            let known: Vec<&str> = holdfast_fuzzing::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, replayed);
            for name in known {
                let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fuzz/fuzz_targets/{name}.rs"));
                assert!(shim.is_file(), "{} is missing", shim.display());
            }
        }
    };
}

replayed! {
    sigv4_header sigv4_presigned aws_chunked xml_documents conditions ranges_and_dates
    sources records listing http_heads journal extents
}
