//! libFuzzer's entrance to the target `sigv4_header` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("sigv4_header", bytes));
