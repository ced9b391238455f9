//! What really runs: each component's workload, and for an unhealthy one the reason.
//!
//! A healthy component costs one GET. Pods, claims and events are read for an unhealthy one only,
//! and events of no more than the few objects that can explain it.

pub mod diagnose;
mod event;
pub(super) mod pod;
pub(super) mod remedy;
pub mod services;
mod words;
pub mod workload;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        core::v1::{Event, PersistentVolumeClaim, Pod},
    },
};
use kube::{Api, Client, Resource, api::ListParams};
use serde::de::DeserializeOwned;
use tracing::warn;

use super::{
    backend::{Backends, PodRef},
    conditions::reason,
    error::Error,
};
use crate::{
    api::{
        component::Component,
        status::{Targets, Unscraped},
    },
    render::{flows, meta},
    resolve::{duration, model::Stack},
};
use diagnose::{Evidence, Finding, diagnose, fits_nowhere, suspects};
use workload::WorkloadState;

/// The most objects of a kind that are read to find a reason; the first ones are as good as all.
const ENOUGH: u32 = 500;
/// The most events of one object that are read.
const ENOUGH_EVENTS: u32 = 100;

/// What runs of a stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Every enabled or held component.
    pub components: BTreeMap<Component, Observed>,
    /// What Prometheus scrapes; none when it could not be asked.
    pub targets: Option<Targets>,
    /// Services that ask to be scraped and are not; none when nobody could be asked.
    pub unscraped: Option<Vec<Unscraped>>,
}

/// What runs of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Pods there should be.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Why it is not all well; none when it is.
    pub finding: Option<Finding>,
}

/// Looks at every component of a stack.
pub async fn observe(
    client: &Client,
    backends: &Backends,
    stack: &Stack,
) -> Result<Observation, Error> {
    let watched: BTreeSet<Component> = stack
        .components()
        .chain(stack.held.iter().copied())
        .collect();
    let observed = watched.iter().map(async |component| {
        let observed = observe_component(client, stack, *component).await?;
        Ok::<_, Error>((*component, observed))
    });
    let components: BTreeMap<_, _> = try_join_all(observed).await?.into_iter().collect();
    let scrapes = components
        .get(&Component::Prometheus)
        .is_some_and(|prometheus| prometheus.ready > 0);
    let mut observation = Observation {
        components,
        ..Observation::default()
    };
    if scrapes && let Some(prometheus) = a_prometheus(client, stack).await {
        let (targets, unscraped) = futures::join!(
            targets(backends, stack, &prometheus),
            services::unscraped(client, backends, stack, &prometheus),
        );
        (observation.targets, observation.unscraped) = (targets, unscraped);
    }
    Ok(observation)
}

async fn observe_component(
    client: &Client,
    stack: &Stack,
    component: Component,
) -> Result<Observed, Error> {
    let Some(workload) = workload_state(client, stack, component).await? else {
        return Ok(Observed {
            desired: stack.workload(component).map_or(0, |w| w.replicas),
            ready: 0,
            finding: Some(Finding {
                reason: reason::NOT_CREATED,
                message: format!(
                    "{} {} is not there",
                    workload::kind(component),
                    stack.child_name(component)
                ),
            }),
        });
    };
    let finding = if workload.is_healthy() {
        let resolved = stack.workload(component);
        resolved.and_then(|resolved| fits_nowhere(&workload, &resolved.node_selector))
    } else {
        Some(explain(client, stack, component, &workload).await)
    };
    Ok(Observed {
        desired: workload.desired,
        ready: workload.ready,
        finding,
    })
}

async fn workload_state(
    client: &Client,
    stack: &Stack,
    component: Component,
) -> Result<Option<WorkloadState>, Error> {
    let name = stack.child_name(component);
    let doing = Error::doing(format!("read {} {name}", workload::kind(component)));
    let state = match component {
        Component::Prometheus | Component::Alertmanager | Component::Loki => {
            let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &stack.namespace);
            sets.get_opt(&name)
                .await
                .map(|set| set.as_ref().map(Into::into))
        }
        Component::Grafana => {
            let deployments: Api<Deployment> = Api::namespaced(client.clone(), &stack.namespace);
            deployments
                .get_opt(&name)
                .await
                .map(|set| set.as_ref().map(Into::into))
        }
        Component::Agent => {
            let sets: Api<DaemonSet> = Api::namespaced(client.clone(), &stack.namespace);
            sets.get_opt(&name)
                .await
                .map(|set| set.as_ref().map(Into::into))
        }
    };
    state.map_err(doing)
}

/// Reads what can explain an unhealthy workload. What cannot be read explains nothing, and is no
/// reason to give up the rest of the status.
async fn explain(
    client: &Client,
    stack: &Stack,
    component: Component,
    workload: &WorkloadState,
) -> Finding {
    let selector = selector(stack, component);
    let (pods, claims) = futures::join!(
        list::<Pod>(client, stack, selector.clone().limit(ENOUGH)),
        list::<PersistentVolumeClaim>(client, stack, selector.limit(ENOUGH)),
    );
    let uids = suspects(component, workload, &pods, &claims);
    let events = uids.iter().map(|uid| {
        let fields = format!("involvedObject.uid={uid}");
        let of_object = ListParams::default().fields(&fields).limit(ENOUGH_EVENTS);
        list::<Event>(client, stack, of_object)
    });
    let events: Vec<Event> = join_all(events).await.into_iter().flatten().collect();
    diagnose(&Evidence {
        component,
        workload,
        pods: &pods,
        claims: &claims,
        events: &events,
        now: Timestamp::now(),
    })
}

/// The pods of a component.
pub(super) fn selector(stack: &Stack, component: Component) -> ListParams {
    let labels: Vec<String> = meta::selector(stack, component)
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    ListParams::default().labels(&labels.join(","))
}

async fn list<K>(client: &Client, stack: &Stack, which: ListParams) -> Vec<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let objects: Api<K> = Api::namespaced(client.clone(), &stack.namespace);
    match objects.list(&which).await {
        Ok(list) => list.items,
        Err(error) => {
            let (kind, namespace) = (K::kind(&()), &stack.namespace);
            warn!(%kind, %namespace, %error, "Cannot look for the cause of an unhealthy component.");
            Vec::new()
        }
    }
}

/// The first Prometheus that is ready: replicas scrape the same targets.
async fn a_prometheus(client: &Client, stack: &Stack) -> Option<PodRef> {
    let which = selector(stack, Component::Prometheus).limit(ENOUGH);
    let mut pods: Vec<Pod> = list(client, stack, which).await;
    pods.retain(pod::is_ready);
    let pods = pods.iter().map(PodRef::of);
    pods.min_by(|a, b| a.name.cmp(&b.name))
}

/// Asks a Prometheus how many targets answer.
async fn targets(backends: &Backends, stack: &Stack, prometheus: &PodRef) -> Option<Targets> {
    let interval = stack.prometheus.as_ref()?.scrape_interval.as_str();
    let interval = Duration::from_millis(duration::parse_millis(interval)?);
    // One missed scrape does not make a target go.
    let lookback = interval * 2 + Duration::from_secs(5);
    let port = flows::http_port(Component::Prometheus);
    backends
        .prometheus_targets_summary(prometheus, port, lookback)
        .await
        .inspect_err(|error| warn!(pod = prometheus.name, %error, "Cannot count the targets."))
        .ok()
}
