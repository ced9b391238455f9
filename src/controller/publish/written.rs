//! The statuses of rules that were written but may not be in the cache yet.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::status::RuleStatus;

/// A status as the server has it, and at which version of the object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Base {
    /// The status.
    pub status: Option<RuleStatus>,
    /// The version of the object.
    pub version: Option<String>,
}

impl Base {
    /// Sorted: the server appends to a list with keys what is new in it, so that the order in
    /// which it gives them back is not the one that was written.
    #[must_use]
    pub fn new(mut status: Option<RuleStatus>, version: Option<String>) -> Self {
        if let Some(status) = &mut status {
            status.stacks.sort_by(|a, b| a.stack.cmp(&b.stack));
            status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        }
        Self { status, version }
    }
}

/// What was written of each rule, by its uid. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Written(Arc<Mutex<HashMap<String, Last>>>);

#[derive(Debug)]
struct Last {
    base: Base,
    /// What a cache says that has not seen the write. The version that was written is one of them
    /// where the server found nothing to change: it drops a field that its schema does not have.
    older: Vec<Option<String>>,
}

impl Written {
    /// The newest state of a rule that is known: the cache's, unless it has not seen a write.
    #[must_use]
    pub fn newest(&self, cached: &ObjectMeta, status: Option<&RuleStatus>) -> Base {
        let mut written = self.entries();
        let uid = uid(cached);
        if let Some(last) = written.get(uid)
            && last.older.contains(&cached.resource_version)
        {
            return last.base.clone();
        }
        written.remove(uid);
        Base::new(status.cloned(), cached.resource_version.clone())
    }

    /// A status was written at the version `before`, which the cache may not have either.
    pub fn remember(&self, cached: &ObjectMeta, before: Option<String>, base: Base) {
        let mut written = self.entries();
        let uid = uid(cached).to_owned();
        let last = written.remove(&uid);
        let mut older = last.map(|last| last.older).unwrap_or_default();
        for version in [cached.resource_version.clone(), before] {
            if !older.contains(&version) {
                older.push(version);
            }
        }
        written.insert(uid, Last { base, older });
    }

    /// Forgets a rule that is gone.
    pub fn forget(&self, uid: &str) {
        self.entries().remove(uid);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Last>> {
        // Whole even after a panic elsewhere: each change is one assignment of plain data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn uid(metadata: &ObjectMeta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::RuleInStack;

    fn cached(version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some("u".into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        }
    }

    fn status(rules: i32) -> RuleStatus {
        RuleStatus {
            rules: Some(rules),
            ..RuleStatus::default()
        }
    }

    fn base(rules: i32, version: &str) -> Base {
        Base::new(Some(status(rules)), Some(version.into()))
    }

    #[test]
    fn a_cache_that_has_not_seen_the_last_write_is_not_believed() {
        let written = Written::default();
        let newest = |version: &str| written.newest(&cached(version), Some(&status(1)));
        assert_eq!(newest("10"), base(1, "10"));
        written.remember(&cached("10"), Some("10".into()), base(2, "11"));
        written.remember(&cached("10"), Some("11".into()), base(3, "12"));
        assert_eq!(newest("10"), base(3, "12"));
        assert_eq!(newest("11"), base(3, "12"));
        assert_eq!(newest("12"), base(1, "12"));
        assert_eq!(newest("10"), base(1, "10"), "it is forgotten then");
    }

    #[test]
    fn a_write_that_the_server_took_without_a_change_is_not_repeated() {
        let written = Written::default();
        written.remember(&cached("10"), Some("10".into()), base(2, "10"));
        let newest = |version: &str| written.newest(&cached(version), Some(&status(1)));
        assert_eq!(newest("10"), base(2, "10"));
        assert_eq!(newest("11"), base(1, "11"));
    }

    #[test]
    fn a_rule_that_is_gone_is_forgotten() {
        let written = Written::default();
        written.remember(&cached("10"), None, base(2, "11"));
        written.forget("u");
        assert!(written.entries().is_empty());
    }

    #[test]
    fn lists_with_keys_are_compared_without_their_order() {
        let with = |stacks: [&str; 2]| {
            let entry = |stack: &str| RuleInStack {
                stack: stack.into(),
                ..RuleInStack::default()
            };
            let status = RuleStatus {
                stacks: stacks.map(entry).into(),
                ..RuleStatus::default()
            };
            Base::new(Some(status), None)
        };
        assert_eq!(with(["a/b", "a/a"]), with(["a/a", "a/b"]));
    }
}
