//! Whose `AlertRules` a stack takes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{rule::Engine, stack::MonitoringStack};

/// The `AlertRules` that a stack takes: all of its own namespace, and those that
/// `spec.alerting.rules` selects elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The stack's namespace.
    pub namespace: String,
    /// The stack's uid.
    pub uid: String,
    /// The engines it runs.
    pub engines: Vec<Engine>,
    /// What it selects in other namespaces, if anything.
    pub elsewhere: Option<Elsewhere>,
}

/// What a stack selects in other namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// These namespaces; every one when none.
    pub namespaces: Option<BTreeSet<String>>,
    /// Labels that the `AlertRules` have.
    pub labels: BTreeMap<String, String>,
}

impl Reach {
    /// The reach of a stack. `labelled` are the namespaces with the labels it selects by, which
    /// only the cluster knows.
    #[must_use]
    pub fn of(stack: &MonitoringStack, labelled: BTreeSet<String>) -> Self {
        let on = |enabled: Option<bool>| enabled.unwrap_or(true);
        let metrics = on(stack.spec.metrics.as_ref().and_then(|it| it.enabled));
        let logs = on(stack.spec.logs.as_ref().and_then(|it| it.enabled));
        let engines = [(Engine::Prometheus, metrics), (Engine::Loki, logs)];
        let selector = stack
            .spec
            .alerting
            .as_ref()
            .and_then(|it| it.rules.as_ref());
        let elsewhere = selector.map(|selector| Elsewhere {
            namespaces: match &selector.namespaces {
                None => None,
                Some(given) if given.all == Some(true) => None,
                Some(given) if given.match_labels.is_empty() => {
                    Some(given.names.iter().map(|name| name.0.clone()).collect())
                }
                Some(_) => Some(labelled),
            },
            labels: selector
                .match_labels
                .iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.0.clone()))
                .collect(),
        });
        Self {
            namespace: stack.metadata.namespace.clone().unwrap_or_default(),
            uid: stack.metadata.uid.clone().unwrap_or_default(),
            engines: engines
                .into_iter()
                .filter_map(|(engine, on)| on.then_some(engine))
                .collect(),
            elsewhere,
        }
    }

    /// Whether the stack takes an `AlertRule`. The default rules of a stack are its own alone.
    #[must_use]
    pub fn takes(&self, rule: &Traits) -> bool {
        if rule.engine.is_some_and(|it| !self.engines.contains(&it)) {
            return false;
        }
        if let Some(owner) = &rule.owner {
            return *owner == self.uid;
        }
        if rule.namespace == self.namespace {
            return true;
        }
        self.elsewhere.as_ref().is_some_and(|elsewhere| {
            elsewhere
                .namespaces
                .as_ref()
                .is_none_or(|names| names.contains(&rule.namespace))
                && elsewhere.labels.iter().all(|label| rule.has(label))
        })
    }
}

/// What decides whether a stack takes an `AlertRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Its namespace.
    pub namespace: String,
    /// Its labels. Not a map, which is made with room for eleven.
    pub labels: Box<[(String, String)]>,
    /// The uid of the stack that made it for itself.
    pub owner: Option<String>,
    /// Who evaluates it; none when nobody can tell.
    pub engine: Option<Engine>,
}

impl Traits {
    /// What an `AlertRule` shows of itself.
    #[must_use]
    pub fn of(metadata: &ObjectMeta, engine: Option<Engine>) -> Self {
        let labels = metadata.labels.clone().unwrap_or_default();
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            labels: labels.into_iter().collect(),
            owner: owner_uid(metadata).map(ToOwned::to_owned),
            engine,
        }
    }

    fn has(&self, (name, value): (&String, &String)) -> bool {
        let mut labels = self.labels.iter();
        labels.any(|(own, text)| (own, text) == (name, value))
    }
}

/// The uid of the stack that made an `AlertRule`: its default rules are owned by it.
#[must_use]
pub fn owner_uid(rule: &ObjectMeta) -> Option<&str> {
    let owners = rule.owner_references.iter().flatten();
    owners
        .into_iter()
        .find(|owner| owner.kind == "MonitoringStack" && owner.controller == Some(true))
        .map(|owner| owner.uid.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reach(rules: &serde_json::Value, labelled: &[&str]) -> Reach {
        let stack = json!({"metadata": {"name": "main", "namespace": "monitoring", "uid": "u"},
            "spec": {"alerting": {"rules": rules}}});
        let labelled = labelled.iter().map(|&name| name.to_owned()).collect();
        Reach::of(&serde_json::from_value(stack).unwrap(), labelled)
    }

    fn takes(reach: &Reach, namespace: &str, labels: &serde_json::Value) -> bool {
        let rule = json!({"name": "r", "namespace": namespace, "labels": labels});
        let rule: ObjectMeta = serde_json::from_value(rule).unwrap();
        reach.takes(&Traits::of(&rule, Some(Engine::Prometheus)))
    }

    #[test]
    fn a_stack_takes_its_own_namespace_and_what_it_selects() {
        let none = json!({});
        let own = reach(&json!(null), &[]);
        assert!(takes(&own, "monitoring", &none));
        assert!(!takes(&own, "shop", &none));
        let named = reach(&json!({"namespaces": {"names": ["shop"]}}), &[]);
        assert!(takes(&named, "shop", &none) && takes(&named, "monitoring", &none));
        assert!(!takes(&named, "other", &none));
        let all = reach(&json!({"namespaces": {"all": true}}), &[]);
        assert!(takes(&all, "other", &none));
        let labelled = json!({"namespaces": {"matchLabels": {"team": "shop"}}});
        let labelled = reach(&labelled, &["shop"]);
        assert!(takes(&labelled, "shop", &none) && !takes(&labelled, "other", &none));
        let rules = reach(&json!({"matchLabels": {"team": "shop"}}), &[]);
        assert!(takes(&rules, "other", &json!({"team": "shop"})));
        assert!(!takes(&rules, "other", &json!({"team": "x"})));
        assert!(takes(&rules, "monitoring", &none));
    }

    #[test]
    fn default_rules_belong_to_the_stack_that_made_them() {
        let own = reach(&json!(null), &[]);
        for (uid, expected) in [("u", true), ("another", false)] {
            let rule = json!({"namespace": "monitoring", "ownerReferences": [{"apiVersion": "v",
                "kind": "MonitoringStack", "name": "main", "uid": uid, "controller": true}]});
            let rule: ObjectMeta = serde_json::from_value(rule).unwrap();
            assert_eq!(own.takes(&Traits::of(&rule, None)), expected);
        }
    }

    #[test]
    fn a_stack_without_the_engine_does_not_take_its_rules() {
        let mut own = reach(&json!(null), &[]);
        own.engines.retain(|engine| *engine == Engine::Loki);
        assert!(!takes(&own, "monitoring", &json!({})));
    }
}
