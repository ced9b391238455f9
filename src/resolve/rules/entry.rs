//! The checks of one rule: names, durations, labels, templates and the expression.

use super::{length, logql, promql, template};
use crate::{
    api::{
        rule::{Engine, RuleEntry},
        value::Duration,
    },
    resolve::problem::Problem,
};

/// Labels that rules may not set: the operator or the engine owns them.
const RESERVED_LABELS: [&str; 3] = ["__name__", "alertname", "rule_namespace"];

/// Adds what is wrong with one rule.
pub fn check(found: &mut Vec<Problem>, path: &str, engine: Engine, entry: &RuleEntry) {
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
    let problem = match engine {
        Engine::Prometheus => promql::problem(&entry.expr),
        Engine::Loki => logql::problem(&entry.expr),
    };
    if let Some(message) = problem {
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
        if let Some(message) = template::problem(&template::ALERTS, text) {
            found.push(Problem::new(format!("{path}.{field}[{name}]"), message));
        }
    }
}

/// `for: 0`, `0s`: common, and the same as none.
fn check_zero_duration(found: &mut Vec<Problem>, field: &str, given: Option<&Duration>) {
    let given = given.filter(|text| text.0 != "0" && length::parse(&text.0) != Some(0));
    check_duration(found, field, given);
}

/// A duration that must be longer than zero.
pub fn check_duration(found: &mut Vec<Problem>, field: &str, given: Option<&Duration>) {
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
