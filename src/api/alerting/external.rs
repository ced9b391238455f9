//! What a client of a foreign HTTP API needs, and Alertmanagers that are there already.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::super::{stack::BasicAuth, value::SecretKeyRef};

/// An Alertmanager that is there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.basicAuth) && has(self.bearerTokenSecretRef))").message("basicAuth or bearerTokenSecretRef, not both"))]
pub struct External {
    /// Its address, such as `https://alertmanager.example.org`, with its path prefix if it has one.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 1024))]
    pub url: String,
    /// A user name and its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Where the token is that is sent as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token_secret_ref: Option<SecretKeyRef>,
    /// Whom to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Whom to trust at the other end of a TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Tls {
    /// Where the certificates of the authorities to trust are, as PEM; the system's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// The name in the server's certificate, when it is not the address's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+$"), length(max = 253))]
    pub server_name: Option<String>,
    /// Take any certificate: whoever is in between can read along and answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<bool>,
}

impl External {
    /// The keys of Secrets that it refers to.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        let password = self.basic_auth.as_ref().map(|it| &it.password_secret_ref);
        let ca = self.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref());
        [password, self.bearer_token_secret_ref.as_ref(), ca]
            .into_iter()
            .flatten()
    }
}
