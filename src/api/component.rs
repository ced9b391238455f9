//! The five components of a stack and what each is called.

use serde::{Deserialize, Serialize};

/// One component of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// The metrics store and rule evaluator.
    Prometheus,
    /// The router of notifications.
    Alertmanager,
    /// The log store.
    Loki,
    /// The dashboards.
    Grafana,
    /// Masthead's own collector on every node.
    Agent,
}

impl Component {
    /// Every component, in the order of `kubectl get mstk`.
    pub const ALL: [Self; 5] = [
        Self::Prometheus,
        Self::Loki,
        Self::Grafana,
        Self::Alertmanager,
        Self::Agent,
    ];

    /// The name in labels and in the names of objects: `<stack>-<name>`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Alertmanager => "alertmanager",
            Self::Loki => "loki",
            Self::Grafana => "grafana",
            Self::Agent => "agent",
        }
    }

    /// The field of the stack's specification that configures it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Prometheus => "metrics",
            Self::Alertmanager => "alerting",
            Self::Loki => "logs",
            Self::Grafana => "dashboards",
            Self::Agent => "agent",
        }
    }

    /// The type of its condition in the stack's status.
    #[must_use]
    pub const fn condition(self) -> &'static str {
        match self {
            Self::Prometheus => "MetricsReady",
            Self::Alertmanager => "AlertingReady",
            Self::Loki => "LogsReady",
            Self::Grafana => "DashboardsReady",
            Self::Agent => "AgentReady",
        }
    }

    /// The component with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|component| component.name() == name)
    }
}
