//! The watches of one scope, and what each event wakes.
//!
//! They run in tasks of their own, so that the caches follow the server however busy the
//! reconciles are, and a rule that wakes a stack is in the cache before the stack looks.

use std::{fmt::Debug, sync::Arc};

use futures::{Stream, StreamExt, channel::mpsc};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{
        Notify,
        watch::{Receiver, Sender},
    },
    task::JoinSet,
};

use super::{
    context::{Context, Guarded, Rule},
    dashboards::Dashboards,
    error::Error,
    foreign::Foreigners,
    live, owner,
    rules::KnownRules,
    seen::{Change, Seen},
    unclaimed::{self, Reaches},
};
use crate::{
    api::component::Component,
    render::meta::{
        COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, STACK_NAMESPACE_LABEL,
    },
};

/// What wakes: a stack to look at.
pub type Wake = mpsc::UnboundedSender<ObjectRef<Guarded>>;

/// The caches of one scope and the stacks that are to be looked at.
pub struct Watched {
    /// The stacks.
    pub stacks: Store<Guarded>,
    /// The rules.
    pub rules: KnownRules,
    /// The dashboards of users.
    pub dashboards: Dashboards,
    /// The objects of prometheus-operator's kinds.
    pub foreigners: Foreigners,
    /// Whose rules each stack takes.
    pub reaches: Reaches,
    /// The stacks that something woke.
    pub queue: mpsc::UnboundedReceiver<ObjectRef<Guarded>>,
    /// Whether the caches have all there is.
    pub synced: Synced,
}

/// Whether the caches of a scope have had their first whole list. (A [`Store`] tells that to
/// one task only: of several that wait, the last alone is woken.)
#[derive(Clone)]
pub struct Synced {
    stacks: Receiver<bool>,
    rules: Receiver<bool>,
    dashboards: [Receiver<bool>; 2],
    foreigners: Receiver<bool>,
}

impl Synced {
    /// Waits until they have; false when their watches have ended.
    pub async fn wait(&mut self) -> bool {
        let yes = |synced: &bool| *synced;
        let caches = [&mut self.stacks, &mut self.rules, &mut self.foreigners].into_iter();
        for cache in caches.chain(&mut self.dashboards) {
            if cache.wait_for(yes).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// Starts the watches of a namespace or, without one, of the whole cluster.
pub async fn start(
    context: &Arc<Context>,
    namespace: Option<&str>,
    gone: &Arc<Notify>,
    tasks: &mut JoinSet<()>,
) -> Result<Watched, Error> {
    let server = context.discovery.server().await?;
    let (wake, queue) = mpsc::unbounded();
    let (stacks, stacks_writer) = reflector::store();
    let rules = KnownRules::default();
    let (stacks_synced, rules_synced) = (Sender::new(false), Sender::new(false));
    let (dashboards, dashboards_synced) =
        Dashboards::watch(context, namespace, &stacks, &wake, tasks);
    let (foreigners, foreigners_synced, stack_changed) = Foreigners::watch(
        context,
        namespace,
        (&stacks, stacks_synced.subscribe()),
        &wake,
        tasks,
    );
    let synced = Synced {
        stacks: stacks_synced.subscribe(),
        rules: rules_synced.subscribe(),
        dashboards: dashboards_synced,
        foreigners: foreigners_synced,
    };

    let came_or_went = Arc::new(Notify::new());
    let reaches = Reaches::new(came_or_went.clone());
    tasks.spawn(unclaimed::run(
        stacks.clone(),
        rules.clone(),
        reaches.clone(),
        context.publisher.clone(),
        came_or_went.clone(),
        synced.clone(),
    ));
    let events = events::<Guarded>(context, namespace).reflect(stacks_writer);
    tasks.spawn(stacks_changed(
        events,
        context.clone(),
        [gone.clone(), came_or_went.clone()],
        stack_changed,
        wake.clone(),
        stacks_synced,
    ));
    tasks.spawn(rules_changed(
        self::events(context, namespace),
        rules.clone(),
        stacks.clone(),
        context.clone(),
        came_or_went,
        wake.clone(),
        rules_synced,
    ));

    let ours = format!("{MANAGED_BY_LABEL}={MANAGER}");
    for resource in live::namespaced_kinds(server) {
        // Secrets are not watched: what was not pointed to stays unread. Claims are not ours. Rules are watched as a
        // whole already.
        if !matches!(
            resource.kind.as_str(),
            "Secret" | "PersistentVolumeClaim" | "AlertRule"
        ) {
            let config = watcher::Config::default().labels(&ours);
            let events = metadata(context, namespace, &resource, config);
            tasks.spawn(children_changed(events, wake.clone()));
        }
    }
    let config = watcher::Config::default().labels(&pods());
    let events = metadata(context, namespace, &ApiResource::erase::<Pod>(&()), config);
    tasks.spawn(children_changed(events, wake));
    Ok(Watched {
        stacks,
        rules,
        dashboards,
        foreigners,
        reaches,
        queue,
        synced,
    })
}

/// The events of a kind, retried for ever with growing pauses.
fn events<K>(
    context: &Context,
    namespace: Option<&str>,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    watcher(api, watcher::Config::default()).default_backoff()
}

/// The events of a kind, with nothing but the metadata.
fn metadata(
    context: &Context,
    namespace: Option<&str>,
    resource: &ApiResource,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<PartialObjectMeta>> + Send + use<> {
    let client = context.client.clone();
    let api: Api<PartialObjectMeta<DynamicObject>> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    };
    watcher(api, config).default_backoff().touched_objects()
}

async fn stacks_changed(
    events: impl Stream<Item = watcher::Result<Event<Guarded>>> + Send,
    context: Arc<Context>,
    gone: [Arc<Notify>; 2],
    stirred: Arc<Notify>,
    wake: Wake,
    synced: Sender<bool>,
) {
    let mut seen = Seen::default();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let Some(event) = logged(event) else { continue };
        let before = seen.count();
        let changes = seen.changes(&event);
        if !changes.is_empty() {
            stirred.notify_one();
        }
        for change in changes {
            match change.gone {
                Some(uid) => {
                    context.forget(&uid);
                    for waiting in &gone {
                        waiting.notify_one();
                    }
                }
                None => send(&wake, reference(&change)),
            }
        }
        // Other scopes count their own.
        let more = i64::try_from(seen.count()).unwrap_or(i64::MAX);
        let less = i64::try_from(before).unwrap_or(i64::MAX);
        context.metrics.stacks.add(more - less);
        if matches!(event, Event::InitDone) {
            synced.send_replace(true);
        }
    }
}

async fn rules_changed(
    events: impl Stream<Item = watcher::Result<Event<Rule>>> + Send,
    rules: KnownRules,
    stacks: Store<Guarded>,
    context: Arc<Context>,
    came_or_went: Arc<Notify>,
    wake: Wake,
    synced: Sender<bool>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let Some(event) = logged(event) else { continue };
        let listed = matches!(event, Event::InitDone);
        let applied = match &event {
            Event::Apply(rule) => Some(rule.meta()),
            _ => None,
        };
        let version = applied.map(|it| (it.uid.clone(), it.resource_version.clone()));
        let changes = rules.take(event);
        if let Some((Some(uid), version)) = version {
            context.publisher.saw_rule(&uid, version.as_deref());
        }
        for uid in &changes.gone {
            context.publisher.forget_rule(uid);
        }
        let namespaces = changes.namespaces;
        if !namespaces.is_empty() {
            came_or_went.notify_one();
        }
        for stack in stacks.state_filter(|stack: &Guarded| {
            let namespace = stack.meta().namespace.as_deref().unwrap_or_default();
            namespaces.contains(namespace) || (!namespaces.is_empty() && looks_elsewhere(stack))
        }) {
            send(&wake, ObjectRef::from_obj(&*stack));
        }
        if listed {
            synced.send_replace(true);
        }
    }
}

/// Whether a stack selects rules of other namespaces: any of them may be its.
fn looks_elsewhere(stack: &Guarded) -> bool {
    let alerting = stack
        .0
        .as_ref()
        .ok()
        .and_then(|stack| stack.spec.alerting.as_ref());
    alerting.is_some_and(|alerting| alerting.rules.is_some())
}

async fn children_changed(
    events: impl Stream<Item = watcher::Result<PartialObjectMeta>> + Send,
    wake: Wake,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        if let Some(stack) = logged(event).and_then(|object| stack_of(&object.metadata)) {
            send(&wake, stack);
        }
    }
}

