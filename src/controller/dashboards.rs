//! Users' dashboards: `ConfigMaps` by their labels.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event, watcher},
    },
};
use tokio::{
    sync::watch::{Receiver, Sender},
    task::JoinSet,
};

use super::{
    context::{Context, Guarded},
    watch::Wake,
};
use crate::resolve::DASHBOARD_LABELS;

/// The labelled `ConfigMaps` of one scope. No other `ConfigMap` is read.
#[derive(Clone, Default)]
pub struct Dashboards(Vec<Store<ConfigMap>>);

impl Dashboards {
    /// Watches each of the labels, and wakes the stacks of a namespace where something changes.
    /// Beside the cache: whether each watch has had its first whole list.
    pub fn watch(
        context: &Context,
        namespace: Option<&str>,
        stacks: &Store<Guarded>,
        wake: &Wake,
        tasks: &mut JoinSet<()>,
    ) -> (Self, [Receiver<bool>; 2]) {
        let mut watch = |(label, value): (&str, &str)| {
            let api: Api<ConfigMap> = match namespace {
                Some(namespace) => Api::namespaced(context.client.clone(), namespace),
                None => Api::all(context.client.clone()),
            };
            let config = watcher::Config::default().labels(&format!("{label}={value}"));
            let (store, writer) = reflector::store();
            let events = watcher(api, config)
                .default_backoff()
                // As large as the dashboard itself, and of no use.
                .modify(|map| map.metadata.managed_fields = None)
                .reflect(writer);
            let synced = Sender::new(false);
            let receiver = synced.subscribe();
            tasks.spawn(changed(events, stacks.clone(), wake.clone(), synced));
            (store, receiver)
        };
        let [one, other] = DASHBOARD_LABELS;
        let ((first, first_synced), (second, second_synced)) = (watch(one), watch(other));
        (Self(vec![first, second]), [first_synced, second_synced])
    }

    /// All of them; one with both labels twice.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<ConfigMap>> {
        self.0.iter().flat_map(Store::state).collect()
    }
}

async fn changed(
    events: impl futures::Stream<Item = watcher::Result<Event<ConfigMap>>> + Send,
    stacks: Store<Guarded>,
    wake: Wake,
    synced: Sender<bool>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            // Whoever waits for the first list looks at it anyway.
            Ok(Event::InitApply(map) | Event::Apply(map) | Event::Delete(map)) => {
                let namespace = &map.metadata.namespace;
                let reached = stacks.state_filter(|stack: &Guarded| {
                    stack.meta().namespace == *namespace || looks_elsewhere(stack)
                });
                for stack in reached {
                    if wake.unbounded_send(ObjectRef::from_obj(&*stack)).is_err() {
                        return;
                    }
                }
            }
            Ok(Event::InitDone) => {
                synced.send_replace(true);
            }
            Ok(Event::Init) => {}
            Err(error) => {
                tracing::warn!(%error, "a watch was interrupted and starts again");
            }
        }
    }
}

/// Whether a stack takes dashboards of other namespaces too.
fn looks_elsewhere(stack: &Guarded) -> bool {
    let stack = stack.0.as_ref().ok();
    let dashboards = stack.and_then(|stack| stack.spec.dashboards.as_ref());
    dashboards.is_some_and(|dashboards| dashboards.namespaces.is_some())
}
