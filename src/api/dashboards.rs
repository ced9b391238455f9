//! Parts of `spec.dashboards`: which dashboards there are, and how people reach them.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{LabelValue, ObjectName, SecretRef};

/// The dashboards that come with the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct ShippedSpec {
    /// Whether they are there; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Those for what not every stack has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub extra: Vec<Extra>,
}

/// A dashboard for what not every stack has.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Extra {
    /// PostgreSQL, by postgres_exporter's metrics; there without a word if the agent gathers them.
    Postgres,
    /// Traefik, by its own metrics.
    Traefik,
    /// A web application and a bot, by http_requests_total and http_request_duration_seconds.
    Application,
}

/// Which of the labelled ConfigMaps are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct DashboardSelector {
    /// Labels a ConfigMap must have, beside the one that makes it a dashboard.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "default" = {}))]
    pub match_labels: BTreeMap<String, LabelValue>,
}

/// How Grafana is reached from outside of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("!has(self.redirectToHttps) || !self.redirectToHttps || has(self.tls)").message("redirectToHttps needs tls"))]
pub struct IngressSpec {
    /// The host's name, such as grafana.example.org.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
        length(min = 1, max = 253)
    )]
    pub host: String,
    /// The IngressClass, such as traefik; the cluster's default one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<ObjectName>,
    /// HTTPS; plain HTTP when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<IngressTls>,
    /// Whether who comes by HTTP is sent to HTTPS; true with tls when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_to_https: Option<bool>,
    /// Annotations for the ingress controller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "default" = {}))]
    pub annotations: BTreeMap<String, AnnotationValue>,
}

/// Where the certificate comes from; exactly one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.issuerRef)").message("exactly one of secretRef, issuerRef"))]
pub struct IngressTls {
    /// A Secret of type kubernetes.io/tls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// An issuer of cert-manager, which puts the certificate into `<stack>-grafana-tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
}

/// An issuer of cert-manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct IssuerRef {
    /// Issuer, of this namespace, or ClusterIssuer; Issuer when absent.
    #[serde(default)]
    #[schemars(default)]
    pub kind: IssuerKind,
    /// Its name.
    pub name: ObjectName,
}

/// The kinds of issuer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum IssuerKind {
    /// Of this namespace.
    #[default]
    Issuer,
    /// Of the cluster.
    ClusterIssuer,
}

/// The value of an annotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct AnnotationValue(#[schemars(length(max = 1024))] pub String);
