//! `spec.discovery`: what Prometheus scrapes beside the stack itself.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::value::NamespaceSelector;

/// What Prometheus scrapes beside the stack itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct DiscoverySpec {
    /// Whether Pods and Services are scraped that have the annotation `prometheus.io/scrape: "true"`; true when absent.
    /// `prometheus.io/port`, `path` and `scheme` say where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<bool>,
    /// In which namespaces; the stack's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceSelector>,
}
