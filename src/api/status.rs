//! What the resources tell: written by the operator only, and only when it changes.
//!
//! Lists with keys are written even when they are empty: old servers turn such a list that loses
//! its last item by server-side apply into null, and then refuse it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a stack. Nothing in it moves by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StackStatus {
    /// The generation of the specification this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Progressing, Degraded and one for each component.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Each component as it runs.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub components: Vec<ComponentStatus>,
    /// What Prometheus scrapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// Services that ask to be scraped, in the namespaces of `spec.discovery`, and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub unscraped: Vec<Unscraped>,
    /// The AlertRules this stack takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleCounts>,
    /// What the stack takes of prometheus-operator's kinds, where they are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus_operator: Option<ForeignCounts>,
    /// Parts of the specification that were left out, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub problems: Vec<ProblemStatus>,
    /// The columns of `kubectl get mstk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// One component as it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// prometheus, alertmanager, loki, grafana or agent.
    pub name: String,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods there should be.
    pub desired: i32,
    /// The version that is rendered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it answers inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The configuration the processes themselves say they have loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigStatus>,
}

/// The configuration a component has loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ConfigStatus {
    /// Whether every replica has loaded the newest configuration.
    pub loaded: bool,
    /// The hash of the newest configuration.
    pub hash: String,
    /// When it was first seen loaded everywhere, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<String>,
    /// Why it is not loaded, in the process's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What Prometheus scrapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Targets {
    /// Targets whose last scrape worked.
    pub up: i32,
    /// Targets whose last scrape failed.
    pub down: i32,
}

/// A Service that asks to be scraped and is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Unscraped {
    /// The Service: namespace/name.
    pub service: String,
    /// Why, and what to do.
    pub reason: String,
}

/// The AlertRules a stack takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct RuleCounts {
    /// AlertRules in the stack's reach.
    pub selected: i32,
    /// AlertRules that were left out; each says why.
    pub rejected: i32,
    /// Alerts that fire.
    #[serde(default)]
    pub firing: i32,
}

/// What a stack takes of prometheus-operator's kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ForeignCounts {
    /// Objects that the stack selects.
    pub selected: i32,
    /// Objects of which nothing could be used.
    pub refused: i32,
    /// What is not as its author wrote it: parts that were left out or ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub notes: Vec<ForeignNote>,
}

/// What a stack does not do with an object as its author wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ForeignNote {
    /// The object: kind namespace/name.
    pub object: String,
    /// Whether this part is left out; else only the field is ignored.
    pub left_out: bool,
    /// The field, why, and what to do.
    pub message: String,
}

/// A part of the specification that was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ProblemStatus {
    /// The field's path, such as spec.metrics.version.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The columns of `kubectl get mstk`: ready/desired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Summary {
    /// Prometheus: ready/desired.
    pub metrics: String,
    /// Loki: ready/desired.
    pub logs: String,
    /// Grafana: ready/desired.
    pub dashboards: String,
    /// Alertmanager: ready/desired.
    pub alerting: String,
    /// Agents: ready/desired.
    pub agent: String,
    /// Targets: up/all.
    pub targets: String,
    /// AlertRules: accepted/selected.
    pub rules: String,
}

/// The state of an AlertRule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleStatus {
    /// The generation of the specification this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many rules it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<i32>,
    /// Accepted and Loaded: True only when it is so in every stack below.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// ok, err or unknown: the worst of any of its rules in any stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<RuleHealth>,
    /// How many alerts fire in all stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<i32>,
    /// What each stack that judges it says.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["stack".into()]))]
    pub stacks: Vec<RuleInStack>,
}

/// What one stack says of an AlertRule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct RuleInStack {
    /// The stack: namespace/name.
    pub stack: String,
    /// The generation of the AlertRule that it judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether it is valid and the stack takes it.
    pub accepted: bool,
    /// Whether the processes of the stack list the rules themselves.
    pub loaded: bool,
    /// When they were first seen to, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<String>,
    /// Loaded, or why it is not.
    pub reason: String,
    /// What a person needs to know, and what to do.
    pub message: String,
    /// How many alerts of it fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<i32>,
    /// What the engine says of each rule, in the order of spec.rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub rules: Vec<RuleEntryStatus>,
}

/// What an engine says of one rule. It changes on transitions only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct RuleEntryStatus {
    /// The alert's or the record's name.
    pub name: String,
    /// ok or err: whether its last evaluation worked; unknown until the first.
    pub health: RuleHealth,
    /// Why it failed when it first did, in the engine's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// An alert's state; absent of a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AlertState>,
    /// How many alerts of it fire, where any does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<i32>,
    /// When health or state was last seen to change, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition: Option<String>,
}

/// Whether a rule can be evaluated.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum RuleHealth {
    /// The last evaluation worked.
    Ok,
    /// There was no evaluation yet.
    #[default]
    Unknown,
    /// The last evaluation failed.
    Err,
}

/// Where an alert is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AlertState {
    /// Its expression gives nothing.
    #[default]
    Inactive,
    /// Its expression holds, not yet for long enough.
    Pending,
    /// It fires.
    Firing,
}

impl RuleHealth {
    /// As it is written.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Err => "err",
        }
    }
}
