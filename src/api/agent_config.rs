//! The agent's configuration: rendered by the operator, read by the agent, one type for both.

use serde::{Deserialize, Serialize};

/// The whole of the agent's configuration file, `agent.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Host metrics under `node_exporter`'s names; absent: not gathered.
    pub node: Option<NodeConfig>,
    /// Container metrics under cAdvisor's names; absent: not gathered.
    pub containers: Option<ContainersConfig>,
}

/// What the node collectors gather.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Collectors to leave out, by name as in `node_scrape_collector_success{collector="…"}`.
    pub disable: Vec<String>,
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
            docker: None,
        }
    }
}
