//! Masthead itself: do the agents, the stores and the operator do their work?

use super::{
    Parts,
    board::{Dashboard, Row},
    panel::Panel,
    style::{
        Limit::{BadBelow, BadFrom, NoticeFrom},
        Unit,
    },
};

const RATE: &str = "[$__rate_interval]";

/// The dashboard.
pub fn dashboard(parts: &Parts<'_>) -> Dashboard {
    let mut rows = vec![Row::low("Now", now())];
    if parts.agent() {
        rows.push(Row::new("Agents", agents(parts)));
    }
    if parts.agent_logs() {
        rows.push(Row::new("Log lines on their way", shipping()));
    }
    rows.push(Row::new("Prometheus", prometheus()));
    if parts.alertmanager() {
        rows.push(Row::new("Notifications", notifications()));
    }
    if parts.loki() {
        rows.push(Row::new("Loki", loki()));
    }
    rows.push(Row::new("Operator", operator()));
    Dashboard {
        name: "itself",
        title: "Masthead itself",
        description: "Do the agents, the stores and the operator do their work, and what do they need for it?",
        variables: Vec::new(),
        rows,
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::stat("Targets that answer", "What share of the targets answers Prometheus?")
            .width(4)
            .unit(Unit::Percent)
            .limit(BadBelow(100.0))
            .metric("100 * avg(up)", ""),
        Panel::stat("Series", "How many series does Prometheus have?")
            .width(4)
            .metric(r#"max(prometheus_tsdb_head_series{job="prometheus"})"#, ""),
        Panel::stat("Samples", "How many samples come in?")
            .width(4)
            .unit(Unit::PerSecond)
            .metric(r#"max(rate(prometheus_tsdb_head_samples_appended_total{job="prometheus"}[5m]))"#, ""),
        Panel::stat("Rules that fail", "Are there rules that cannot be evaluated?")
            .width(4)
            .limit(BadFrom(1.0))
            .metric(r#"sum(increase(prometheus_rule_evaluation_failures_total{job="prometheus"}[$__range]))"#, ""),
        Panel::stat("Configuration", "Did every part take its last configuration?")
            .width(4)
            .limit(BadBelow(1.0))
            .metric(
                r#"min(prometheus_config_last_reload_successful{job="prometheus"} or alertmanager_config_last_reload_successful{job="alertmanager"})"#,
                "",
            ),
        Panel::stat("Slowest scrape", "How long does the slowest target take to answer?")
            .width(4)
            .unit(Unit::Seconds)
            .metric("max(scrape_duration_seconds)", ""),
    ]
}

fn agents(parts: &Parts<'_>) -> Vec<Panel> {
    let mut scrapes = Panel::time_series("Scrapes", "How long does a scrape of an agent take?")
        .width(6)
        .unit(Unit::Seconds)
        .from_zero();
    let mut failures = Vec::new();
    if parts.node() {
        scrapes = scrapes.metric(
            r#"max by (node) (scrape_duration_seconds{job="node-exporter"})"#,
            "node {{node}}",
        );
        failures.push(
            Panel::table(
                "Collectors that fail",
                "Which collectors of which node give nothing?",
            )
            .width(6)
            .empty_is("Every collector works")
            .metric(
                r#"node_scrape_collector_success{job="node-exporter"} == 0"#,
                "",
            )
            .label("node", "Node")
            .label("collector", "Collector"),
        );
    }
    if parts.containers() {
        scrapes = scrapes.metric(
            r#"max by (node) (scrape_duration_seconds{job="cadvisor"})"#,
            "containers {{node}}",
        );
    }
    let mut panels = vec![
        Panel::time_series("CPU of the agents", "What do the agents cost, in cores?")
            .width(6)
            .from_zero()
            .metric(
                format!(r#"max by (node) (rate(process_cpu_seconds_total{{job="masthead-agent"}}{RATE}))"#),
                "{{node}}",
            ),
        Panel::time_series("Memory of the agents", "What do the agents cost?")
            .width(6)
            .unit(Unit::Bytes)
            .from_zero()
            .metric(r#"max by (node) (process_resident_memory_bytes{job="masthead-agent"})"#, "{{node}}"),
    ];
    if parts.node() || parts.containers() {
        panels.push(scrapes);
    }
    panels.extend(failures);
    panels
}

fn shipping() -> Vec<Panel> {
    let sum = |name: &str| format!(r#"sum by (node) (rate({name}{{job="masthead-agent"}}{RATE}))"#);
    vec![
        Panel::time_series("Lines sent", "How many lines do the agents send?")
            .width(8)
            .unit(Unit::PerSecond)
            .from_zero()
            .metric(sum("promtail_sent_entries_total"), "{{node}}"),
        Panel::time_series("Lines lost", "Are lines dropped, and why?")
            .width(8)
            .unit(Unit::PerSecond)
            .from_zero()
            .empty_is("No line was lost")
            .metric(
                format!(r#"sum by (node, reason) (rate(promtail_dropped_entries_total{{job="masthead-agent"}}{RATE})) > 0"#),
                "{{node}} {{reason}}",
            ),
        Panel::time_series("Lag", "How old are the lines when they are sent?")
            .width(8)
            .unit(Unit::Seconds)
            .from_zero()
            .empty_is("No agent is behind")
            .metric(r#"max by (node) (promtail_stream_lag_seconds{job="masthead-agent"})"#, "{{node}}"),
    ]
}

fn prometheus() -> Vec<Panel> {
    vec![
        Panel::time_series("Memory", "How much memory do the stores use?")
            .width(6)
            .unit(Unit::Bytes)
            .from_zero()
            .metric(
                r#"process_resident_memory_bytes{job=~"prometheus|alertmanager|loki|grafana"}"#,
                "{{pod}}",
            ),
        Panel::time_series("Series", "Does the number of series grow?")
            .width(6)
            .from_zero()
            .metric(
                r#"prometheus_tsdb_head_series{job="prometheus"}"#,
                "{{pod}}",
            ),
        Panel::time_series("Samples by job", "Who brings the samples?")
            .width(6)
            .stacked()
            .from_zero()
            .metric(
                "sum by (job) (scrape_samples_post_metric_relabeling)",
                "{{job}}",
            ),
        Panel::time_series("Rules", "How long does a round of all rules take?")
            .width(6)
            .unit(Unit::Seconds)
            .from_zero()
            .metric(
                r#"sum by (pod) (prometheus_rule_group_last_duration_seconds{job="prometheus"})"#,
                "{{pod}}",
            ),
    ]
}

fn notifications() -> Vec<Panel> {
    let rate = |name: &str| {
        format!(
            r#"sum by (integration) (rate(alertmanager_notifications_{name}{{job="alertmanager"}}{RATE}))"#
        )
    };
    vec![
        Panel::time_series(
            "Notifications",
            "How many notifications go out, and by which way?",
        )
        .unit(Unit::PerSecond)
        .from_zero()
        .metric(rate("total"), "{{integration}}"),
        Panel::time_series("Notifications that fail", "Does a receiver refuse them?")
            .unit(Unit::PerSecond)
            .from_zero()
            .limit(BadFrom(0.001))
            .metric(rate("failed_total"), "{{integration}}"),
    ]
}

fn loki() -> Vec<Panel> {
    vec![
        Panel::time_series("Lines received", "How many lines does Loki take?")
            .width(8)
            .unit(Unit::PerSecond)
            .from_zero()
            .metric(
                format!(r#"sum(rate(loki_distributor_lines_received_total{{job="loki"}}{RATE}))"#),
                "lines",
            ),
        Panel::time_series("Lines refused", "Does Loki refuse lines, and why?")
            .width(8)
            .unit(Unit::PerSecond)
            .from_zero()
            .empty_is("No line was refused")
            .metric(
                format!(
                    r#"sum by (reason) (rate(loki_discarded_samples_total{{job="loki"}}{RATE}))"#
                ),
                "{{reason}}",
            ),
        Panel::time_series("Streams", "How many streams are open in Loki?")
            .width(8)
            .from_zero()
            .metric(
                r#"sum(loki_ingester_memory_streams{job="loki"})"#,
                "streams",
            ),
    ]
}

/// The operator lives in another namespace, which the stack may not discover.
fn operator() -> Vec<Panel> {
    let words = "The operator is not scraped: let spec.discovery take its namespace";
    vec![
        Panel::time_series(
            "Looks at stacks",
            "How often does the operator look at a stack, and does it fail?",
        )
        .width(8)
        .unit(Unit::PerSecond)
        .from_zero()
        .empty_is(words)
        .metric(
            format!("sum(rate(masthead_reconciles_total{RATE}))"),
            "looks",
        )
        .metric(
            format!("sum by (reason) (rate(masthead_reconcile_errors_total{RATE}))"),
            "failed: {{reason}}",
        ),
        Panel::time_series(
            "Writes",
            "How often does the operator write to the API? Idle, it does not.",
        )
        .width(8)
        .unit(Unit::PerSecond)
        .from_zero()
        .empty_is(words)
        .metric(
            format!("sum(rate(masthead_api_writes_total{RATE}))"),
            "writes",
        ),
        Panel::stat(
            "Last look that worked",
            "When did a look at a stack last work?",
        )
        .width(8)
        .unit(Unit::Seconds)
        .limit(NoticeFrom(300.0))
        .empty_is(words)
        .metric("time() - max(masthead_last_success_timestamp_seconds)", ""),
    ]
}
