//! libFuzzer's entrance to the target `ranges_and_dates` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("ranges_and_dates", bytes));
