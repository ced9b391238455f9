//! The text of a rule file, made once for each generation of an `AlertRule`.

use std::collections::BTreeMap;

use serde::Serialize;

use sha2::{Digest, Sha256};

use crate::{
    api::rule::{AlertRule, Engine, RuleEntry},
    resolve::{model, yaml::to_yaml},
};

/// The label with the namespace of the `AlertRule`, by which alerts are routed too: an expression
/// need not give a `namespace`.
pub const NAMESPACE_LABEL: &str = "rule_namespace";

/// The lowest mark. A group's mark is its `limit`, the most series one of its rules may give: a
/// number no rule comes near, and one that a float holds exactly.
const LOWEST_MARK: u64 = 1 << 51;

#[derive(Serialize)]
struct Document {
    groups: [Group; 1],
}

#[derive(Serialize)]
struct Group {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_offset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
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

/// The file of one valid `AlertRule`: one group, named after it.
pub fn file(rule: &AlertRule) -> model::RuleFile {
    let namespace = rule.metadata.namespace.as_deref().unwrap_or_default();
    let name = rule.metadata.name.as_deref().unwrap_or_default();
    let interval = rule.spec.interval.as_ref().map(|given| given.0.as_str());
    text(
        namespace,
        name,
        rule.spec.engine,
        interval,
        &rule.spec.rules,
    )
}

/// The file of one group of rules.
pub fn text(
    namespace: &str,
    name: &str,
    engine: Engine,
    interval: Option<&str>,
    rules: &[RuleEntry],
) -> model::RuleFile {
    let mut document = Document {
        groups: [Group {
            name: format!("{namespace}/{name}"),
            interval: interval.map(ToOwned::to_owned),
            query_offset: None,
            limit: None,
            rules: rules
                .iter()
                .map(|entry| self::rule(namespace, entry))
                .collect(),
        }],
    };
    let mark = mark(&to_yaml(&document));
    let expected = match engine {
        // It lists the mark itself.
        Engine::Prometheus => {
            document.groups[0].limit = Some(mark);
            Vec::new()
        }
        Engine::Loki => document.groups[0].rules.iter().map(expected).collect(),
    };
    let mut text = to_yaml(&document);
    // It is kept for as long as the rule is, and there may be thousands.
    text.shrink_to_fit();
    model::RuleFile {
        group: format!("{namespace}/{name}"),
        text,
        mark,
        expected,
    }
}

/// A group that somebody wrote for prometheus-operator.
#[derive(Clone, Copy, Debug)]
pub struct ForeignGroup<'a> {
    /// Its name.
    pub name: &'a str,
    /// How often it is evaluated.
    pub interval: Option<&'a str>,
    /// How far back it looks.
    pub query_offset: Option<&'a str>,
    /// The most series that one of its rules may give.
    pub limit: Option<u64>,
}

/// The file of such a group. With a limit of its author's, that is what Prometheus lists: the
/// file's name then has to tell the content.
pub fn foreign(namespace: &str, given: &ForeignGroup<'_>, rules: &[RuleEntry]) -> model::RuleFile {
    let rules = rules.iter().map(|entry| self::rule(namespace, entry));
    let mut document = Document {
        groups: [Group {
            name: given.name.to_owned(),
            interval: given.interval.map(ToOwned::to_owned),
            query_offset: given.query_offset.map(ToOwned::to_owned),
            limit: given.limit,
            rules: rules.collect(),
        }],
    };
    let mark = given.limit.unwrap_or_else(|| mark(&to_yaml(&document)));
    document.groups[0].limit = Some(mark);
    model::RuleFile {
        group: given.name.to_owned(),
        text: to_yaml(&document),
        mark,
        expected: Vec::new(),
    }
}

/// A number for a content: the rules API of Prometheus lists it, and so proves which one is loaded.
pub fn mark(text: &str) -> u64 {
    let bytes = Sha256::digest(text);
    let number = bytes
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    LOWEST_MARK | (number >> 13)
}

/// What Loki, which lists no limit, must list of a rule.
fn expected(rule: &Rule) -> model::ExpectedRule {
    model::ExpectedRule {
        name: rule
            .alert
            .clone()
            .or_else(|| rule.record.clone())
            .unwrap_or_default(),
        query: super::logql::words(&rule.expr),
        seconds: rule
            .for_
            .as_deref()
            .and_then(super::length::parse)
            .unwrap_or_default()
            / 1000,
        labels: rule.labels.clone(),
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
