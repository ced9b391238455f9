//! The agent's configuration: rendered by the operator, read by the agent, one type for both.

use serde::{Deserialize, Serialize};

/// The whole of the agent's configuration file, `agent.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Host metrics under `node_exporter`'s names; absent: not gathered.
    pub node: Option<NodeConfig>,
}

/// What the node collectors gather.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Collectors to leave out, by name as in `node_scrape_collector_success{collector="…"}`.
    pub disable: Vec<String>,
}
