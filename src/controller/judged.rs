//! What was found of each generation of each `AlertRule` and `PrometheusRule`: judged once, however often it is asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    api::rule::AlertRule,
    resolve::{
        prometheus_operator::{self, objects::Foreign, rules::JudgedObject},
        rules::{Judged, judge},
    },
};

/// The newest judgement of each rule, by its uid. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Judgements {
    rules: Known<Judged>,
    foreign: Known<JudgedObject>,
}

type Known<T> = Arc<Mutex<HashMap<String, Arc<T>>>>;

impl Judgements {
    /// The judgement of a rule as it is now.
    #[must_use]
    pub fn of(&self, rule: &AlertRule) -> Arc<Judged> {
        let Some(uid) = &rule.metadata.uid else {
            return Arc::new(judge(rule));
        };
        let mut known = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judged) = known.get(uid)
            && judged.generation == rule.metadata.generation
        {
            return judged.clone();
        }
        let judged = Arc::new(judge(rule));
        known.insert(uid.clone(), judged.clone());
        judged
    }

    /// The judgement of a `PrometheusRule` as it is now.
    #[must_use]
    pub fn of_foreign(&self, object: &Arc<Foreign>) -> Arc<JudgedObject> {
        let mut known = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judged) = known.get(&object.uid)
            && judged.generation == object.generation
        {
            return judged.clone();
        }
        let judged = Arc::new(prometheus_operator::rules::judge(object));
        known.insert(object.uid.clone(), judged.clone());
        judged
    }

    /// Forgets a rule that is gone.
    pub fn forget(&self, uid: &str) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.remove(uid);
        drop(rules);
        let mut foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        foreign.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(generation: i64) -> AlertRule {
        let rule = json!({"metadata": {"name": "r", "namespace": "n", "uid": "u", "generation": generation},
            "spec": {"rules": [{"alert": "A", "expr": "up == 0"}]}});
        serde_json::from_value(rule).unwrap()
    }

    #[test]
    fn a_generation_is_judged_once() {
        let judgements = Judgements::default();
        let first = judgements.of(&rule(1));
        assert!(Arc::ptr_eq(&first, &judgements.of(&rule(1))));
        assert!(!Arc::ptr_eq(&first, &judgements.of(&rule(2))));
        judgements.forget("u");
        assert!(judgements.rules.lock().unwrap().is_empty());
    }
}
