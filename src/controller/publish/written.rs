//! The statuses of rules that were written but may not be in the cache yet.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    api::status::RuleStatus,
    controller::{rules::KnownRule, status},
};

/// A status as the server has it, and at which version of the object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Base {
    /// The status.
    pub status: Option<RuleStatus>,
    /// The version of the object.
    pub version: Option<String>,
}

impl Base {
    /// As the server gives it, in whatever order.
    #[must_use]
    pub fn new(status: Option<RuleStatus>, version: Option<String>) -> Self {
        let status = status.map(status::sorted);
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
    /// The cache has a rule at this version: one that is no older than the last write ends the need to
    /// remember it.
    pub fn saw(&self, uid: &str, cached: Option<&str>) {
        let mut written = self.entries();
        let is_older = |last: &Last| last.older.iter().any(|older| older.as_deref() == cached);
        if written.get(uid).is_some_and(|last| !is_older(last)) {
            written.remove(uid);
        }
    }

    /// What was written of a rule and the cache has not seen; none when the cache is up to date.
    #[must_use]
    pub fn unseen(&self, uid: &str, cached: Option<&str>) -> Option<Base> {
        self.saw(uid, cached);
        self.entries().get(uid).map(|last| last.base.clone())
    }

    /// The newest state of a rule that is known: the cache's, unless it has not seen a write.
    #[must_use]
    pub fn newest(&self, rule: &KnownRule) -> Base {
        let unseen = self.unseen(&rule.uid, rule.version.as_deref());
        unseen.unwrap_or_else(|| Base {
            status: rule.status.clone(),
            version: rule.version.clone(),
        })
    }

    /// A status was written at the version `before`, which the cache may not have either.
    pub fn remember(&self, uid: &str, cached: Option<String>, before: Option<String>, base: Base) {
        let mut written = self.entries();
        let last = written.remove(uid);
        let mut older = last.map(|last| last.older).unwrap_or_default();
        for version in [cached, before] {
            if !older.contains(&version) {
                older.push(version);
            }
        }
        written.insert(uid.to_owned(), Last { base, older });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::RuleInStack;

    fn status(rules: i32) -> RuleStatus {
        RuleStatus {
            rules: Some(rules),
            ..RuleStatus::default()
        }
    }

    fn base(rules: i32, version: &str) -> Base {
        Base::new(Some(status(rules)), Some(version.into()))
    }

    fn remember(written: &Written, cached: &str, before: &str, base: Base) {
        written.remember("u", Some(cached.into()), Some(before.into()), base);
    }

    #[test]
    fn a_cache_that_has_not_seen_the_last_write_is_not_believed() {
        let written = Written::default();
        let unseen = |version: &str| written.unseen("u", Some(version));
        assert_eq!(unseen("10"), None);
        remember(&written, "10", "10", base(2, "11"));
        remember(&written, "10", "11", base(3, "12"));
        assert_eq!(unseen("10"), Some(base(3, "12")));
        assert_eq!(unseen("11"), Some(base(3, "12")));
        assert_eq!(unseen("12"), None);
        assert_eq!(unseen("10"), None, "it is forgotten then");
    }

    #[test]
    fn a_write_that_the_server_took_without_a_change_is_not_repeated() {
        let written = Written::default();
        remember(&written, "10", "10", base(2, "10"));
        let unseen = |version: &str| written.unseen("u", Some(version));
        assert_eq!(unseen("10"), Some(base(2, "10")));
        assert_eq!(unseen("11"), None);
    }

    #[test]
    fn a_rule_that_is_gone_is_forgotten() {
        let written = Written::default();
        remember(&written, "10", "10", base(2, "11"));
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
