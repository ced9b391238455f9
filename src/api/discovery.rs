//! `spec.discovery`: what Prometheus scrapes beside the stack itself.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::value::{LabelValue, NamespaceSelector};

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
    /// Whether and whose objects of prometheus-operator's kinds are honoured, where those kinds are installed:
    /// ServiceMonitor, PodMonitor, Probe, ScrapeConfig and PrometheusRule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus_operator: Option<PrometheusOperatorSpec>,
}

/// Which objects of prometheus-operator's kinds a stack takes; all given conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PrometheusOperatorSpec {
    /// Whether they are honoured; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// In which namespaces the objects are; those of `spec.discovery.namespaces` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceSelector>,
    /// Labels the objects must have themselves, such as `release: shop`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "default" = {}))]
    pub match_labels: BTreeMap<String, LabelValue>,
}
