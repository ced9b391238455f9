//! Which `AlertRules` a stack takes. One bad rule rejects its own `AlertRule` only.

mod document;
mod entry;
mod functions;
mod length;
mod literals;
mod logql;
mod pattern;
mod placing;
mod position;
mod promql;
mod quoted;
mod remedy;
mod selection;
mod template;

use std::{collections::BTreeSet, sync::Arc};

use super::{model::RuleFile, problem::Problem, prometheus_operator::objects::Foreign};
use crate::api::{
    alerting::Severity,
    rule::{AlertRule, Engine},
};
use kube::ResourceExt;

pub use document::{
    ForeignGroup, NAMESPACE_LABEL, foreign as foreign_file, mark as content_number,
    text as rule_file,
};
pub use entry::check as check_entry;
pub use length::parse as zero_or_more_millis;
pub use logql::{problem as logql_problem, words as logql_words};
pub use placing::{BARRED_FIELD, Bar, Barred, Placing, SHARDS, place, place_own};
pub use selection::{Reach, Traits, owner_uid};

/// The longest part of a name that goes into a file name: a ConfigMap's key has 253 at most.
const NAME_IN_FILE: usize = 120;

/// What was found of one generation of an `AlertRule`. Parsing is the dear part, so it is done
/// once for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The generation that was judged.
    pub generation: Option<i64>,
    /// Who evaluates it.
    pub engine: Engine,
    /// The names of its alerts and records, in order.
    pub rules: Arc<[String]>,
    /// A name that no other `AlertRule`'s file has.
    pub file_name: Arc<str>,
    /// The file for the engine; none when there are problems.
    pub file: Option<Arc<RuleFile>>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Who wrote it.
    pub origin: Origin,
}

/// The object that rules are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// An `AlertRule`.
    #[default]
    AlertRule,
    /// One group of a `PrometheusRule`.
    PrometheusRule {
        /// The object.
        object: Arc<Foreign>,
        /// Where the group stands in it.
        field: String,
    },
}

/// Judges one `AlertRule`.
#[must_use]
pub fn judge(rule: &AlertRule) -> Judged {
    let problems = problems(rule);
    let names = rule.spec.rules.iter().map(|entry| {
        let name = entry.alert.as_ref().or(entry.record.as_ref());
        name.cloned().unwrap_or_default()
    });
    Judged {
        namespace: rule.namespace().unwrap_or_default(),
        name: rule.name_any(),
        generation: rule.metadata.generation,
        engine: rule.spec.engine,
        rules: names.collect(),
        file_name: file_name(
            &rule.namespace().unwrap_or_default(),
            &rule.name_any(),
            rule.metadata.uid.as_deref(),
        )
        .into(),
        file: problems.is_empty().then(|| Arc::new(document::file(rule))),
        problems,
        origin: Origin::AlertRule,
    }
}

/// Everything that is wrong with one `AlertRule`; empty when it can be loaded.
#[must_use]
pub fn problems(rule: &AlertRule) -> Vec<Problem> {
    let spec = &rule.spec;
    let mut found = Vec::new();
    entry::check_duration(&mut found, "spec.interval", spec.interval.as_ref());
    if spec.engine == Engine::Loki && !spec.tests.is_empty() {
        let message = "promtool runs tests of prometheus rules only: leave them out";
        found.push(Problem::new("spec.tests", message));
    }
    let mut seen = BTreeSet::new();
    for (index, entry) in spec.rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        entry::check(&mut found, &path, spec.engine, entry);
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

/// A file name that no other object can have.
#[must_use]
pub fn file_name(namespace: &str, name: &str, uid: Option<&str>) -> String {
    let name: String = name.chars().take(NAME_IN_FILE).collect();
    match uid {
        Some(uid) => format!("{namespace}-{name}-{uid}.yaml"),
        None => format!("{namespace}-{name}.yaml"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Placing, judge, place, problems, promql};
    use crate::api::rule::{AlertRule, Engine};

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
        let judged = [good, bad].map(|rule| judge(&rule).into());
        let Placing { files, verdicts } = place(Engine::Prometheus, &judged, &BTreeMap::new());
        assert!(files.keys().eq([&"shop-good.yaml".into()]));
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
