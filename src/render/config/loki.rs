//! `loki.yaml`: one process that is all of Loki, on a volume. The keys are valid for 3.x.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{flows, network};
use crate::{
    api::component::Component,
    resolve::model::{self, Stack},
};

/// Where the data is mounted.
pub const DATA_DIR: &str = "/loki";
/// Where Loki looks for rules, one directory for each tenant.
pub const RULES_DIR: &str = "/etc/loki/rules";
/// The tenant of everything when there are no tenants.
pub const TENANT: &str = "fake";

/// The file.
#[derive(Debug, Serialize)]
pub struct Config {
    auth_enabled: bool,
    server: Server,
    common: Common,
    schema_config: SchemaConfig,
    limits_config: Limits,
    compactor: Compactor,
    ruler: Ruler,
    analytics: Analytics,
}

#[derive(Debug, Serialize)]
struct Server {
    http_listen_port: u16,
    grpc_listen_port: u16,
}

#[derive(Debug, Serialize)]
struct Common {
    instance_addr: &'static str,
    path_prefix: &'static str,
    replication_factor: u8,
    ring: Ring,
    storage: CommonStorage,
}

#[derive(Debug, Serialize)]
struct Ring {
    kvstore: KvStore,
}

#[derive(Debug, Serialize)]
struct KvStore {
    store: &'static str,
}

#[derive(Debug, Serialize)]
struct CommonStorage {
    filesystem: Filesystem,
}

#[derive(Debug, Serialize)]
struct Filesystem {
    chunks_directory: String,
    rules_directory: &'static str,
}

#[derive(Debug, Serialize)]
struct SchemaConfig {
    configs: Vec<Schema>,
}

#[derive(Debug, Serialize)]
struct Schema {
    from: &'static str,
    store: &'static str,
    object_store: &'static str,
    schema: &'static str,
    index: Index,
}

#[derive(Debug, Serialize)]
struct Index {
    prefix: &'static str,
    period: &'static str,
}

#[derive(Debug, Serialize)]
struct Limits {
    retention_period: String,
    max_query_lookback: String,
    reject_old_samples: bool,
    reject_old_samples_max_age: &'static str,
    allow_structured_metadata: bool,
    volume_enabled: bool,
    ingestion_rate_mb: u32,
    ingestion_burst_size_mb: u32,
    per_stream_rate_limit: &'static str,
    per_stream_rate_limit_burst: &'static str,
}

#[derive(Debug, Serialize)]
struct Compactor {
    working_directory: String,
    retention_enabled: bool,
    delete_request_store: &'static str,
    compaction_interval: &'static str,
    retention_delete_delay: &'static str,
}

#[derive(Debug, Serialize)]
struct Ruler {
    rule_path: String,
    wal: Wal,
    external_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alertmanager_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_write: Option<RemoteWrite>,
    enable_api: bool,
    evaluation_interval: &'static str,
    poll_interval: &'static str,
    ring: Ring,
}

#[derive(Debug, Serialize)]
struct Wal {
    dir: String,
}

#[derive(Debug, Serialize)]
struct RemoteWrite {
    enabled: bool,
    clients: BTreeMap<&'static str, Client>,
}

#[derive(Debug, Serialize)]
struct Client {
    url: String,
}

#[derive(Debug, Serialize)]
struct Analytics {
    reporting_enabled: bool,
}

/// The file for a stack's Loki.
#[must_use]
pub fn config(stack: &Stack, loki: &model::Loki) -> Config {
    Config {
        auth_enabled: false,
        server: Server {
            http_listen_port: flows::http_port(Component::Loki),
            grpc_listen_port: 9095,
        },
        common: common(),
        schema_config: schema_config(),
        limits_config: limits(&loki.retention),
        compactor: Compactor {
            working_directory: format!("{DATA_DIR}/compactor"),
            // Off by default: without it nothing is ever deleted.
            retention_enabled: true,
            delete_request_store: "filesystem",
            compaction_interval: "10m",
            retention_delete_delay: "2h",
        },
        ruler: ruler(stack, loki),
        analytics: Analytics {
            reporting_enabled: false,
        },
    }
}

fn in_memory() -> Ring {
    Ring {
        kvstore: KvStore { store: "inmemory" },
    }
}

fn common() -> Common {
    Common {
        instance_addr: "127.0.0.1",
        path_prefix: DATA_DIR,
        replication_factor: 1,
        ring: in_memory(),
        storage: CommonStorage {
            filesystem: Filesystem {
                chunks_directory: format!("{DATA_DIR}/chunks"),
                rules_directory: RULES_DIR,
            },
        },
    }
}

/// Periods are only ever added, with a date to come: this one must never change.
fn schema_config() -> SchemaConfig {
    SchemaConfig {
        configs: vec![Schema {
            from: "2024-01-01",
            store: "tsdb",
            object_store: "filesystem",
            schema: "v13",
            index: Index {
                prefix: "index_",
                period: "24h",
            },
        }],
    }
}

/// Loki's own rates suit tenants of a large shared one: at 4 MB/s, and 3 for each stream, an agent
/// that catches up would be refused for hours.
fn limits(retention: &str) -> Limits {
    Limits {
        retention_period: retention.into(),
        max_query_lookback: retention.into(),
        reject_old_samples: true,
        reject_old_samples_max_age: "168h",
        allow_structured_metadata: true,
        volume_enabled: true,
        ingestion_rate_mb: 64,
        ingestion_burst_size_mb: 128,
        per_stream_rate_limit: "32MB",
        per_stream_rate_limit_burst: "64MB",
    }
}

fn ruler(stack: &Stack, loki: &model::Loki) -> Ruler {
    let url = |component| {
        stack
            .runs(component)
            .then(|| network::url(stack, component))
    };
    Ruler {
        // The ruler empties this directory, so it is not the one with the rules.
        rule_path: format!("{DATA_DIR}/rules-temp"),
        wal: Wal {
            dir: format!("{DATA_DIR}/ruler-wal"),
        },
        // The links of alerts lead there; without an address they have no host.
        external_url: loki
            .grafana_link
            .clone()
            .unwrap_or_else(|| network::url(stack, Component::Loki)),
        // A list, each of which gets every alert.
        alertmanager_url: url(Component::Alertmanager).or_else(|| {
            let urls = &loki.alertmanager_urls;
            (!urls.is_empty()).then(|| urls.join(","))
        }),
        remote_write: url(Component::Prometheus).map(|url| RemoteWrite {
            enabled: true,
            clients: BTreeMap::from([(
                "prometheus",
                Client {
                    url: format!("{url}/api/v1/write"),
                },
            )]),
        }),
        enable_api: true,
        evaluation_interval: "1m",
        poll_interval: "10s",
        ring: in_memory(),
    }
}
