//! `AlertRule`: alerts and recording rules, and the truth about them on the object.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    alerting::Severity,
    rule_test::RuleTest,
    status::RuleStatus,
    value::{self, Duration},
};

/// Alerts and recording rules that the stacks of this namespace evaluate.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "masthead.dev",
    version = "v1alpha1",
    kind = "AlertRule",
    plural = "alertrules",
    shortname = "arule",
    category = "masthead",
    namespaced,
    status = "RuleStatus",
    derive = "PartialEq",
    derive = "Default",
    cel,
    doc = "Alerts and recording rules that the stacks of this namespace evaluate; its status says whether they were accepted and loaded.",
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.engine"),
    printcolumn(name = "Rules", type_ = "integer", json_path = ".status.rules"),
    printcolumn(
        name = "Loaded",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Loaded\")].status"
    ),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.health"),
    printcolumn(name = "Firing", type_ = "integer", json_path = ".status.firing"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct AlertRuleSpec {
    /// Who evaluates: prometheus reads PromQL over metrics, loki reads LogQL over logs.
    #[serde(default)]
    #[schemars(default)]
    pub engine: Engine,
    /// How often the rules are evaluated; the stack's scrape interval when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// The rules, evaluated in this order.
    #[schemars(length(min = 1, max = 100))]
    pub rules: Vec<RuleEntry>,
    /// Unit tests of the rules in promtool's words, which `masthead check` runs; prometheus only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tests: Vec<RuleTest>,
}

/// Who evaluates a rule.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Engine {
    /// PromQL over metrics.
    #[default]
    Prometheus,
    /// LogQL over logs.
    Loki,
}

/// One alert or one recorded series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.alert) != has(self.record)").message("exactly one of alert, record"))]
#[x_kube(validation = Rule::new("has(self.alert) || !(has(self.for) || has(self.keepFiringFor) || has(self.severity) || has(self.annotations))").message("for, keepFiringFor, severity and annotations belong to an alert, not to a record"))]
pub struct RuleEntry {
    /// The alert's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub alert: Option<String>,
    /// The recorded series' name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"), length(max = 253))]
    pub record: Option<String>,
    /// The expression: an alert fires for each series it gives.
    #[schemars(length(min = 1, max = 8192))]
    pub expr: String,
    /// How long the expression must hold before the alert fires.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value::wait")]
    pub for_: Option<Duration>,
    /// How long the alert goes on once the expression no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value::wait")]
    pub keep_firing_for: Option<Duration>,
    /// How bad it is; becomes the label `severity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Labels added to the alert or the recorded series.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub labels: BTreeMap<String, LabelText>,
    /// Words for people: summary, description, runbook.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: BTreeMap<String, AnnotationText>,
}

/// A label's value; may hold a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct LabelText(#[schemars(length(max = 512))] pub String);

/// An annotation's value; may hold a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct AnnotationText(#[schemars(length(max = 4096))] pub String);
