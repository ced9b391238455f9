//! Whose an object is: the stack's own, a leftover it may take over, or somebody else's.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::{
    api::component::Component,
    render::meta::{
        COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, STACK_NAMESPACE_LABEL,
        STACK_UID_LABEL,
    },
    resolve::model::Stack,
};

/// Whose an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The stack's.
    Stack,
    /// Nobody's any more: an earlier stack of the same name left it, as it does with volumes.
    Nobody,
    /// Somebody else's, in words.
    Other(String),
}

/// Whose an object is that has the name of one of the stack's.
#[must_use]
pub fn of(stack: &Stack, metadata: &ObjectMeta) -> Owner {
    if belongs(stack, metadata) {
        return Owner::Stack;
    }
    if !has(metadata, MANAGED_BY_LABEL, MANAGER) || !has(metadata, INSTANCE_LABEL, &stack.name) {
        return Owner::Other("it was not made by Masthead".into());
    }
    if metadata.namespace.as_deref() != Some(&stack.namespace) {
        return if has(metadata, STACK_NAMESPACE_LABEL, &stack.namespace) {
            Owner::Nobody
        } else {
            Owner::Other("it belongs to a MonitoringStack in another namespace".into())
        };
    }
    match stack_owner(metadata) {
        Some(owner) => Owner::Other(format!(
            "it belongs to an earlier MonitoringStack {} (uid {}) and has not been removed yet",
            owner.name, owner.uid
        )),
        None => Owner::Nobody,
    }
}

/// Whether the object is bound to this very stack, by owner reference or, where none can be,
/// by label.
#[must_use]
pub fn belongs(stack: &Stack, metadata: &ObjectMeta) -> bool {
    if metadata.namespace.as_deref() == Some(&stack.namespace) {
        stack_owner(metadata).is_some_and(|owner| owner.uid == stack.uid)
    } else {
        has(metadata, STACK_UID_LABEL, &stack.uid)
    }
}

/// The stack that an object names as its owner.
#[must_use]
pub fn stack_owner(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let group = format!("{}/", crate::api::GROUP);
    metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.kind == "MonitoringStack" && owner.api_version.starts_with(&group))
}

/// The component an object belongs to, by its label.
#[must_use]
pub fn component(labels: Option<&BTreeMap<String, String>>) -> Option<Component> {
    labels
        .and_then(|labels| labels.get(COMPONENT_LABEL))
        .and_then(|name| Component::from_name(name))
}

fn has(metadata: &ObjectMeta, label: &str, value: &str) -> bool {
    metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(label))
        .is_some_and(|found| found == value)
}
