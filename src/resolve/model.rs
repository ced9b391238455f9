//! The resolved stack: every default applied, every reference answered, nothing left to refuse.
//! Renderers read it and cannot fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use crate::api::{
    agent_config::{AgentConfig, Encoding},
    component::Component,
    dashboards::Extra,
    default_rules::DefaultRulesSpec,
    value::{Toleration, WhenDeleted},
};

mod alerting;
mod dashboards;
pub mod jobs;

pub use alerting::{
    Alertmanager, Email, ExternalAlertmanager, HttpClient, Opsgenie, Receiver, ReceiverKind,
    Telegram, Tls, UrlSource, Webhook,
};
pub use dashboards::{Credentials, DashboardShard, HttpAnswer, Ingress};

/// One valid stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// `metadata.name`: at most [`Stack::MAX_NAME`] characters, a DNS label.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`; empty when rendered without a cluster.
    pub uid: String,
    /// The operator that renders.
    pub operator: Operator,
    /// What the API server can store.
    pub server: Server,
    /// Prometheus, if enabled.
    pub prometheus: Option<Prometheus>,
    /// Alertmanager, if enabled.
    pub alertmanager: Option<Alertmanager>,
    /// Loki, if enabled.
    pub loki: Option<Loki>,
    /// The Loki that runs elsewhere, if there is one.
    pub external_loki: Option<ExternalLoki>,
    /// Grafana, if enabled.
    pub grafana: Option<Grafana>,
    /// The agent, if enabled.
    pub agent: Option<Agent>,
    /// Components whose part of the specification is wrong: they are neither rendered nor pruned,
    /// so that what runs goes on.
    pub held: BTreeSet<Component>,
    /// The rules that it makes for itself.
    pub default_rules: DefaultRulesSpec,
    /// Whether `NetworkPolicies` are rendered.
    pub network_policy: bool,
    /// Names of image pull Secrets.
    pub image_pull_secrets: Vec<String>,
    /// Leave everything as it is.
    pub paused: bool,
}

/// The operator that renders, and what the chart gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The image of the operator; the agents run it too.
    pub image: String,
    /// The namespace the operator runs in; its pods are allowed through `NetworkPolicies`.
    pub namespace: String,
    /// The chart's `ClusterRoles` are called `<prefix>-<role>`.
    pub role_prefix: String,
    /// The cluster's DNS domain.
    pub cluster_domain: String,
    /// The headless Service of its own metrics, in its namespace; none: it is not scraped.
    pub metrics_service: Option<String>,
    /// Where the pages are that say what to do about an alert: a page is `<here>/<alert>.md`.
    pub runbooks: String,
    /// Whether the operator may bind cluster-wide roles (no `watchNamespaces`).
    pub cluster_wide: bool,
    /// The folder of the nodes below which stacks may have log files shipped; none: no files and
    /// no journal.
    pub host_logs: Option<String>,
}

/// What the API server can store, by discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// `policy/v1` is served, else `policy/v1beta1`.
    pub policy_v1: bool,
    /// `discovery.k8s.io/v1` is served: Prometheus discovers by `EndpointSlices`, else by Endpoints.
    pub endpoint_slices: bool,
    /// `traefik.io/v1alpha1` is served: Traefik's Middlewares can redirect.
    pub traefik: bool,
}

/// Namespaces of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Every one, also those to come.
    All,
    /// These; the stack's own is among them.
    These(BTreeSet<String>),
}

/// What Prometheus scrapes beside the stack itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Where annotations are looked for; none: nowhere.
    pub annotations: Option<Namespaces>,
    /// The namespaces that Prometheus may read.
    pub reach: Namespaces,
}

/// A version, compared by its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// The third.
    pub patch: u32,
    /// The text as written, such as `3.5.3-debian`.
    pub text: String,
}

/// What every workload has.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The whole image reference.
    pub image: String,
    /// What the image is rendered for.
    pub version: Version,
    /// How many pods; 1 for the agent, which runs on every node.
    pub replicas: i32,
    /// What the main container asks for and may use.
    pub resources: ContainerResources,
    /// The volume of each replica, if it keeps anything.
    pub volume: Option<Volume>,
    /// Labels a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    pub tolerations: Vec<Toleration>,
    /// The `PriorityClass`.
    pub priority_class_name: Option<String>,
}

