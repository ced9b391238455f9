//! PostgreSQL in the agent's configuration file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;

/// Which PostgreSQL servers are scraped, and what of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// Servers by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<PostgresTarget>,
    /// Servers in the pods of this node; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discover: Option<PostgresDiscovery>,
    /// Looks for a server on this host: its usual Unix sockets, then port 5432 on loopback.
    #[serde(skip_serializing_if = "is_default")]
    pub local: bool,
    /// Queries of one's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<PostgresQuery>,
    /// Figures of single statements, from the extension `pg_stat_statements`; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<StatementsConfig>,
    /// Databases of one server at most, and so connections to it. What is above is left out and
    /// counted in `masthead_agent_postgres_databases_left_out`.
    pub max_databases: usize,
    /// Tables of one server at most. What is above is left out and counted in
    /// `masthead_agent_postgres_tables_left_out`.
    pub max_tables: usize,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            discover: None,
            local: false,
            queries: Vec::new(),
            statements: None,
            max_databases: 16,
            max_tables: 5_000,
        }
    }
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PostgresTarget {
    /// The label `instance` of its series, and its name in `/probe?target=`.
    pub name: String,
    /// A host name, an address, or the folder of a Unix socket, which starts with a slash.
    pub host: String,
    /// The port; 5432 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How to log in.
    pub login: PostgresLogin,
    /// Whether it is told by `/probe?target=` only, and not by `/metrics`.
    #[serde(skip_serializing_if = "is_default")]
    pub only_probe: bool,
}

/// How to log in, and to which databases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PostgresLogin {
    /// The role; `postgres` when neither it nor `userFile` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A file with the role's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_file: Option<String>,
    /// A file with the role's password. Files are read again for each new connection, and a
    /// change ends the connections made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// The database of the server's own figures; `postgres` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Whose tables are told.
    #[serde(skip_serializing_if = "is_default")]
    pub databases: DatabasesConfig,
    /// How the connection is kept from others.
    #[serde(skip_serializing_if = "is_default")]
    pub ssl_mode: SslMode,
    /// A file with the certificates that vouch for the server, for `verify-ca` and `verify-full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// A file with the client's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<String>,
    /// A file with the key of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
}

/// A choice of databases by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DatabasesConfig {
    /// Only these; empty: every one that may be connected to and is no template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Not these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// PostgreSQL's own words for how a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema), schemars(inline))]
pub enum SslMode {
    /// Not encrypted.
    Disable,
    /// Encrypted if the server offers it.
    #[default]
    Prefer,
    /// Encrypted; the server is not verified.
    Require,
    /// Encrypted; the server's certificate must come from the given authority.
    VerifyCa,
    /// The same, and it must be for this host name.
    VerifyFull,
}

/// Servers in pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PostgresDiscovery {
    /// The namespaces whose pods are looked at.
    pub namespaces: Vec<String>,
    /// Labels that the pods have, as the API takes them: `app=postgres,tier in (db)`.
    pub selector: String,
    /// The port; 5432 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How to log in to all of them.
    pub login: PostgresLogin,
}

/// A query whose rows become samples: the metric `<name>_<column>` for each value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PostgresQuery {
    /// How its metrics begin.
    pub name: String,
    /// One statement that only reads.
    pub sql: String,
    /// Columns that become labels, as text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Columns that become values, as numbers.
    pub values: BTreeMap<String, ValueKind>,
    /// Databases it runs in; empty: the target's own `database`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Seconds for which an answer is told again before the server is asked anew; 0: each scrape.
    #[serde(skip_serializing_if = "is_default")]
    pub every_seconds: u64,
    /// Seconds it may take; 5 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Rows at most; with more it fails. 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<usize>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema), schemars(inline))]
pub enum ValueKind {
    /// It goes up and down.
    Gauge,
    /// It only grows.
    Counter,
}

/// Which statements are told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct StatementsConfig {
    /// How many, those that took most time first; all others are one, `queryid="other"`.
    pub top: usize,
}

impl Default for StatementsConfig {
    fn default() -> Self {
        Self { top: 20 }
    }
}
