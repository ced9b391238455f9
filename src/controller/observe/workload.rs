//! One view of StatefulSets, Deployments and DaemonSets.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::ResourceExt;

use crate::api::component::Component;

/// How far a workload is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkloadState {
    /// StatefulSet, Deployment or DaemonSet.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its uid; events name it.
    pub uid: String,
    /// Pods there should be.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods made from the newest template.
    pub updated: i32,
    /// Pods of an older template that still run beside the newer ones.
    pub outdated: i32,
    /// Whether these numbers speak of the newest specification.
    pub caught_up: bool,
    /// Why no pod could be made, in the API server's words.
    pub refusal: Option<String>,
}

/// The kind of a component's workload.
#[must_use]
pub const fn kind(component: Component) -> &'static str {
    match component {
        Component::Prometheus | Component::Alertmanager | Component::Loki => "StatefulSet",
        Component::Grafana => "Deployment",
        Component::Agent => "DaemonSet",
    }
}

impl WorkloadState {
    /// Whether every pod is ready and made from the newest template.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.caught_up
            && self.ready >= self.desired
            && self.updated >= self.desired
            && self.outdated == 0
    }

    /// Whether pods are still being replaced.
    #[must_use]
    pub const fn is_rolling(&self) -> bool {
        !self.caught_up || self.updated < self.desired || self.outdated > 0
    }
}

/// Whether the controller has seen the newest specification.
fn caught_up(generation: Option<i64>, observed: Option<i64>) -> bool {
    observed.unwrap_or(0) >= generation.unwrap_or(0)
}

impl From<&StatefulSet> for WorkloadState {
    fn from(set: &StatefulSet) -> Self {
        let status = set.status.clone().unwrap_or_default();
        Self {
            kind: "StatefulSet",
            name: set.name_any(),
            uid: set.uid().unwrap_or_default(),
            desired: set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
            ready: status.ready_replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            outdated: 0,
            caught_up: caught_up(set.metadata.generation, status.observed_generation),
            refusal: None,
        }
    }
}

impl From<&Deployment> for WorkloadState {
    fn from(deployment: &Deployment) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        let updated = status.updated_replicas.unwrap_or(0);
        let refused = status.conditions.unwrap_or_default().into_iter();
        let refusal = refused
            .filter(|c| c.type_ == "ReplicaFailure" && c.status == "True")
            .find_map(|c| c.message);
        Self {
            kind: "Deployment",
            name: deployment.name_any(),
            uid: deployment.uid().unwrap_or_default(),
            desired: deployment
                .spec
                .as_ref()
                .and_then(|s| s.replicas)
                .unwrap_or(1),
            ready: status.ready_replicas.unwrap_or(0),
            updated,
            outdated: status.replicas.unwrap_or(0).saturating_sub(updated).max(0),
            caught_up: caught_up(deployment.metadata.generation, status.observed_generation),
            refusal,
        }
    }
}

impl From<&DaemonSet> for WorkloadState {
    fn from(set: &DaemonSet) -> Self {
        let status = set.status.clone().unwrap_or_default();
        Self {
            kind: "DaemonSet",
            name: set.name_any(),
            uid: set.uid().unwrap_or_default(),
            desired: status.desired_number_scheduled,
            ready: status.number_ready,
            updated: status.updated_number_scheduled.unwrap_or(0),
            outdated: 0,
            caught_up: caught_up(set.metadata.generation, status.observed_generation),
            refusal: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stateful_set(generation: i64, status: &serde_json::Value) -> WorkloadState {
        let set: StatefulSet = serde_json::from_value(json!({
            "metadata": {"name": "shop-prometheus", "uid": "u", "generation": generation},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
            "status": status,
        }))
        .unwrap();
        (&set).into()
    }

    #[test]
    fn a_workload_is_healthy_only_once_its_controller_has_seen_the_newest_specification() {
        let numbers = |observed: i64| json!({"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "observedGeneration": observed});
        assert!(!stateful_set(3, &numbers(2)).is_healthy());
        assert!(stateful_set(3, &numbers(3)).is_healthy());
        assert!(!stateful_set(1, &json!({"replicas": 0})).is_healthy());
    }

    #[test]
    fn ready_pods_of_the_old_template_are_a_rollout() {
        let state = stateful_set(
            3,
            &json!({"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1, "observedGeneration": 3}),
        );
        assert!(!state.is_healthy());
        assert!(state.is_rolling());
    }

    #[test]
    fn a_deployment_tells_why_it_got_no_pods_and_which_are_left_over() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "shop-grafana", "uid": "u", "generation": 2},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "observedGeneration": 2,
                "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                    "message": "pods \"x\" is forbidden: exceeded quota"}]},
        }))
        .unwrap();
        let state = WorkloadState::from(&deployment);
        assert_eq!((state.outdated, state.is_healthy()), (1, false));
        assert_eq!(
            state.refusal.as_deref(),
            Some("pods \"x\" is forbidden: exceeded quota")
        );
    }

    #[test]
    fn a_daemon_set_wants_a_pod_on_every_node_its_controller_counted() {
        let set: DaemonSet = serde_json::from_value(json!({
            "metadata": {"name": "shop-agent", "uid": "u", "generation": 1},
            "spec": {"selector": {}, "template": {}},
            "status": {"desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0,
                "numberReady": 2, "updatedNumberScheduled": 3, "observedGeneration": 1},
        }))
        .unwrap();
        let state = WorkloadState::from(&set);
        assert_eq!(
            (state.desired, state.ready, state.is_rolling()),
            (3, 2, false)
        );
    }
}
