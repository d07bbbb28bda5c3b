//! libFuzzer's entrance to the target `sigv4_presigned` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("sigv4_presigned", bytes));
