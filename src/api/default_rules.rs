//! `spec.alerting.defaultRules`: the rules that every stack has, and their thresholds.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::value::Duration;

/// The rules that a stack makes for itself, as AlertRules called `<stack>-default-…`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct DefaultRulesSpec {
    /// Whether there are any; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// A container does not run. Critical, after 1m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_down: Option<Switch>,
    /// A node has used more of its memory than usedPercent, 90 when absent. Warning, after 5m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_memory: Option<UsedPercent>,
    /// A node's processors are busier than usedPercent, 80 when absent. Warning, after 10m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_cpu: Option<UsedPercent>,
    /// A file system has less free than freePercent, 10 when absent. Warning, after 5m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_disk: Option<FreePercent>,
    /// A PostgreSQL server does not answer, or nobody asks it. Critical, after 1m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_down: Option<Switch>,
    /// A PostgreSQL server has more connections than this, 80 when absent. Warning, after 5m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres_connections: Option<Connections>,
    /// The rules about the stack itself: targets, configuration, rules, volumes, logs, agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<OnOff>,
    /// An alert that always fires, so that its silence tells that notifications are broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<OnOff>,
}

/// Whether a part is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct OnOff {
    /// True when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A rule without a threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Switch {
    /// True when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How long it must be so before the alert fires.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<Duration>,
}

/// A rule with a share that is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct UsedPercent {
    /// True when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// More than this much of a hundred is too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub used_percent: Option<i32>,
    /// How long it must be so before the alert fires.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<Duration>,
}

/// A rule with a share that is free.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct FreePercent {
    /// True when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Less than this much of a hundred is too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub free_percent: Option<i32>,
    /// How long it must be so before the alert fires.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<Duration>,
}

/// A rule with a number of connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Connections {
    /// True when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// More than this many are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub connections: Option<i32>,
    /// How long it must be so before the alert fires.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<Duration>,
}
