//! The agent's configuration: rendered by the operator, read by the agent, one type for both.

mod collectors;
mod logs;
mod postgres;

use serde::{Deserialize, Serialize};

pub use collectors::*;
pub use logs::*;
pub use postgres::*;

/// The whole of the agent's configuration file, `agent.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Host metrics under `node_exporter`'s names; absent: not gathered.
    pub node: Option<NodeConfig>,
    /// Container metrics under cAdvisor's names; absent: not gathered.
    pub containers: Option<ContainersConfig>,
    /// Log lines to Loki; absent: not shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogsConfig>,
    /// PostgreSQL's metrics under `postgres_exporter`'s names; absent: not gathered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresConfig>,
}

/// What the node collectors gather.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Collectors to leave out, by name as in `node_scrape_collector_success{collector="…"}`.
    pub disable: Vec<String>,
    /// Collectors to add that are off by default, as in `node_exporter`: `interrupts`,
    /// `processes`, `tcpstat`.
    #[serde(skip_serializing_if = "is_default")]
    pub enable: Vec<String>,
    /// What `diskstats` shows.
    #[serde(skip_serializing_if = "is_default")]
    pub diskstats: DevicesConfig,
    /// What `filesystem` shows.
    #[serde(skip_serializing_if = "is_default")]
    pub filesystem: FilesystemConfig,
    /// What `interrupts` shows.
    #[serde(skip_serializing_if = "is_default")]
    pub interrupts: InterruptsConfig,
    /// What `netclass` shows.
    #[serde(skip_serializing_if = "is_default")]
    pub netclass: DevicesConfig,
    /// What `netdev` shows.
    #[serde(skip_serializing_if = "is_default")]
    pub netdev: DevicesConfig,
    /// What `textfile` reads.
    #[serde(skip_serializing_if = "is_default")]
    pub textfile: TextfileConfig,
}

/// Unset fields stay out of what is rendered.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A choice by name. Each is a regular expression that may match anywhere in the name, and only
/// one of the two may be given; either replaces the collector's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FilterConfig {
    /// Only names that match are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// Names that match are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
}

/// A choice of devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DevicesConfig {
    /// By the device's name, such as `eth0`.
    pub devices: FilterConfig,
}

/// A choice of mounts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FilesystemConfig {
    /// By the mount point, such as `/boot`.
    pub mount_points: FilterConfig,
    /// By the file system's type, such as `ext4`.
    pub fs_types: FilterConfig,
}

/// A choice of interrupts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct InterruptsConfig {
    /// By `<type>;<info>;<devices>`, such as `LOC;Local timer interrupts;`.
    pub names: FilterConfig,
}

/// Where metrics written by others are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TextfileConfig {
    /// Folders of the host whose files `*.prom` are read.
    pub directories: Vec<String>,
}

/// What is told about containers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ContainersConfig {
    /// Labels of pods, or of Docker's containers, that become labels `container_label_…`.
    pub labels: Vec<String>,
    /// How many series at most; what is above is left out and counted.
    pub max_series: usize,
    /// The pods of this node give the names; absent: the API server is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsConfig>,
    /// The CRI socket of the container runtime on this host, for pods that the API server does not
    /// tell and for what containers have written; absent: the runtime is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cri: Option<String>,
    /// The socket of Docker's Engine API on this host; absent: Docker is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<String>,
}

/// Which pods are watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PodsConfig {
    /// The one namespace that may be watched; absent: the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl Default for ContainersConfig {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            // About 600 containers; a node runs 110 pods.
            max_series: 50_000,
            pods: None,
            cri: None,
            docker: None,
        }
    }
}
