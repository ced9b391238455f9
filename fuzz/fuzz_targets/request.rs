#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| masthead::agent::logs::fuzz::request(bytes));
