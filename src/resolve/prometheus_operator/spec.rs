//! What is honoured of prometheus-operator's kinds, field by field. Names are theirs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The specification of a `ServiceMonitor`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitor {
    pub job_label: Option<String>,
    #[serde(default)]
    pub target_labels: Vec<String>,
    #[serde(default)]
    pub pod_target_labels: Vec<String>,
    /// Read one by one: a wrong one leaves the others alone.
    #[serde(default)]
    pub endpoints: Vec<Value>,
    #[serde(default)]
    pub selector: LabelSelector,
    #[serde(default)]
    pub namespace_selector: NamespaceSelector,
    pub attach_metadata: Option<AttachMetadata>,
    pub service_discovery_role: Option<String>,
    /// A hint how to search; the result is the same.
    #[serde(rename = "selectorMechanism")]
    _selector_mechanism: Option<String>,
    pub sample_limit: Option<u64>,
    pub target_limit: Option<u64>,
    pub label_limit: Option<u64>,
    pub label_name_length_limit: Option<u64>,
    pub label_value_length_limit: Option<u64>,
    pub keep_dropped_targets: Option<u64>,
    pub body_size_limit: Option<String>,
}

/// The specification of a `PodMonitor`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodMonitor {
    pub job_label: Option<String>,
    #[serde(default)]
    pub pod_target_labels: Vec<String>,
    #[serde(default)]
    pub pod_metrics_endpoints: Vec<Value>,
    #[serde(default)]
    pub selector: LabelSelector,
    #[serde(default)]
    pub namespace_selector: NamespaceSelector,
    pub attach_metadata: Option<AttachMetadata>,
    #[serde(rename = "selectorMechanism")]
    _selector_mechanism: Option<String>,
    pub sample_limit: Option<u64>,
    pub target_limit: Option<u64>,
    pub label_limit: Option<u64>,
    pub label_name_length_limit: Option<u64>,
    pub label_value_length_limit: Option<u64>,
    pub keep_dropped_targets: Option<u64>,
    pub body_size_limit: Option<String>,
}

