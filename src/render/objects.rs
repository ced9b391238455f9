//! The rendered objects, in the order they are applied.

use std::fmt;

use kube::{Resource, ResourceExt, api::ApiResource};
use serde::Serialize;
use serde_json::Value;

use super::{body::Body, digest, meta::RENDERED_ANNOTATION};

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
#[derive(Clone, PartialEq)]
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
    pub body: Body,
}

// Without the body: a Secret's must not show in a log.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource,
            namespace,
            name,
            ..
        } = self;
        let namespace = namespace.as_deref().unwrap_or_default();
        write!(f, "{} {namespace}/{name}", resource.kind)
    }
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
        self.push(stage, object, Body::from);
    }

    /// Adds a typed object one field of which is made when somebody looks at it; `digest` stands
    /// for its content.
    pub fn add_later<K>(
        &mut self,
        stage: Stage,
        object: &K,
        field: &'static str,
        digest: String,
        make: impl Fn() -> Value + Send + Sync + 'static,
    ) where
        K: Resource<DynamicType = ()> + Serialize,
    {
        self.push(stage, object, |head| {
            Body::with_later(head, field, digest, make)
        });
    }

    fn push<K>(&mut self, stage: Stage, object: &K, body: impl FnOnce(Value) -> Body)
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let resource = ApiResource::erase::<K>(&());
        // A k8s-openapi object is plain data: it always serialises.
        let mut head = serde_json::to_value(object).unwrap_or_default();
        if let Value::Object(fields) = &mut head {
            fields.insert("apiVersion".into(), resource.api_version.clone().into());
            fields.insert("kind".into(), resource.kind.clone().into());
        }
        self.0.push(Object {
            namespace: object.namespace(),
            name: object.name_any(),
            resource,
            stage,
            body: body(head),
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
            let hash = digest::short(object.body.seal());
            if let Some(metadata) = object.body.metadata_mut() {
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

#[cfg(test)]
mod tests {
    use k8s_openapi::{ByteString, api::core::v1::Secret};
    use kube::api::ObjectMeta;

    use super::*;

    fn secret(value: &[u8]) -> Objects {
        let mut objects = Objects::default();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some("main".into()),
                namespace: Some("monitoring".into()),
                ..ObjectMeta::default()
            },
            data: Some([("key".to_owned(), ByteString(value.into()))].into()),
            ..Secret::default()
        };
        objects.add(Stage::Config, &secret);
        objects
    }

    #[test]
    fn no_value_of_a_secret_shows_in_a_log() {
        let shown = format!("{:?}", secret(b"swordfish"));
        assert_eq!(shown, "Objects([Secret monitoring/main])");
    }

    #[test]
    fn the_seal_is_another_for_another_content() {
        let seal = |value| {
            let object = secret(value).sealed().into_ordered().remove(0);
            object.body["metadata"]["annotations"][RENDERED_ANNOTATION].clone()
        };
        assert!(seal(b"a").is_string());
        assert_eq!(seal(b"a"), seal(b"a"));
        assert_ne!(seal(b"a"), seal(b"b"));
    }
}
