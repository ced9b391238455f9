//! `spec.agent.postgres`: from what users wrote to the agent's configuration. A target or a query
//! with a problem is left out; the others stay.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inputs, duration, model::SecretValue, problem::Problem, secrets::SecretFiles};
use crate::api::{
    agent_config::{
        DatabasesConfig, PostgresConfig, PostgresDiscovery, PostgresLogin, PostgresQuery,
        PostgresTarget, SslMode, StatementsConfig,
    },
    agent_postgres::{
        PostgresCollectorSpec, PostgresDatabasesSpec, PostgresDiscoverSpec, PostgresQuerySpec,
        PostgresTargetSpec,
    },
    value::{Duration, ObjectName, SecretKeyRef, SecretRef},
};

/// Where the agent finds the files of its Secret.
pub const SECRETS_DIR: &str = "/etc/masthead-secrets";
const FIELD: &str = "spec.agent.postgres";
const MOST_SECONDS: u64 = 60;

/// The names of the Secrets that the specification refers to.
pub fn references(spec: &PostgresCollectorSpec) -> impl Iterator<Item = &ObjectName> {
    let targets = spec.targets.iter().map(Access::of_target);
    let found = spec.discover.as_ref().map(Access::of_pods);
    targets.chain(found).flat_map(|access| {
        let whole = [access.credentials, access.cert].into_iter().flatten();
        let names = whole.map(|secret| &secret.name);
        names.chain(access.ca.map(|key| &key.name))
    })
}

