//! libFuzzer's entrance to the target `aws_chunked` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("aws_chunked", bytes));