/// The specification of a `Probe`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub job_name: Option<String>,
    pub prober: Option<Prober>,
    pub module: Option<String>,
    #[serde(default)]
    pub params: Vec<Param>,
    #[serde(default)]
    pub targets: ProbeTargets,
    pub interval: Option<String>,
    pub scrape_timeout: Option<String>,
    pub basic_auth: Option<BasicAuth>,
    pub bearer_token_secret: Option<KeyRef>,
    pub authorization: Option<Authorization>,
    pub tls_config: Option<TlsConfig>,
    pub follow_redirects: Option<bool>,
    #[serde(alias = "enableHTTP2")]
    pub enable_http2: Option<bool>,
    #[serde(default)]
    pub metric_relabelings: Vec<Relabeling>,
    pub sample_limit: Option<u64>,
    pub target_limit: Option<u64>,
    pub label_limit: Option<u64>,
    pub label_name_length_limit: Option<u64>,
    pub label_value_length_limit: Option<u64>,
    pub keep_dropped_targets: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prober {
    pub url: String,
    pub scheme: Option<String>,
    pub path: Option<String>,
    pub proxy_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Param {
    pub name: String,
    #[serde(default)]
    pub values: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeTargets {
    pub static_config: Option<ProbeStatic>,
    pub ingress: Option<ProbeIngress>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStatic {
    #[serde(default, rename = "static")]
    pub targets: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub relabeling_configs: Vec<Relabeling>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeIngress {
    #[serde(default)]
    pub selector: LabelSelector,
    #[serde(default)]
    pub namespace_selector: NamespaceSelector,
    #[serde(default)]
    pub relabeling_configs: Vec<Relabeling>,
}

/// The specification of a `ScrapeConfig`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeConfig {
    pub job_name: Option<String>,
    #[serde(default)]
    pub static_configs: Vec<StaticConfig>,
    #[serde(default, rename = "httpSDConfigs")]
    pub http_sd_configs: Vec<HttpSd>,
    #[serde(default, rename = "kubernetesSDConfigs")]
    pub kubernetes_sd_configs: Vec<KubernetesSd>,
    #[serde(default, rename = "dnsSDConfigs")]
    pub dns_sd_configs: Vec<DnsSd>,
    #[serde(default)]
    pub relabelings: Vec<Relabeling>,
    #[serde(default)]
    pub metric_relabelings: Vec<Relabeling>,
    pub metrics_path: Option<String>,
    pub scrape_interval: Option<String>,
    pub scrape_timeout: Option<String>,
    pub scheme: Option<String>,
    #[serde(default)]
    pub params: BTreeMap<String, Vec<String>>,
    pub honor_labels: Option<bool>,
    pub honor_timestamps: Option<bool>,
    pub track_timestamps_staleness: Option<bool>,
    #[serde(alias = "enableHTTP2")]
    pub enable_http2: Option<bool>,
    pub enable_compression: Option<bool>,
    pub proxy_url: Option<String>,
    pub basic_auth: Option<BasicAuth>,
    pub authorization: Option<Authorization>,
    pub tls_config: Option<TlsConfig>,
    pub sample_limit: Option<u64>,
    pub target_limit: Option<u64>,
    pub label_limit: Option<u64>,
    pub label_name_length_limit: Option<u64>,
    pub label_value_length_limit: Option<u64>,
    pub keep_dropped_targets: Option<u64>,
    pub body_size_limit: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct StaticConfig {
    #[serde(default)]
    pub targets: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpSd {
    pub url: String,
    pub refresh_interval: Option<String>,
    pub follow_redirects: Option<bool>,
    #[serde(alias = "enableHTTP2")]
    pub enable_http2: Option<bool>,
    pub basic_auth: Option<BasicAuth>,
    pub authorization: Option<Authorization>,
    pub tls_config: Option<TlsConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsSd {
    #[serde(default)]
    pub names: Vec<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub port: Option<i64>,
    pub refresh_interval: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesSd {
    pub role: String,
    pub namespaces: Option<SdNamespaces>,
    pub attach_metadata: Option<AttachMetadata>,
    #[serde(default)]
    pub selectors: Vec<SdSelector>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SdNamespaces {
    pub own_namespace: Option<bool>,
    #[serde(default)]
    pub names: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct SdSelector {
    pub role: String,
    pub label: Option<String>,
    pub field: Option<String>,
}

/// One endpoint of a `ServiceMonitor` or a `PodMonitor`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    pub port: Option<String>,
    pub port_number: Option<i64>,
    pub target_port: Option<NameOrNumber>,
    pub path: Option<String>,
    pub scheme: Option<String>,
    #[serde(default)]
    pub params: BTreeMap<String, Vec<String>>,
    pub interval: Option<String>,
    pub scrape_timeout: Option<String>,
    pub honor_labels: Option<bool>,
    pub honor_timestamps: Option<bool>,
    pub track_timestamps_staleness: Option<bool>,
    pub follow_redirects: Option<bool>,
    #[serde(alias = "enableHTTP2")]
    pub enable_http2: Option<bool>,
    pub filter_running: Option<bool>,
    pub proxy_url: Option<String>,
    #[serde(default)]
    pub relabelings: Vec<Relabeling>,
    #[serde(default)]
    pub metric_relabelings: Vec<Relabeling>,
    pub basic_auth: Option<BasicAuth>,
    pub bearer_token_secret: Option<KeyRef>,
    pub bearer_token_file: Option<String>,
    pub authorization: Option<Authorization>,
    pub tls_config: Option<TlsConfig>,
}

/// A port by name or number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum NameOrNumber {
    Number(i64),
    Name(String),
}

#[derive(Debug, Deserialize)]
pub struct AttachMetadata {
    pub node: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    pub any: Option<bool>,
    #[serde(default)]
    pub match_names: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub match_expressions: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
pub struct Requirement {
    pub key: String,
    pub operator: String,
    #[serde(default)]
    pub values: Vec<String>,
}

/// A key of a Secret or a `ConfigMap`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeyRef {
    pub name: String,
    pub key: String,
    pub optional: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub struct BasicAuth {
    pub username: Option<KeyRef>,
    pub password: Option<KeyRef>,
}

#[derive(Debug, Deserialize)]
pub struct Authorization {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub credentials: Option<KeyRef>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    pub ca: Option<SecretOrConfigMap>,
    pub cert: Option<SecretOrConfigMap>,
    pub key_secret: Option<KeyRef>,
    pub ca_file: Option<String>,
    pub server_name: Option<String>,
    pub insecure_skip_verify: Option<bool>,
    pub min_version: Option<String>,
    pub max_version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretOrConfigMap {
    pub secret: Option<KeyRef>,
    pub config_map: Option<KeyRef>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relabeling {
    #[serde(default)]
    pub source_labels: Vec<String>,
    pub separator: Option<String>,
    pub target_label: Option<String>,
    pub regex: Option<String>,
    pub modulus: Option<u64>,
    pub replacement: Option<String>,
    pub action: Option<String>,
}

/// The specification of a `PrometheusRule`.
#[derive(Debug, Deserialize)]
pub struct PrometheusRule {
    #[serde(default)]
    pub groups: Vec<Value>,
}

/// A group of rules.
#[derive(Debug, Deserialize)]
pub struct Group {
    pub name: String,
    pub interval: Option<String>,
    pub query_offset: Option<String>,
    pub limit: Option<u64>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// An alert or a recorded series.
#[derive(Debug, Deserialize)]
pub struct Rule {
    pub alert: Option<String>,
    pub record: Option<String>,
    pub expr: Expression,
    #[serde(rename = "for")]
    pub for_: Option<String>,
    pub keep_firing_for: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// An expression; a number is one too.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Expression {
    Number(serde_json::Number),
    Text(String),
}
