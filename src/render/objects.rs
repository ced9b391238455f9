//! The rendered objects, in the order they are applied.

use kube::{Resource, ResourceExt, api::ApiResource};
use serde::Serialize;
use serde_json::Value;

use super::{digest, meta::RENDERED_ANNOTATION};

/// When an object is applied: what others read comes before what reads it, so that a first
/// start finds its configuration and no workload rolls twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Service accounts and bindings.
    Access,
    /// `ConfigMaps`, Secrets and claims.
    Config,
    /// Services, network policies and disruption budgets.
    Network,
    /// `StatefulSets`, Deployments and `DaemonSets`.
    Workload,
}

/// One rendered object, ready for server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind and the path it is stored under.
    pub resource: ApiResource,
    /// Its namespace; none for a cluster-scoped object.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// When it is applied.
    pub stage: Stage,
    /// The whole object as JSON, with `apiVersion` and `kind`.
    pub body: Value,
}

/// The objects of a stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects(Vec<Object>);

impl Objects {
    /// Adds a typed object.
    pub fn add<K>(&mut self, stage: Stage, object: &K)
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let resource = ApiResource::erase::<K>(&());
        // A k8s-openapi object is plain data: it always serialises.
        let mut body = serde_json::to_value(object).unwrap_or_default();
        if let Value::Object(fields) = &mut body {
            fields.insert("apiVersion".into(), resource.api_version.clone().into());
            fields.insert("kind".into(), resource.kind.clone().into());
        }
        self.0.push(Object {
            namespace: object.namespace(),
            name: object.name_any(),
            resource,
            stage,
            body,
        });
    }

    /// Adds an object of a kind that k8s-openapi does not have.
    pub fn add_untyped(&mut self, object: Object) {
        self.0.push(object);
    }

    /// Adds all of another's objects.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Writes on every object a hash of its body. The last step: the hash covers all the rest.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        for object in &mut self.0 {
            let hash = digest::short(object.body.to_string());
            if let Some(metadata) = object
                .body
                .get_mut("metadata")
                .and_then(Value::as_object_mut)
            {
                let annotations = metadata
                    .entry("annotations")
                    .or_insert_with(|| Value::Object(serde_json::Map::new()));
                if let Some(annotations) = annotations.as_object_mut() {
                    annotations.insert(RENDERED_ANNOTATION.into(), hash.into());
                }
            }
        }
        self
    }

    /// The objects in the order they are applied: by stage, then kind, then name.
    #[must_use]
    pub fn into_ordered(mut self) -> Vec<Object> {
        self.0.sort_by(|a, b| {
            (a.stage, &a.resource.kind, &a.namespace, &a.name).cmp(&(
                b.stage,
                &b.resource.kind,
                &b.namespace,
                &b.name,
            ))
        });
        self.0
    }

    /// The objects as they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.0.iter()
    }
}
