//! Deleting what the stack rendered once and renders no longer.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Client,
    api::{ApiResource, DeleteParams, Preconditions},
};

use super::{
    error::{code, words},
    live::{self, Key, Live},
    owner,
};
use crate::{api::component::Component, render::objects::Object, resolve::model::Stack};

/// What came of pruning a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many objects were deleted.
    pub deleted: usize,
    /// Objects that the server would not delete.
    pub failed: Vec<(Component, String)>,
}

/// Deletes what belongs to this very stack and was not rendered.
pub async fn prune(client: &Client, stack: &Stack, live: &Live, rendered: &[Object]) -> Pruned {
    let rendered: BTreeSet<Key> = rendered.iter().map(Key::of).collect();
    let mut pruned = Pruned::default();
    for (key, (resource, metadata)) in &live.objects {
        if rendered.contains(key) || !is_orphan(stack, key, metadata) {
            continue;
        }
        match delete(client, resource, metadata).await {
            Ok(true) => {
                tracing::info!(object = %key, stack = %stack.name, "deleted: no longer rendered");
                pruned.deleted += 1;
            }
            Ok(false) => {}
            Err(error) => {
                let component = owner::component(metadata.labels.as_ref());
                let component = component.unwrap_or(Component::Prometheus);
                let words = words(&error);
                pruned
                    .failed
                    .push((component, format!("{key}: cannot be deleted: {words}")));
            }
        }
    }
    pruned
}

/// Whether the object may go: volumes never do, nor what belongs to a component that is held
/// back, nor what is not this very stack's.
fn is_orphan(stack: &Stack, key: &Key, metadata: &ObjectMeta) -> bool {
    let held = owner::component(metadata.labels.as_ref())
        .is_some_and(|component| stack.held.contains(&component));
    key.kind != "PersistentVolumeClaim"
        && !held
        && metadata.deletion_timestamp.is_none()
        && owner::belongs(stack, metadata)
}

/// Deletes exactly the object that was seen, as it was seen; false when it is gone or changed
/// meanwhile.
pub async fn delete(
    client: &Client,
    resource: &ApiResource,
    seen: &ObjectMeta,
) -> kube::Result<bool> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: seen.uid.clone(),
            resource_version: seen.resource_version.clone(),
        }),
        ..DeleteParams::background()
    };
    let name = seen.name.as_deref().unwrap_or_default();
    let api = live::api(client, resource, seen.namespace.as_deref());
    match api.delete(name, &params).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(false),
        Err(error) => Err(error),
    }
}
