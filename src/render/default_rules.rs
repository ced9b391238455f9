//! The rules that every stack has, as `AlertRules` of its own.
//!
//! A rule is there only when what it asks for is gathered: none of them fires for ever because of
//! what a stack does not have. Each has a page in `docs/runbooks` and a unit test by promtool.

mod node;
mod postgres;
mod stack;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    config::scrape,
    meta,
    objects::{Objects, Stage},
};
use crate::{
    api::{
        alerting::Severity,
        component::Component,
        rule::{AlertRule, AlertRuleSpec, AnnotationText, RuleEntry},
        value::Duration,
    },
    resolve::model::Stack,
};

/// What the rules of a stack can ask for.
struct Gathered<'a> {
    stack: &'a Stack,
    jobs: BTreeSet<String>,
}

impl Gathered<'_> {
    fn has(&self, job: &str) -> bool {
        self.jobs.contains(job)
    }
}

/// The `AlertRules` of a stack, if it has any.
#[must_use]
pub fn objects(stack: &Stack) -> Objects {
    let mut objects = Objects::default();
    for (topic, rules) in rules(stack) {
        let name = format!("{}-default-{topic}", stack.name);
        let rule = AlertRule {
            metadata: meta::owned(stack, Component::Prometheus, name),
            spec: AlertRuleSpec {
                rules,
                ..AlertRuleSpec::default()
            },
            status: None,
        };
        objects.add(Stage::Config, &rule);
    }
    objects
}

/// The rules by topic.
#[must_use]
pub fn rules(stack: &Stack) -> BTreeMap<&'static str, Vec<RuleEntry>> {
    let jobs = scrape::jobs(stack);
    with_jobs(
        stack,
        jobs.iter().map(|job| job.name().to_owned()).collect(),
    )
}

/// The rules by topic, where just these jobs are scraped.
#[must_use]
pub fn with_jobs(stack: &Stack, jobs: BTreeSet<String>) -> BTreeMap<&'static str, Vec<RuleEntry>> {
    let spec = &stack.default_rules;
    if stack.prometheus.is_none() || spec.enabled == Some(false) {
        return BTreeMap::new();
    }
    let gathered = Gathered { stack, jobs };
    let topics = [
        ("containers", node::containers(&gathered, spec)),
        ("nodes", node::nodes(&gathered, spec)),
        ("postgres", postgres::rules(&gathered, spec)),
        ("stack", stack::rules(&gathered, spec)),
    ];
    let mut topics = BTreeMap::from(topics);
    topics.retain(|_, rules| !rules.is_empty());
    for rule in topics.values_mut().flatten() {
        add_runbook(rule, &stack.operator.runbooks);
    }
    topics
}

/// An alert before it is written down.
struct Alert<'a> {
    name: &'a str,
    expr: String,
    for_: Option<&'a str>,
    severity: Option<Severity>,
    summary: &'a str,
    description: &'a str,
}

impl Alert<'_> {
    fn entry(self) -> RuleEntry {
        let annotations = [
            ("summary", self.summary.to_owned()),
            ("description", self.description.to_owned()),
        ];
        RuleEntry {
            alert: Some(self.name.to_owned()),
            expr: self.expr,
            for_: self.for_.map(|text| Duration(text.to_owned())),
            severity: self.severity,
            annotations: annotations
                .into_iter()
                .map(|(name, text)| (name.to_owned(), AnnotationText(text)))
                .collect(),
            ..RuleEntry::default()
        }
    }
}

fn add_runbook(rule: &mut RuleEntry, runbooks: &str) {
    if let Some(alert) = &rule.alert {
        let page = AnnotationText(format!("{runbooks}/{alert}.md"));
        rule.annotations.insert("runbook_url".to_owned(), page);
    }
}

/// A duration as given, or the default one.
fn or<'a>(given: Option<&'a Duration>, default: &'a str) -> &'a str {
    given.map_or(default, |given| given.0.as_str())
}