/// Requests and limits, each by resource name (`cpu`, `memory`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerResources {
    /// Reserved.
    pub requests: BTreeMap<String, String>,
    /// At most.
    pub limits: BTreeMap<String, String>,
}

/// A volume claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The size as Kubernetes writes it.
    pub size: String,
    /// The `StorageClass`; the default one when none.
    pub storage_class_name: Option<String>,
    /// What becomes of it with the stack.
    pub when_deleted: WhenDeleted,
}

/// Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub struct Prometheus {
    /// Image, replicas, resources, volume.
    pub workload: Workload,
    /// Time to keep, as Prometheus writes it.
    pub retention: String,
    /// Bytes of blocks to keep, as Prometheus writes it: `16384MB` (its units are powers of two).
    pub retention_size: String,
    /// Scrape and evaluation interval, as Prometheus writes it.
    pub scrape_interval: String,
    /// Labels on all that leaves.
    pub external_labels: BTreeMap<String, String>,
    /// Stores that take samples.
    pub remote_write: Vec<RemoteWrite>,
    /// What is scraped beside the stack itself.
    pub discovery: Option<Discovery>,
    /// What objects of prometheus-operator's kinds ask for.
    pub jobs: Vec<jobs::Job>,
    /// The rules it evaluates.
    pub rule_files: RuleFiles,
    /// Alertmanagers outside the stack; their secrets are files of this component.
    pub alertmanagers: Vec<ExternalAlertmanager>,
    /// Secret values by file name, copied into the component's own Secret.
    pub secrets: BTreeMap<String, SecretValue>,
}

/// Rule files by name (`<namespace>-<name>-<uid>.yaml`), each where it was placed.
pub type RuleFiles = BTreeMap<Arc<str>, Placed>;

/// A rule file and the shard that holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The shard, less than [`crate::resolve::rules::SHARDS`].
    pub shard: u8,
    /// The file.
    pub file: Arc<RuleFile>,
}

/// The rules of one `AlertRule`, valid for their engine.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleFile {
    /// The name of its one group: namespace and name of the `AlertRule`.
    pub group: String,
    /// A whole document, as its engine reads it.
    pub text: String,
    /// A number for the content: two contents have two. Prometheus lists it as the group's limit.
    pub mark: u64,
    /// What the engine must list for each rule where it does not list the mark: Loki.
    pub expected: Vec<ExpectedRule>,
}

/// What Loki must list of a rule that it has loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedRule {
    /// The alert's or record's name.
    pub name: String,
    /// The words of the query, sorted: Loki writes it in a form of its own.
    pub query: Vec<String>,
    /// `for`.
    pub seconds: u64,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

/// A store that takes samples; its secret is a file of the component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteWrite {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// User name, and the file name in [`Prometheus::secrets`] with the password.
    pub basic_auth: Option<(String, String)>,
}

/// Loki.
#[derive(Clone, Debug, PartialEq)]
pub struct Loki {
    /// Image, resources, volume.
    pub workload: Workload,
    /// Time to keep, whole hours, as Loki writes it: `720h`.
    pub retention: String,
    /// The rules it evaluates. One file that Loki cannot parse hides all the others from its ruler.
    pub rule_files: RuleFiles,
    /// Addresses of Alertmanagers outside the stack that ask for no secret.
    pub alertmanager_urls: Vec<String>,
    /// Where people reach Grafana, for the links of alerts.
    pub grafana_link: Option<String>,
}

/// A Loki that runs elsewhere. Its secrets are files of whoever talks to it, by the names in
/// [`external_loki`](super::external_loki).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalLoki {
    /// Its address.
    pub url: String,
    /// The tenant of everything that `tenants` does not name.
    pub tenant: Option<String>,
    /// Tenants by namespace.
    pub tenants: BTreeMap<String, String>,
    /// The user of basic authentication.
    pub user: Option<String>,
    /// Whether there is a bearer token.
    pub token: bool,
    /// Whether there are certificates of the trusted authorities.
    pub ca: bool,
    /// Whether there is a client's certificate with its key.
    pub certificate: bool,
    /// How lines are sent.
    pub encoding: Encoding,
    /// Secret values by file name; one that is missing may yet come.
    pub secrets: BTreeMap<String, SecretValue>,
}

