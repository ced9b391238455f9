//! Which `AlertRules` a stack takes. One bad rule rejects its own `AlertRule` only.

mod functions;
mod length;
mod literals;
mod pattern;
mod position;
mod promql;
mod quoted;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use super::{RuleVerdict, model::RuleFile, problem::Problem};
use crate::api::{
    alerting::Severity,
    rule::{AlertRule, Engine, RuleEntry},
    value::Duration,
};
use kube::ResourceExt;

/// Labels that rules may not set: the operator or the engine owns them.
const RESERVED_LABELS: [&str; 3] = ["__name__", "alertname", "rule_namespace"];
/// The longest part of a name that goes into a file name: a ConfigMap's key has 253 at most.
const NAME_IN_FILE: usize = 120;

/// Judges every `AlertRule`; returns the rule files of those that were taken.
#[must_use]
pub fn judge(rules: &[AlertRule]) -> (BTreeMap<String, RuleFile>, Vec<RuleVerdict>) {
    let mut files = BTreeMap::new();
    let mut verdicts: Vec<_> = rules
        .iter()
        .map(|rule| {
            let problems = problems(rule);
            let file = problems.is_empty().then(|| {
                let name = file_name(rule);
                files.insert(name.clone(), rule_file(rule));
                name
            });
            RuleVerdict {
                namespace: rule.namespace().unwrap_or_default(),
                name: rule.name_any(),
                generation: rule.metadata.generation,
                count: rule.spec.rules.len(),
                file,
                problems,
            }
        })
        .collect();
    verdicts.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    (files, verdicts)
}

/// Everything that is wrong with one `AlertRule`; empty when it can be loaded.
#[must_use]
pub fn problems(rule: &AlertRule) -> Vec<Problem> {
    let spec = &rule.spec;
    if spec.engine == Engine::Loki {
        return vec![Problem::new(
            "spec.engine",
            "rules over logs are not evaluated by this version: only prometheus is",
        )];
    }
    let mut found = Vec::new();
    check_duration(&mut found, "spec.interval", spec.interval.as_ref());
    let mut seen = BTreeSet::new();
    for (index, entry) in spec.rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        check_entry(&mut found, &path, entry);
        let labels: Vec<_> = entry
            .labels
            .iter()
            .map(|(name, text)| (name, &text.0))
            .collect();
        if !seen.insert((
            &entry.alert,
            &entry.record,
            labels,
            entry.severity.map(Severity::label),
        )) {
            found.push(Problem::new(
                path,
                "another rule here has the same name and labels",
            ));
        }
    }
    found
}

fn check_entry(found: &mut Vec<Problem>, path: &str, entry: &RuleEntry) {
    if entry.alert.is_some() == entry.record.is_some() {
        found.push(Problem::new(path, "exactly one of alert, record"));
    }
    let alert_only = entry.for_.is_some()
        || entry.keep_firing_for.is_some()
        || entry.severity.is_some()
        || !entry.annotations.is_empty();
    if entry.alert.is_none() && alert_only {
        found.push(Problem::new(
            path,
            "for, keepFiringFor, severity and annotations belong to an alert, not to a record",
        ));
    }
    if entry
        .record
        .as_deref()
        .is_some_and(|name| !is_metric_name(name))
    {
        found.push(Problem::new(
            format!("{path}.record"),
            "not a metric name: letters, digits, _ and :, not starting with a digit",
        ));
    }
    check_zero_duration(found, &format!("{path}.for"), entry.for_.as_ref());
    check_zero_duration(
        found,
        &format!("{path}.keepFiringFor"),
        entry.keep_firing_for.as_ref(),
    );
    check_labels(found, path, entry);
    if entry.alert.is_some() {
        check_templates(found, path, entry);
    }
    if let Some(message) = promql::problem(&entry.expr) {
        found.push(Problem::new(format!("{path}.expr"), message));
    }
}

fn check_labels(found: &mut Vec<Problem>, path: &str, entry: &RuleEntry) {
    for name in entry.labels.keys() {
        let message = if !is_label_name(name) {
            "not a label name: letters, digits and _, not starting with a digit"
        } else if RESERVED_LABELS.contains(&name.as_str()) {
            "this label is set by Masthead or Prometheus"
        } else if name == "severity" && entry.severity.is_some() {
            "severity is given twice: keep the field, drop the label"
        } else {
            continue;
        };
        found.push(Problem::new(format!("{path}.labels[{name}]"), message));
    }
    for name in entry.annotations.keys().filter(|name| !is_label_name(name)) {
        found.push(Problem::new(
            format!("{path}.annotations[{name}]"),
            "not an annotation name: letters, digits and _, not starting with a digit",
        ));
    }
}

