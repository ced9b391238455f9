//! `PrometheusRule`: each of its groups goes the way of an `AlertRule`, in a file of its own, so
//! that a wrong one leaves the others alone.

use std::sync::Arc;

use serde_json::Value;

use super::{
    objects::Foreign,
    read::read,
    settings,
    spec::{Expression, Group, PrometheusRule, Rule},
};
use crate::{
    api::{
        rule::{AnnotationText, Engine, LabelText, RuleEntry},
        value::Duration,
    },
    resolve::{
        problem::Problem,
        rules::{self, Judged, Origin},
    },
};

/// The most groups of one object, and the most rules of one group.
const GROUPS: usize = 500;
const RULES: usize = 1_000;

/// What was found of one generation of a `PrometheusRule`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JudgedObject {
    /// The generation.
    pub generation: Option<i64>,
    /// Each of its groups.
    pub groups: Vec<Arc<Judged>>,
    /// Fields that are ignored.
    pub ignored: Vec<Problem>,
    /// Why nothing of it can be used.
    pub refused: Option<Problem>,
}

/// Judges a `PrometheusRule`.
#[must_use]
pub fn judge(object: &Arc<Foreign>) -> JudgedObject {
    let mut judged = JudgedObject {
        generation: object.generation,
        ..JudgedObject::default()
    };
    match read::<PrometheusRule>("spec", &object.spec) {
        Err(problem) => judged.refused = Some(problem),
        Ok(spec) if spec.value.groups.len() > GROUPS => {
            let message = format!("{GROUPS} at most: split it");
            judged.refused = Some(Problem::new("spec.groups", message));
        }
        Ok(spec) => {
            judged.ignored = spec.ignored;
            for (index, value) in spec.value.groups.iter().enumerate() {
                let (group, ignored) = group(object, index, value);
                judged.groups.push(Arc::new(group));
                judged.ignored.extend(ignored);
            }
        }
    }
    judged
}

/// One group, with the fields of it that are ignored.
fn group(object: &Arc<Foreign>, index: usize, value: &Value) -> (Judged, Vec<Problem>) {
    let field = format!("spec.groups[{index}]");
    let judged = Judged {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        generation: object.generation,
        engine: Engine::Prometheus,
        rules: Arc::new([]),
        file_name: rules::file_name(
            &object.namespace,
            &object.name,
            Some(&format!("{}-{index}", object.uid)),
        )
        .into(),
        file: None,
        problems: Vec::new(),
        origin: Origin::PrometheusRule {
            object: object.clone(),
            field: field.clone(),
        },
    };
    match read::<Group>(&field, value) {
        Err(problem) => {
            let problems = vec![problem];
            (Judged { problems, ..judged }, Vec::new())
        }
        Ok(read) => (checked(judged, &field, read.value), read.ignored),
    }
}

fn checked(mut judged: Judged, field: &str, group: Group) -> Judged {
    let mut problems = Vec::new();
    if group.name.is_empty() {
        problems.push(Problem::new(format!("{field}.name"), "is empty"));
    }
    if group.rules.len() > RULES {
        problems.push(Problem::new(
            format!("{field}.rules"),
            format!("{RULES} at most"),
        ));
    }
    let mut duration = |name: &str, text: Option<String>| {
        let given = settings::interval(&format!("{field}.{name}"), text.as_deref());
        given.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        })
    };
    let interval = duration("interval", group.interval);
    let query_offset = duration("query_offset", group.query_offset);
    let mut entries = Vec::new();
    for (index, rule) in group.rules.into_iter().enumerate() {
        let entry = entry(rule, &group.labels);
        let path = format!("{field}.rules[{index}]");
        rules::check_entry(&mut problems, &path, Engine::Prometheus, &entry);
        entries.push(entry);
    }
    for problem in &mut problems {
        // As the object calls it.
        problem.field = problem.field.replace(".keepFiringFor", ".keep_firing_for");
    }
    judged.rules = entries
        .iter()
        .map(|entry| entry.alert.clone().or_else(|| entry.record.clone()))
        .map(Option::unwrap_or_default)
        .collect();
    if problems.is_empty() {
        let file = rules::foreign_file(
            &judged.namespace,
            &rules::ForeignGroup {
                name: &group.name,
                interval: interval.as_deref(),
                query_offset: query_offset.as_deref(),
                limit: group.limit.filter(|limit| *limit > 0),
            },
            &entries,
        );
        if group.limit.is_some_and(|limit| limit > 0) {
            // Prometheus lists the author's limit, not a mark: so the name tells the content.
            let number = rules::content_number(&file.text);
            let name = judged.file_name.trim_end_matches(".yaml");
            judged.file_name = format!("{name}-{number:x}.yaml").into();
        }
        judged.file = Some(Arc::new(file));
    }
    judged.problems = problems;
    judged
}

/// The rule in the shape that the checks know. The group's labels are every rule's that has none
/// of the name, as in Prometheus itself.
fn entry(rule: Rule, shared: &std::collections::BTreeMap<String, String>) -> RuleEntry {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut labels = shared.clone();
    labels.extend(rule.labels);
    RuleEntry {
        alert: filled(rule.alert),
        record: filled(rule.record),
        expr: match rule.expr {
            Expression::Number(number) => number.to_string(),
            Expression::Text(text) => text,
        },
        for_: filled(rule.for_).map(Duration),
        keep_firing_for: filled(rule.keep_firing_for).map(Duration),
        severity: None,
        labels: labels
            .into_iter()
            .map(|(name, text)| (name, LabelText(text)))
            .collect(),
        annotations: rule
            .annotations
            .into_iter()
            .map(|(name, text)| (name, AnnotationText(text)))
            .collect(),
    }
}
