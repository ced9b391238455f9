//! `spec.agent.postgres`: which PostgreSQL servers the agents scrape.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::agent_config::{SslMode, ValueKind};
use super::value::{Duration, LabelValue, SecretKeyRef, SecretRef};

/// PostgreSQL's metrics, as postgres_exporter names them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresCollectorSpec {
    /// Servers by address, wherever they run. Each is scraped by one of the agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<PostgresTargetSpec>,
    /// Servers in pods, found by label. Each is scraped by the agent of its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<PostgresDiscoverSpec>,
    /// Queries of one's own, run on every server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub queries: Vec<PostgresQuerySpec>,
    /// Figures of single statements, from the extension pg_stat_statements; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<PostgresStatementsSpec>,
}

/// A PostgreSQL server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresTargetSpec {
    /// Its name, the label `instance` of its series.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,
    /// The host name or the address.
    #[schemars(regex(pattern = r"^[-A-Za-z0-9.:_]+$"), length(min = 1, max = 253))]
    pub host: String,
    /// The port; 5432 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// The database whose connection tells the server's own figures; postgres when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
    /// Whose tables are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<PostgresDatabasesSpec>,
    /// How the connection is protected: disable, prefer, require, verify-ca or verify-full, as PostgreSQL's
    /// own clients mean them; prefer when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_mode: Option<SslMode>,
    /// The Secret with the role, in the keys `username` and `password`; a member of pg_monitor sees all
    /// that is told. The role postgres without a password when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Where the certificates are that vouch for the server, for verify-ca and verify-full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// The Secret with a client certificate, in the keys `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<SecretRef>,
}

/// PostgreSQL servers in pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresDiscoverSpec {
    /// Which pods.
    pub pod_selector: PostgresPodSelector,
    /// The namespaces whose pods are looked at; the stack's own when absent. Whoever can create pods there
    /// can have the credentials sent to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))
    )]
    pub namespaces: Vec<String>,
    /// The port; 5432 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// The database whose connection tells the server's own figures; postgres when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
    /// Whose tables are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<PostgresDatabasesSpec>,
    /// How the connections are protected; prefer when absent. Pods are reached by their address, so that
    /// verify-full needs a certificate that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_mode: Option<SslMode>,
    /// The Secret with the role, in the keys `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Where the certificates are that vouch for the servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// The Secret with a client certificate, in the keys `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<SecretRef>,
}

/// A choice of pods by their labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PostgresPodSelector {
    /// Labels the pods must have, one at least.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    pub match_labels: BTreeMap<String, LabelValue>,
}

/// A choice of databases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PostgresDatabasesSpec {
    /// Only these; every one that is no template and may be connected to when absent, 16 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub include: Vec<String>,
    /// Not these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub exclude: Vec<String>,
}

/// A query whose rows become samples: the metric `<name>_<column>` for each value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresQuerySpec {
    /// How its metrics begin.
    #[schemars(
        regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"),
        length(min = 1, max = 63)
    )]
    pub name: String,
    /// One statement that only reads. It runs in a read-only transaction.
    #[schemars(length(min = 1, max = 4096))]
    pub sql: String,
    /// Columns that become labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"), length(max = 63))
    )]
    pub labels: Vec<String>,
    /// Columns that become values: each gauge or counter.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    pub values: BTreeMap<String, ValueKind>,
    /// Databases it runs in; each server's own `database` when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    pub databases: Vec<String>,
    /// How long an answer is told again before the server is asked anew; each scrape when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// How long it may take, 60s at most; 5s when absent. Prometheus waits for 10s in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// With more rows the query fails; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_rows: Option<i32>,
}

/// Which statements are told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PostgresStatementsSpec {
    /// How many of each server, those that took most time first; 20 when absent. All others are one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 500))]
    pub top: Option<i32>,
}
