//! Config delivery: make the running processes load what was applied, and believe only what they
//! say themselves.
//!
//! The kubelet projects a changed `ConfigMap` when it next looks at the pod, which may take more
//! than a minute. A changed annotation on the pod makes it look at once; 0.1 to 0.2 s later the
//! file is there. Nothing tells when: a reload that comes too early succeeds with the old content.
//! So each pod is asked for the proof, reloaded and asked again, until it holds or time is up.

pub mod grafana;
mod pod;
mod touch;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, future::join_all, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use tracing::{debug, warn};

use super::{
    backend::{Backends, PodRef},
    error,
    observe::selector,
};
use crate::{
    api::component::Component,
    render::{self, Delivery, Proof, flows},
    resolve::model::{RuleFile, Stack},
};
use pod::{Courier, Outcome};

/// One reconcile waits this long at most; the next one goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// This many pods without a delivery are touched at the same time.
const TOUCHES_AT_ONCE: usize = 8;

/// Whether the processes of a component run the wanted configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigState {
    /// The hash of the wanted configuration; empty for Loki, which looks for its rules by itself.
    pub hash: String,
    /// Whether every pod that should run has loaded it.
    pub loaded: bool,
    /// Why not, in the process's own words.
    pub message: Option<String>,
    /// Prometheus and Loki: the rules they have; none when a pod that is ready gave no answer, so
    /// that nobody knows.
    pub rules: Option<Listing>,
}

/// The rules that the processes of a component have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files that every process lists that answers.
    pub files: BTreeSet<String>,
    /// Whether all of them run the wanted configuration. A file keeps its name when its content
    /// changes: listed by a process that does not, it may be the old one.
    pub proven: bool,
}

/// Delivers each configuration and says how it went. `touched` are the components whose
/// `ConfigMaps` or Secrets were just written: their pods are touched even where the proof holds
/// already, since a Secret is not part of it.
pub async fn deliver(
    client: &Client,
    backends: &Backends,
    stack: &Stack,
    deliveries: &[Delivery],
    touched: &BTreeSet<Component>,
) -> BTreeMap<Component, ConfigState> {
    let states = deliveries.iter().map(async |delivery| {
        let fresh = touched.contains(&delivery.component);
        let state = deliver_one(client, backends, stack, delivery, fresh).await;
        (delivery.component, state)
    });
    // The agent reads its configuration at its start, and a new one rolls its pods; Grafana's way
    // is its own.
    let others = touched.iter().filter(|component| {
        let delivered = deliveries.iter().any(|d| d.component == **component);
        let reads_files = !matches!(component, Component::Agent | Component::Grafana);
        !delivered && reads_files && !stack.paused
    });
    let projections = others.map(|component| project_files(client, stack, *component));
    let grafana = async {
        let delivery = render::grafana::delivery(stack)?;
        let fresh = touched.contains(&Component::Grafana);
        let state = grafana::deliver(client, backends, stack, &delivery, fresh).await;
        Some((Component::Grafana, state))
    };
    let (states, grafana, _) = futures::join!(join_all(states), grafana, join_all(projections));
    let mut states: BTreeMap<_, _> = states.into_iter().chain(grafana).collect();
    if let Some(loki) = stack
        .loki
        .as_ref()
        .filter(|loki| !loki.rule_files.is_empty())
    {
        let rules = loki_rules(client, backends, stack).await;
        debug!(
            wanted = loki.rule_files.len(),
            listed = rules.len(),
            "Asked Loki for its rules."
        );
        let state = ConfigState {
            loaded: true,
            rules: Some(Listing {
                files: rules,
                proven: true,
            }),
            ..ConfigState::default()
        };
        states.insert(Component::Loki, state);
    }
    states
}

/// The rule files that Loki's ruler lists; it polls for them.
async fn loki_rules(client: &Client, backends: &Backends, stack: &Stack) -> BTreeSet<String> {
    let pods = running_pods(client, stack, Component::Loki).await;
    let pods: Vec<PodRef> = pods.unwrap_or_default().iter().map(PodRef::of).collect();
    let port = flows::http_port(Component::Loki);
    let listings = pods.iter().map(|pod| backends.loki_rules(pod, port));
    in_all(join_all(listings).await.into_iter().filter_map(Result::ok))
}

async fn deliver_one(
    client: &Client,
    backends: &Backends,
    stack: &Stack,
    delivery: &Delivery,
    fresh: bool,
) -> ConfigState {
    let pods = match running_pods(client, stack, delivery.component).await {
        Ok(pods) => pods,
        Err(error) => {
            return ConfigState {
                hash: delivery.hash.clone(),
                message: Some(format!("cannot list the pods: {}", error::words(&error))),
                ..ConfigState::default()
            };
        }
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), &stack.namespace);
    let outcomes = pods.iter().map(|pod| {
        let courier = Courier {
            pods: &api,
            backends,
            delivery,
            rule_files: rule_files(stack, delivery),
            may_write: !stack.paused,
        };
        courier.deliver(pod, fresh)
    });
    let outcomes = join_all(outcomes).await;
    let desired = stack
        .workload(delivery.component)
        .map_or(0, |workload| workload.replicas);
    summarize(delivery, desired, outcomes)
}

/// The rule files that a delivery holds.
fn rule_files<'a>(stack: &'a Stack, delivery: &Delivery) -> Option<&'a BTreeMap<String, RuleFile>> {
    match delivery.proof {
        Proof::PrometheusConfigHolds(_) => stack.prometheus.as_ref().map(|p| &p.rule_files),
        Proof::AlertmanagerHash(_) => None,
    }
}

