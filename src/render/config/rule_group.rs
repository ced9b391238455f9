//! A rule file, the same for Prometheus and Loki.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{api::rule::RuleEntry, resolve::model};

/// The label with the namespace of the `AlertRule`, by which alerts are routed too: an expression
/// need not give a `namespace`.
pub const NAMESPACE_LABEL: &str = "rule_namespace";

/// A rule file.
#[derive(Debug, Serialize)]
pub struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    expr: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    for_: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_for: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// The file of one `AlertRule`: one group, named after it.
#[must_use]
pub fn file(file: &model::RuleFile) -> RuleFile {
    RuleFile {
        groups: vec![Group {
            name: format!("{}/{}", file.namespace, file.name),
            interval: file.interval.clone(),
            rules: file
                .rules
                .iter()
                .map(|entry| rule(&file.namespace, entry))
                .collect(),
        }],
    }
}

fn rule(namespace: &str, entry: &RuleEntry) -> Rule {
    let mut labels: BTreeMap<_, _> = entry
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), value.0.clone()))
        .collect();
    if let Some(severity) = entry.severity {
        labels.insert("severity".into(), severity.label().into());
    }
    if entry.alert.is_some() {
        labels.insert(NAMESPACE_LABEL.into(), namespace.into());
    }
    Rule {
        alert: entry.alert.clone(),
        record: entry.record.clone(),
        expr: entry.expr.clone(),
        for_: entry.for_.as_ref().map(|duration| duration.0.clone()),
        keep_firing_for: entry
            .keep_firing_for
            .as_ref()
            .map(|duration| duration.0.clone()),
        labels,
        annotations: entry
            .annotations
            .iter()
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect(),
    }
}
