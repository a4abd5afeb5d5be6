//! Program for libFuzzer; the body stands in the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postseal_fuzz::report::report_xml(data));
