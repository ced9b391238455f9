//! Any bytes in place of what a container runtime answers over the CRI: what is told must be well-formed.

#![no_main]

use masthead::agent::fuzz::{cri, exposition};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = cri(data);
    assert_eq!(exposition(&text), Ok(()), "{text}");
});
