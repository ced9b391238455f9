//! The scrape jobs of `prometheus.yml`, and how targets are discovered.

use serde::Serialize;

use super::{
    super::{
        flows::{self, Port, Scrape},
        meta, network,
    },
    annotated,
};
use crate::{api::component::Component, resolve::model::Stack};

const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What is kept of a kubelet's thousands of series: volumes, running pods, and what went wrong.
const KUBELET_METRICS: &str = "kubelet_volume_stats_.+|kubelet_running_(pods|containers)|\
    kubelet_node_name|kubelet_(evictions|started_pods|started_pods_errors|started_containers|\
    started_containers_errors|runtime_operations|runtime_operations_errors)_total";

/// A scrape job.
#[derive(Debug, Default, Serialize)]
pub struct ScrapeConfig {
    job_name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    honor_labels: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<Authorization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_config: Option<TlsConfig>,
    #[serde(flatten)]
    limits: Option<Limits>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kubernetes_sd_configs: Vec<KubernetesSd>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_sd_configs: Vec<DnsSd>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    static_configs: Vec<StaticTargets>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
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

    /// A job for targets that are not the stack's own: bounded.
    pub(super) fn of_others(name: &str, found: KubernetesSd, relabel: Vec<Relabel>) -> Self {
        Self {
            job_name: name.into(),
            limits: Some(LIMITS),
            kubernetes_sd_configs: vec![found],
            relabel_configs: relabel,
            ..Self::default()
        }
    }
}

/// What one scrape, one job and one label may be at most, so that no target can fill the store.
#[derive(Debug, Serialize)]
pub(super) struct Limits {
    pub body_size_limit: &'static str,
    pub sample_limit: u64,
    pub target_limit: u64,
    pub label_limit: u64,
    pub label_name_length_limit: u64,
    pub label_value_length_limit: u64,
}

/// Targets found by a name that has an address for each.
#[derive(Debug, Serialize)]
struct DnsSd {
    names: Vec<String>,
    #[serde(rename = "type")]
    record: &'static str,
    port: u16,
}

/// Targets that are named.
#[derive(Debug, Serialize)]
struct StaticTargets {
    targets: Vec<String>,
}
/// For what is not the stack's own.
pub(super) const LIMITS: Limits = Limits {
    body_size_limit: "64MB",
    sample_limit: 20_000,
    target_limit: 5_000,
    label_limit: 64,
    label_name_length_limit: 256,
    label_value_length_limit: 1_024,
};

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
    /// Every namespace when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<Namespaces>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    selectors: Vec<Selector>,
}

impl KubernetesSd {
    /// Everything of a kind in these namespaces; none: in all.
    pub(super) fn everything(role: &'static str, namespaces: Option<Vec<String>>) -> Self {
        Self {
            role,
            namespaces: namespaces.map(|names| Namespaces { names }),
            selectors: Vec::new(),
        }
    }
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
    replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
}

