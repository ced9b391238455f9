//! Which objects a stack looks at beside its own namespace's.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::value::{LabelValue, NamespaceSelector};

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
