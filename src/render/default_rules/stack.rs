//! The stack itself.

use super::{super::flows::OPERATOR_JOB, Alert, Gathered};
use crate::{
    api::{alerting::Severity, default_rules::DefaultRulesSpec, rule::RuleEntry},
    resolve::duration,
};

pub(super) fn rules(gathered: &Gathered<'_>, spec: &DefaultRulesSpec) -> Vec<RuleEntry> {
    let is_on = |part: &Option<crate::api::default_rules::OnOff>| {
        part.as_ref().and_then(|part| part.enabled) != Some(false)
    };
    let mut rules = Vec::new();
    if is_on(&spec.stack) {
        rules.extend(scraping(gathered));
        rules.extend(agents(gathered));
        rules.extend(logs(gathered));
        rules.extend(operator(gathered));
    }
    if is_on(&spec.watchdog) {
        rules.push(watchdog());
    }
    rules
}

fn warning(
    name: &'static str,
    expr: String,
    for_: &'static str,
    summary: &'static str,
    description: &'static str,
) -> RuleEntry {
    let alert = Alert {
        name,
        expr,
        for_: Some(for_),
        severity: Some(Severity::Warning),
        summary,
        description,
    };
    alert.entry()
}

fn scraping(gathered: &Gathered<'_>) -> Vec<RuleEntry> {
    let mut rules = vec![
        warning(
            "TargetDown",
            "up == 0".into(),
            "10m",
            "Target {{ $labels.instance }} of job {{ $labels.job }} is down",
            "Prometheus cannot scrape {{ $labels.instance }} of job {{ $labels.job }}.",
        ),
        warning(
            "ConfigNotLoaded",
            // Not every one is there: those that are, are asked.
            "{__name__=~\"(prometheus|alertmanager)_config_last_reload_successful|masthead_agent_config_last_reload_successful\"} == 0".into(),
            "5m",
            "{{ or $labels.pod $labels.instance }} runs an old configuration",
            "{{ or $labels.pod $labels.instance }} (job {{ $labels.job }}) has refused its newest configuration and goes on with the old one.",
        ),
        warning(
            "RuleEvaluationFailing",
            format!("increase(prometheus_rule_evaluation_failures_total{{job=\"prometheus\"}}[{}]) > 0", gathered.long_window()),
            "5m",
            "Rules cannot be evaluated",
            "Rules of {{ reReplaceAll \".*;\" \"\" $labels.rule_group }} failed {{ $value | printf \"%.0f\" }} times of late; the AlertRule of that name says why.",
        ),
    ];
    if gathered.has("kubelet") {
        let which = format!(
            "{{job=\"kubelet\",namespace=\"{}\"}}",
            gathered.stack.namespace
        );
        rules.push(warning(
            "VolumeFillsUp",
            // Nobody can tell days ahead from the minutes that a new Prometheus or volume is there.
            format!(
                "kubelet_volume_stats_available_bytes{which} / kubelet_volume_stats_capacity_bytes{which} < 0.15 and predict_linear(kubelet_volume_stats_available_bytes{which}[6h], 4 * 24 * 3600) < 0 and kubelet_volume_stats_available_bytes{which} offset 3h"
            ),
            "1h",
            "Volume {{ $labels.persistentvolumeclaim }} fills up",
            "{{ $value | humanizePercentage }} of volume {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} is free, and it will be full within four days.",
        ));
    }
    rules
}

/// A node without an agent. Where agents are kept off nodes on purpose, nobody can tell.
fn agents(gathered: &Gathered<'_>) -> Option<RuleEntry> {
    // One that is held goes on as it was: most likely everywhere.
    let everywhere = gathered.stack.agent.as_ref().is_none_or(|agent| {
        let mut tolerations = agent.workload.tolerations.iter();
        agent.workload.node_selector.is_empty()
            && tolerations.any(|it| it.key.is_none() && it.effect.is_none())
    });
    if !(everywhere && gathered.has("kubelet") && gathered.has("masthead-agent")) {
        return None;
    }
    Some(warning(
        "AgentMissing",
        "up{job=\"kubelet\"} unless on (node) up{job=\"masthead-agent\"}".into(),
        "10m",
        "Node {{ $labels.node }} has no agent",
        "No agent runs on node {{ $labels.node }}: nothing of it is gathered.",
    ))
}

/// The operator looks at each stack twice a minute, if nothing else wakes it.
fn operator(gathered: &Gathered<'_>) -> Option<RuleEntry> {
    let succeeded = format!("masthead_last_success_timestamp_seconds{{job=\"{OPERATOR_JOB}\"}}");
    gathered.has(OPERATOR_JOB).then(|| {
        warning(
            "OperatorNotReconciling",
            // Those that stand by have never succeeded. Without any, there is no series.
            format!("time() - max({succeeded}) > 300 or absent({succeeded})"),
            "5m",
            "Masthead's operator does not look after the stacks",
            "No operator has finished a look at any stack for minutes, or none answers: changes and new rules are not taken over. What runs goes on.",
        )
    })
}

fn logs(gathered: &Gathered<'_>) -> Vec<RuleEntry> {
    // One that is held goes on as it was.
    let agent = gathered.stack.agent.as_ref();
    let ships = agent.is_none_or(|agent| agent.config.logs.is_some());
    if !(ships && gathered.has("masthead-agent")) {
        return Vec::new();
    }
    // What the stack's own stages leave out is no loss.
    vec![
        warning(
            "LogsLag",
            "max by (node, namespace, pod, container) (masthead_agent_log_lag_seconds{job=\"masthead-agent\"}) > 300".into(),
            "10m",
            "Logs of node {{ $labels.node }} come late",
            "Lines of {{ $labels.namespace }}/{{ $labels.pod }} on node {{ $labels.node }} wait for {{ $value | humanizeDuration }} already.",
        ),
        warning(
            "LogsDropped",
            format!("sum by (node, reason) (increase(masthead_agent_log_dropped_entries_total{{job=\"masthead-agent\",reason!~\"stage|sampled\"}}[{}])) > 0", gathered.long_window()),
            "5m",
            "Log lines of node {{ $labels.node }} are dropped",
            "{{ $value | printf \"%.0f\" }} lines of node {{ $labels.node }} were dropped of late: {{ $labels.reason }}.",
        ),
    ]
}

fn watchdog() -> RuleEntry {
    let alert = Alert {
        name: "Watchdog",
        expr: "vector(1)".into(),
        for_: None,
        // None: it is no trouble, and goes only where a route asks for it.
        severity: None,
        summary: "Alerting works",
        description: "This alert always fires. Send it to something that complains when it stops.",
    };
    alert.entry()
}

impl Gathered<'_> {
    /// Four scrapes, and two minutes at least: one that is missed leaves a rate to tell.
    pub(super) fn rate_window(&self) -> String {
        self.window(4, 120)
    }

    /// The same for what happens seldom.
    fn long_window(&self) -> String {
        self.window(4, 600)
    }

    fn window(&self, scrapes: u64, least: u64) -> String {
        let interval = self
            .stack
            .prometheus
            .as_ref()
            .map(|it| it.scrape_interval.as_str());
        let millis = interval
            .and_then(duration::parse_millis)
            .unwrap_or_default();
        format!("{}s", (scrapes * millis).div_ceil(1000).max(least))
    }
}
