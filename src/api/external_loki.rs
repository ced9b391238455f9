//! `spec.logs.external`: a Loki that the stack does not run.

// A reference to a Secret is called `…SecretRef` everywhere.
#![allow(clippy::struct_field_names)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{stack::BasicAuth, value::SecretKeyRef};

/// A Loki that runs elsewhere, or another receiver of its push protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("!has(self.basicAuth) || !has(self.bearerTokenSecretRef)").message("basicAuth or bearerTokenSecretRef, not both"))]
pub struct ExternalLokiSpec {
    /// Its address, such as `https://loki.example.org`; a path replaces `/loki/api/v1/push`.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2048))]
    pub url: String,
    /// The tenant of everything that tenants does not name; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// The tenants of namespaces that have one of their own, by namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256, "default" = {}))]
    pub tenants: BTreeMap<String, Tenant>,
    /// A user name and its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Where a bearer token is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_secret_ref: Option<SecretKeyRef>,
    /// How an https address is trusted; by the authorities of the image when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// How lines are sent; Protobuf when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<PushEncoding>,
}

/// The name of a tenant, as Loki takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Tenant(
    #[schemars(regex(pattern = r"^[-a-zA-Z0-9!_.*'()]+$"), length(min = 1, max = 150))] pub String,
);

/// Whom a client of an https address trusts, and how it shows itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("has(self.certSecretRef) == has(self.keySecretRef)").message("certSecretRef and keySecretRef: both or none"))]
#[allow(
    clippy::struct_field_names,
    reason = "what a reference is called everywhere"
)]
pub struct ClientTls {
    /// Where the certificates of the trusted authorities are, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// Where the client's own certificate is, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<SecretKeyRef>,
    /// Where its key is, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret_ref: Option<SecretKeyRef>,
}

/// How lines are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum PushEncoding {
    /// Protobuf, compressed with snappy: Loki's own.
    #[default]
    Protobuf,
    /// JSON, compressed with gzip, for receivers that know no other.
    Json,
}