/// The component's pods that run and stay, by name.
async fn running_pods(
    client: &Client,
    stack: &Stack,
    component: Component,
) -> Result<Vec<Pod>, kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &stack.namespace);
    let mut pods = api.list(&selector(stack, component)).await?.items;
    pods.retain(|pod| {
        let status = pod.status.as_ref();
        let phase = status.and_then(|s| s.phase.as_deref());
        phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
    });
    pods.sort_by_key(ResourceExt::name_any);
    Ok(pods)
}

/// One state from what the pods said.
fn summarize(delivery: &Delivery, desired: i32, outcomes: Vec<Outcome>) -> ConfigState {
    let holding = outcomes.iter().filter(|outcome| outcome.holds).count();
    let enough = i32::try_from(holding).unwrap_or(i32::MAX) >= desired;
    let failing: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.holds).collect();
    let message = match failing.split_first() {
        Some((first, others)) => Some(match others.len() {
            0 => format!("pod {}: {}", first.pod, first.words),
            more => format!("pod {}: {} (and {more} more)", first.pod, first.words),
        }),
        None if enough => None,
        None => Some(format!("{holding} of {desired} pods run")),
    };
    let rules = listing(outcomes);
    ConfigState {
        hash: delivery.hash.clone(),
        loaded: enough && message.is_none(),
        message,
        rules,
    }
}

/// What the pods list. One that is not ready has nothing loaded that would matter; the silence of
/// one that is ready says nothing.
fn listing(outcomes: Vec<Outcome>) -> Option<Listing> {
    let silent = outcomes.iter().any(|outcome| outcome.ready);
    let (mut files, mut proven) = (Vec::new(), true);
    for outcome in outcomes {
        if let Some(listed) = outcome.rules {
            proven &= outcome.holds;
            files.push(listed);
        }
    }
    if files.is_empty() && silent {
        return None;
    }
    Some(Listing {
        proven: proven && !files.is_empty(),
        files: in_all(files.into_iter()),
    })
}

/// What is in every listing.
fn in_all(mut listings: impl Iterator<Item = BTreeSet<String>>) -> BTreeSet<String> {
    let first = listings.next().unwrap_or_default();
    listings.fold(first, |all, one| all.intersection(&one).cloned().collect())
}

/// Makes the kubelets project a component's files at once; its processes look by themselves.
async fn project_files(client: &Client, stack: &Stack, component: Component) {
    let pods = match running_pods(client, stack, component).await {
        Ok(pods) => pods,
        Err(error) => {
            warn!(component = component.name(), %error, "Cannot list the pods to touch.");
            return;
        }
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), &stack.namespace);
    let api = &api;
    stream::iter(pods)
        .for_each_concurrent(TOUCHES_AT_ONCE, async |pod| {
            let value = touch::next(touch::current(&pod), "files");
            if let Err(error) = touch::write(api, &pod.name_any(), &value).await {
                debug!(pod = pod.name_any(), %error, "Cannot touch the pod.");
            }
        })
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(pod: &str, holds: bool, rules: Option<&[&str]>) -> Outcome {
        Outcome {
            pod: pod.into(),
            ready: true,
            holds,
            words: if holds { "" } else { "yaml: line 3" }.into(),
            rules: rules.map(|rules| rules.iter().map(|&rule| rule.to_owned()).collect()),
        }
    }

    fn state(desired: i32, outcomes: Vec<Outcome>) -> ConfigState {
        let delivery = Delivery {
            component: Component::Prometheus,
            port: 9090,
            proof: Proof::PrometheusConfigHolds("h".into()),
            hash: "h".into(),
        };
        summarize(&delivery, desired, outcomes)
    }

    #[test]
    fn a_configuration_is_loaded_once_every_pod_that_should_run_has_it() {
        assert!(state(1, vec![outcome("a", true, None)]).loaded);
        let half = state(2, vec![outcome("a", true, None)]);
        assert!(!half.loaded);
        assert_eq!(half.message.as_deref(), Some("1 of 2 pods run"));
    }

    #[test]
    fn the_first_failing_pod_is_quoted_and_the_others_are_counted() {
        let outcomes = ["a", "b", "c"].map(|pod| outcome(pod, pod == "a", None));
        let state = state(1, outcomes.into());
        assert!(!state.loaded);
        let expected = "pod b: yaml: line 3 (and 1 more)";
        assert_eq!(state.message.as_deref(), Some(expected));
    }

    #[test]
    fn a_rule_counts_as_loaded_when_every_replica_that_answers_lists_it() {
        let outcomes = vec![
            outcome("a", true, Some(&["x.yaml", "y.yaml"])),
            outcome("b", false, None),
            outcome("c", true, Some(&["y.yaml", "z.yaml"])),
        ];
        let rules = state(3, outcomes).rules.unwrap();
        assert_eq!(rules.files, BTreeSet::from(["y.yaml".to_owned()]));
        assert!(rules.proven, "the one that does not answer says nothing");
    }

    #[test]
    fn what_a_process_lists_that_refused_the_new_configuration_is_no_proof() {
        let outcomes = vec![
            outcome("a", true, Some(&["x.yaml"])),
            outcome("b", false, Some(&["x.yaml"])),
        ];
        let rules = state(2, outcomes).rules.unwrap();
        assert!(rules.files.contains("x.yaml") && !rules.proven);
    }

    #[test]
    fn without_an_answer_nothing_is_loaded_unless_a_pod_that_is_ready_is_only_silent() {
        let silent = outcome("a", false, None);
        let starting = Outcome {
            ready: false,
            ..silent.clone()
        };
        assert_eq!(state(1, vec![starting]).rules, Some(Listing::default()));
        assert_eq!(state(1, vec![]).rules, Some(Listing::default()));
        assert_eq!(state(1, vec![silent]).rules, None);
    }
}
