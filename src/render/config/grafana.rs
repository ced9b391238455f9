//! Grafana's provisioning files: data sources, and where dashboards are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::super::{network, version::Feature};
use crate::{
    api::component::Component,
    resolve::{
        external_loki,
        model::{self, ExternalLoki, Stack},
    },
};

/// Where Grafana's secret files are mounted.
pub const SECRETS_DIR: &str = "/etc/grafana/secrets";

/// The scrape interval that Grafana assumes. It is not written: so a stack with the usual interval
/// has the same file while its Prometheus is held and its interval is unknown.
const GRAFANAS_INTERVAL: &str = "15s";

/// The file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSources {
    api_version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<bool>,
    datasources: Vec<DataSource>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DataSource {
    name: &'static str,
    #[serde(rename = "type")]
    type_: &'static str,
    uid: &'static str,
    access: &'static str,
    url: String,
    is_default: bool,
    editable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    basic_auth: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    basic_auth_user: Option<String>,
    json_data: JsonData,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    secure_json_data: BTreeMap<&'static str, String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonData {
    #[serde(skip_serializing_if = "Option::is_none")]
    http_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alertmanager_uid: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    implementation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle_grafana_managed_alerts: Option<bool>,
    /// Grafana keeps what it does not know, and shows it: so a data source tells which files it
    /// was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    masthead_config: Option<String>,
    #[serde(flatten)]
    client: BTreeMap<&'static str, Value>,
}

impl DataSources {
    /// The uid of the first, which can be marked.
    #[must_use]
    pub fn first(&self) -> Option<&'static str> {
        self.datasources.first().map(|source| source.uid)
    }

    /// Writes a mark on the first.
    #[must_use]
    pub fn marked(mut self, mark: &str) -> Self {
        if let Some(first) = self.datasources.first_mut() {
            first.json_data.masthead_config = Some(mark.to_owned());
        }
        self
    }
}

/// The file that says where dashboards are.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Providers {
    api_version: u8,
    providers: Vec<Provider>,
}

/// Dashboards of one folder, below one path.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    name: String,
    #[serde(rename = "type")]
    type_: &'static str,
    folder: String,
    // A dashboard goes when its file goes.
    disable_deletion: bool,
    allow_ui_updates: bool,
    update_interval_seconds: u8,
    options: ProviderOptions,
}

#[derive(Debug, Serialize)]
struct ProviderOptions {
    path: String,
}

/// The file, for folders and the paths of their dashboards. Each path has a name of its own.
#[must_use]
pub fn providers(paths: impl Iterator<Item = (String, String, String)>) -> Providers {
    Providers {
        api_version: 1,
        providers: paths
            .map(|(name, folder, path)| Provider {
                name,
                type_: "file",
                folder,
                disable_deletion: false,
                allow_ui_updates: false,
                update_interval_seconds: 10,
                options: ProviderOptions { path },
            })
            .collect(),
    }
}

/// The file for a stack's Grafana: a data source for each store that runs, called by a uid that
/// dashboards can rely on.
#[must_use]
pub fn data_sources(stack: &Stack, grafana: &model::Grafana) -> DataSources {
    let alertmanager_uid = stack
        .runs(Component::Alertmanager)
        .then_some("alertmanager");
    let source = |component, name, json_data| {
        stack
            .runs(component)
            .then(|| data_source(stack, component, name, json_data))
    };
    let prometheus = JsonData {
        // Long queries do not fit in a URL.
        http_method: Some("POST"),
        time_interval: stack
            .prometheus
            .as_ref()
            .map(|prometheus| prometheus.scrape_interval.clone())
            .filter(|interval| interval != GRAFANAS_INTERVAL),
        alertmanager_uid,
        ..JsonData::default()
    };
    let loki = JsonData {
        alertmanager_uid,
        ..JsonData::default()
    };
    let alertmanager = JsonData {
        implementation: Some("prometheus"),
        handle_grafana_managed_alerts: Some(false),
        ..JsonData::default()
    };
    DataSources {
        api_version: 1,
        prune: Feature::GrafanaPrune
            .is_in(&grafana.workload.version)
            .then_some(true),
        datasources: [
            source(Component::Prometheus, "Prometheus", prometheus),
            match &stack.external_loki {
                Some(external) => Some(elsewhere(external, loki)),
                None => source(Component::Loki, "Loki", loki),
            },
            source(Component::Alertmanager, "Alertmanager", alertmanager),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn data_source(
    stack: &Stack,
    component: Component,
    name: &'static str,
    json_data: JsonData,
) -> DataSource {
    DataSource {
        name,
        type_: component.name(),
        uid: component.name(),
        access: "proxy",
        url: network::url(stack, component),
        is_default: component == Component::Prometheus,
        editable: false,
        basic_auth: None,
        basic_auth_user: None,
        json_data,
        secure_json_data: BTreeMap::new(),
    }
}

/// A Loki that runs elsewhere, with the same uid as the stack's own, so that dashboards need not
/// know. Grafana reads secret values from the files that `$__file{…}` names; a header's value can
/// only be given as a secret.
fn elsewhere(external: &ExternalLoki, json_data: JsonData) -> DataSource {
    let file = |name: &str| format!("$__file{{{SECRETS_DIR}/{name}}}");
    let mut client = BTreeMap::new();
    let mut secret = BTreeMap::new();
    if let Some(tenant) = &external.tenant {
        client.insert("httpHeaderName1", "X-Scope-OrgID".into());
        // Grafana takes `$` for the start of a variable; no tenant's name can hold one.
        secret.insert("httpHeaderValue1", tenant.clone());
    }
    if external.token {
        client.insert("httpHeaderName2", "Authorization".into());
        let token = file(external_loki::TOKEN);
        secret.insert("httpHeaderValue2", format!("Bearer {token}"));
    }
    if external.user.is_some() {
        secret.insert("basicAuthPassword", file(external_loki::PASSWORD));
    }
    if external.ca {
        client.insert("tlsAuthWithCACert", true.into());
        secret.insert("tlsCACert", file(external_loki::CA));
    }
    if external.certificate {
        client.insert("tlsAuth", true.into());
        secret.insert("tlsClientCert", file(external_loki::CERT));
        secret.insert("tlsClientKey", file(external_loki::KEY));
    }
    DataSource {
        name: "Loki",
        type_: "loki",
        uid: "loki",
        access: "proxy",
        url: base(&external.url),
        is_default: false,
        editable: false,
        basic_auth: external.user.as_ref().map(|_| true),
        // A `$` would start a variable.
        basic_auth_user: external.user.as_ref().map(|user| user.replace('$', "$$")),
        json_data: JsonData {
            client,
            ..json_data
        },
        secure_json_data: secret,
    }
}

/// Grafana adds the paths of Loki's API itself, so the one of its push endpoint comes off.
fn base(url: &str) -> String {
    let url = url.strip_suffix("/loki/api/v1/push").unwrap_or(url);
    url.trim_end_matches('/').replace('$', "$$")
}
