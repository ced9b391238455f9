//! The `AlertRules` as they were last seen: no more of them than what is read, since there may be
//! thousands. Each generation is judged once, as it comes, and its specification is not kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, runtime::watcher::Event};

use super::{
    context::Rule,
    kept::{Changes, Keep, Kept},
    status,
};
use crate::{
    api::status::RuleStatus,
    resolve::rules::{Judged, Traits, judge},
};

/// What is kept of an `AlertRule`.
#[derive(Clone, Debug)]
pub struct KnownRule {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The version of the object.
    pub version: Option<String>,
    /// The generation of its specification.
    pub generation: Option<i64>,
    /// What stacks take it by, its namespace among that.
    pub traits: Traits,
    /// What was found of it; why not, when it cannot be decoded.
    pub judged: Result<Arc<Judged>, String>,
    /// Its status, sorted.
    pub status: Option<RuleStatus>,
}

impl KnownRule {
    /// Of an object as a watch gives it; `before` is what was kept of it.
    #[must_use]
    pub fn of(rule: Rule, before: Option<&Self>) -> Self {
        let metadata = rule.meta();
        let uid = metadata.uid.clone().unwrap_or_default();
        let generation = metadata.generation;
        let engine = rule.0.as_ref().ok().map(|rule| rule.spec.engine);
        let same = before.filter(|it| it.uid == uid && it.generation == generation);
        let judged = same.and_then(|it| it.judged.as_ref().ok());
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            version: metadata.resource_version.clone(),
            traits: Traits::of(metadata, engine),
            uid,
            generation,
            judged: match &rule.0 {
                Err(invalid) => Err(invalid.error.clone()),
                Ok(rule) => Ok(judged.cloned().unwrap_or_else(|| Arc::new(judge(rule)))),
            },
            status: rule.0.ok().and_then(|rule| rule.status).map(compact),
        }
    }

    /// As much of its metadata as a write needs.
    #[must_use]
    pub fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            namespace: Some(self.traits.namespace.clone()),
            name: Some(self.name.clone()),
            uid: Some(self.uid.clone()),
            resource_version: self.version.clone(),
            generation: self.generation,
            ..ObjectMeta::default()
        }
    }
}

/// Without the room that reading has left: a list of one entry is made with room for four.
fn compact(status: RuleStatus) -> RuleStatus {
    let mut status = status::sorted(status);
    status.conditions.shrink_to_fit();
    status.stacks.shrink_to_fit();
    for stack in &mut status.stacks {
        stack.rules.shrink_to_fit();
    }
    status
}

impl Keep for KnownRule {
    fn namespace(&self) -> &str {
        &self.traits.namespace
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    /// A status that was written wakes nobody.
    fn says_the_same(&self, newer: &Self) -> bool {
        self.generation == newer.generation && self.traits == newer.traits
    }
}

/// The `AlertRules` of one scope. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct KnownRules(Arc<Mutex<Kept<KnownRule>>>);

impl KnownRules {
    /// All of them, by namespace and name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<KnownRule>> {
        self.lock().all()
    }

    /// Takes an event of their watch.
    pub fn take(&self, event: Event<Rule>) -> Changes {
        self.lock().take(event, KnownRule::of)
    }

    fn lock(&self) -> MutexGuard<'_, Kept<KnownRule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use serde_json::json;

    use super::*;
    use crate::api::rule::AlertRule;

    fn rule(generation: i64, version: &str, labels: &serde_json::Value) -> Event<Rule> {
        let metadata = json!({"namespace": "shop", "name": "r", "uid": "u", "labels": labels,
            "generation": generation, "resourceVersion": version});
        let rule =
            json!({"metadata": metadata, "spec": {"rules": [{"alert": "A", "expr": "up == 0"}]}});
        let rule: AlertRule = serde_json::from_value(rule).unwrap();
        Event::Apply(DeserializeGuard(Ok(rule)))
    }

    #[test]
    fn a_generation_is_judged_once_and_a_status_wakes_nobody() {
        let known = KnownRules::default();
        let none = json!({});
        let judged = || known.all()[0].judged.clone().unwrap();
        assert_eq!(known.take(rule(1, "1", &none)).namespaces.len(), 1);
        let first = judged();
        assert_eq!(known.take(rule(1, "2", &none)), Changes::default());
        assert_eq!(known.all()[0].version.as_deref(), Some("2"));
        assert!(Arc::ptr_eq(&first, &judged()));
        assert_eq!(known.take(rule(2, "3", &none)).namespaces.len(), 1);
        assert!(!Arc::ptr_eq(&first, &judged()));
    }

    #[test]
    fn a_label_wakes_the_stacks_which_may_select_by_it() {
        let known = KnownRules::default();
        known.take(rule(1, "1", &json!({})));
        let labelled = json!({"team": "shop"});
        assert_eq!(known.take(rule(1, "2", &labelled)).namespaces.len(), 1);
    }
}
