//! `prometheus.yml`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::{flows, version::Feature},
    foreign,
    http::Client,
    scrape::{self, KubernetesSd, Relabel, ScrapeConfig},
};
use crate::{
    api::component::Component,
    resolve::{
        model::{self, Stack},
        rules,
    },
};

/// Where the rule shards are mounted, each in a directory called by its number.
pub const RULES_DIR: &str = "/etc/prometheus/rules";
/// Where the secrets are mounted.
pub const SECRETS_DIR: &str = "/etc/prometheus/secrets";
/// The external label that tells the replicas of a pair apart.
pub const REPLICA_LABEL: &str = "replica";

/// The file.
#[derive(Debug, Serialize)]
pub struct Config {
    global: Global,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<Storage>,
    /// Patterns of rule files.
    pub rule_files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerting: Option<Alerting>,
    scrape_configs: Vec<Scraped>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remote_write: Vec<RemoteWrite>,
}

/// A scrape job of the stack's, or of somebody else's.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Scraped {
    Own(Box<ScrapeConfig>),
    Foreign(Box<foreign::Job>),
}

#[derive(Debug, Serialize)]
struct Global {
    scrape_interval: String,
    evaluation_interval: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    external_labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Storage {
    tsdb: Tsdb,
}

#[derive(Debug, Serialize)]
struct Tsdb {
    retention: Retention,
}

#[derive(Debug, Serialize)]
struct Retention {
    time: String,
    size: String,
}

#[derive(Debug, Serialize)]
struct Alerting {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alert_relabel_configs: Vec<Relabel>,
    alertmanagers: Vec<Alertmanagers>,
}

#[derive(Debug, Serialize)]
struct Alertmanagers {
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_prefix: Option<String>,
    #[serde(flatten)]
    client: Client,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    static_configs: Vec<StaticTargets>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kubernetes_sd_configs: Vec<KubernetesSd>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relabel_configs: Vec<Relabel>,
}

#[derive(Debug, Serialize)]
struct StaticTargets {
    targets: [String; 1],
}

#[derive(Debug, Serialize)]
struct RemoteWrite {
    name: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    basic_auth: Option<BasicAuth>,
}

#[derive(Debug, Serialize)]
struct BasicAuth {
    username: String,
    password_file: String,
}

/// The file for a stack's Prometheus, without the marker.
#[must_use]
pub fn config(stack: &Stack, prometheus: &model::Prometheus) -> Config {
    Config {
        global: Global {
            scrape_interval: prometheus.scrape_interval.clone(),
            evaluation_interval: prometheus.scrape_interval.clone(),
            external_labels: external_labels(prometheus),
        },
        storage: Feature::PrometheusRetentionInFile
            .is_in(&prometheus.workload.version)
            .then(|| Storage {
                tsdb: Tsdb {
                    retention: Retention {
                        time: prometheus.retention.clone(),
                        size: prometheus.retention_size.clone(),
                    },
                },
            }),
        // Prometheus takes a star in the last part of a pattern only.
        rule_files: (0..rules::SHARDS)
            .map(|shard| format!("{RULES_DIR}/{shard}/*.yaml"))
            .collect(),
        alerting: alerting(stack, prometheus),
        scrape_configs: scraped(stack),
        remote_write: prometheus.remote_write.iter().map(remote_write).collect(),
    }
}

fn scraped(stack: &Stack) -> Vec<Scraped> {
    let own = scrape::jobs(stack).into_iter().map(Box::new);
    let foreign = foreign::jobs(stack).into_iter().map(Box::new);
    own.map(Scraped::Own)
        .chain(foreign.map(Scraped::Foreign))
        .collect()
}

/// Prometheus expands `$name` and `${name}` in external labels from its environment; `$$` is a
/// dollar sign.
fn external_labels(prometheus: &model::Prometheus) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<_, _> = prometheus
        .external_labels
        .iter()
        .map(|(name, value)| (name.clone(), value.replace('$', "$$")))
        .collect();
    if prometheus.workload.replicas > 1 {
        labels.insert(REPLICA_LABEL.into(), "${POD_NAME}".into());
    }
    labels
}

/// Every replica of Alertmanager gets every alert: they agree among themselves who notifies.
fn alerting(stack: &Stack, prometheus: &model::Prometheus) -> Option<Alerting> {
    let own = stack
        .runs(Component::Alertmanager)
        .then(|| own_alertmanagers(stack));
    let external = prometheus.alertmanagers.iter().map(external);
    let alertmanagers: Vec<_> = own.into_iter().chain(external).collect();
    let replicas_differ = prometheus.workload.replicas > 1;
    // With the label, the alerts of a pair would be two alerts.
    let drop_replica = replicas_differ.then(|| scrape::drop_label(REPLICA_LABEL));
    (!alertmanagers.is_empty()).then(|| Alerting {
        alert_relabel_configs: drop_replica.into_iter().collect(),
        alertmanagers,
    })
}

fn own_alertmanagers(stack: &Stack) -> Alertmanagers {
    Alertmanagers {
        scheme: None,
        path_prefix: None,
        client: Client::default(),
        static_configs: Vec::new(),
        kubernetes_sd_configs: vec![scrape::own_pods(stack)],
        relabel_configs: scrape::keep_port(Component::Alertmanager, flows::HTTP),
    }
}

fn external(alertmanager: &model::ExternalAlertmanager) -> Alertmanagers {
    let path = &alertmanager.path;
    Alertmanagers {
        scheme: Some(alertmanager.scheme.clone()),
        path_prefix: (!path.is_empty()).then(|| path.clone()),
        client: Client::of(&alertmanager.client, SECRETS_DIR),
        static_configs: vec![StaticTargets {
            targets: [alertmanager.authority.clone()],
        }],
        kubernetes_sd_configs: Vec::new(),
        relabel_configs: Vec::new(),
    }
}

fn remote_write(store: &model::RemoteWrite) -> RemoteWrite {
    RemoteWrite {
        name: store.name.clone(),
        url: store.url.clone(),
        basic_auth: store.basic_auth.as_ref().map(|(username, file)| BasicAuth {
            username: username.clone(),
            password_file: format!("{SECRETS_DIR}/{file}"),
        }),
    }
}
