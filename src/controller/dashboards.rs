//! Users' dashboards: `ConfigMaps` by their labels, and Events on those that cannot be taken.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

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
    publish::Publisher,
    status::Transition,
    watch::Wake,
};
use crate::resolve::{DASHBOARD_LABELS, RefusedDashboard};

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

/// What was told of dashboards that were left out, so that each is told once. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<HashMap<String, BTreeSet<String>>>>);

impl Told {
    /// Writes an Event on each `ConfigMap` with a dashboard that a stack left out, unless it was
    /// told already.
    pub async fn tell(&self, publisher: &Publisher, stack_uid: &str, refused: &[RefusedDashboard]) {
        for one in self.news(stack_uid, refused) {
            let problem = one.problem();
            let transition = Transition {
                type_: "Dashboard".into(),
                reason: "DashboardRefused".into(),
                message: problem.to_string(),
                warning: true,
            };
            publisher.events_about(&one.config_map, &[transition]).await;
        }
    }

    /// Those that were not told, which are remembered; what is no longer refused is forgotten.
    fn news<'a>(
        &self,
        stack_uid: &str,
        refused: &'a [RefusedDashboard],
    ) -> Vec<&'a RefusedDashboard> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.remove(stack_uid).unwrap_or_default();
        if refused.is_empty() {
            return Vec::new();
        }
        let now: BTreeSet<String> = refused
            .iter()
            .map(|one| one.problem().to_string())
            .collect();
        let news = refused
            .iter()
            .filter(|one| !before.contains(&one.problem().to_string()))
            .collect();
        all.insert(stack_uid.to_owned(), now);
        news
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack_uid: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(stack_uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dashboard_is_told_once_and_again_after_it_was_good() {
        let told = Told::default();
        let bad = [RefusedDashboard {
            config_map: k8s_openapi::api::core::v1::ObjectReference::default(),
            key: "x.json".into(),
            message: "is not JSON".into(),
        }];
        assert_eq!(told.news("s", &bad).len(), 1);
        assert_eq!(told.news("s", &bad).len(), 0);
        assert_eq!(told.news("other", &bad).len(), 1);
        assert_eq!(told.news("s", &[]).len(), 0);
        assert_eq!(told.news("s", &bad).len(), 1);
        told.forget("s");
        assert_eq!(told.news("s", &bad).len(), 1);
    }
}