impl Relabel {
    /// Goes on with targets whose labels, joined by `;`, the expression fits as a whole.
    pub fn keep(source_labels: &[&'static str], regex: &str) -> Self {
        Self::by(source_labels, regex, "keep")
    }

    /// Leaves such targets out.
    pub fn drop(source_labels: &[&'static str], regex: &str) -> Self {
        Self::by(source_labels, regex, "drop")
    }

    fn by(source_labels: &[&'static str], regex: &str, action: &'static str) -> Self {
        Self {
            source_labels: source_labels.into(),
            regex: Some(regex.into()),
            action: Some(action),
            ..Self::default()
        }
    }

    /// Writes a label of such targets; without `replacement` the expression's first group.
    pub fn write(
        source_labels: &[&'static str],
        regex: &str,
        target_label: &'static str,
        replacement: Option<&'static str>,
    ) -> Self {
        Self {
            source_labels: source_labels.into(),
            regex: Some(regex.into()),
            target_label: Some(target_label),
            replacement: replacement.map(str::to_owned),
            action: None,
        }
    }
}

/// A job for every port of the stack that has metrics, and one for the kubelets.
#[must_use]
pub fn jobs(stack: &Stack) -> Vec<ScrapeConfig> {
    let own = flows::PORTS
        .iter()
        .filter(|port| stack.runs(port.component) && is_served(stack, port))
        .filter_map(|port| port.scrape.map(|scrape| own_job(stack, port, scrape)));
    let kubelet = stack.operator.cluster_wide.then(kubelet_job);
    own.chain(postgres_job(stack))
        .chain(kubelet)
        .chain(operator_job(stack))
        .chain(annotated::jobs(stack))
        .collect()
}

/// Whether something listens: the agent opens no port for what it does not gather.
fn is_served(stack: &Stack, port: &Port) -> bool {
    let Some(agent) = stack
        .agent
        .as_ref()
        .filter(|_| port.component == Component::Agent)
    else {
        // Of one that is held nothing is known but what every agent has.
        return port.name != flows::POSTGRES;
    };
    match port.name {
        flows::NODE => agent.config.node.is_some(),
        flows::CONTAINERS => agent.config.containers.is_some(),
        // What is asked for by name has a job of its own.
        flows::POSTGRES => {
            let postgres = agent.config.postgres.as_ref();
            postgres.is_some_and(|postgres| postgres.discover.is_some())
        }
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
        metrics_path: metrics_path(stack, port.component),
        honor_labels: scrape.own_instance,
        kubernetes_sd_configs: vec![own_pods(stack)],
        relabel_configs,
        ..ScrapeConfig::default()
    }
}

/// Where the metrics are, if not at `/metrics`: Grafana sends who asks outside of its path to its
/// public address.
fn metrics_path(stack: &Stack, component: Component) -> Option<String> {
    let grafana = stack
        .grafana
        .as_ref()
        .filter(|_| component == Component::Grafana)?;
    (!grafana.sub_path.is_empty()).then(|| format!("{}/metrics", grafana.sub_path))
}

/// The PostgreSQL servers that are configured by name. Every agent knows all of them; the Service
/// picks one that is ready, and the next when that one goes, without a word from the operator.
fn postgres_job(stack: &Stack) -> Option<ScrapeConfig> {
    let agent = stack.agent.as_ref()?;
    let targets = &agent.config.postgres.as_ref()?.targets;
    let port = flows::ports(Component::Agent).find(|port| port.name == flows::POSTGRES)?;
    let service = network::host(stack, Component::Agent);
    let fixed = |label, value: String| Relabel {
        target_label: Some(label),
        replacement: Some(value),
        ..Relabel::default()
    };
    (!targets.is_empty()).then(|| ScrapeConfig {
        job_name: flows::POSTGRES_TARGETS_JOB.into(),
        metrics_path: Some("/probe".to_owned()),
        static_configs: vec![StaticTargets {
            targets: targets.iter().map(|target| target.name.clone()).collect(),
        }],
        relabel_configs: vec![
            copy("__address__", "__param_target"),
            copy("__address__", "instance"),
            // Names of jobs are unique in the file; dashboards ask for this one.
            fixed("job", flows::POSTGRES_JOB.to_owned()),
            fixed("__address__", format!("{service}:{}", port.number)),
        ],
        ..ScrapeConfig::default()
    })
}

/// The operator, found by the name of its headless Service: that takes no right in its namespace.
fn operator_job(stack: &Stack) -> Option<ScrapeConfig> {
    let operator = &stack.operator;
    let service = operator.metrics_service.as_ref()?;
    let name = format!(
        "{service}.{}.svc.{}",
        operator.namespace, operator.cluster_domain
    );
    Some(ScrapeConfig {
        job_name: flows::OPERATOR_JOB.into(),
        dns_sd_configs: vec![DnsSd {
            names: vec![name],
            record: "A",
            port: flows::OPERATOR_PORT,
        }],
        ..ScrapeConfig::default()
    })
}

/// The kubelets know how full the volumes are. Their certificates are signed by themselves in most
/// clusters, so they are not verified.
fn kubelet_job() -> ScrapeConfig {
    ScrapeConfig {
        job_name: "kubelet".into(),
        honor_labels: false,
        metrics_path: None,
        scheme: Some("https"),
        authorization: Some(Authorization {
            credentials_file: TOKEN_FILE,
        }),
        tls_config: Some(TlsConfig {
            insecure_skip_verify: true,
        }),
        limits: Some(LIMITS),
        kubernetes_sd_configs: vec![KubernetesSd {
            role: "node",
            namespaces: None,
            selectors: Vec::new(),
        }],
        relabel_configs: vec![copy("__meta_kubernetes_node_name", "node")],
        metric_relabel_configs: vec![Relabel::keep(&["__name__"], KUBELET_METRICS)],
        ..ScrapeConfig::default()
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
/// picks the one.
#[must_use]
pub fn keep_port(component: Component, port: &str) -> Vec<Relabel> {
    let of_port = [
        "__meta_kubernetes_pod_label_app_kubernetes_io_component",
        "__meta_kubernetes_pod_container_port_name",
    ];
    vec![
        Relabel::keep(&of_port, &format!("{};{port}", component.name())),
        drop_ended_pods(),
    ]
}

/// A pod that has ended keeps its address for a while.
pub(super) fn drop_ended_pods() -> Relabel {
    Relabel::drop(&["__meta_kubernetes_pod_phase"], "Failed|Succeeded")
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

/// Copies a label.
pub(super) fn copy(from: &'static str, to: &'static str) -> Relabel {
    Relabel {
        source_labels: vec![from],
        target_label: Some(to),
        ..Relabel::default()
    }
}
