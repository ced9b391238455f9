//! What changed in a watched kind: a new specification, or an object that is gone. A status
//! that was written wakes nobody.

use std::collections::HashMap;

use kube::{Resource, runtime::watcher::Event};

/// An object that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, when it is gone.
    pub gone: Option<String>,
}

/// The generations seen last.
#[derive(Debug, Default)]
pub struct Seen {
    known: HashMap<(String, String), Version>,
    /// What the list under way has had so far.
    listing: HashMap<(String, String), Version>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    uid: String,
    generation: Option<i64>,
    deleting: bool,
}

impl Seen {
    /// How many objects there are.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// What an event changes. A list tells all at its end: only then does the cache have it,
    /// and only then it shows what is gone.
    pub fn changes<K: Resource>(&mut self, event: &Event<K>) -> Vec<Change> {
        match event {
            Event::Init => {
                self.listing.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listing.insert(key(object), version(object));
                Vec::new()
            }
            Event::InitDone => self.relisted(),
            Event::Apply(object) => {
                let (key, new) = (key(object), version(object));
                match self.known.insert(key.clone(), new.clone()) {
                    Some(old) if old == new => Vec::new(),
                    Some(old) if old.uid != new.uid => vec![gone(&key, old), changed(&key)],
                    _ => vec![changed(&key)],
                }
            }
            Event::Delete(object) => {
                let key = key(object);
                let old = self.known.remove(&key).unwrap_or_else(|| version(object));
                vec![gone(&key, old)]
            }
        }
    }

    fn relisted(&mut self) -> Vec<Change> {
        let old = std::mem::replace(&mut self.known, std::mem::take(&mut self.listing));
        let is_gone = |(key, old): (_, Version)| match self.known.get(&key) {
            Some(new) if new.uid == old.uid => None,
            _ => Some(gone(&key, old)),
        };
        let new = |(key, new): (&(String, String), &Version)| {
            (old.get(key) != Some(new)).then(|| changed(key))
        };
        let mut changes: Vec<Change> = self.known.iter().filter_map(new).collect();
        changes.extend(old.clone().into_iter().filter_map(is_gone));
        changes
    }
}

fn key<K: Resource>(object: &K) -> (String, String) {
    let metadata = object.meta();
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn version<K: Resource>(object: &K) -> Version {
    let metadata = object.meta();
    Version {
        uid: metadata.uid.clone().unwrap_or_default(),
        generation: metadata.generation,
        deleting: metadata.deletion_timestamp.is_some(),
    }
}

fn changed((namespace, name): &(String, String)) -> Change {
    Change {
        namespace: namespace.clone(),
        name: name.clone(),
        gone: None,
    }
}

fn gone(key: &(String, String), old: Version) -> Change {
    Change {
        gone: Some(old.uid),
        ..changed(key)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

    use super::*;

    fn object(name: &str, uid: &str, generation: i64) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some("ns".into()),
                uid: Some(uid.into()),
                generation: Some(generation),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    fn names(changes: &[Change]) -> Vec<(&str, Option<&str>)> {
        let mut names: Vec<_> = changes
            .iter()
            .map(|change| (change.name.as_str(), change.gone.as_deref()))
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_new_specification_is_a_change_and_a_new_status_is_none() {
        let mut seen = Seen::default();
        let apply = |generation| Event::Apply(object("a", "1", generation));
        assert_eq!(names(&seen.changes(&apply(1))), [("a", None)]);
        assert!(seen.changes(&apply(1)).is_empty());
        assert_eq!(names(&seen.changes(&apply(2))), [("a", None)]);
        assert_eq!(seen.count(), 1);
    }

    #[test]
    fn an_object_that_goes_is_told_with_its_uid() {
        let mut seen = Seen::default();
        seen.changes(&Event::Apply(object("a", "1", 1)));
        let delete = Event::Delete(object("a", "1", 1));
        assert_eq!(names(&seen.changes(&delete)), [("a", Some("1"))]);
        let again = Event::Apply(object("a", "2", 1));
        assert_eq!(names(&seen.changes(&again)), [("a", None)]);
        let other = Event::Apply(object("a", "3", 1));
        assert_eq!(
            names(&seen.changes(&other)),
            [("a", None), ("a", Some("2"))]
        );
    }

    #[test]
    fn a_list_tells_at_its_end_what_came_changed_and_went() {
        let mut seen = Seen::default();
        for old in [
            object("same", "1", 1),
            object("new", "2", 1),
            object("gone", "3", 1),
        ] {
            seen.changes(&Event::Apply(old));
        }
        assert!(seen.changes(&Event::<ConfigMap>::Init).is_empty());
        for listed in [
            object("same", "1", 1),
            object("new", "2", 2),
            object("more", "4", 1),
        ] {
            assert!(seen.changes(&Event::InitApply(listed)).is_empty());
        }
        let changes = seen.changes(&Event::<ConfigMap>::InitDone);
        assert_eq!(
            names(&changes),
            [("gone", Some("3")), ("more", None), ("new", None)]
        );
    }
}
