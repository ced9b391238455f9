//! `spec.agent`: Masthead's own collector.

mod node;

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

pub use node::*;

use super::agent_logs::AgentLogsSpec;
use super::agent_postgres::PostgresCollectorSpec;
use super::value::{LabelValue, ObjectName, Resources};

/// Masthead's own collector, one on every node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentSpec {
    /// Whether there are agents; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The node's own metrics, as `node_exporter` names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeCollectorSpec>,
    /// The containers' metrics, as cAdvisor names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<ContainerCollectorSpec>,
    /// PostgreSQL's metrics, as postgres_exporter names them; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresCollectorSpec>,
    /// The log lines of every container and of the node, to Loki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Box<AgentLogsSpec>>,
    /// 64Mi reserved and 128Mi at most when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Labels a node must have to be watched; every node when absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "default" = {}))]
    pub node_selector: BTreeMap<String, LabelValue>,
    /// The PriorityClass of the agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<ObjectName>,
}

/// The containers' metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerCollectorSpec {
    /// Whether they are gathered; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Labels of pods to put on their containers' series, as `container_label_…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 317)))]
    pub labels: Vec<String>,
    /// The container runtime's CRI socket on the nodes, which is root there; not asked when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/[-A-Za-z0-9._/]+$"), length(max = 80))]
    pub runtime_socket: Option<String>,
}
