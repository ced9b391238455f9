//! `spec.tests` of an `AlertRule`: unit tests in the words of promtool.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    rule::{AnnotationText, LabelText},
    value::Duration,
};

/// A unit test: series go in, alerts and samples come out. `masthead check` runs it by promtool; the operator does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("has(self.alertRuleTest) || has(self.promqlExprTest)").message("at least one of alertRuleTest, promqlExprTest"))]
pub struct RuleTest {
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// The time between two values; 1m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// The series that go in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub input_series: Vec<InputSeries>,
    /// Which alerts fire when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub alert_rule_test: Vec<AlertRuleTest>,
    /// Which samples an expression gives when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub promql_expr_test: Vec<PromqlExprTest>,
}

/// A series and its values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct InputSeries {
    /// The series, such as up{job="shop"}.
    #[schemars(length(min = 1, max = 2048))]
    pub series: String,
    /// Its values in promtool's notation, such as 1 1 0x10.
    #[schemars(length(min = 1, max = 4096))]
    pub values: String,
}

/// The alerts of one name that fire at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct AlertRuleTest {
    /// The time after the first value.
    pub eval_time: Duration,
    /// The alert's name.
    #[schemars(length(min = 1, max = 253))]
    pub alertname: String,
    /// The alerts that fire then; none: it is quiet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub exp_alerts: Vec<ExpectedAlert>,
}

/// An alert that is to fire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ExpectedAlert {
    /// All its labels but alertname and rule_namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub exp_labels: BTreeMap<String, LabelText>,
    /// All its annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub exp_annotations: BTreeMap<String, AnnotationText>,
}

/// The samples that an expression gives at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PromqlExprTest {
    /// The expression; it sees what the rules record.
    #[schemars(length(min = 1, max = 8192))]
    pub expr: String,
    /// The time after the first value.
    pub eval_time: Duration,
    /// The samples, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub exp_samples: Vec<ExpectedSample>,
}

/// A sample that is to come out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ExpectedSample {
    /// The series, such as a:b{c="d"}.
    #[schemars(length(max = 2048))]
    pub labels: String,
    /// Its value.
    pub value: f64,
}