/// The agent's configuration, and the files that it names.
pub fn resolve(
    spec: &PostgresCollectorSpec,
    namespace: &str,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> (PostgresConfig, BTreeMap<String, SecretValue>) {
    let mut files = SecretFiles::new(inputs);
    let mut taken = BTreeSet::new();
    let mut config = PostgresConfig {
        statements: spec.statements.as_ref().map(|it| {
            let top = it.top.and_then(|top| top.try_into().ok());
            let default = StatementsConfig::default();
            StatementsConfig {
                top: top.unwrap_or(default.top),
            }
        }),
        ..PostgresConfig::default()
    };
    if spec.targets.is_empty() && spec.discover.is_none() {
        problems.push(Problem::new(
            FIELD,
            "nothing to scrape: give targets or discover",
        ));
    }
    for target in &spec.targets {
        let field = format!("{FIELD}.targets[{}]", target.name);
        let resolved = if taken.insert(&target.name) {
            resolve_target(target, &field, &mut files)
        } else {
            Err(Problem::new(field, "the name is taken: choose another"))
        };
        match resolved {
            Ok(target) => config.targets.push(target),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(discover) = &spec.discover {
        match resolve_discover(discover, namespace, inputs, &mut files, problems) {
            Ok(discover) => config.discover = Some(discover),
            Err(problem) => problems.push(problem),
        }
    }
    let mut names = BTreeSet::new();
    for query in &spec.queries {
        let field = format!("{FIELD}.queries[{}]", query.name);
        let resolved = if names.insert(&query.name) {
            resolve_query(query, &field)
        } else {
            Err(Problem::new(field, "the name is taken: choose another"))
        };
        match resolved {
            Ok(query) => config.queries.push(query),
            Err(problem) => problems.push(problem),
        }
    }
    (config, files.into_files())
}

fn resolve_target(
    target: &PostgresTargetSpec,
    field: &str,
    files: &mut SecretFiles<'_>,
) -> Result<PostgresTarget, Problem> {
    let stem = format!("postgres.{}", target.name);
    Ok(PostgresTarget {
        name: target.name.clone(),
        host: target.host.clone(),
        port: port(target.port),
        login: Access::of_target(target).resolve(&stem, field, files)?,
        // Every agent knows it, and the one that is asked tells it.
        only_probe: true,
    })
}

fn resolve_discover(
    discover: &PostgresDiscoverSpec,
    namespace: &str,
    inputs: &Inputs,
    files: &mut SecretFiles<'_>,
    problems: &mut Vec<Problem>,
) -> Result<PostgresDiscovery, Problem> {
    let field = format!("{FIELD}.discover");
    let labels = &discover.pod_selector.match_labels;
    if labels.is_empty() {
        let message = "one label at least: the credentials go to every pod that is chosen";
        return Err(Problem::new(
            format!("{field}.podSelector.matchLabels"),
            message,
        ));
    }
    let mut namespaces = discover.namespaces.clone();
    if namespaces.is_empty() {
        namespaces.push(namespace.to_owned());
    }
    if !inputs.operator.cluster_wide {
        let own = namespaces.iter().any(|it| it == namespace);
        if namespaces.iter().any(|it| it != namespace) {
            let message = format!(
                "only {namespace}: the operator's watchNamespaces keeps its agents out of others"
            );
            problems.push(Problem::new(format!("{field}.namespaces"), message));
        }
        namespaces = own.then(|| namespace.to_owned()).into_iter().collect();
    }
    namespaces.sort();
    namespaces.dedup();
    let selector: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{label}={}", value.0))
        .collect();
    Ok(PostgresDiscovery {
        namespaces,
        selector: selector.join(","),
        port: port(discover.port),
        login: Access::of_pods(discover).resolve("postgres-discover", &field, files)?,
    })
}

/// What targets and pods have in common.
struct Access<'a> {
    database: Option<&'a String>,
    databases: Option<&'a PostgresDatabasesSpec>,
    ssl_mode: Option<SslMode>,
    credentials: Option<&'a SecretRef>,
    ca: Option<&'a SecretKeyRef>,
    cert: Option<&'a SecretRef>,
}

impl<'a> Access<'a> {
    fn of_target(target: &'a PostgresTargetSpec) -> Self {
        Self {
            database: target.database.as_ref(),
            databases: target.databases.as_ref(),
            ssl_mode: target.ssl_mode,
            credentials: target.credentials_secret_ref.as_ref(),
            ca: target.ca_secret_ref.as_ref(),
            cert: target.client_cert_secret_ref.as_ref(),
        }
    }

    fn of_pods(discover: &'a PostgresDiscoverSpec) -> Self {
        Self {
            database: discover.database.as_ref(),
            databases: discover.databases.as_ref(),
            ssl_mode: discover.ssl_mode,
            credentials: discover.credentials_secret_ref.as_ref(),
            ca: discover.ca_secret_ref.as_ref(),
            cert: discover.client_cert_secret_ref.as_ref(),
        }
    }

    fn resolve(
        self,
        stem: &str,
        field: &str,
        files: &mut SecretFiles<'_>,
    ) -> Result<PostgresLogin, Problem> {
        let ssl_mode = self.ssl_mode.unwrap_or_default();
        if matches!(ssl_mode, SslMode::VerifyCa | SslMode::VerifyFull) && self.ca.is_none() {
            let message = "sslMode verify-ca and verify-full need the certificates to verify with";
            return Err(Problem::new(format!("{field}.caSecretRef"), message));
        }
        let mut copy = |secret: &SecretRef, at: &str, key: &str| {
            let reference = SecretKeyRef {
                name: secret.name.clone(),
                key: key.to_owned(),
            };
            let file = files.copy(format!("{stem}.{key}"), format!("{field}.{at}"), &reference)?;
            Ok::<_, Problem>(path(&file))
        };
        let (mut user_file, mut password_file, mut cert_file, mut key_file) =
            (None, None, None, None);
        if let Some(secret) = self.credentials {
            user_file = Some(copy(secret, "credentialsSecretRef", "username")?);
            password_file = Some(copy(secret, "credentialsSecretRef", "password")?);
        }
        if let Some(secret) = self.cert {
            cert_file = Some(copy(secret, "clientCertSecretRef", "tls.crt")?);
            key_file = Some(copy(secret, "clientCertSecretRef", "tls.key")?);
        }
        let ca_file = match self.ca {
            Some(key) => {
                let field = format!("{field}.caSecretRef");
                Some(path(&files.copy(format!("{stem}.ca.crt"), field, key)?))
            }
            None => None,
        };
        let databases = self.databases.cloned().unwrap_or_default();
        Ok(PostgresLogin {
            user: None,
            user_file,
            password_file,
            database: self.database.cloned(),
            databases: DatabasesConfig {
                include: databases.include,
                exclude: databases.exclude,
            },
            ssl_mode,
            ca_file,
            cert_file,
            key_file,
        })
    }
}

/// The server has checked the range.
fn port(port: Option<i32>) -> Option<u16> {
    port.and_then(|port| port.try_into().ok())
}

fn path(file: &str) -> String {
    format!("{SECRETS_DIR}/{file}")
}

fn resolve_query(query: &PostgresQuerySpec, field: &str) -> Result<PostgresQuery, Problem> {
    let mut seen = BTreeSet::new();
    for column in query.labels.iter().chain(query.values.keys()) {
        let reserved = ["instance", "job", "server"].contains(&column.as_str());
        if !is_column(column) || reserved || !seen.insert(column) {
            let message = format!(
                "{column:?}: a column has letters, digits and _, comes once, and is not instance, job or server"
            );
            return Err(Problem::new(format!("{field}.values"), message));
        }
    }
    let timeout = seconds(&format!("{field}.timeout"), query.timeout.as_ref())?;
    if timeout.is_some_and(|seconds| seconds > MOST_SECONDS) {
        let message = format!("{MOST_SECONDS}s at most");
        return Err(Problem::new(format!("{field}.timeout"), message));
    }
    Ok(PostgresQuery {
        name: query.name.clone(),
        sql: query.sql.clone(),
        labels: query.labels.clone(),
        values: query.values.clone(),
        databases: query.databases.clone(),
        every_seconds: seconds(&format!("{field}.every"), query.every.as_ref())?.unwrap_or(0),
        timeout_seconds: timeout,
        max_rows: query.max_rows.and_then(|rows| rows.try_into().ok()),
    })
}

fn is_column(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.starts_with("__")
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whole seconds, one at least.
fn seconds(field: &str, text: Option<&Duration>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let millis = duration::parse_millis(&text.0);
    let millis = millis
        .ok_or_else(|| Problem::new(field, "not a duration above zero: write such as 60s"))?;
    Ok(Some(millis.div_ceil(1_000)))
}

#[cfg(test)]
mod tests;
