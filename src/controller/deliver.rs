//! Config delivery: make the running processes load what was applied, and believe only what they
//! say themselves.
//!
//! The kubelet projects a changed `ConfigMap` when it next looks at the pod, which may take more
//! than a minute. A changed annotation on the pod makes it look at once; 0.1 to 0.2 s later the
//! file is there. Nothing tells when: a reload that comes too early succeeds with the old content.
//! So each pod is asked for the proof, reloaded and asked again, until it holds or time is up.

pub mod crash;
pub mod grafana;
pub mod known;
mod loki;
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
    backend::{
        Backends,
        rules::{Groups, in_all},
    },
    error,
    observe::selector,
};
use crate::{
    api::component::Component,
    render::{self, Delivery, Proof, flows},
    resolve::model::{RuleFiles, Stack},
};
use crash::Crash;
use known::Known;
use loki::Settling;
use pod::{Courier, Outcome, identity};

/// One reconcile waits this long at most; the next one goes on.
const PATIENCE: Duration = Duration::from_secs(3);
/// This many pods without a delivery are touched at the same time.
const TOUCHES_AT_ONCE: usize = 8;

/// Brings configurations to processes, and remembers what they said. Clones share it.
#[derive(Clone)]
pub struct Deliverer {
    client: Client,
    backends: Backends,
    known: Known,
    settling: Settling,
}

/// Whether the processes of a component run the wanted configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigState {
    /// The hash of the wanted configuration file; empty for Loki, which looks for its rules by itself.
    pub hash: String,
    /// Whether every pod that should run has loaded it.
    pub loaded: bool,
    /// Why not, in the process's own words.
    pub message: Option<String>,
    /// Whether a process had the new files and refused them; `message` has its words then.
    pub refused: bool,
    /// Prometheus: the last start of a pod that failed over what it reads.
    pub crash: Option<Crash>,
    /// Prometheus and Loki: the rules they have; none when a pod that is ready gave no answer, so
    /// that nobody knows.
    pub rules: Option<Listing>,
}

/// The rules that the processes of a component have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The groups that every process lists that answers, by file.
    pub groups: Groups,
}

impl Deliverer {
    /// Has seen nothing yet.
    #[must_use]
    pub fn new(client: Client, backends: Backends) -> Self {
        Self {
            client,
            backends,
            known: Known::default(),
            settling: Settling::default(),
        }
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &str) {
        self.known.forget(stack);
        self.settling.forget(stack);
    }

    /// Delivers each configuration and says how it went. `touched` are the components whose
    /// `ConfigMaps` or Secrets were just written: their pods are touched even where the proof holds
    /// already, since a Secret is not part of it.
    pub async fn deliver(
        &self,
        stack: &Stack,
        deliveries: &[Delivery],
        touched: &BTreeSet<Component>,
    ) -> BTreeMap<Component, ConfigState> {
        let states = deliveries.iter().map(async |delivery| {
            let fresh = touched.contains(&delivery.component);
            let state = self.deliver_one(stack, delivery, fresh).await;
            (delivery.component, state)
        });
        // The agent reads its configuration at its start, and a new one rolls its pods; Grafana's
        // way is its own.
        let others = touched.iter().filter(|component| {
            let delivered = deliveries.iter().any(|d| d.component == **component);
            let reads_files = !matches!(component, Component::Agent | Component::Grafana);
            !delivered && reads_files && !stack.paused
        });
        let projections = others.map(|component| project_files(&self.client, stack, *component));
        let grafana = self.deliver_grafana(stack, touched);
        let (states, grafana, _) = futures::join!(join_all(states), grafana, join_all(projections));
        let mut states: BTreeMap<_, _> = states.into_iter().chain(grafana).collect();
        // Without rules there is nothing to ask for.
        if let Some(loki) = stack.loki.as_ref().filter(|it| !it.rule_files.is_empty()) {
            let pods = running_pods(&self.client, stack, Component::Loki).await;
            let pods = pods.unwrap_or_default();
            let port = flows::http_port(Component::Loki);
            let asked = loki::listing(
                &self.backends,
                &self.settling,
                &stack.uid,
                loki,
                &pods,
                port,
            );
            let state = ConfigState {
                loaded: true,
                rules: asked.await,
                ..ConfigState::default()
            };
            states.insert(Component::Loki, state);
        }
        states
    }

