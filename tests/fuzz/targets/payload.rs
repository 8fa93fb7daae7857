#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcpolicy_fuzz::signed::payload(bytes));
