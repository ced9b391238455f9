//! Any text in place of what a PostgreSQL server says: what is told must be well-formed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use masthead::agent::fuzz::{exposition, postgres};

fuzz_target!(|data: &[u8]| {
    let text = postgres(data);
    assert_eq!(exposition(&text), Ok(()), "{text}");
});
