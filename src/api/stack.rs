//! `MonitoringStack`: the one resource a cluster's monitoring is made from.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    agent::AgentSpec,
    alerting::AlertingSpec,
    dashboards::{DashboardSelector, IngressSpec, ShippedSpec},
    discovery::DiscoverySpec,
    external_loki::ExternalLokiSpec,
    status::StackStatus,
    value::{
        Duration, ImageReference, ImageVersion, NamespaceSelector, Quantity, Resources, Scheduling,
        SecretKeyRef, SecretRef, Storage,
    },
};

/// A monitoring stack: Prometheus, Alertmanager, Loki, Grafana and the agent on every node.
/// An empty specification is a complete, working stack.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "masthead.dev",
    version = "v1alpha1",
    kind = "MonitoringStack",
    plural = "monitoringstacks",
    shortname = "mstk",
    category = "masthead",
    namespaced,
    status = "StackStatus",
    derive = "PartialEq",
    derive = "Default",
    cel,
    doc = "A monitoring stack: Prometheus, Alertmanager, Loki, Grafana and the agent on every node. `spec: {}` is a complete one.",
    validation = Rule::new("size(self.metadata.name) <= 39").message("metadata.name: at most 39 characters, so that the names of the stack's objects fit"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name: letters, digits and dashes, starting with a letter, since Services are named after it"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Metrics", type_ = "string", json_path = ".status.summary.metrics"),
    printcolumn(name = "Logs", type_ = "string", json_path = ".status.summary.logs"),
    printcolumn(name = "Dashboards", type_ = "string", json_path = ".status.summary.dashboards"),
    printcolumn(name = "Alerting", type_ = "string", json_path = ".status.summary.alerting"),
    printcolumn(name = "Agent", type_ = "string", json_path = ".status.summary.agent"),
    printcolumn(name = "Targets", type_ = "string", json_path = ".status.summary.targets"),
    printcolumn(name = "Rules", type_ = "string", json_path = ".status.summary.rules"),
    printcolumn(name = "Firing", type_ = "integer", json_path = ".status.rules.firing"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
// Server-side apply leaves null where the last field was taken away; a default makes that `{}`.
#[schemars(extend("default" = {}))]
pub struct MonitoringStackSpec {
    /// What Prometheus scrapes beside the stack itself: annotated Pods and Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoverySpec>,
    /// Metrics: Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsSpec>,
    /// Logs: Loki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogsSpec>,
    /// Dashboards: Grafana.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboards: Option<DashboardsSpec>,
    /// Alerting: Alertmanager, where notifications go and which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerting: Option<AlertingSpec>,
    /// Masthead's own collector on every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentSpec>,
    /// Who may talk to the stack, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SecuritySpec>,
    /// Which nodes the stores and dashboards may run on; the agent has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Secrets that pull the images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<SecretRef>,
    /// Leave every object of the stack as it is, until this is false again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsSpec {
    /// Whether there is a Prometheus; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The whole image reference, for a registry of one's own. Needs `version` when its tag does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// The version of Prometheus, such as 3.14.0; 3.0.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ImageVersion>,
    /// How many, each scraping everything; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub replicas: Option<i32>,
    /// How long samples are kept; 30d when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
    /// How many bytes of blocks are kept; 80 % of the volume when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_size: Option<Quantity>,
    /// How often targets are scraped and rules evaluated; 15s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrape_interval: Option<Duration>,
    /// The volume of each replica; 20Gi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// 256Mi reserved and 512Mi at most when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Labels on everything that leaves this Prometheus: alerts, remote writes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "default" = {}))]
    pub external_labels: BTreeMap<String, ExternalLabelValue>,
    /// Where samples are sent as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub remote_write: Vec<RemoteWrite>,
}

/// The value of an external label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ExternalLabelValue(#[schemars(length(max = 256))] pub String);

/// A store that takes samples by Prometheus' remote write protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteWrite {
    /// A name of its own, also in Prometheus' metrics.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,
    /// The address, such as `https://mimir.example.org/api/v1/push`.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2048))]
    pub url: String,
    /// A user name and its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
}

/// A user name and its password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct BasicAuth {
    /// The user's name.
    #[schemars(length(min = 1, max = 256))]
    pub username: String,
    /// Where the password is.
    pub password_secret_ref: SecretKeyRef,
}

/// Loki.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.external) || !(has(self.image) || has(self.version) || has(self.retention) || has(self.storage) || has(self.resources))").message("external replaces the stack's own Loki: image, version, retention, storage and resources are for that one"))]
pub struct LogsSpec {
    /// Whether there is a Loki; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The whole image reference. Needs `version` when its tag does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// The version of Loki, such as 3.7.6; 3.0.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ImageVersion>,
    /// A Loki that runs elsewhere, in place of the stack's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Box<ExternalLokiSpec>>,
    /// How long lines are kept, one day at least; 30d when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
    /// The volume; 20Gi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// 256Mi reserved and 512Mi at most when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// Grafana.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DashboardsSpec {
    /// Whether there is a Grafana; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The whole image reference. Needs `version` when its tag does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// The version of Grafana, such as 13.1.3; 11.0.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ImageVersion>,
    /// A Secret with the keys `admin-user` and `admin-password`; generated as `<stack>-grafana-admin` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_secret_ref: Option<SecretRef>,
    /// The volume; 1Gi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// 256Mi reserved and 512Mi at most when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The dashboards that come with the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipped: Option<ShippedSpec>,
    /// Which ConfigMaps with the label `masthead.dev/dashboard: "true"` or `grafana_dashboard: "1"` are taken; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<DashboardSelector>,
    /// Where those ConfigMaps are, beside the stack's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceSelector>,
    /// The address in people's browsers, with a path if Grafana is below one; the ingress's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2048))]
    pub root_url: Option<String>,
    /// Whether who has not signed in may look; false when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_viewer: Option<bool>,
    /// How it is reached from outside of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressSpec>,
}

/// Who may talk to the stack, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct SecuritySpec {
    /// Whether NetworkPolicies admit only the flows the stack needs; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<bool>,
}
