//! The objects of one kind as they were last seen: no more of them than what is read.

use std::{collections::BTreeSet, sync::Arc};

use kube::{Resource, runtime::watcher::Event};

/// What is kept of an object.
pub trait Keep {
    /// Its namespace.
    fn namespace(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
    /// Its uid.
    fn uid(&self) -> &str;
    /// Whether a newer one of the same name changes nothing for those who read it.
    fn says_the_same(&self, newer: &Self) -> bool;
}

/// The objects of one kind, by namespace and name. Sorted in one piece: there may be thousands,
/// and a map would hold every name once more.
#[derive(Debug)]
pub struct Kept<T> {
    known: Vec<Arc<T>>,
    /// What the list under way has had so far.
    listing: Vec<Arc<T>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            listing: Vec::new(),
        }
    }
}

/// What an event changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The namespaces in which anything is another one now.
    pub namespaces: BTreeSet<String>,
    /// The uids of objects that are gone.
    pub gone: Vec<String>,
}

impl Changes {
    fn note<T: Keep>(&mut self, old: Option<&Arc<T>>, new: Option<&Arc<T>>) {
        let same_object = old.zip(new).filter(|(old, new)| old.uid() == new.uid());
        if same_object.is_some_and(|(old, new)| old.says_the_same(new)) {
            return;
        }
        if let Some(any) = old.or(new)
            && !self.namespaces.contains(any.namespace())
        {
            self.namespaces.insert(any.namespace().to_owned());
        }
        if let Some(old) = old.filter(|_| same_object.is_none()) {
            self.gone.push(old.uid().to_owned());
        }
    }
}

impl<T: Keep> Kept<T> {
    /// All of them, by namespace and name.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.known.clone()
    }

    /// Takes an event. `read` makes of an object what is kept, and may look at what was kept of it
    /// before. The changes of a list are told at its end: only then it shows what is gone.
    pub fn take<K: Resource>(
        &mut self,
        event: Event<K>,
        read: impl Fn(K, Option<&T>) -> T,
    ) -> Changes {
        let mut changes = Changes::default();
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(object) => {
                let before = self.find(&object).ok();
                let before = before.and_then(|at| self.known.get(at));
                let new = read(object, before.map(AsRef::as_ref));
                self.listing.push(Arc::new(new));
            }
            Event::InitDone => changes = self.relisted(),
            Event::Apply(object) => match self.find(&object) {
                Ok(at) => {
                    if let Some(known) = self.known.get_mut(at) {
                        let new = Arc::new(read(object, Some(known)));
                        changes.note(Some(known), Some(&new));
                        *known = new;
                    }
                }
                Err(at) => {
                    let new = Arc::new(read(object, None));
                    changes.note(None, Some(&new));
                    self.known.insert(at, new);
                }
            },
            Event::Delete(object) => {
                if let Ok(at) = self.find(&object) {
                    let old = self.known.remove(at);
                    changes.note(Some(&old), None);
                }
            }
        }
        changes
    }

    fn relisted(&mut self) -> Changes {
        let mut new = std::mem::take(&mut self.listing);
        new.sort_by(|a, b| place(&**a).cmp(&place(&**b)));
        new.dedup_by(|a, b| place(&**a) == place(&**b));
        new.shrink_to_fit();
        let old = std::mem::replace(&mut self.known, new);
        let mut changes = Changes::default();
        for old in &old {
            let new = search(&self.known, place(&**old)).ok();
            changes.note(Some(old), new.and_then(|at| self.known.get(at)));
        }
        for new in &self.known {
            if search(&old, place(&**new)).is_err() {
                changes.note(None, Some(new));
            }
        }
        changes
    }

    /// Where an object is, or where it would have to be.
    fn find(&self, object: &impl Resource) -> Result<usize, usize> {
        let metadata = object.meta();
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        search(&self.known, (namespace, name))
    }
}

fn search<T: Keep>(sorted: &[Arc<T>], wanted: (&str, &str)) -> Result<usize, usize> {
    sorted.binary_search_by(|kept| place(&**kept).cmp(&wanted))
}

/// Namespace and name.
fn place(kept: &impl Keep) -> (&str, &str) {
    (kept.namespace(), kept.name())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;
    use serde_json::json;

    use super::*;

    /// Name, uid, what is read, and what only passes by.
    #[derive(Debug)]
    struct Note([String; 4]);

    impl Keep for Note {
        fn namespace(&self) -> &'static str {
            "shop"
        }
        fn name(&self) -> &str {
            &self.0[0]
        }
        fn uid(&self) -> &str {
            &self.0[1]
        }
        fn says_the_same(&self, newer: &Self) -> bool {
            self.0[2] == newer.0[2]
        }
    }

    fn taken(kept: &mut Kept<Note>, event: Event<ConfigMap>) -> (Vec<String>, Vec<String>) {
        let changes = kept.take(event, |object, _| {
            let value = |key: &str| object.data.as_ref().unwrap()[key].clone();
            let (name, uid) = (object.name_any(), object.uid().unwrap());
            Note([name, uid, value("read"), value("passing")])
        });
        (changes.namespaces.into_iter().collect(), changes.gone)
    }

    fn object(name: &str, uid: &str, read: &str, passing: &str) -> ConfigMap {
        serde_json::from_value(json!({
            "metadata": {"namespace": "shop", "name": name, "uid": uid},
            "data": {"read": read, "passing": passing},
        }))
        .unwrap()
    }

    #[test]
    fn only_what_is_read_is_a_change() {
        let mut kept = Kept::default();
        let shop = || vec!["shop".to_owned()];
        let apply = |spec, status| Event::Apply(object("a", "1", spec, status));
        assert_eq!(taken(&mut kept, apply("x", "")), (shop(), vec![]));
        assert_eq!(taken(&mut kept, apply("x", "bound")), (vec![], vec![]));
        assert_eq!(taken(&mut kept, apply("y", "bound")), (shop(), vec![]));
        let another = Event::Apply(object("a", "2", "y", ""));
        assert_eq!(taken(&mut kept, another), (shop(), vec!["1".to_owned()]));
        assert_eq!(kept.all().len(), 1);
    }

    #[test]
    fn a_list_shows_at_its_end_what_went() {
        let mut kept = Kept::default();
        for name in ["a", "b"] {
            taken(&mut kept, Event::Apply(object(name, name, "x", "")));
        }
        taken(&mut kept, Event::Init);
        taken(&mut kept, Event::InitApply(object("a", "a", "x", "")));
        assert_eq!(kept.all().len(), 2);
        let (namespaces, gone) = taken(&mut kept, Event::InitDone);
        assert_eq!(
            (namespaces, gone),
            (vec!["shop".to_owned()], vec!["b".to_owned()])
        );
    }
}
