//! The alerting part of a `MonitoringStack`: Alertmanager, its receivers and routes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    default_rules::DefaultRulesSpec,
    selector::RuleSelector,
    value::{ImageReference, ImageVersion, Resources, Storage},
};

pub mod external;
pub mod receiver;
pub mod route;

use external::External;
use receiver::Receiver;
use route::{InhibitRule, Route, TimeInterval};

/// Alertmanager, where notifications go and which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.external) || size(self.external) == 0 || ((!has(self.receivers) || size(self.receivers) == 0) && (!has(self.routes) || size(self.routes) == 0))").message("with external, receivers and routes belong to those Alertmanagers' own configuration"))]
pub struct AlertingSpec {
    /// Whether there is an Alertmanager; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The whole image reference. Needs `version` when its tag does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// The version of Alertmanager, such as 0.34.0; 0.27.0 or newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ImageVersion>,
    /// How many, forming one cluster; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5))]
    pub replicas: Option<i32>,
    /// The volume of each replica, for silences and what was notified; 1Gi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// 64Mi reserved and 128Mi at most when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where notifications can go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub receivers: Vec<Receiver>,
    /// The rules that this stack makes for itself, with their thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_rules: Option<DefaultRulesSpec>,
    /// AlertRules of other namespaces that this stack takes as well; its own namespace's it takes always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleSelector>,
    /// Which alerts go where: the first route that matches decides. What matches none is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub routes: Vec<Route>,
    /// Times of the week and year, by the names that routes call them by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub time_intervals: Vec<TimeInterval>,
    /// Whether a critical alert silences the warning of the same name about the same thing; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inhibit_warnings: Option<bool>,
    /// More alerts that silence others while they fire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub inhibit_rules: Vec<InhibitRule>,
    /// Where people reach the parts of the stack: messages link there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
    /// Alertmanagers that are there already: alerts go to all of them, and the stack has none of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub external: Vec<External>,
}

/// Where people reach the parts of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Links {
    /// The address of Prometheus in a browser: messages link to the alert's expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 1024))]
    pub prometheus: Option<String>,
    /// The address of Alertmanager in a browser: messages link to a new silence for the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 1024))]
    pub alertmanager: Option<String>,
    /// The address of Grafana in a browser: messages link to the dashboard that the alert's annotation `dashboard` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 1024))]
    pub grafana: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Severity {
    /// Wake someone.
    Critical,
    /// Look at it today.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The value of the `severity` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
