//! How Prometheus and Alertmanager talk to an HTTP API: the keys are the same in both.

use serde::Serialize;

use crate::resolve::model;

/// Credentials and trust; empty when there is nothing to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    #[serde(skip_serializing_if = "Option::is_none")]
    basic_auth: Option<BasicAuth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<Authorization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_config: Option<Tls>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct BasicAuth {
    username: String,
    password_file: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Authorization {
    #[serde(rename = "type")]
    kind: &'static str,
    credentials_file: String,
}

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure_skip_verify: bool,
}

impl Client {
    /// The client, with its files in a folder.
    #[must_use]
    pub fn of(client: &model::HttpClient, folder: &str) -> Self {
        Self {
            basic_auth: client
                .basic_auth
                .as_ref()
                .map(|(username, file)| BasicAuth {
                    username: username.clone(),
                    password_file: format!("{folder}/{file}"),
                }),
            authorization: client.bearer_token_file.as_ref().map(|file| Authorization {
                kind: "Bearer",
                credentials_file: format!("{folder}/{file}"),
            }),
            tls_config: client.tls.as_ref().map(|tls| Tls::of(tls, folder)),
        }
    }

    /// The client, if it differs from the default one.
    #[must_use]
    pub fn unless_default(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

impl Tls {
    /// The settings, with their files in a folder.
    #[must_use]
    pub fn of(tls: &model::Tls, folder: &str) -> Self {
        Self {
            ca_file: tls.ca_file.as_ref().map(|file| format!("{folder}/{file}")),
            server_name: tls.server_name.clone(),
            insecure_skip_verify: tls.insecure_skip_verify,
        }
    }
}
