//! The default rules: each fires when it should, with words that name the thing, and is quiet else.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use masthead::{
    api::{
        agent_config::LogsConfig,
        default_rules::{Connections, DefaultRulesSpec, FreePercent, OnOff, Switch, UsedPercent},
        rule::{AlertRule, AlertRuleSpec, Engine},
        value::Duration,
    },
    render::default_rules,
    resolve::{model::Stack, rules},
};
use serde_json::{Value, json};

use crate::stack;

/// A rule, what makes it fire and what does not.
struct Case {
    alert: &'static str,
    /// Series and values, a minute apart, that make it fire at the time.
    fires: &'static [(&'static str, &'static str)],
    at: &'static str,
    labels: Value,
    summary: &'static str,
    description: &'static str,
    /// Series that leave it quiet all the time.
    quiet: &'static [(&'static str, &'static str)],
}

const BAR: &str = "1x120";

fn cases() -> Vec<Case> {
    vec![
        Case {
            alert: "ContainerDown",
            fires: &[
                (
                    r#"masthead_container_state{job="cadvisor",node="n1",instance="n1",namespace="shop",pod="bot-0",container="bot",state="waiting",reason="CrashLoopBackOff"}"#,
                    "1 _ 1 1 1",
                ),
                (
                    r#"masthead_container_state{job="cadvisor",node="n1",instance="n1",namespace="shop",pod="bot-0",container="bot",state="terminated",reason="Error"}"#,
                    "_ 1 stale",
                ),
            ],
            at: "2m",
            labels: json!({"severity": "critical", "node": "n1", "namespace": "shop", "pod": "bot-0", "container": "bot"}),
            summary: "Container bot is down",
            description: "Container bot of pod shop/bot-0 on node n1 does not run.",
            quiet: &[
                (
                    r#"masthead_container_state{job="cadvisor",node="n1",namespace="shop",pod="a",container="bot",state="running",reason=""}"#,
                    BAR,
                ),
                (
                    r#"masthead_container_state{job="cadvisor",node="n1",namespace="shop",pod="job",container="b",state="terminated",reason="Completed"}"#,
                    BAR,
                ),
                (
                    r#"masthead_container_state{job="cadvisor",node="n1",namespace="shop",pod="c",container="b",state="waiting",reason="ContainerCreating"}"#,
                    "1 stale",
                ),
            ],
        },
        Case {
            alert: "HighMemory",
            fires: &[
                (
                    r#"node_memory_MemAvailable_bytes{job="node-exporter",instance="n1"}"#,
                    "8x20",
                ),
                (
                    r#"node_memory_MemTotal_bytes{job="node-exporter",instance="n1"}"#,
                    "100x20",
                ),
            ],
            at: "6m",
            labels: json!({"severity": "warning", "job": "node-exporter", "instance": "n1"}),
            summary: "Node n1 is short of memory",
            description: "92.0 % of the memory of node n1 is used.",
            quiet: &[
                (
                    r#"node_memory_MemAvailable_bytes{job="node-exporter",instance="n1"}"#,
                    "11x20",
                ),
                (
                    r#"node_memory_MemTotal_bytes{job="node-exporter",instance="n1"}"#,
                    "100x20",
                ),
            ],
        },
        Case {
            alert: "HighCpu",
            fires: &[
                (
                    r#"node_cpu_seconds_total{job="node-exporter",instance="n1",node="n1",cpu="0",mode="idle"}"#,
                    "0+3x30",
                ),
                (
                    r#"node_cpu_seconds_total{job="node-exporter",instance="n1",node="n1",cpu="0",mode="iowait"}"#,
                    "0+3x30",
                ),
                (
                    r#"node_cpu_seconds_total{job="node-exporter",instance="n1",node="n1",cpu="0",mode="user"}"#,
                    "0+54x30",
                ),
            ],
            at: "20m",
            labels: json!({"severity": "warning", "instance": "n1", "node": "n1"}),
            summary: "The processors of node n1 are busy",
            description: "The processors of node n1 are busy for 90.0 % of the time.",
            quiet: &[(
                r#"node_cpu_seconds_total{job="node-exporter",instance="n1",node="n1",cpu="0",mode="idle"}"#,
                "0+30x120",
            )],
        },
        Case {
            alert: "LowDisk",
            fires: &[
                (
                    r#"node_filesystem_avail_bytes{job="node-exporter",instance="n1",device="/dev/sda",fstype="ext4",mountpoint="/"}"#,
                    "5x20",
                ),
                (
                    r#"node_filesystem_size_bytes{job="node-exporter",instance="n1",device="/dev/sda",fstype="ext4",mountpoint="/"}"#,
                    "100x20",
                ),
                (
                    r#"node_filesystem_readonly{job="node-exporter",instance="n1",device="/dev/sda",fstype="ext4",mountpoint="/"}"#,
                    "0x20",
                ),
            ],
            at: "6m",
            labels: json!({"severity": "warning", "job": "node-exporter", "instance": "n1", "device": "/dev/sda", "fstype": "ext4", "mountpoint": "/"}),
            summary: "File system / of node n1 is nearly full",
            description: "5.0 % of / (/dev/sda) of node n1 is free.",
            quiet: &[
                (
                    r#"node_filesystem_avail_bytes{job="node-exporter",instance="n1",device="/dev/sdb",fstype="iso9660",mountpoint="/cd"}"#,
                    "0x20",
                ),
                (
                    r#"node_filesystem_size_bytes{job="node-exporter",instance="n1",device="/dev/sdb",fstype="iso9660",mountpoint="/cd"}"#,
                    "100x20",
                ),
                (
                    r#"node_filesystem_readonly{job="node-exporter",instance="n1",device="/dev/sdb",fstype="iso9660",mountpoint="/cd"}"#,
                    "0x20",
                ),
                (
                    r#"node_filesystem_avail_bytes{job="node-exporter",instance="n1",device="/dev/sdc",fstype="ext4",mountpoint="/ro"}"#,
                    "0x20",
                ),
                (
                    r#"node_filesystem_size_bytes{job="node-exporter",instance="n1",device="/dev/sdc",fstype="ext4",mountpoint="/ro"}"#,
                    "100x20",
                ),
                (
                    r#"node_filesystem_readonly{job="node-exporter",instance="n1",device="/dev/sdc",fstype="ext4",mountpoint="/ro"}"#,
                    "1x20",
                ),
            ],
        },
        Case {
            alert: "PostgresDown",
            fires: &[(
                r#"pg_up{job="postgres-exporter",instance="n1",server="db:5432"}"#,
                "0x20",
            )],
            at: "2m",
            labels: json!({"severity": "critical", "job": "postgres-exporter", "instance": "n1", "server": "db:5432"}),
            summary: "PostgreSQL db:5432 is down",
            description: "PostgreSQL db:5432 does not answer, or no agent is there to ask it.",
            quiet: &[(
                r#"pg_up{job="postgres-exporter",instance="n1",server="db:5432"}"#,
                BAR,
            )],
        },
        // The agent that asks the server is gone.
        Case {
            alert: "PostgresDown",
            fires: &[("unrelated", "1x20")],
            at: "2m",
            labels: json!({"severity": "critical", "job": "postgres-exporter", "server": "db:5432"}),
            summary: "PostgreSQL db:5432 is down",
            description: "PostgreSQL db:5432 does not answer, or no agent is there to ask it.",
            quiet: &[(
                r#"pg_up{job="postgres-exporter",instance="n1",server="db:5432"}"#,
                BAR,
            )],
        },
        Case {
            alert: "PostgresConnections",
            fires: &[
                (
                    r#"pg_stat_activity_count{job="postgres-exporter",instance="n1",server="db:5432",datname="a",state="idle"}"#,
                    "50x20",
                ),
                (
                    r#"pg_stat_activity_count{job="postgres-exporter",instance="n1",server="db:5432",datname="b",state="active"}"#,
                    "31x20",
                ),
            ],
            at: "6m",
            labels: json!({"severity": "warning", "instance": "n1", "server": "db:5432"}),
            summary: "PostgreSQL db:5432 has many connections",
            description: "PostgreSQL db:5432 has 81 connections.",
            quiet: &[(
                r#"pg_stat_activity_count{job="postgres-exporter",instance="n1",server="db:5432",datname="a",state="idle"}"#,
                "80x20",
            )],
        },
        Case {
            alert: "TargetDown",
            fires: &[(r#"up{job="node-exporter",instance="n1"}"#, "0x20")],
            at: "11m",
            labels: json!({"severity": "warning", "job": "node-exporter", "instance": "n1"}),
            summary: "Target n1 of job node-exporter is down",
            description: "Prometheus cannot scrape n1 of job node-exporter.",
            quiet: &[(r#"up{job="node-exporter",instance="n1"}"#, "1 0 0 1x120")],
        },
        Case {
            alert: "ConfigNotLoaded",
            fires: &[(
                r#"prometheus_config_last_reload_successful{job="prometheus",instance="i",pod="main-prometheus-0"}"#,
                "0x20",
            )],
            at: "6m",
            labels: json!({"severity": "warning", "job": "prometheus", "instance": "i", "pod": "main-prometheus-0"}),
            summary: "main-prometheus-0 runs an old configuration",
            description: "main-prometheus-0 (job prometheus) has refused its newest configuration and goes on with the old one.",
            quiet: &[
                (
                    r#"prometheus_config_last_reload_successful{job="prometheus",instance="i"}"#,
                    BAR,
                ),
                (
                    r#"alertmanager_config_last_reload_successful{job="alertmanager",instance="i"}"#,
                    BAR,
                ),
                (
                    r#"masthead_agent_config_last_reload_successful{job="masthead-agent",instance="n"}"#,
                    BAR,
                ),
            ],
        },
        Case {
            alert: "RuleEvaluationFailing",
            fires: &[(
                r#"prometheus_rule_evaluation_failures_total{job="prometheus",instance="i",rule_group="/etc/prometheus/rules/3/shop-a-1.yaml;shop/a"}"#,
                "0+1x30",
            )],
            at: "20m",
            labels: json!({"severity": "warning", "job": "prometheus", "instance": "i", "rule_group": "/etc/prometheus/rules/3/shop-a-1.yaml;shop/a"}),
            summary: "Rules cannot be evaluated",
            description: "Rules of shop/a failed 10 times of late; the AlertRule of that name says why.",
            quiet: &[(
                r#"prometheus_rule_evaluation_failures_total{job="prometheus",instance="i",rule_group="x;a/b"}"#,
                "7x120",
            )],
        },
        Case {
            alert: "VolumeFillsUp",
            fires: &[
                (
                    r#"kubelet_volume_stats_available_bytes{job="kubelet",namespace="shop",persistentvolumeclaim="data-shop-loki-0"}"#,
                    "140-0.1x500",
                ),
                (
                    r#"kubelet_volume_stats_capacity_bytes{job="kubelet",namespace="shop",persistentvolumeclaim="data-shop-loki-0"}"#,
                    "1000x500",
                ),
            ],
            at: "400m",
            labels: json!({"severity": "warning", "job": "kubelet", "namespace": "shop", "persistentvolumeclaim": "data-shop-loki-0"}),
            summary: "Volume data-shop-loki-0 fills up",
            description: "10% of volume shop/data-shop-loki-0 is free, and it will be full within four days.",
            quiet: &[
                (
                    r#"kubelet_volume_stats_available_bytes{job="kubelet",namespace="shop",persistentvolumeclaim="full-but-steady"}"#,
                    "100x500",
                ),
                (
                    r#"kubelet_volume_stats_capacity_bytes{job="kubelet",namespace="shop",persistentvolumeclaim="full-but-steady"}"#,
                    "1000x500",
                ),
                (
                    r#"kubelet_volume_stats_available_bytes{job="kubelet",namespace="shop",persistentvolumeclaim="filling-but-empty"}"#,
                    "900-0.5x500",
                ),
                (
                    r#"kubelet_volume_stats_capacity_bytes{job="kubelet",namespace="shop",persistentvolumeclaim="filling-but-empty"}"#,
                    "1000x500",
                ),
            ],
        },
        Case {
            alert: "AgentMissing",
            fires: &[
                (
                    r#"up{job="kubelet",instance="10.0.0.1:10250",node="n1"}"#,
                    "1x30",
                ),
                (
                    r#"up{job="kubelet",instance="10.0.0.2:10250",node="n2"}"#,
                    "1x30",
                ),
                (
                    r#"up{job="masthead-agent",instance="n1",node="n1"}"#,
                    "1x30",
                ),
            ],
            at: "11m",
            labels: json!({"severity": "warning", "job": "kubelet", "instance": "10.0.0.2:10250", "node": "n2"}),
            summary: "Node n2 has no agent",
            description: "No agent runs on node n2: nothing of it is gathered.",
            quiet: &[
                (
                    r#"up{job="kubelet",instance="10.0.0.1:10250",node="n1"}"#,
                    BAR,
                ),
                (
                    r#"up{job="masthead-agent",instance="n1",node="n1"}"#,
                    "0x120",
                ),
            ],
        },
        Case {
            alert: "LogsLag",
            fires: &[(
                r#"masthead_agent_log_lag_seconds{job="masthead-agent",instance="n1",node="n1",namespace="shop",pod="bot-0",container="bot"}"#,
                "400x20",
            )],
            at: "11m",
            labels: json!({"severity": "warning", "node": "n1", "namespace": "shop", "pod": "bot-0", "container": "bot"}),
            summary: "Logs of node n1 come late",
            description: "Lines of shop/bot-0 on node n1 wait for 6m 40s already.",
            quiet: &[(
                r#"masthead_agent_log_lag_seconds{job="masthead-agent",instance="n1",node="n1",namespace="shop",pod="a",container="b"}"#,
                "20x120",
            )],
        },
        Case {
            alert: "LogsDropped",
            fires: &[(
                r#"masthead_agent_log_dropped_entries_total{job="masthead-agent",instance="n1",node="n1",reason="too_old"}"#,
                "0+6x30",
            )],
            at: "20m",
            labels: json!({"severity": "warning", "node": "n1", "reason": "too_old"}),
            summary: "Log lines of node n1 are dropped",
            description: "60 lines of node n1 were dropped of late: too_old.",
            quiet: &[(
                r#"masthead_agent_log_dropped_entries_total{job="masthead-agent",instance="n1",node="n1",reason="too_old"}"#,
                "5x120",
            )],
        },
    ]
}

/// A stack that gathers everything there is.
fn stack() -> Stack {
    let mut stack = stack::full();
    if let Some(agent) = &mut stack.agent {
        agent.config.logs = Some(LogsConfig::default());
        agent.workload.node_selector.clear();
        agent.workload.tolerations = stack::minimal().agent.unwrap().workload.tolerations;
    }
    stack.prometheus.as_mut().unwrap().scrape_interval = "15s".into();
    stack.namespace = "shop".into();
    stack.postgres_servers = vec!["db:5432".into()];
    stack
}

fn all_jobs() -> BTreeSet<String> {
    [
        "prometheus",
        "alertmanager",
        "loki",
        "grafana",
        "node-exporter",
        "cadvisor",
        "masthead-agent",
        "kubelet",
        "postgres-exporter",
    ]
    .map(ToOwned::to_owned)
    .into()
}

/// The rules as Prometheus reads them, in one file for each topic.
fn write(folder: &Path, stack: &Stack) -> Vec<String> {
    let mut files = Vec::new();
    for (topic, rules) in default_rules::with_jobs(stack, all_jobs()) {
        let file = rules::rule_file("shop", topic, Engine::Prometheus, None, &rules);
        let name = format!("{topic}.yaml");
        fs::write(folder.join(&name), &file.text).unwrap();
        files.push(name);
    }
    files
}

fn series(given: &[(&str, &str)]) -> Value {
    let series = given
        .iter()
        .map(|(series, values)| json!({"series": series, "values": values}));
    series.collect()
}

#[test]
fn each_default_rule_fires_when_it_should_and_is_quiet_else() {
    let Some(tool) = super::tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &stack());
    let mut tests = Vec::new();
    for case in cases() {
        let mut labels = case.labels;
        labels["rule_namespace"] = json!("shop");
        let runbook = format!(
            "https://github.com/masthead/masthead/blob/main/docs/runbooks/{}.md",
            case.alert
        );
        let alert = json!({"exp_labels": labels, "exp_annotations": {
            "summary": case.summary, "description": case.description, "runbook_url": runbook,
        }});
        tests.push(
            json!({"interval": "1m", "input_series": series(case.fires), "alert_rule_test": [
                {"eval_time": case.at, "alertname": case.alert, "exp_alerts": [alert]},
            ]}),
        );
        let quiet = ["1m", "3m", "7m", "15m", "30m", "100m", "450m"]
            .map(|at| json!({"eval_time": at, "alertname": case.alert, "exp_alerts": []}));
        // What is in no series at all is another case's matter.
        let within: Vec<_> = quiet
            .into_iter()
            .take(if case.alert == "VolumeFillsUp" { 7 } else { 4 })
            .collect();
        tests.push(json!({"interval": "1m", "input_series": series(case.quiet), "alert_rule_test": within}));
    }
    tests.push(json!({"interval": "1m", "input_series": [], "promql_expr_test": [
        {"expr": "count(ALERTS{alertname=\"Watchdog\",alertstate=\"firing\"})", "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 1}]},
    ]}));
    let document = json!({"rule_files": files, "evaluation_interval": "1m", "tests": tests});
    let file = folder.path().join("test.yaml");
    fs::write(&file, document.to_string()).unwrap();
    let output = Command::new(tool)
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn every_default_rule_has_a_case_a_runbook_and_is_a_valid_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tested: BTreeSet<_> = cases()
        .iter()
        .map(|case| case.alert)
        .chain(["Watchdog"])
        .collect();
    let mut found = BTreeSet::new();
    for (topic, rules) in default_rules::with_jobs(&stack(), all_jobs()) {
        let rule = AlertRule {
            metadata: Default::default(),
            spec: AlertRuleSpec {
                rules: rules.clone(),
                ..AlertRuleSpec::default()
            },
            status: None,
        };
        assert_eq!(rules::problems(&rule), vec![], "{topic}");
        found.extend(rules.into_iter().filter_map(|rule| rule.alert));
    }
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, tested);
    for alert in found {
        let page = root.join(format!("docs/runbooks/{alert}.md"));
        assert!(page.is_file(), "{} is missing", page.display());
    }
}

#[test]
fn a_rule_is_there_only_when_its_series_are() {
    let names = |stack: &Stack| -> BTreeSet<String> {
        let rules = default_rules::rules(stack).into_values().flatten();
        rules.filter_map(|rule| rule.alert).collect()
    };
    let mut stack = stack();
    let all = names(&stack);
    assert!(
        all.contains("LogsLag") && all.contains("AgentMissing") && all.contains("VolumeFillsUp")
    );
    assert!(!all.contains("PostgresDown"), "no job asks for it: {all:?}");
    stack.operator.cluster_wide = false;
    assert!(!names(&stack).contains("VolumeFillsUp") && !names(&stack).contains("AgentMissing"));
    stack.agent = None;
    let without: Vec<_> = names(&stack).into_iter().collect();
    assert_eq!(
        without,
        [
            "ConfigNotLoaded",
            "RuleEvaluationFailing",
            "TargetDown",
            "Watchdog"
        ]
    );
    stack.prometheus = None;
    assert!(names(&stack).is_empty());
}

#[test]
fn each_rule_can_be_switched_off_and_has_its_threshold_as_a_field() {
    let with = |spec: DefaultRulesSpec| {
        let mut stack = stack();
        stack.default_rules = spec;
        let rules = default_rules::with_jobs(&stack, all_jobs());
        rules.into_values().flatten().collect::<Vec<_>>()
    };
    let duration = || Some(Duration("7s".into()));
    let tuned = with(DefaultRulesSpec {
        container_down: Some(Switch {
            for_: duration(),
            ..Switch::default()
        }),
        high_memory: Some(UsedPercent {
            used_percent: Some(61),
            for_: duration(),
            ..UsedPercent::default()
        }),
        high_cpu: Some(UsedPercent {
            used_percent: Some(62),
            for_: duration(),
            ..UsedPercent::default()
        }),
        low_disk: Some(FreePercent {
            free_percent: Some(63),
            for_: duration(),
            ..FreePercent::default()
        }),
        postgres_down: Some(Switch {
            for_: duration(),
            ..Switch::default()
        }),
        postgres_connections: Some(Connections {
            connections: Some(64),
            for_: duration(),
            ..Connections::default()
        }),
        ..DefaultRulesSpec::default()
    });
    let seven = tuned.iter().filter(|rule| rule.for_ == duration());
    assert_eq!(seven.count(), 6);
    for threshold in ["> 61", "> 62", "< 63", "> 64"] {
        assert!(
            tuned.iter().any(|rule| rule.expr.contains(threshold)),
            "{threshold}"
        );
    }
    let off = Some(false);
    let none = with(DefaultRulesSpec {
        container_down: Some(Switch {
            enabled: off,
            ..Switch::default()
        }),
        high_memory: Some(UsedPercent {
            enabled: off,
            ..UsedPercent::default()
        }),
        high_cpu: Some(UsedPercent {
            enabled: off,
            ..UsedPercent::default()
        }),
        low_disk: Some(FreePercent {
            enabled: off,
            ..FreePercent::default()
        }),
        postgres_down: Some(Switch {
            enabled: off,
            ..Switch::default()
        }),
        postgres_connections: Some(Connections {
            enabled: off,
            ..Connections::default()
        }),
        stack: Some(OnOff { enabled: off }),
        watchdog: Some(OnOff { enabled: off }),
        ..DefaultRulesSpec::default()
    });
    assert!(none.is_empty(), "{none:?}");
    let all_off = DefaultRulesSpec {
        enabled: off,
        ..DefaultRulesSpec::default()
    };
    assert!(with(all_off).is_empty());
}
