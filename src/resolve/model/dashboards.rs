//! Parts of Grafana's model.

use std::collections::BTreeMap;

use super::SecretValue;

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: SecretValue,
    /// The password.
    pub password: SecretValue,
}

/// Users' dashboards of one folder, as many as one `ConfigMap` holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DashboardShard {
    /// The folder; empty: Grafana's general one.
    pub folder: String,
    /// The dashboards by file name, each valid JSON with a uid that no other has.
    pub files: BTreeMap<String, String>,
}

/// An Ingress for Grafana.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// The host's name.
    pub host: String,
    /// The `IngressClass`.
    pub class_name: Option<String>,
    /// The Secret with the certificate.
    pub tls_secret: Option<String>,
    /// What HTTP gets.
    pub http: HttpAnswer,
    /// Annotations, cert-manager's among them.
    pub annotations: BTreeMap<String, String>,
}

/// What who comes by HTTP gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpAnswer {
    /// The same as by HTTPS, or as the ingress controller decides.
    Same,
    /// A redirect by a Middleware of Traefik.
    TraefikRedirect,
    /// Nothing, with Traefik: its `web` entry point does not lead here.
    Nothing,
}
