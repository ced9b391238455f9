//! Relabelling steps, checked as Prometheus checks them: it refuses its whole configuration over
//! one.

use super::spec::Relabeling;
use crate::resolve::{model::jobs::Step, problem::Problem, re2};

/// Steps of one list are this many at most.
const STEPS: usize = 200;
const ACTIONS: [&str; 11] = [
    "replace",
    "keep",
    "drop",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
    "keepequal",
    "dropequal",
];

/// The steps of a list.
pub fn steps(field: &str, given: &[Relabeling]) -> Result<Vec<Step>, Problem> {
    if given.len() > STEPS {
        return Err(Problem::new(field, format!("{STEPS} steps at most")));
    }
    let step = |(index, given)| {
        let field = format!("{field}[{index}]");
        step(given).map_err(|(name, message)| Problem::new(format!("{field}.{name}"), message))
    };
    given.iter().enumerate().map(step).collect()
}

/// One step; an error names the field.
fn step(given: &Relabeling) -> Result<Step, (&'static str, String)> {
    let action = given.action.as_deref().unwrap_or("replace").to_lowercase();
    if !ACTIONS.contains(&action.as_str()) {
        return Err(("action", format!("one of {}", ACTIONS.join(", "))));
    }
    if let Some(wrong) = given.source_labels.iter().find(|name| !is_label(name)) {
        return Err(("sourceLabels", format!("{wrong:?} is not a label name")));
    }
    if let Some(why) = given.regex.as_deref().and_then(re2::problem) {
        return Err(("regex", why));
    }
    let target = given.target_label.as_deref().unwrap_or_default();
    let replacement = given.replacement.as_deref();
    let changes_replacement = replacement.is_some_and(|text| text != "$1");
    let action = action.as_str();
    let writes = [
        "replace",
        "hashmod",
        "lowercase",
        "uppercase",
        "keepequal",
        "dropequal",
    ];
    if writes.contains(&action) && target.is_empty() {
        return Err(("targetLabel", format!("{action} needs one")));
    }
    if action == "replace" && !is_label_or_template(target)
        || action != "replace" && writes.contains(&action) && !is_label(target)
    {
        return Err(("targetLabel", format!("{target:?} is not a label name")));
    }
    if action == "hashmod" && given.modulus.unwrap_or(0) == 0 {
        return Err(("modulus", "hashmod needs one above 0".into()));
    }
    if ["lowercase", "uppercase", "keepequal", "dropequal"].contains(&action) && changes_replacement
    {
        return Err(("replacement", format!("{action} takes none")));
    }
    if action == "labelmap" && !replacement.is_none_or(is_label_or_template) {
        return Err(("replacement", "not a label name".into()));
    }
    let only_regex = given.source_labels.is_empty()
        && target.is_empty()
        && given.separator.as_deref().is_none_or(|text| text == ";")
        && given.modulus.unwrap_or(0) == 0
        && !changes_replacement;
    if ["labeldrop", "labelkeep"].contains(&action) && !only_regex {
        return Err(("action", format!("{action} takes a regex and nothing else")));
    }
    let equal = ["keepequal", "dropequal"].contains(&action);
    let plain = given.regex.as_deref().is_none_or(|text| text == "(.*)")
        && given.separator.as_deref().is_none_or(|text| text == ";")
        && given.modulus.unwrap_or(0) == 0;
    if equal && !plain {
        let message = format!("{action} takes sourceLabels and targetLabel and nothing else");
        return Err(("action", message));
    }
    Ok(Step {
        source_labels: given.source_labels.clone(),
        separator: given.separator.clone(),
        regex: given.regex.clone(),
        modulus: given.modulus.filter(|modulus| *modulus > 0),
        target_label: given.target_label.clone().filter(|name| !name.is_empty()),
        replacement: given.replacement.clone(),
        action: given.action.as_ref().map(|_| action.to_owned()),
    })
}

/// A label's name as every version of Prometheus takes it.
pub fn is_label(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A label's name in which `$1`, `${1}` and the like stand for what the regex has found.
fn is_label_or_template(name: &str) -> bool {
    let mut plain = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        plain.push('_');
        let word = after.bytes().take_while(|byte| is_word(*byte)).count();
        let braced = after.strip_prefix('{').map(|inside| inside.split_once('}'));
        let Some((inside, next)) = braced.unwrap_or_else(|| Some(after.split_at(word))) else {
            return false;
        };
        if inside.is_empty() || !inside.bytes().all(is_word) {
            return false;
        }
        rest = next;
    }
    plain.push_str(rest);
    is_label(&plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn said(step: serde_json::Value) -> String {
        let given: Relabeling = serde_json::from_value(step).unwrap();
        let found = steps("spec.relabelings", &[given]);
        found.err().map(|it| it.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_charts_write_is_taken() {
        for step in [
            json!({"action": "Replace", "sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "instance"}),
            json!({"targetLabel": "cluster", "replacement": "eu-1"}),
            json!({"action": "labeldrop", "regex": "(pod|service|endpoint|namespace)"}),
            json!({"action": "labelmap", "regex": "__meta_kubernetes_pod_label_(.+)"}),
            json!({"action": "labelmap", "regex": "a_(.+)", "replacement": "b_$1"}),
            json!({"action": "drop", "sourceLabels": ["__name__", "le"], "regex": "apiserver_request_duration_seconds_bucket;(0.15|0.2)"}),
            json!({"action": "hashmod", "sourceLabels": ["__address__"], "modulus": 2, "targetLabel": "__tmp_hash"}),
            json!({"action": "keepequal", "sourceLabels": ["a"], "targetLabel": "b"}),
            json!({"action": "replace", "sourceLabels": ["a"], "regex": "(.*)", "targetLabel": "${1}_x"}),
        ] {
            assert_eq!(said(step.clone()), "", "{step}");
        }
    }

    #[test]
    fn what_prometheus_would_refuse_is_refused_with_its_field() {
        for (step, field) in [
            (json!({"action": "delete"}), "action"),
            (
                json!({"sourceLabels": ["a b"], "targetLabel": "c"}),
                "sourceLabels",
            ),
            (json!({"sourceLabels": ["a"]}), "targetLabel"),
            (json!({"targetLabel": "a-b"}), "targetLabel"),
            (json!({"targetLabel": "${1"}), "targetLabel"),
            (json!({"action": "keep", "regex": "("}), "regex"),
            (json!({"action": "keep", "regex": "(?=a)"}), "regex"),
            (json!({"action": "hashmod", "targetLabel": "a"}), "modulus"),
            (
                json!({"action": "lowercase", "targetLabel": "a", "replacement": "b"}),
                "replacement",
            ),
            (
                json!({"action": "labelmap", "replacement": "a-b"}),
                "replacement",
            ),
            (
                json!({"action": "labeldrop", "regex": "a", "sourceLabels": ["a"]}),
                "action",
            ),
            (
                json!({"action": "dropequal", "targetLabel": "a", "regex": "a"}),
                "action",
            ),
        ] {
            let said = said(step.clone());
            let field = format!("spec.relabelings[0].{field}: ");
            assert!(said.starts_with(&field), "{step}: {said}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in "\\PC*", near in "[a-z_${}1]{0,12}") {
            let _answers = (is_label_or_template(&name), is_label_or_template(&near));
        }
    }
}
