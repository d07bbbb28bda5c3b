//! libFuzzer's entrance to the target `http_heads` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("http_heads", bytes));
