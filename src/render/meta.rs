//! Labels, annotations, names and owners: the one place each is made.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::{
    api::{GROUP, VERSION, component::Component},
    resolve::model::Stack,
};

use super::digest;

/// The value of `app.kubernetes.io/managed-by` and the field manager of every apply.
pub const MANAGER: &str = "masthead";
/// Who made the object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The stack an object belongs to.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// The component an object belongs to.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The stack's uid, on objects that no owner reference can bind (another namespace, cluster scope).
pub const STACK_UID_LABEL: &str = "masthead.dev/stack-uid";
/// The stack's namespace, beside the uid.
pub const STACK_NAMESPACE_LABEL: &str = "masthead.dev/stack-namespace";
/// A hash of the rendered object: when it differs, something that is no longer rendered may have to go.
pub const RENDERED_ANNOTATION: &str = "masthead.dev/rendered";
/// A hash of the configuration that a pod reads at its start only; a new value rolls the pods.
pub const CONFIG_ANNOTATION: &str = "masthead.dev/config";
/// Set on a running pod so that the kubelet projects new files at once.
pub const TOUCHED_ANNOTATION: &str = "masthead.dev/touched";

/// The labels that select a component's pods. They never change: selectors are immutable.
#[must_use]
pub fn selector(stack: &Stack, component: Component) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", component.name()),
        (INSTANCE_LABEL, stack.name.as_str()),
        (COMPONENT_LABEL, component.name()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The labels of every object of a component.
#[must_use]
pub fn labels(stack: &Stack, component: Component) -> BTreeMap<String, String> {
    let mut labels = selector(stack, component);
    labels.insert(MANAGED_BY_LABEL.into(), MANAGER.into());
    labels.insert("app.kubernetes.io/part-of".into(), "masthead".into());
    labels
}

/// The metadata of an object in the stack's namespace, owned by the stack.
#[must_use]
pub fn owned(stack: &Stack, component: Component, name: impl Into<String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some(stack.namespace.clone()),
        labels: Some(labels(stack, component)),
        owner_references: owner(stack).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The metadata of an object in the stack's namespace that outlives the stack.
#[must_use]
pub fn kept(stack: &Stack, component: Component, name: impl Into<String>) -> ObjectMeta {
    ObjectMeta {
        owner_references: None,
        ..owned(stack, component, name)
    }
}

/// The metadata of a cluster-scoped object: no owner reference can bind it, so it carries the
/// stack's uid and namespace, and the controller sweeps it.
#[must_use]
pub fn cluster_scoped(stack: &Stack, component: Component, role: &str) -> ObjectMeta {
    let mut labels = labels(stack, component);
    labels.insert(STACK_UID_LABEL.into(), stack.uid.clone());
    labels.insert(STACK_NAMESPACE_LABEL.into(), stack.namespace.clone());
    let (namespace, name) = (&stack.namespace, &stack.name);
    // Namespace and name may both hold dashes: the hash tells `a-b` `c` from `a` `b-c`.
    let hash: String = digest::short(format!("{namespace}/{name}"))
        .chars()
        .take(8)
        .collect();
    ObjectMeta {
        name: Some(format!("{MANAGER}-{namespace}-{name}-{hash}-{role}")),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// The metadata of an object in another namespace, bound to the stack as a cluster-scoped one is.
#[must_use]
pub fn in_namespace(
    stack: &Stack,
    component: Component,
    role: &str,
    namespace: impl Into<String>,
) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.into()),
        ..cluster_scoped(stack, component, role)
    }
}

/// The metadata of a pod; a configuration that is read at the start only is told by its hash.
#[must_use]
pub fn pod(stack: &Stack, component: Component, config_hash: Option<String>) -> ObjectMeta {
    ObjectMeta {
        labels: Some(labels(stack, component)),
        annotations: config_hash.map(|hash| [(CONFIG_ANNOTATION.to_owned(), hash)].into()),
        ..ObjectMeta::default()
    }
}

/// The name of the Service that gives each pod of a StatefulSet a name of its own.
#[must_use]
pub fn headless_name(stack: &Stack, component: Component) -> String {
    format!("{}-headless", stack.child_name(component))
}

/// The stack as owner; none when rendered without a cluster.
fn owner(stack: &Stack) -> Option<OwnerReference> {
    (!stack.uid.is_empty()).then(|| OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "MonitoringStack".into(),
        name: stack.name.clone(),
        uid: stack.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    })
}