    async fn deliver_grafana(
        &self,
        stack: &Stack,
        touched: &BTreeSet<Component>,
    ) -> Option<(Component, ConfigState)> {
        let delivery = render::grafana::delivery(stack)?;
        let fresh = touched.contains(&Component::Grafana);
        let state = grafana::deliver(&self.client, &self.backends, stack, &delivery, fresh).await;
        Some((Component::Grafana, state))
    }

    async fn deliver_one(&self, stack: &Stack, delivery: &Delivery, fresh: bool) -> ConfigState {
        let pods = match running_pods(&self.client, stack, delivery.component).await {
            Ok(pods) => pods,
            Err(error) => {
                return ConfigState {
                    hash: delivery.file_hash().to_owned(),
                    message: Some(format!("cannot list the pods: {}", error::words(&error))),
                    ..ConfigState::default()
                };
            }
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &stack.namespace);
        let rule_files = rule_files(stack, delivery);
        if rule_files.is_some() {
            let pods: Vec<_> = pods.iter().map(identity).collect();
            self.known.keep(&stack.uid, &pods);
        }
        let outcomes = pods.iter().map(|pod| {
            let courier = Courier {
                pods: &api,
                backends: &self.backends,
                known: &self.known,
                stack: &stack.uid,
                delivery,
                rule_files: rule_files.as_ref(),
                may_write: !stack.paused,
            };
            courier.deliver(pod, fresh)
        });
        let outcomes = join_all(outcomes).await;
        let desired = stack
            .workload(delivery.component)
            .map_or(0, |workload| workload.replicas);
        let crashes = pods.iter().filter_map(crash::of);
        let crash = rule_files.and(crashes.max_by_key(|crash| crash.started));
        ConfigState {
            crash,
            ..summarize(delivery, desired, &outcomes)
        }
    }
}

/// The rule files that a delivery holds.
fn rule_files(stack: &Stack, delivery: &Delivery) -> Option<RuleFiles> {
    match delivery.proof {
        Proof::PrometheusConfigHolds(_) => {
            let prometheus = stack.prometheus.as_ref()?;
            Some(render::rule_files(stack, prometheus))
        }
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
fn summarize(delivery: &Delivery, desired: i32, outcomes: &[Outcome]) -> ConfigState {
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
    let refused = failing.iter().any(|outcome| outcome.refused);
    let rules = listing(outcomes);
    ConfigState {
        hash: delivery.file_hash().to_owned(),
        loaded: enough && message.is_none(),
        message,
        refused,
        crash: None,
        rules,
    }
}

/// What the pods list. One that is not ready has nothing loaded that would matter; the silence of
/// one that is ready says nothing.
fn listing(outcomes: &[Outcome]) -> Option<Listing> {
    let silent = outcomes.iter().any(|outcome| outcome.ready);
    let listed: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.rules.as_deref())
        .collect();
    if listed.is_empty() && silent {
        return None;
    }
    Some(Listing {
        groups: in_all(listed.into_iter().cloned()),
    })
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
    use std::sync::Arc;

    use super::*;
    use crate::controller::backend::rules::Group;

    fn outcome(pod: &str, holds: bool, rules: Option<&[&str]>) -> Outcome {
        Outcome {
            pod: pod.into(),
            ready: true,
            holds,
            words: if holds { "" } else { "yaml: line 3" }.into(),
            refused: false,
            rules: rules.map(|rules| {
                let group = |rule: &&str| ((*rule).into(), Group::default());
                Arc::new(rules.iter().map(group).collect())
            }),
        }
    }

    fn state(desired: i32, outcomes: &[Outcome]) -> ConfigState {
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
        assert!(state(1, &[outcome("a", true, None)]).loaded);
        let half = state(2, &[outcome("a", true, None)]);
        assert!(!half.loaded);
        assert_eq!(half.message.as_deref(), Some("1 of 2 pods run"));
    }

    #[test]
    fn the_first_failing_pod_is_quoted_and_the_others_are_counted() {
        let outcomes = ["a", "b", "c"].map(|pod| outcome(pod, pod == "a", None));
        let state = state(1, &outcomes);
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
        let rules = state(3, &outcomes).rules.unwrap();
        assert!(rules.groups.keys().eq([&"y.yaml".into()]));
    }

    #[test]
    fn without_an_answer_nothing_is_loaded_unless_a_pod_that_is_ready_is_only_silent() {
        let silent = outcome("a", false, None);
        let starting = Outcome {
            ready: false,
            ..silent.clone()
        };
        assert_eq!(state(1, &[starting]).rules, Some(Listing::default()));
        assert_eq!(state(1, &[]).rules, Some(Listing::default()));
        assert_eq!(state(1, &[silent]).rules, None);
    }
}
