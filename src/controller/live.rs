//! What the server has of a stack: one metadata list for each kind, for drift and for pruning.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount},
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRoleBinding, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, PartialObjectMeta},
};

use super::{
    discovery::Discovery,
    error::{Error, words},
};
use crate::{
    api::rule::AlertRule,
    render::{
        grafana::middlewares,
        meta::{INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, STACK_UID_LABEL},
        objects::Object,
    },
    resolve::model::{Server, Stack},
};

/// Lists under way at the same time.
const CONCURRENT: usize = 6;

/// Which object of a stack: kind, namespace (none: cluster scope) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind; no two groups here share one.
    pub kind: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of a rendered object.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        Self {
            kind: object.resource.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The objects of a stack that the server has.
#[derive(Debug, Default)]
pub struct Live {
    /// Their metadata and how to reach them.
    pub objects: BTreeMap<Key, (ApiResource, ObjectMeta)>,
    /// The kinds that could not be listed, with the server's words: nothing is known of them.
    pub unknown: BTreeMap<String, String>,
}

/// The kinds a stack is made of in its own namespace, besides what it renders now.
#[must_use]
pub fn namespaced_kinds(server: Server) -> Vec<ApiResource> {
    let mut kinds = vec![
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<RoleBinding>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<PersistentVolumeClaim>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<Ingress>(&()),
        ApiResource::erase::<StatefulSet>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<DaemonSet>(&()),
        ApiResource::erase::<AlertRule>(&()),
    ];
    kinds.push(disruption_budget(server));
    if server.traefik {
        kinds.push(middlewares());
    }
    kinds
}

/// The kinds that no owner reference can bind to a stack: cluster-wide, or in other namespaces.
#[must_use]
pub fn far_kinds() -> Vec<ApiResource> {
    vec![
        ApiResource::erase::<ClusterRoleBinding>(&()),
        ApiResource::erase::<RoleBinding>(&()),
    ]
}

/// `PodDisruptionBudget` in the version the server has.
#[must_use]
pub fn disruption_budget(server: Server) -> ApiResource {
    let mut resource = ApiResource::erase::<PodDisruptionBudget>(&());
    if !server.policy_v1 {
        resource.version = "v1beta1".into();
        resource.api_version = "policy/v1beta1".into();
    }
    resource
}

/// An [`Api`] for one object or, without a namespace, for a cluster-scoped one.
#[must_use]
pub fn api(client: &Client, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// Lists everything of a stack that the server has.
pub async fn list(
    client: &Client,
    discovery: &Discovery,
    stack: &Stack,
    rendered: &[Object],
) -> Result<Live, Error> {
    let near = format!(
        "{MANAGED_BY_LABEL}={MANAGER},{INSTANCE_LABEL}={}",
        stack.name
    );
    let far = format!("{STACK_UID_LABEL}={}", stack.uid);
    let namespace = Some(stack.namespace.as_str());
    let mut lists = Vec::new();
    for resource in near_kinds(stack, rendered) {
        if discovery.serves(&resource).await? {
            lists.push(list_one(client, resource, namespace, &near));
        }
    }
    if stack.operator.cluster_wide {
        for resource in far_kinds() {
            lists.push(list_one(client, resource, None, &far));
        }
    }
    let answers: Vec<_> = stream::iter(lists)
        .buffer_unordered(CONCURRENT)
        .collect()
        .await;
    let mut live = Live::default();
    for (resource, answer) in answers {
        live.add(&resource, answer);
    }
    Ok(live)
}

async fn list_one(
    client: &Client,
    resource: ApiResource,
    namespace: Option<&str>,
    selector: &str,
) -> (ApiResource, kube::Result<Vec<ObjectMeta>>) {
    let answer = list_kind(client, &resource, namespace, selector).await;
    (resource, answer)
}

/// The usual kinds and those rendered beside them.
fn near_kinds(stack: &Stack, rendered: &[Object]) -> Vec<ApiResource> {
    let mut kinds = namespaced_kinds(stack.server);
    let mut known: BTreeSet<String> = kinds.iter().map(|kind| kind.kind.clone()).collect();
    for object in rendered {
        let near = object.namespace.as_ref() == Some(&stack.namespace);
        if near && known.insert(object.resource.kind.clone()) {
            kinds.push(object.resource.clone());
        }
    }
    kinds
}

/// Lists the metadata of one kind; without a namespace, in the whole cluster.
pub async fn list_kind(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    selector: &str,
) -> kube::Result<Vec<ObjectMeta>> {
    let api: Api<PartialObjectMeta<DynamicObject>> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    let list = api.list(&ListParams::default().labels(selector)).await?;
    Ok(list.items.into_iter().map(|item| item.metadata).collect())
}

impl Live {
    fn add(&mut self, resource: &ApiResource, answer: kube::Result<Vec<ObjectMeta>>) {
        let objects = match answer {
            Ok(objects) => objects,
            Err(error) => {
                self.unknown.insert(resource.kind.clone(), words(&error));
                return;
            }
        };
        for metadata in objects {
            let key = Key {
                kind: resource.kind.clone(),
                namespace: metadata.namespace.clone(),
                name: metadata.name.clone().unwrap_or_default(),
            };
            self.objects.insert(key, (resource.clone(), metadata));
        }
    }
}
