use proptest::prelude::*;

use super::{ALERTS, problem};

#[test]
fn what_people_write_is_taken() {
    for text in [
        "plain",
        "{{ $labels.instance }} has {{ $value | humanizePercentage }}",
        "{{- if gt $value 1.0 -}} a {{- else if eq .Value 2.0 }} b {{ else }} c {{ end -}}",
        "{{ range $i, $s := query \"up\" }}{{ $i }}{{ $s.Labels.job }}{{ if 1 }}{{ break }}{{ end }}{{ end }}",
        "{{ with query `up` }}{{ . | first | value | humanize }}{{ end }}",
        "{{/* why */}}{{ $x := 1 }}{{ $x = 2 }}{{ $x }}",
        "{{ define \"a\" }}{{ . }}{{ end }}{{ template \"a\" $labels.x }}",
        "{{ printf \"%.2f %s\" $value (index $labels \"a\" | toUpper) }}",
        "{{ (first (query \"up\")).Value }}",
        "{{ block \"b\" . }}{{ $.Value }}{{ end }}",
        "}} and { alone",
    ] {
        assert_eq!(problem(&ALERTS, text), None, "{text}");
    }
}

#[test]
fn what_stops_a_load_is_named_with_its_place() {
    for (text, message) in [
        (
            "a\n {{ foo }}",
            "line 2, column 5: function \"foo\" is not defined",
        ),
        ("{{ $x }}", "line 1, column 4: $x is not defined"),
        ("{{ $value ", "line 1, column 1: {{ is not closed"),
        ("{{ if 1 }}x", "line 1, column 12: an {{end}} is missing"),
        (
            "{{ now }}",
            "line 1, column 4: now came with Prometheus 3.6",
        ),
        ("{{ end }}", "line 1, column 10: nothing is open"),
        ("{{ }}", "line 1, column 4: a value is missing"),
        ("{{ \"\\d\" }}", "line 1, column 5: not an escape"),
    ] {
        let found = problem(&ALERTS, text).unwrap_or_default();
        assert!(found.starts_with(message), "{text}: {found}");
    }
}

#[test]
fn what_go_refuses_is_refused() {
    for text in [
        "{{ 1 | 2 }}",
        "{{ \"a\"\"b\" }}",
        "{{ (1 }}",
        "{{ 1) }}",
        "{{ nil.x }}",
        "{{ 1.x }}",
        "{{ .x..y }}",
        "{{ break }}",
        "{{ range .x }}{{ define \"a\" }}{{ end }}{{ end }}",
        "{{ define \"a\" }}{{ $value }}{{ end }}",
        "{{ if $x := 1 }}{{ end }}{{ $x }}",
        "{{ else }}",
        "{{ if 1 }}{{ else }}{{ else }}{{ end }}",
        "{{ /* x */ }}",
        "{{/* x */ x }}",
        "{{- -}}",
        "{{-}}",
        "{{ 'ab' }}",
        "{{ 08 }}",
        "{{ 99999999999999999999 }}",
        "{{ 1e999 }}",
        "{{ $a, $b := 1 }}",
        "{{ template x }}",
        "{{ foo.bar }}",
        "{{ and, or }}",
        "{{ print(1) }}",
        "{{ \"a\nb\" }}",
        "{{ %x }}",
        "{{ template \"a\" }",
        "{{ with 1 }}{{ else if 1 }}{{ end }}",
    ] {
        assert!(problem(&ALERTS, text).is_some(), "{text}");
    }
}

#[test]
fn depth_is_answered() {
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(2000), ")".repeat(2000));
    assert!(problem(&ALERTS, &deep).is_some());
    assert!(problem(&ALERTS, &"{{ if 1 }}".repeat(2000)).is_some());
    assert!(
        problem(
            &ALERTS,
            &format!("{{{{ if 1 }}}}{}", "{{ else if 1 }}".repeat(2000))
        )
        .is_some()
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _answer = problem(&ALERTS, &text);
    }

    #[test]
    fn nothing_near_a_template_makes_it_panic(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "{{", "}}", "{{- ", " -}}", "if ", "else ", "end", "range ", "define ", "block ",
                "$x", "$", ":=", "=", ",", "|", "(", ")", "\"", "`", "'", "\\", ".", "1", "-",
                "e", " ", "\n", "/*", "*/", "print", "template ", "\"a\"",
            ]),
            0..40,
        )
    ) {
        let _answer = problem(&ALERTS, &parts.concat());
    }
}
