//! libFuzzer's entrance to the target `extents` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("extents", bytes));