/// The stack that an object belongs to: its owner or, for pods and what is outside the stack's
/// namespace, the one its labels name.
fn stack_of(metadata: &ObjectMeta) -> Option<ObjectRef<Guarded>> {
    let label = |name| metadata.labels.as_ref()?.get(name).map(String::as_str);
    let namespace = label(STACK_NAMESPACE_LABEL).or(metadata.namespace.as_deref())?;
    let name = match owner::stack_owner(metadata) {
        Some(owner) => owner.name.as_str(),
        None => label(INSTANCE_LABEL)?,
    };
    Some(ObjectRef::new(name).within(namespace))
}

/// Selects the pods of all stacks by what their selectors cannot do without.
fn pods() -> String {
    let names: Vec<_> = Component::ALL
        .iter()
        .map(|component| component.name())
        .collect();
    let names = names.join(",");
    format!("{INSTANCE_LABEL},app.kubernetes.io/name in ({names}),{COMPONENT_LABEL} in ({names})")
}

fn reference(change: &Change) -> ObjectRef<Guarded> {
    ObjectRef::new(&change.name).within(&change.namespace)
}

/// Nobody listens only when the operator is about to stop.
fn send(wake: &Wake, stack: ObjectRef<Guarded>) {
    if wake.unbounded_send(stack).is_err() {
        tracing::debug!("woken while stopping");
    }
}

fn logged<T>(event: watcher::Result<T>) -> Option<T> {
    event
        .inspect_err(|error| tracing::warn!(%error, "a watch was interrupted and starts again"))
        .ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    #[test]
    fn an_object_wakes_its_owner_or_the_stack_that_its_labels_name() {
        let mut metadata = ObjectMeta {
            namespace: Some("ns".into()),
            labels: Some([(INSTANCE_LABEL.into(), "main".into())].into()),
            ..ObjectMeta::default()
        };
        let main = ObjectRef::new("main").within("ns");
        assert_eq!(stack_of(&metadata), Some(main));
        metadata.owner_references = Some(vec![OwnerReference {
            api_version: "masthead.dev/v1alpha1".into(),
            kind: "MonitoringStack".into(),
            name: "owner".into(),
            ..OwnerReference::default()
        }]);
        let owner = ObjectRef::new("owner").within("ns");
        assert_eq!(stack_of(&metadata), Some(owner));

        let far = ObjectMeta {
            labels: Some(
                [
                    (INSTANCE_LABEL.into(), "main".into()),
                    (STACK_NAMESPACE_LABEL.into(), "far".into()),
                ]
                .into(),
            ),
            ..ObjectMeta::default()
        };
        assert_eq!(stack_of(&far), Some(ObjectRef::new("main").within("far")));
        assert_eq!(stack_of(&ObjectMeta::default()), None);
    }
}
