//! `spec.agent.logs`: which log lines the agents ship, and what they do to them.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    stack::ExternalLabelValue,
    value::{LabelValue, Quantity},
};

/// The log lines of every container and of the node, to Loki. The steps come in this order: keep,
/// drop, sample, redact, json, logfmt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentLogsSpec {
    /// Whether they are shipped; true when absent, as long as there is a Loki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only pods that one of these fits; every pod when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub include: Vec<PodChoice>,
    /// Pods that one of these fits are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub exclude: Vec<PodChoice>,
    /// Pods whose entries have several lines; the first that fits. A pod's annotation
    /// masthead.dev/multiline goes before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub multiline: Vec<MultilineRule>,
    /// Only entries that each of these fits, where it is for their pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub keep: Vec<LinePattern>,
    /// Entries that one of these fits are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub drop: Vec<LinePattern>,
    /// Pods of which only a part of the entries is shipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub sample: Vec<SampleRule>,
    /// What is written in place of what, such as of card numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub redact: Vec<RedactRule>,
    /// Fields of lines that are JSON objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub json: Vec<FieldRule>,
    /// Fields of lines such as level=info msg=done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub logfmt: Vec<FieldRule>,
    /// Labels on every line. Loki takes 15 on a line, of which a pod's have 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 7, "default" = {}))]
    pub labels: BTreeMap<String, ExternalLabelValue>,
    /// Files of the nodes, below the folder that the operator's chart allows (agent.hostLogs,
    /// /var/log by default); /var/log/syslog and /var/log/messages when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub files: Option<Vec<LogFiles>>,
    /// The systemd journal of the nodes; not read when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalSpec>,
    /// Bytes of log that one pod may send in a second, such as 1Mi. What is above waits in the
    /// file; as much as it writes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_bytes_per_second: Option<Quantity>,
}

/// Pods, by what is known of them. All that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PodChoice {
    /// Names of namespaces; any when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// Labels that the pod has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "default" = {}))]
    pub match_labels: BTreeMap<String, LabelValue>,
    /// Names of containers; any when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub containers: Vec<String>,
}

/// A regular expression over a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct LineRegex(#[schemars(length(min = 1, max = 1024))] pub String);

/// Pods whose entries have several lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct MultilineRule {
    /// Which pods; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodChoice>,
    /// A regular expression that fits the first line of an entry and no other.
    pub first_line: LineRegex,
}

/// Lines of some pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct LinePattern {
    /// Which pods; every source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodChoice>,
    /// A regular expression that fits anywhere in the line.
    pub pattern: LineRegex,
}

/// Pods of which only a part of the entries is shipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct SampleRule {
    /// Which pods; every source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodChoice>,
    /// How many entries of a hundred.
    #[schemars(range(min = 1, max = 99))]
    pub keep_percent: i32,
}

/// What is written in place of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct RedactRule {
    /// Which pods; every source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodChoice>,
    /// A regular expression that fits anywhere in the line, any number of times.
    pub pattern: LineRegex,
    /// The text in its place, none when absent; $1 is the first group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub with: Option<String>,
}

/// Fields of a structured line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct FieldRule {
    /// Which pods; every source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodChoice>,
    /// Names of labels by the field that gives their value. Each value makes a stream: few.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 7, "default" = {}))]
    pub labels: BTreeMap<String, FieldTarget>,
    /// Names of structured metadata by the field that gives its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "default" = {}))]
    pub metadata: BTreeMap<String, FieldTarget>,
}

/// The name that a field's value gets; the field's own when empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct FieldTarget(#[schemars(length(max = 128))] pub String);

/// Files of the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct LogFiles {
    /// A path, or a pattern with * and ? in any part, such as /var/log/*.log.
    #[schemars(regex(pattern = r"^/.+$"), length(max = 512))]
    pub path: String,
    /// Labels of the lines, such as job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 7, "default" = {}))]
    pub labels: BTreeMap<String, ExternalLabelValue>,
    /// A regular expression that fits the first line of an entry, where entries have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line: Option<LineRegex>,
}

/// The systemd journal of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct JournalSpec {
    /// Only these units, such as kubelet; all when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255)))]
    pub units: Vec<String>,
}
