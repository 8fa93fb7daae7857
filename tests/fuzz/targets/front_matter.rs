#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcpolicy_fuzz::text(
    bytes,
    mcpolicy_fuzz::invariants::check_front_matter
));
