//! PostgreSQL servers.

use super::{
    super::flows::{POSTGRES_JOB as JOB, POSTGRES_TARGETS_JOB},
    Alert, Gathered, or,
};
use crate::api::{alerting::Severity, default_rules::DefaultRulesSpec, rule::RuleEntry};

pub(super) fn rules(gathered: &Gathered<'_>, spec: &DefaultRulesSpec) -> Vec<RuleEntry> {
    if !gathered.has(JOB) && !gathered.has(POSTGRES_TARGETS_JOB) {
        return Vec::new();
    }
    [down(gathered, spec), connections(spec)]
        .into_iter()
        .flatten()
        .collect()
}

fn down(gathered: &Gathered<'_>, spec: &DefaultRulesSpec) -> Option<RuleEntry> {
    let given = spec.postgres_down.clone().unwrap_or_default();
    let alert = Alert {
        name: "PostgresDown",
        expr: down_expr(
            gathered.postgres_targets(),
            gathered.looks_for_postgres_pods(),
        ),
        for_: Some(or(given.for_.as_ref(), "1m")),
        severity: Some(Severity::Critical),
        summary: "PostgreSQL {{ or $labels.server $labels.instance (printf \"of namespace %s\" $labels.namespace) }} is down",
        description: "PostgreSQL {{ or $labels.server $labels.instance (printf \"of namespace %s\" $labels.namespace) }} does not answer, or no agent is there to ask it.",
    };
    (given.enabled != Some(false)).then(|| alert.entry())
}

/// A server that does not answer, or of which nobody tells: with the agent that asks it, its
/// series are gone. Of pods nobody knows how many there should be, and a rollout may rename them: the
/// last one of a namespace is missed, for an hour, since it may have been taken away on purpose.
fn down_expr(targets: impl IntoIterator<Item = String>, pods: bool) -> String {
    let down = format!("pg_up{{job=\"{JOB}\"}} == 0");
    let absent = targets
        .into_iter()
        .map(|target| format!("absent(pg_up{{job=\"{JOB}\",instance={target:?}}})"));
    let found = format!("pg_up{{job=\"{JOB}\",pod!=\"\"}}");
    let last = pods.then(|| {
        format!(
            "group by (job, namespace) (last_over_time({found}[1h])) unless on (namespace) {found}"
        )
    });
    [down]
        .into_iter()
        .chain(absent)
        .chain(last)
        .collect::<Vec<_>>()
        .join(" or ")
}

fn connections(spec: &DefaultRulesSpec) -> Option<RuleEntry> {
    let given = spec.postgres_connections.clone().unwrap_or_default();
    let alert = Alert {
        name: "PostgresConnections",
        expr: format!(
            "sum by (instance, server, node) (pg_stat_activity_count{{job=\"{JOB}\"}}) > {}",
            given.connections.unwrap_or(80)
        ),
        for_: Some(or(given.for_.as_ref(), "5m")),
        severity: Some(Severity::Warning),
        summary: "PostgreSQL {{ or $labels.server $labels.instance }} has many connections",
        description: "PostgreSQL {{ or $labels.server $labels.instance }} has {{ $value }} connections.",
    };
    (given.enabled != Some(false)).then(|| alert.entry())
}

impl Gathered<'_> {
    /// Whether servers are looked for among pods.
    fn looks_for_postgres_pods(&self) -> bool {
        let agent = self.stack.agent.as_ref();
        let postgres = agent.and_then(|agent| agent.config.postgres.as_ref());
        postgres.is_some_and(|postgres| postgres.discover.is_some())
    }

    /// The configured servers: the label `instance` of their series.
    fn postgres_targets(&self) -> Vec<String> {
        let agent = self.stack.agent.as_ref();
        let postgres = agent.and_then(|agent| agent.config.postgres.as_ref());
        let targets = postgres.iter().flat_map(|postgres| &postgres.targets);
        targets.map(|target| target.name.clone()).collect()
    }
}
