//! The pods of this node, followed by one watch. Nobody waits for it: before it has answered,
//! containers are told by their ids.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1;
use kube::api::ApiResource;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

use super::pod::{Pod, Received};
use super::told::{Shared, Watch};

/// Follows the pods of a node for ever; `namespace` none is the whole cluster.
pub async fn follow(told: Shared, node: String, namespace: Option<String>, labels: Vec<String>) {
    let client = match Client::try_default().await {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(%error, "no way to the API server; pods have no names");
            told.with(|told| told.watch = Watch::None);
            return;
        }
    };
    told.with(|told| told.watch = Watch::Follows);
    let resource = ApiResource::erase::<v1::Pod>(&());
    let api: Api<Received> = match namespace {
        Some(namespace) => Api::namespaced_with(client, &namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let config = watcher::Config::default().fields(&format!("spec.nodeName={node}"));
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut listed = Vec::new();
    let mut failing = false;
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        error,
                        "cannot watch this node's pods; new ones have no names"
                    );
                }
                continue;
            }
        };
        if std::mem::take(&mut failing) {
            tracing::info!("this node's pods are watched again");
        }
        let cut = |pod| Pod::from_received(pod, &labels);
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(pod) => listed.extend(cut(pod)),
            Event::InitDone => told.with(|told| told.replace_pods(std::mem::take(&mut listed))),
            Event::Apply(pod) => {
                if let Some(pod) = cut(pod) {
                    told.with(|told| told.apply(pod));
                }
            }
            Event::Delete(pod) => {
                if let Some(pod) = cut(pod) {
                    told.with(|told| told.remove(&pod.uid));
                }
            }
        }
    }
}
