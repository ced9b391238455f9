//! PostgreSQL in the pods of this node, found by label and followed by one watch for each
//! namespace.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, future};
use k8s_openapi::api::core::v1;
use kube::api::ApiResource;
use kube::core::Object;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde::Deserialize;

use crate::api::agent_config::PostgresDiscovery;

/// Servers of one node at most.
const MOST: usize = 64;

/// A pod that has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: String,
}

/// The pods as they are now, by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Pods(Arc<Mutex<BTreeMap<(String, String), Found>>>);

/// A pod, cut down to what is asked for.
type Received = Object<Spec, Status>;

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
}

impl Pods {
    /// The pods in the order of their names.
    pub fn list(&self) -> Vec<Found> {
        self.with(|pods| pods.values().take(MOST).cloned().collect())
    }

    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<(String, String), Found>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn apply(&self, pod: Received) {
        let (Some(namespace), Some(name)) = (pod.metadata.namespace, pod.metadata.name) else {
            return;
        };
        let status = pod.status.unwrap_or_default();
        let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let key = (namespace.clone(), name.clone());
        self.with(|pods| match status.pod_ip.filter(|_| !ended) {
            Some(ip) => {
                let found = Found {
                    namespace,
                    name,
                    ip,
                };
                pods.insert(key, found);
            }
            None => {
                pods.remove(&key);
            }
        });
    }

    /// Follows the pods of a node for ever.
    pub async fn follow(&self, client: Client, node: &str, wanted: &PostgresDiscovery) {
        let each = wanted.namespaces.iter();
        future::join_all(each.map(|it| self.follow_in(client.clone(), it, node, wanted))).await;
    }

    async fn follow_in(
        &self,
        client: Client,
        namespace: &str,
        node: &str,
        wanted: &PostgresDiscovery,
    ) {
        let resource = ApiResource::erase::<v1::Pod>(&());
        let api: Api<Received> = Api::namespaced_with(client, namespace, &resource);
        let config = watcher::Config::default()
            .fields(&format!("spec.nodeName={node}"))
            .labels(&wanted.selector);
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut failing = false;
        loop {
            let event = match events.try_next().await {
                Ok(Some(event)) => event,
                Ok(None) => return,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let error = format!("{error:#}");
                        tracing::warn!(error, namespace, "cannot watch for PostgreSQL's pods");
                    }
                    continue;
                }
            };
            failing = false;
            match event {
                Event::Init => self.with(|pods| pods.retain(|(of, _), _| of != namespace)),
                Event::InitApply(pod) | Event::Apply(pod) => self.apply(pod),
                Event::InitDone => {}
                Event::Delete(pod) => {
                    let key = (namespace.to_owned(), pod.metadata.name.unwrap_or_default());
                    self.with(|pods| pods.remove(&key));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_counts_from_its_address_to_its_end() {
        let pods = Pods::default();
        let tell = |status: &str| {
            let text = format!(
                r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"namespace": "shop",
                "name": "db-0"}}, "spec": {{"nodeName": "n", "containers": []}}, "status": {status}}}"#
            );
            pods.apply(serde_json::from_str(&text).unwrap());
            pods.list().len()
        };
        assert_eq!(tell(r#"{"phase": "Pending"}"#), 0);
        assert_eq!(tell(r#"{"phase": "Running", "podIP": "10.0.0.7"}"#), 1);
        assert_eq!(pods.list()[0].ip, "10.0.0.7");
        assert_eq!(tell(r#"{"phase": "Failed", "podIP": "10.0.0.7"}"#), 0);
    }
}
