//! Which namespaces and which objects a stack looks at beside its own namespace's.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::value::LabelValue;

/// Namespaces; exactly one way to name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("(has(self.names) ? 1 : 0) + (has(self.matchLabels) ? 1 : 0) + (has(self.all) ? 1 : 0) == 1").message("exactly one of names, matchLabels, all"))]
pub struct NamespaceSelector {
    /// These namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))
    )]
    pub names: Option<Vec<String>>,
    /// The namespaces with all of these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    pub match_labels: Option<BTreeMap<String, LabelValue>>,
    /// Every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
}

/// AlertRules of other namespaces; all given conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("has(self.namespaces) || has(self.matchLabels)").message("at least one of namespaces, matchLabels"))]
pub struct RuleSelector {
    /// Whose AlertRules; any namespace's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceSelector>,
    /// Labels the AlertRules must have themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    pub match_labels: Option<BTreeMap<String, LabelValue>>,
}
