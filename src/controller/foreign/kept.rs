//! The objects of one kind as they were last seen: no more of them than what is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::{
    ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::watcher::Event,
};

use crate::resolve::prometheus_operator::objects::{Foreign, Kind};

type Name = (String, String);

/// The objects of one kind.
#[derive(Debug, Default)]
pub struct Kept {
    known: BTreeMap<Name, Arc<Foreign>>,
    /// What the list under way has had so far.
    listing: BTreeMap<Name, Arc<Foreign>>,
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
    fn between(old: Option<&Arc<Foreign>>, new: Option<&Arc<Foreign>>) -> Self {
        let mut changes = Self::default();
        if old == new {
            return changes;
        }
        for object in old.into_iter().chain(new) {
            changes.namespaces.insert(object.namespace.clone());
        }
        if let Some(old) = old.filter(|old| new.is_none_or(|new| new.uid != old.uid)) {
            changes.gone.push(old.uid.clone());
        }
        changes
    }

    fn add(&mut self, other: Self) {
        self.namespaces.extend(other.namespaces);
        self.gone.extend(other.gone);
    }
}

impl Kept {
    /// All of them.
    pub fn all(&self) -> Vec<Arc<Foreign>> {
        self.known.values().cloned().collect()
    }

    /// Takes an event. A status that somebody wrote, or an annotation, changes nothing.
    pub fn take(
        &mut self,
        event: Event<DynamicObject>,
        read: impl Fn(DynamicObject) -> Foreign,
    ) -> Changes {
        let named = |object: DynamicObject| {
            let object = read(object);
            (
                (object.namespace.clone(), object.name.clone()),
                Arc::new(object),
            )
        };
        match event {
            Event::Init => {
                self.listing.clear();
                Changes::default()
            }
            Event::InitApply(object) => {
                self.listing.extend([named(object)]);
                Changes::default()
            }
            Event::InitDone => {
                let new = std::mem::take(&mut self.listing);
                let old = std::mem::replace(&mut self.known, new);
                let all: BTreeSet<_> = old.keys().chain(self.known.keys()).collect();
                let mut changes = Changes::default();
                for name in all {
                    changes.add(Changes::between(old.get(name), self.known.get(name)));
                }
                changes
            }
            Event::Apply(object) => {
                let (name, new) = named(object);
                let old = self.known.insert(name, new.clone());
                Changes::between(old.as_ref(), Some(&new))
            }
            Event::Delete(object) => {
                let (name, _) = named(object);
                let old = self.known.remove(&name);
                Changes::between(old.as_ref(), None)
            }
        }
    }
}

/// What is read of an object.
pub fn foreign(kind: Kind, resource: &ApiResource, object: DynamicObject) -> Foreign {
    let mut data = object.data.clone();
    Foreign {
        kind,
        api_version: resource.api_version.clone(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        generation: object.metadata.generation,
        labels: object.metadata.labels.unwrap_or_default(),
        spec: data
            .get_mut("spec")
            .map(serde_json::Value::take)
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::GroupVersionKind;
    use serde_json::json;

    use super::*;

    fn taken(kept: &mut Kept, event: Event<DynamicObject>) -> (Vec<String>, Vec<String>) {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("g", "v1", "ServiceMonitor"));
        let read = |object| foreign(Kind::ServiceMonitor, &resource, object);
        let changes = kept.take(event, read);
        (changes.namespaces.into_iter().collect(), changes.gone)
    }

    fn object(name: &str, uid: &str, job_label: &str, status: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "g/v1", "kind": "ServiceMonitor",
            "metadata": {"namespace": "shop", "name": name, "uid": uid},
            "spec": {"jobLabel": job_label}, "status": {"said": status},
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