/// Prometheus reads the templates of alerts; those of recorded series stay as they are.
fn check_templates(found: &mut Vec<Problem>, path: &str, entry: &RuleEntry) {
    let labels = entry
        .labels
        .iter()
        .map(|(name, text)| ("labels", name, &text.0));
    let annotations = entry
        .annotations
        .iter()
        .map(|(name, text)| ("annotations", name, &text.0));
    for (field, name, text) in labels.chain(annotations) {
        if let Some(message) = template::problem(text) {
            found.push(Problem::new(format!("{path}.{field}[{name}]"), message));
        }
    }
}

/// `for: 0`, `0s`: common, and the same as none.
fn check_zero_duration(found: &mut Vec<Problem>, field: &str, given: Option<&Duration>) {
    let given = given.filter(|text| text.0 != "0" && length::parse(&text.0) != Some(0));
    check_duration(found, field, given);
}

fn check_duration(found: &mut Vec<Problem>, field: &str, given: Option<&Duration>) {
    if let Some(Duration(text)) = given
        && length::parse(text).is_none_or(|millis| millis == 0)
    {
        found.push(Problem::new(
            field,
            format!("{text:?} is not a duration: write such as 5m, less than 292 years"),
        ));
    }
}

fn is_metric_name(name: &str) -> bool {
    is_label_name(&name.replace(':', "_"))
}

fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A file name that no other `AlertRule` can have.
fn file_name(rule: &AlertRule) -> String {
    let namespace = rule.namespace().unwrap_or_default();
    let name: String = rule.name_any().chars().take(NAME_IN_FILE).collect();
    match rule.metadata.uid.as_deref() {
        Some(uid) => format!("{namespace}-{name}-{uid}.yaml"),
        None => format!("{namespace}-{name}.yaml"),
    }
}

fn rule_file(rule: &AlertRule) -> RuleFile {
    RuleFile {
        namespace: rule.namespace().unwrap_or_default(),
        name: rule.name_any(),
        interval: rule.spec.interval.clone().map(|interval| interval.0),
        rules: rule.spec.rules.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{judge, problems, promql};
    use crate::api::rule::AlertRule;

    fn rule(name: &str, rules: &str) -> AlertRule {
        serde_saphyr::from_str(&format!(
            "apiVersion: masthead.dev/v1alpha1\nkind: AlertRule\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  rules: {rules}\n"
        ))
        .unwrap()
    }

    fn first_problem(rules: &str) -> String {
        problems(&rule("r", rules))
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    #[test]
    fn a_bad_rule_rejects_its_own_object_only() {
        let good = rule("good", "[{alert: A, expr: up == 0}]");
        let bad = rule(
            "bad",
            "[{alert: A, expr: up == 0}, {alert: B, expr: 'rate(up)'}]",
        );
        let (files, verdicts) = judge(&[good, bad]);
        assert_eq!(files.keys().collect::<Vec<_>>(), ["shop-good.yaml"]);
        assert_eq!(verdicts[0].name, "bad");
        assert_eq!(verdicts[0].problems[0].field, "spec.rules[1].expr");
        assert!(verdicts[1].problems.is_empty());
    }

    #[test]
    fn one_alert_name_twice_with_other_labels_is_good_practice() {
        let two = "[{alert: A, expr: up == 0, severity: warning}, {alert: A, expr: up == 0, severity: critical}]";
        assert_eq!(first_problem(two), "");
    }

    #[test]
    fn the_same_name_and_labels_twice_is_refused() {
        let two = "[{alert: A, expr: up == 0}, {alert: A, expr: up == 1}]";
        assert_eq!(
            first_problem(two),
            "spec.rules[1]: another rule here has the same name and labels"
        );
    }

    #[test]
    fn values_that_no_rule_can_have_are_refused() {
        assert!(promql::problem("up[5m]").is_some());
        assert!(promql::problem("\"text\"").is_some());
        assert!(promql::problem("up{").is_some());
        assert_eq!(promql::problem("vector(1)"), None);
    }

    #[test]
    fn fields_of_an_alert_are_refused_on_a_record() {
        assert_eq!(
            first_problem("[{record: 'a:b', expr: up, for: 5m}]"),
            "spec.rules[0]: for, keepFiringFor, severity and annotations belong to an alert, not to a record"
        );
    }

    #[test]
    fn deep_nesting_is_answered_not_crashed_on() {
        let deep = format!("{}up{}", "(".repeat(4000), ")".repeat(4000));
        let _answer = promql::problem(&deep);
    }

    proptest! {
        #[test]
        fn no_expression_makes_it_panic(text in "\\PC{0,200}") {
            let _answer = promql::problem(&text);
        }

        #[test]
        fn no_text_near_promql_makes_it_panic(text in "[a-z(){}\\[\\]\"'=~!<>+*/%^@:., 0-9smhdwy_-]{0,120}") {
            let _answer = promql::problem(&text);
        }
    }
}
