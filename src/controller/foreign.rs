//! The objects of prometheus-operator's kinds: watched where the kinds are installed and a stack
//! wants them.
//!
//! Kinds come and go while the operator runs. What the server serves is asked for every half
//! minute, and at once when a watch finds its kind gone. A kind that may not be read is left alone
//! for ten minutes.

mod served;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store},
        watcher::{self, watcher},
    },
};
use tokio::{
    sync::{
        Notify,
        watch::{Receiver, Sender},
    },
    task::{AbortHandle, JoinSet},
};

use super::{
    context::{Context, Guarded},
    error::{code, words},
    kept::{Keep, Kept},
    watch::Wake,
};
use crate::resolve::{
    problem::Problem,
    prometheus_operator::{
        is_wanted,
        objects::{Foreign, Kind},
    },
};

/// How often the server is asked what it serves.
const EVERY: Duration = Duration::from_secs(30);
/// The stacks wait for the first answer, so it is asked for again soon.
const AGAIN: Duration = Duration::from_secs(2);
/// A kind that may not be read is tried again then.
const FORBIDDEN: Duration = Duration::from_mins(10);
/// A kind that gives no list for so long holds up the stacks no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The objects of one scope. Clones share them.
#[derive(Clone, Default)]
pub struct Foreigners(Arc<Mutex<BTreeMap<Kind, Watching>>>);

/// A kind that is watched.
struct Watching {
    resource: ApiResource,
    objects: Kept<Foreign>,
    /// Why it cannot be read.
    problem: Option<String>,
    task: AbortHandle,
    /// Whether it has had its first list, or never will.
    synced: Receiver<bool>,
}

/// What there is now.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Whether any of the kinds is installed.
    pub installed: bool,
    /// All objects, in no order.
    pub objects: Vec<Arc<Foreign>>,
    /// Kinds that cannot be read.
    pub unreadable: Vec<Problem>,
}

impl Foreigners {
    /// Watches the kinds of one scope, and wakes the stacks that an object may concern. Beside the
    /// cache: whether it has all that there is, and whom to notify when a stack has changed.
    pub fn watch(
        context: &Arc<Context>,
        namespace: Option<&str>,
        (stacks, stacks_synced): (&Store<Guarded>, Receiver<bool>),
        wake: &Wake,
        tasks: &mut JoinSet<()>,
    ) -> (Self, Receiver<bool>, Arc<Notify>) {
        let this = Self::default();
        let (synced, receiver) = tokio::sync::watch::channel(false);
        let ask = Arc::new(Notify::new());
        let follower = Follower {
            context: context.clone(),
            namespace: namespace.map(ToOwned::to_owned),
            stacks: stacks.clone(),
            wake: wake.clone(),
            kinds: this.clone(),
            ask: ask.clone(),
        };
        tasks.spawn(follower.run(stacks_synced, synced));
        (this, receiver, ask)
    }

