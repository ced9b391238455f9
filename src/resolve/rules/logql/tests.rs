//! The corpus, written by hand after Loki's documented grammar.

use proptest::prelude::*;

use super::{problem, words};

const GOOD: &str = include_str!("../../../../tests/rules/logql_good.txt");
const BAD: &str = include_str!("../../../../tests/rules/logql_bad.txt");

#[test]
fn what_loki_documents_is_taken() {
    let refused: Vec<_> = GOOD
        .lines()
        .filter_map(|expr| Some((expr, problem(expr)?)))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn what_loki_would_choke_on_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for line in BAD.lines() {
        let (expr, expected) = line.split_once('\t').unwrap();
        let found = problem(expr);
        let expected = format!("line 1, {expected}");
        if !found
            .as_ref()
            .is_some_and(|found| found.starts_with(&expected))
        {
            wrong.push((expr, expected, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_query_that_is_cut_off_anywhere_makes_no_panic() {
    for expr in GOOD.lines() {
        for (at, _) in expr.char_indices() {
            let _answer = problem(expr.get(..at).unwrap());
        }
    }
}

#[test]
fn the_line_of_a_fault_is_told() {
    let expr = "sum by (pod) (\n  rate({app=\"a\"}[5x])\n)";
    let said = problem(expr).unwrap();
    assert!(said.starts_with("line 2, column 18: "), "{said}");
}

#[test]
fn deep_nesting_is_answered_not_crashed_on() {
    for open in ["(", "sum(", "rate((", "-(", "vector(1)+("] {
        assert!(problem(&open.repeat(8192 / open.len())).is_some());
    }
    let filters = format!("rate({{a=\"b\"}} | {}", "(".repeat(4000));
    assert!(problem(&filters).is_some());
}

#[test]
fn a_query_in_the_form_that_loki_gives_it_has_the_same_words() {
    let written =
        "sum(rate({app=\"foo\"} |= `error` | json | took > 1m and x=\"y\" [5m])) by (job) > 0.50";
    let shown = "(sum by (job)(rate({app=\"foo\"} |= \"error\" | json | ( took>1m0s , x=\"y\" )[5m])) > 0.5)";
    assert_eq!(words(written), words(shown));
    assert_ne!(words(written), words(&written.replace("error", "fatal")));
    assert_ne!(words(written), words(&written.replace("0.50", "0.51")));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,120}") {
        let _answer = (problem(&text), words(&text));
    }

    #[test]
    fn no_text_near_logql_makes_it_panic(text in proptest::collection::vec(prop_oneof![
        "[a-z_]{1,6}", "\"[a-z(<>_]{0,5}\"", "[0-9.]{1,4}[a-zA-Zµ]{0,2}", "[(){}\\[\\],|=~!<>+*/%^-]{1,3}",
        Just("rate(".to_owned()), Just("{a=\"b\"}".to_owned()), Just("[5m])".to_owned()), Just(" | json ".to_owned()),
        Just(" | unwrap x ".to_owned()), Just(" by (x) ".to_owned()), Just(" on(x) group_left ".to_owned()),
    ], 0..20)) {
        let _answer = (problem(&text.concat()), words(&text.concat()));
    }
}
