//! libFuzzer's entrance to the target `conditions` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("conditions", bytes));
