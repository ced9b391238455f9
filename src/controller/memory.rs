//! What this process remembers of what it wrote, so that nothing is written twice for nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::live::Key;
use crate::resolve::problem::Problem;

/// How often the same object may be put back within [`WINDOW`] before it is left alone until
/// the window ends: whoever keeps changing it would otherwise be answered without end.
const PATIENCE: u32 = 5;
const WINDOW: Duration = Duration::from_mins(5);

/// What is remembered of the objects of each stack, by the stack's uid. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<HashMap<String, HashMap<Key, Settled>>>>);

/// An object as it was after its last look or write.
#[derive(Clone, Debug)]
struct Settled {
    /// The hash of what was rendered.
    hash: String,
    /// The version at which the server's object was found to be right.
    version: Option<String>,
    /// Paths that differ even right after a write: the server drops or rewrites them.
    paths: BTreeSet<String>,
    /// What had to stay as it is.
    problems: Vec<Problem>,
    writes: u32,
    since: Instant,
}

impl Memory {
    /// Whether the object was found right at this very version.
    #[must_use]
    pub fn settled(&self, stack: &str, key: &Key, hash: &str, version: Option<&str>) -> bool {
        self.entries()
            .get(stack)
            .and_then(|all| all.get(key))
            .is_some_and(|settled| {
                settled.hash == hash && version.is_some() && settled.version.as_deref() == version
            })
    }

    /// What had to stay as it is in a settled object.
    #[must_use]
    pub fn problems(&self, stack: &str, key: &Key) -> Vec<Problem> {
        let entries = self.entries();
        let settled = entries.get(stack).and_then(|all| all.get(key));
        settled
            .map(|settled| settled.problems.clone())
            .unwrap_or_default()
    }

    /// The differences that are new since the last write of the same content.
    #[must_use]
    pub fn unsettled(&self, stack: &str, key: &Key, hash: &str, found: Vec<String>) -> Vec<String> {
        let entries = self.entries();
        match entries.get(stack).and_then(|all| all.get(key)) {
            Some(settled) if settled.hash == hash => found
                .into_iter()
                .filter(|path| !settled.paths.contains(path))
                .collect(),
            _ => found,
        }
    }

    /// Whether the same content was written so often of late that somebody must be undoing it.
    #[must_use]
    pub fn contested(&self, stack: &str, key: &Key, hash: &str) -> bool {
        self.entries()
            .get(stack)
            .and_then(|all| all.get(key))
            .is_some_and(|settled| {
                settled.hash == hash
                    && settled.writes >= PATIENCE
                    && settled.since.elapsed() < WINDOW
            })
    }

    /// The object was looked at and is right at this version.
    pub fn looked(
        &self,
        stack: &str,
        key: &Key,
        hash: &str,
        version: Option<String>,
        problems: Vec<Problem>,
    ) {
        self.update(stack, key, hash, |settled| {
            settled.version = version;
            settled.problems = problems;
        });
    }

    /// The object was written; `paths` differ nevertheless.
    pub fn wrote(
        &self,
        stack: &str,
        key: &Key,
        hash: &str,
        version: Option<String>,
        paths: Vec<String>,
        problems: Vec<Problem>,
    ) {
        self.update(stack, key, hash, |settled| {
            settled.version = version;
            settled.problems = problems;
            settled.paths = paths.into_iter().collect();
            if settled.since.elapsed() >= WINDOW {
                settled.since = Instant::now();
                settled.writes = 0;
            }
            settled.writes += 1;
        });
    }

    /// Whether nothing is remembered of any stack.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &str) {
        self.entries().remove(stack);
    }

    fn update(&self, stack: &str, key: &Key, hash: &str, change: impl FnOnce(&mut Settled)) {
        let mut entries = self.entries();
        let all = entries.entry(stack.to_owned()).or_default();
        let settled = all.entry(key.clone()).or_insert_with(|| Settled::new(hash));
        if settled.hash != hash {
            *settled = Settled::new(hash);
        }
        change(settled);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, HashMap<Key, Settled>>> {
        // Whole even after a panic elsewhere: each change is one assignment of plain data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settled {
    fn new(hash: &str) -> Self {
        Self {
            hash: hash.to_owned(),
            version: None,
            paths: BTreeSet::new(),
            problems: Vec::new(),
            writes: 0,
            since: Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            kind: "ConfigMap".into(),
            namespace: Some("ns".into()),
            name: "a".into(),
        }
    }

    #[test]
    fn an_object_is_settled_at_one_version_of_one_content() {
        let memory = Memory::default();
        assert!(!memory.settled("s", &key(), "h", Some("1")));
        memory.looked("s", &key(), "h", Some("1".into()), vec![]);
        assert!(memory.settled("s", &key(), "h", Some("1")));
        assert!(!memory.settled("s", &key(), "h", Some("2")));
        assert!(!memory.settled("s", &key(), "other", Some("1")));
        assert!(!memory.settled("another", &key(), "h", Some("1")));
        assert!(!memory.settled("s", &key(), "h", None));
    }

    #[test]
    fn differences_that_a_write_does_not_mend_do_not_count_until_the_content_changes() {
        let memory = Memory::default();
        let found = || vec!["spec.new".to_owned(), "spec.dropped".to_owned()];
        memory.wrote("s", &key(), "h", None, vec!["spec.dropped".into()], vec![]);
        assert_eq!(memory.unsettled("s", &key(), "h", found()), ["spec.new"]);
        assert_eq!(memory.unsettled("s", &key(), "i", found()), found());
        memory.looked("s", &key(), "i", None, vec![]);
        assert_eq!(memory.unsettled("s", &key(), "i", found()), found());
    }

    #[test]
    fn the_same_content_written_again_and_again_is_contested() {
        let memory = Memory::default();
        for _ in 0..PATIENCE {
            assert!(!memory.contested("s", &key(), "h"));
            memory.wrote("s", &key(), "h", None, vec![], vec![]);
        }
        assert!(memory.contested("s", &key(), "h"));
        assert!(!memory.contested("s", &key(), "new content"));
    }

    #[test]
    fn a_stack_that_is_gone_is_forgotten() {
        let memory = Memory::default();
        memory.looked("s", &key(), "h", Some("1".into()), vec![]);
        memory.forget("another");
        assert!(memory.settled("s", &key(), "h", Some("1")));
        memory.forget("s");
        assert!(!memory.settled("s", &key(), "h", Some("1")));
    }
}
