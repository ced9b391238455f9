#![no_main]

use masthead::resolve::rules::{logql_problem, logql_words};

libfuzzer_sys::fuzz_target!(|text: &str| {
    // A refusal names where it is; what is taken is read once more, word by word.
    if logql_problem(text).is_none() {
        assert!(!logql_words(text).is_empty(), "a query without a word");
    }
});