/// Grafana.
#[derive(Clone, Debug, PartialEq)]
pub struct Grafana {
    /// Image, resources, volume.
    pub workload: Workload,
    /// The admin's name, kept with the password in `<stack>-grafana-admin`.
    pub admin_user: SecretValue,
    /// The admin's password.
    pub admin_password: SecretValue,
    /// The admin's name and password that Grafana took last, once it took any.
    pub applied: Option<Credentials>,
    /// The dashboards that come with the stack and which of the others; none when switched off.
    pub shipped: Option<BTreeSet<Extra>>,
    /// Users' dashboards by the number of the `ConfigMap` that holds them.
    pub shards: BTreeMap<u8, DashboardShard>,
    /// The address in people's browsers.
    pub root_url: Option<String>,
    /// The path of that address, without a slash at its end; empty: none.
    pub sub_path: String,
    /// Whether who has not signed in may look.
    pub anonymous_viewer: bool,
    /// How it is reached from outside of the cluster.
    pub ingress: Option<Ingress>,
}

/// A secret: it never shows in logs or messages.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(pub Vec<u8>);

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// The agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Image, resources.
    pub workload: Workload,
    /// Its configuration file.
    pub config: AgentConfig,
    /// Secret values by file name, copied into the component's own Secret.
    pub secrets: BTreeMap<String, SecretValue>,
}

impl Stack {
    /// The longest `metadata.name`. The longest component's name is `alertmanager`, and a
    /// StatefulSet's name may have 52 characters: its pods carry it in the label
    /// `controller-revision-hash`, followed by a dash and up to ten more.
    pub const MAX_NAME: usize = 39;

    /// The name of a component's objects: `<stack>-<component>`.
    #[must_use]
    pub fn child_name(&self, component: Component) -> String {
        format!("{}-{}", self.name, component.name())
    }

    /// The workload of a component, if it is enabled.
    #[must_use]
    pub fn workload(&self, component: Component) -> Option<&Workload> {
        match component {
            Component::Prometheus => self.prometheus.as_ref().map(|p| &p.workload),
            Component::Alertmanager => self.alertmanager.as_ref().map(|a| &a.workload),
            Component::Loki => self.loki.as_ref().map(|l| &l.workload),
            Component::Grafana => self.grafana.as_ref().map(|g| &g.workload),
            Component::Agent => self.agent.as_ref().map(|a| &a.workload),
        }
    }

    /// Whether a component is enabled.
    #[must_use]
    pub fn has(&self, component: Component) -> bool {
        self.workload(component).is_some()
    }

    /// Whether a component is there to be talked to: enabled, or held as it is.
    #[must_use]
    pub fn runs(&self, component: Component) -> bool {
        self.has(component) || self.held.contains(&component)
    }

    /// Whether the agents gather the nodes' metrics. Of one that is held as it is nobody knows: the
    /// usual is likeliest.
    #[must_use]
    pub fn gathers_nodes(&self) -> bool {
        self.gathers(|config| config.node.is_some())
    }

    /// Whether the agents gather the containers' metrics.
    #[must_use]
    pub fn gathers_containers(&self) -> bool {
        self.gathers(|config| config.containers.is_some())
    }

    /// Whether the agents send log lines.
    #[must_use]
    pub fn sends_logs(&self) -> bool {
        self.gathers(|config| config.logs.is_some())
            && (self.runs(Component::Loki) || self.external_loki.is_some())
    }

    fn gathers(&self, what: impl Fn(&AgentConfig) -> bool) -> bool {
        match &self.agent {
            Some(agent) => what(&agent.config),
            None => self.held.contains(&Component::Agent),
        }
    }

    /// The components that are enabled.
    pub fn components(&self) -> impl Iterator<Item = Component> + '_ {
        Component::ALL
            .into_iter()
            .filter(|component| self.has(*component))
    }
}

impl Version {
    /// Reads `3.5.3`, `v3.5.3` or `3.5.3-debian`; none when the three numbers are not there.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let numbers = text
            .split_once(['-', '+'])
            .map_or(text, |(numbers, _)| numbers);
        let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok());
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then(|| Self {
            major,
            minor,
            patch,
            text: text.to_owned(),
        })
    }

    /// Whether it is this version or a newer one.
    #[must_use]
    pub fn at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        (self.major, self.minor, self.patch) >= (major, minor, patch)
    }
}
