//! What the pods of all components share: hardening, probes, placement.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::{
    api::core::v1::{
        Affinity, Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction,
        LocalObjectReference, ObjectFieldSelector, PodAffinityTerm, PodAntiAffinity,
        PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
        SecurityContext, Toleration, Volume, VolumeMount, WeightedPodAffinityTerm,
    },
    apimachinery::pkg::{
        api::resource::Quantity, apis::meta::v1::LabelSelector, util::intstr::IntOrString,
    },
};

use super::{flows, meta};
use crate::{
    api::{
        component::Component,
        value::{self, TaintEffect, TolerationOperator},
    },
    resolve::model::{Stack, Workload},
};

/// Startup is asked this often, in seconds: a fast start shows fast.
const STARTUP_PERIOD: i32 = 3;

/// Whom a pod runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// A user and group of this number, which also own the volumes.
    NonRoot(i64),
    /// Uid 0 with the one capability to read what any user of the node has: Kubernetes gives
    /// added capabilities to nobody else, since it sets no ambient ones.
    RootReader,
}

/// What differs between the pods of the components.
pub struct Pod {
    /// Whom it runs as.
    pub user: User,
    /// Arguments of the image's entry point.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<EnvVar>,
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// Where they are mounted.
    pub mounts: Vec<VolumeMount>,
    /// How its health is asked.
    pub probes: Probes,
    /// Whether it talks to the Kubernetes API.
    pub api_token: bool,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: i64,
    /// A hash of the configuration that is read at the start only.
    pub config_hash: Option<String>,
}

/// The paths that tell a container's health.
#[derive(Clone, Debug)]
pub struct Probes {
    /// The name of the port.
    pub port: &'static str,
    /// Answers once the start is over.
    pub startup: Cow<'static, str>,
    /// Answers while requests are taken.
    pub readiness: Cow<'static, str>,
    /// Answers as long as a restart would not help.
    pub liveness: Cow<'static, str>,
    /// How long a start may take, in seconds.
    pub startup_seconds: i32,
}

/// The pod template of a component: one container named after it.
#[must_use]
pub fn template(
    stack: &Stack,
    component: Component,
    workload: &Workload,
    pod: Pod,
) -> PodTemplateSpec {
    let metadata = meta::pod(stack, component, pod.config_hash.clone());
    let spec = PodSpec {
        service_account_name: Some(stack.child_name(component)),
        automount_service_account_token: Some(pod.api_token),
        // Service links would put a variable for every Service of the namespace in the environment.
        enable_service_links: Some(false),
        security_context: Some(pod_security(pod.user)),
        termination_grace_period_seconds: Some(pod.grace_seconds),
        affinity: (workload.replicas > 1).then(|| spread(stack, component)),
        node_selector: non_empty_map(&workload.node_selector),
        tolerations: non_empty(workload.tolerations.iter().map(toleration).collect()),
        priority_class_name: workload.priority_class_name.clone(),
        image_pull_secrets: non_empty(
            stack
                .image_pull_secrets
                .iter()
                .map(|name| LocalObjectReference { name: name.clone() })
                .collect(),
        ),
        volumes: Some(pod.volumes.clone()),
        containers: vec![container(component, workload, pod)],
        ..PodSpec::default()
    };
    PodTemplateSpec {
        metadata: Some(metadata),
        spec: Some(spec),
    }
}

fn container(component: Component, workload: &Workload, pod: Pod) -> Container {
    let probes = &pod.probes;
    Container {
        name: component.name().into(),
        image: Some(workload.image.clone()),
        args: non_empty(pod.args),
        env: non_empty(pod.env),
        ports: Some(container_ports(component)),
        resources: Some(resources(workload)),
        security_context: Some(container_security(pod.user)),
        startup_probe: Some(Probe {
            failure_threshold: Some(probes.startup_seconds / STARTUP_PERIOD),
            ..probe(probes, &probes.startup, STARTUP_PERIOD)
        }),
        readiness_probe: Some(probe(probes, &probes.readiness, 5)),
        liveness_probe: Some(Probe {
            failure_threshold: Some(6),
            ..probe(probes, &probes.liveness, 10)
        }),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(pod.mounts),
        ..Container::default()
    }
}

fn container_ports(component: Component) -> Vec<ContainerPort> {
    flows::ports(component)
        .map(|port| ContainerPort {
            name: Some(port.name.into()),
            container_port: port.number.into(),
            protocol: Some(port.protocol.name().into()),
            ..ContainerPort::default()
        })
        .collect()
}

fn probe(probes: &Probes, path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(probes.port.into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(3),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

fn resources(workload: &Workload) -> ResourceRequirements {
    let quantities = |amounts: &BTreeMap<String, String>| {
        let quantities = amounts
            .iter()
            .map(|(name, amount)| (name.clone(), Quantity(amount.clone())))
            .collect();
        non_empty_map(&quantities)
    };
    ResourceRequirements {
        requests: quantities(&workload.resources.requests),
        limits: quantities(&workload.resources.limits),
        ..ResourceRequirements::default()
    }
}

fn pod_security(user: User) -> PodSecurityContext {
    let seccomp_profile = Some(SeccompProfile {
        type_: "RuntimeDefault".into(),
        ..SeccompProfile::default()
    });
    match user {
        User::NonRoot(id) => PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(id),
            run_as_group: Some(id),
            fs_group: Some(id),
            // Walking a whole volume at every start takes minutes.
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile,
            ..PodSecurityContext::default()
        },
        User::RootReader => PodSecurityContext {
            run_as_user: Some(0),
            run_as_group: Some(0),
            seccomp_profile,
            ..PodSecurityContext::default()
        },
    }
}

fn container_security(user: User) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".into()]),
            add: (user == User::RootReader).then(|| vec!["DAC_READ_SEARCH".into()]),
        }),
        ..SecurityContext::default()
    }
}

/// Replicas keep away from each other where they can, and still all run on a single node.
fn spread(stack: &Stack, component: Component) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: PodAffinityTerm {
                        topology_key: "kubernetes.io/hostname".into(),
                        label_selector: Some(LabelSelector {
                            match_labels: Some(meta::selector(stack, component)),
                            ..LabelSelector::default()
                        }),
                        ..PodAffinityTerm::default()
                    },
                },
            ]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn toleration(toleration: &value::Toleration) -> Toleration {
    let operator = toleration.operator.map(|operator| match operator {
        TolerationOperator::Exists => "Exists",
        TolerationOperator::Equal => "Equal",
    });
    let effect = toleration.effect.map(|effect| match effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    });
    Toleration {
        key: toleration.key.clone(),
        operator: operator.map(Into::into),
        value: toleration.value.clone(),
        effect: effect.map(Into::into),
        ..Toleration::default()
    }
}

/// A variable with a value.
#[must_use]
pub fn env(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(value.into()),
        ..EnvVar::default()
    }
}

/// A variable with a field of the pod.
#[must_use]
pub fn env_field(name: &str, field: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: field.into(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn non_empty_map<V: Clone>(map: &BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then(|| map.clone())
}
