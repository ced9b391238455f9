//! Any text where others hand over metrics: it is refused with its line, or taken.

#![no_main]

use libfuzzer_sys::fuzz_target;
use masthead::agent::fuzz::exposition;

fuzz_target!(|text: &str| {
    if let Err(problem) = exposition(text) {
        assert!(problem.starts_with("line "), "{problem}");
    }
});
