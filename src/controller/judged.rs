//! What was found of each generation of each `PrometheusRule`: judged once, however often it is asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::resolve::prometheus_operator::{
    objects::Foreign,
    rules::{JudgedObject, judge},
};

/// The newest judgement of each object, by its uid. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Judgements(Arc<Mutex<HashMap<String, Arc<JudgedObject>>>>);

impl Judgements {
    /// The judgement of a `PrometheusRule` as it is now.
    #[must_use]
    pub fn of(&self, object: &Arc<Foreign>) -> Arc<JudgedObject> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judged) = known.get(&object.uid)
            && judged.generation == object.generation
        {
            return judged.clone();
        }
        let judged = Arc::new(judge(object));
        known.insert(object.uid.clone(), judged.clone());
        judged
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resolve::prometheus_operator::objects::Kind;

    fn object(generation: i64) -> Arc<Foreign> {
        Arc::new(Foreign {
            kind: Kind::PrometheusRule,
            api_version: "monitoring.coreos.com/v1".into(),
            namespace: "n".into(),
            name: "r".into(),
            uid: "u".into(),
            generation: Some(generation),
            labels: [].into(),
            spec: json!({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up == 0"}]}]}),
        })
    }

    #[test]
    fn a_generation_is_judged_once() {
        let judgements = Judgements::default();
        let first = judgements.of(&object(1));
        assert!(Arc::ptr_eq(&first, &judgements.of(&object(1))));
        assert!(!Arc::ptr_eq(&first, &judgements.of(&object(2))));
        judgements.forget("u");
        assert!(judgements.0.lock().unwrap().is_empty());
    }
}