    /// What there is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let kinds = self.lock();
        let unreadable = kinds.iter().filter_map(|(kind, watching)| {
            let message = watching.problem.as_ref()?;
            let message = format!(
                "objects of the kind {} cannot be read: {message}; upgrade Masthead's chart, or switch them off by enabled: false",
                kind.name()
            );
            Some(Problem::new("spec.discovery.prometheusOperator", message))
        });
        Snapshot {
            installed: !kinds.is_empty(),
            objects: kinds.values().flat_map(|it| it.objects.all()).collect(),
            unreadable: unreadable.collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Watching>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the watches of a scope in step with what is served and wanted.
struct Follower {
    context: Arc<Context>,
    namespace: Option<String>,
    stacks: Store<Guarded>,
    wake: Wake,
    kinds: Foreigners,
    /// Asks again at once.
    ask: Arc<Notify>,
}

impl Follower {
    async fn run(self, mut stacks_synced: Receiver<bool>, synced: Sender<bool>) {
        // Before, nobody knows whether a stack wants any: one that does would lose what it has.
        if stacks_synced.wait_for(|synced| *synced).await.is_err() {
            return;
        }
        let this = Arc::new(self);
        let mut watches = JoinSet::new();
        loop {
            if !this.is_wanted() {
                this.keep(&BTreeMap::new());
                synced.send_replace(true);
                this.ask.notified().await;
                continue;
            }
            match served::kinds(&this.context.client).await {
                Ok(served) => {
                    this.keep(&served);
                    for (kind, resource) in served {
                        this.clone().start(kind, resource, &mut watches);
                    }
                    if !*synced.borrow() {
                        this.first_lists().await;
                        synced.send_replace(true);
                        this.wake_all();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot ask which of prometheus-operator's kinds there are");
                }
            }
            // Ended ones have nothing to say.
            while watches.try_join_next().is_some() {}
            tokio::select! {
                () = this.ask.notified() => {}
                () = tokio::time::sleep(if *synced.borrow() { EVERY } else { AGAIN }) => {}
            }
        }
    }

    fn is_wanted(&self) -> bool {
        self.stacks.state().iter().any(|stack| wants(stack))
    }

    /// Ends the watches of what is no longer served.
    fn keep(&self, served: &BTreeMap<Kind, ApiResource>) {
        let mut lost = false;
        self.kinds.lock().retain(|kind, watching| {
            let stays = served.get(kind) == Some(&watching.resource);
            if !stays {
                watching.task.abort();
                lost = true;
            }
            stays
        });
        if lost {
            self.wake_all();
        }
    }

    /// Watches a kind, unless it is watched.
    fn start(self: Arc<Self>, kind: Kind, resource: ApiResource, watches: &mut JoinSet<()>) {
        let kinds = self.kinds.clone();
        let mut kinds = kinds.lock();
        if kinds.contains_key(&kind) {
            return;
        }
        let (sender, synced) = tokio::sync::watch::channel(false);
        let task = watches.spawn(self.follow(kind, resource.clone(), sender));
        let watching = Watching {
            resource,
            objects: Kept::default(),
            problem: None,
            task,
            synced,
        };
        kinds.insert(kind, watching);
    }

    /// Waits for the first list of every kind.
    async fn first_lists(&self) {
        let waiting: Vec<_> = self
            .kinds
            .lock()
            .values()
            .map(|it| it.synced.clone())
            .collect();
        let all = async {
            for mut synced in waiting {
                // Without its task nobody is to be waited for.
                let _ended = synced.wait_for(|synced| *synced).await;
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("not all of prometheus-operator's kinds could be listed");
        }
    }

    async fn follow(self: Arc<Self>, kind: Kind, resource: ApiResource, synced: Sender<bool>) {
        let client = self.context.client.clone();
        let api: Api<DynamicObject> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        loop {
            let events = watcher(api.clone(), watcher::Config::default()).default_backoff();
            let mut events = std::pin::pin!(events);
            let pause = loop {
                let Some(event) = events.next().await else {
                    break EVERY;
                };
                match event {
                    Ok(event) => self.heard(kind, &resource, event, &synced),
                    Err(error) => {
                        if let Some(pause) = self.failed(kind, &error, &synced) {
                            break pause;
                        }
                    }
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn heard(
        &self,
        kind: Kind,
        resource: &ApiResource,
        event: watcher::Event<DynamicObject>,
        synced: &Sender<bool>,
    ) {
        let listed = matches!(event, watcher::Event::InitDone);
        let changes = {
            let mut kinds = self.kinds.lock();
            let Some(watching) = kinds.get_mut(&kind) else {
                return;
            };
            if listed {
                watching.problem = None;
            }
            watching
                .objects
                .take(event, |object, _| foreign(kind, resource, object))
        };
        for uid in &changes.gone {
            self.context.judgements.forget(uid);
        }
        // The first lists wake all, once they are there.
        if *synced.borrow() && !changes.namespaces.is_empty() {
            self.wake(|namespace| changes.namespaces.contains(namespace));
        }
        if listed {
            synced.send_replace(true);
        }
    }

    /// A pause, if the watch is not to go on at once.
    fn failed(
        &self,
        kind: Kind,
        error: &watcher::Error,
        synced: &Sender<bool>,
    ) -> Option<Duration> {
        tracing::warn!(%error, kind = kind.name(), "a watch was interrupted and starts again");
        let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) =
            error
        else {
            return None;
        };
        match code(error) {
            Some(404) => {
                self.ask.notify_one();
                Some(EVERY)
            }
            Some(401 | 403) => {
                if let Some(watching) = self.kinds.lock().get_mut(&kind) {
                    watching.problem = Some(words(error));
                }
                synced.send_replace(true);
                self.wake_all();
                Some(FORBIDDEN)
            }
            _ => None,
        }
    }

    fn wake_all(&self) {
        self.wake(|_| true);
    }

    /// Wakes the stacks that objects of such namespaces may concern.
    fn wake(&self, changed: impl Fn(&str) -> bool) {
        let concerned = self.stacks.state_filter(|stack: &Guarded| {
            let namespace = stack.meta().namespace.as_deref().unwrap_or_default();
            wants(stack) && (changed(namespace) || looks_elsewhere(stack))
        });
        for stack in concerned {
            if self
                .wake
                .unbounded_send(ObjectRef::from_obj(&*stack))
                .is_err()
            {
                tracing::debug!("woken while stopping");
            }
        }
    }
}

impl Keep for Foreign {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    /// A status that somebody wrote, or an annotation, is not even read.
    fn says_the_same(&self, newer: &Self) -> bool {
        self == newer
    }
}

/// What is read of an object.
fn foreign(kind: Kind, resource: &ApiResource, mut object: DynamicObject) -> Foreign {
    let spec = object.data.get_mut("spec").map(serde_json::Value::take);
    Foreign {
        kind,
        api_version: resource.api_version.clone(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        generation: object.metadata.generation,
        labels: object.metadata.labels.unwrap_or_default(),
        spec: spec.unwrap_or_default(),
    }
}

fn wants(stack: &Guarded) -> bool {
    stack.0.as_ref().is_ok_and(|stack| is_wanted(&stack.spec))
}

/// Whether a stack takes objects of other namespaces.
fn looks_elsewhere(stack: &Guarded) -> bool {
    let stack = stack.0.as_ref().ok();
    let discovery = stack.and_then(|stack| stack.spec.discovery.as_ref());
    discovery.is_some_and(|it| {
        let own = it.prometheus_operator.as_ref();
        it.namespaces.is_some() || own.is_some_and(|it| it.namespaces.is_some())
    })
}
