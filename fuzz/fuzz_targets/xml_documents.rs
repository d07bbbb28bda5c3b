//! libFuzzer's entrance to the target `xml_documents` of `crates/fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holdfast_fuzzing::run("xml_documents", bytes));
