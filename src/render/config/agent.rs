//! `agent.yaml`: the agent's own configuration, with the addresses that only rendering knows.

use serde::Serialize;

use super::super::network;
use crate::{
    api::{
        agent_config::{
            AgentConfig, BasicAuthFile, ContainersConfig, LokiConfig, PostgresDiscovery, TlsFiles,
        },
        component::Component,
    },
    resolve::{
        external_loki,
        model::{Agent, ExternalLoki, Stack},
        postgres::SECRETS_DIR,
    },
};

/// Where the node's journal is kept, and where it is while it is not kept, as the pod sees them.
const JOURNALS: [&str; 2] = ["/var/log/journal", "/host/root/run/log/journal"];

/// The file.
#[must_use]
pub fn config(stack: &Stack, agent: &Agent) -> AgentConfig {
    let mut config = agent.config.clone();
    config.logs = config.logs.and_then(|mut logs| {
        logs.loki = loki(stack)?;
        if let Some(journal) = &mut logs.journal {
            journal.directories = JOURNALS.map(str::to_owned).into();
        }
        Some(logs)
    });
    config
}

/// What of the file an agent reads only when it starts; the rest it follows.
#[derive(Debug, Serialize)]
pub struct AtStart<'a> {
    node: bool,
    containers: &'a Option<ContainersConfig>,
    logs: bool,
    /// Whether its port is served.
    postgres: bool,
    /// Targets and queries are followed; which pods are watched is not.
    discover: Option<&'a PostgresDiscovery>,
}

/// What of the file an agent reads only when it starts.
#[must_use]
pub fn at_start(config: &AgentConfig) -> AtStart<'_> {
    AtStart {
        node: config.node.is_some(),
        containers: &config.containers,
        logs: config.logs.is_some(),
        postgres: config.postgres.is_some(),
        discover: config.postgres.as_ref().and_then(|it| it.discover.as_ref()),
    }
}

/// Whom lines are sent to; none when the stack has no Loki of either kind.
fn loki(stack: &Stack) -> Option<LokiConfig> {
    match &stack.external_loki {
        Some(external) => Some(elsewhere(external)),
        None => stack.runs(Component::Loki).then(|| LokiConfig {
            url: network::url(stack, Component::Loki),
            ..LokiConfig::default()
        }),
    }
}

fn elsewhere(external: &ExternalLoki) -> LokiConfig {
    let path = |file: &str| format!("{SECRETS_DIR}/{file}");
    let given = |is: bool, file: &str| is.then(|| path(file));
    LokiConfig {
        url: external.url.clone(),
        tenant: external.tenant.clone(),
        tenants: external.tenants.clone(),
        basic_auth: external.user.as_ref().map(|user| BasicAuthFile {
            username: user.clone(),
            password_file: path(external_loki::PASSWORD),
        }),
        bearer_token_file: given(external.token, external_loki::TOKEN),
        tls: TlsFiles {
            ca_file: given(external.ca, external_loki::CA),
            cert_file: given(external.certificate, external_loki::CERT),
            key_file: given(external.certificate, external_loki::KEY),
        },
        encoding: external.encoding,
    }
}
