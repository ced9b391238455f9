//! The scrape jobs of `prometheus.yml`, and how targets are discovered.

use serde::Serialize;

use super::super::{
    flows::{self, Port, Scrape},
    meta,
};
use crate::{api::component::Component, resolve::model::Stack};

const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What is kept of a kubelet's thousands of series: volumes, running pods, and what went wrong.
const KUBELET_METRICS: &str = "kubelet_volume_stats_.+|kubelet_running_(pods|containers)|\
    kubelet_node_name|kubelet_(evictions|started_pods|started_pods_errors|started_containers|\
    started_containers_errors|runtime_operations|runtime_operations_errors)_total";

/// A scrape job.
#[derive(Debug, Serialize)]
pub struct ScrapeConfig {
    job_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<Authorization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_config: Option<TlsConfig>,
    #[serde(flatten)]
    limits: Option<Limits>,
    kubernetes_sd_configs: Vec<KubernetesSd>,
    relabel_configs: Vec<Relabel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metric_relabel_configs: Vec<Relabel>,
}

impl ScrapeConfig {
    /// The job's name, the label `job` of its series.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.job_name
    }
}

/// What one scrape, one job and one label may be at most, so that no target can fill the store.
#[derive(Debug, Serialize)]
struct Limits {
    body_size_limit: &'static str,
    sample_limit: u64,
    target_limit: u64,
    label_limit: u64,
    label_name_length_limit: u64,
    label_value_length_limit: u64,
}

#[derive(Debug, Serialize)]
struct Authorization {
    credentials_file: &'static str,
}

#[derive(Debug, Serialize)]
struct TlsConfig {
    insecure_skip_verify: bool,
}

/// Targets found through the Kubernetes API.
#[derive(Debug, Serialize)]
pub struct KubernetesSd {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<Namespaces>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    selectors: Vec<Selector>,
}

#[derive(Debug, Serialize)]
struct Namespaces {
    names: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Selector {
    role: &'static str,
    label: String,
}

/// A step that rewrites, keeps or drops by labels.
#[derive(Debug, Default, Serialize)]
pub struct Relabel {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    source_labels: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_label: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
}

/// A job for every port of the stack that has metrics, and one for the kubelets.
#[must_use]
pub fn jobs(stack: &Stack) -> Vec<ScrapeConfig> {
    let own = flows::PORTS
        .iter()
        .filter(|port| stack.runs(port.component) && is_served(stack, port))
        .filter_map(|port| port.scrape.map(|scrape| own_job(stack, port, scrape)));
    let kubelet = stack.operator.cluster_wide.then(kubelet_job);
    own.chain(kubelet).collect()
}

/// Whether something listens: the agent opens no port for what it does not gather.
fn is_served(stack: &Stack, port: &Port) -> bool {
    let Some(agent) = stack
        .agent
        .as_ref()
        .filter(|_| port.component == Component::Agent)
    else {
        return true;
    };
    match port.name {
        flows::NODE => agent.config.node.is_some(),
        flows::CONTAINERS => agent.config.containers.is_some(),
        _ => true,
    }
}

/// A job for a port of the stack's own pods. All jobs have the same discovery, so that Prometheus
/// runs one watch for them all.
fn own_job(stack: &Stack, port: &Port, scrape: Scrape) -> ScrapeConfig {
    let mut relabel_configs = keep_port(port.component, port.name);
    if !scrape.of_others {
        relabel_configs.extend([
            copy("__meta_kubernetes_namespace", "namespace"),
            copy("__meta_kubernetes_pod_name", "pod"),
            copy("__meta_kubernetes_pod_container_name", "container"),
        ]);
    }
    relabel_configs.push(copy("__meta_kubernetes_pod_node_name", "node"));
    if scrape.by_node {
        relabel_configs.push(copy("__meta_kubernetes_pod_node_name", "instance"));
    }
    ScrapeConfig {
        job_name: scrape.job.into(),
        scheme: None,
        authorization: None,
        tls_config: None,
        limits: None,
        kubernetes_sd_configs: vec![own_pods(stack)],
        relabel_configs,
        metric_relabel_configs: Vec::new(),
    }
}

/// The kubelets know how full the volumes are. Their certificates are signed by themselves in most
/// clusters, so they are not verified.
fn kubelet_job() -> ScrapeConfig {
    ScrapeConfig {
        job_name: "kubelet".into(),
        scheme: Some("https"),
        authorization: Some(Authorization {
            credentials_file: TOKEN_FILE,
        }),
        tls_config: Some(TlsConfig {
            insecure_skip_verify: true,
        }),
        limits: Some(Limits {
            body_size_limit: "64MB",
            sample_limit: 20_000,
            target_limit: 5_000,
            label_limit: 64,
            label_name_length_limit: 256,
            label_value_length_limit: 1_024,
        }),
        kubernetes_sd_configs: vec![KubernetesSd {
            role: "node",
            namespaces: None,
            selectors: Vec::new(),
        }],
        relabel_configs: vec![copy("__meta_kubernetes_node_name", "node")],
        metric_relabel_configs: vec![Relabel {
            source_labels: vec!["__name__"],
            regex: Some(KUBELET_METRICS.into()),
            action: Some("keep"),
            ..Relabel::default()
        }],
    }
}

/// The pods of the stack, found through the API by their labels.
#[must_use]
pub fn own_pods(stack: &Stack) -> KubernetesSd {
    KubernetesSd {
        role: "pod",
        namespaces: Some(Namespaces {
            names: vec![stack.namespace.clone()],
        }),
        selectors: vec![Selector {
            role: "pod",
            label: format!(
                "{}={},{}={}",
                meta::INSTANCE_LABEL,
                stack.name,
                meta::MANAGED_BY_LABEL,
                meta::MANAGER
            ),
        }],
    }
}

/// Discovery gives one target for each port of each container, init containers too: the port's name
/// picks the one. A pod that has ended keeps its address for a while.
#[must_use]
pub fn keep_port(component: Component, port: &str) -> Vec<Relabel> {
    vec![
        Relabel {
            source_labels: vec![
                "__meta_kubernetes_pod_label_app_kubernetes_io_component",
                "__meta_kubernetes_pod_container_port_name",
            ],
            regex: Some(format!("{};{port}", component.name())),
            action: Some("keep"),
            ..Relabel::default()
        },
        Relabel {
            source_labels: vec!["__meta_kubernetes_pod_phase"],
            regex: Some("Failed|Succeeded".into()),
            action: Some("drop"),
            ..Relabel::default()
        },
    ]
}

/// Removes a label.
#[must_use]
pub fn drop_label(label: &str) -> Relabel {
    Relabel {
        regex: Some(label.into()),
        action: Some("labeldrop"),
        ..Relabel::default()
    }
}

fn copy(from: &'static str, to: &'static str) -> Relabel {
    Relabel {
        source_labels: vec![from],
        target_label: Some(to),
        ..Relabel::default()
    }
}
