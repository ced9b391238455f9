//! What makes each default rule fire, and what does not.

use serde_json::{Value, json};

/// A rule, what makes it fire and what does not.
pub struct Case {
    pub alert: &'static str,
    /// Series and values, a minute apart, that make it fire at the time.
    pub fires: &'static [(&'static str, &'static str)],
    pub at: &'static str,
    pub labels: Value,
    pub summary: &'static str,
    pub description: &'static str,
    /// Series that leave it quiet all the time.
    pub quiet: &'static [(&'static str, &'static str)],
}

const BAR: &str = "1x120";

#[allow(clippy::too_many_lines, reason = "a table")]
pub fn cases() -> Vec<Case> {
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
            // Mounted twice: one disk.
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
                (
                    r#"node_filesystem_avail_bytes{job="node-exporter",instance="n1",device="/dev/sda",fstype="ext4",mountpoint="/var/lib/kubelet"}"#,
                    "5x20",
                ),
                (
                    r#"node_filesystem_size_bytes{job="node-exporter",instance="n1",device="/dev/sda",fstype="ext4",mountpoint="/var/lib/kubelet"}"#,
                    "100x20",
                ),
                (
                    r#"node_filesystem_readonly{job="node-exporter",instance="n1",device="/dev/sda",fstype="ext4",mountpoint="/var/lib/kubelet"}"#,
                    "0x20",
                ),
            ],
            at: "6m",
            labels: json!({"severity": "warning", "job": "node-exporter", "instance": "n1", "device": "/dev/sda", "fstype": "ext4"}),
            summary: "Disk /dev/sda of node n1 is nearly full",
            description: "5.0 % of /dev/sda of node n1 is free; it is mounted at /.",
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
                r#"pg_up{job="postgres-exporter",instance="billing",server="db:5432"}"#,
                "0x20",
            )],
            at: "2m",
            labels: json!({"severity": "critical", "job": "postgres-exporter", "instance": "billing", "server": "db:5432"}),
            summary: "PostgreSQL db:5432 is down",
            description: "PostgreSQL db:5432 does not answer, or no agent is there to ask it.",
            quiet: &[(
                r#"pg_up{job="postgres-exporter",instance="billing",server="db:5432"}"#,
                BAR,
            )],
        },
        // The agent that asks the server is gone.
        Case {
            alert: "PostgresDown",
            fires: &[("unrelated", "1x20")],
            at: "2m",
            labels: json!({"severity": "critical", "job": "postgres-exporter", "instance": "billing"}),
            summary: "PostgreSQL billing is down",
            description: "PostgreSQL billing does not answer, or no agent is there to ask it.",
            quiet: &[(
                r#"pg_up{job="postgres-exporter",instance="billing",server="db:5432"}"#,
                BAR,
            )],
        },
        // The last server among the pods of a namespace is gone; another of another name is not.
        Case {
            alert: "PostgresDown",
            fires: &[
                (
                    r#"pg_up{job="postgres-exporter",instance="billing",server="db:5432"}"#,
                    "1x20",
                ),
                (
                    r#"pg_up{job="postgres-exporter",instance="pg-0",pod="pg-0",namespace="shop",server="pg-0"}"#,
                    "1 1 stale",
                ),
                (
                    r#"pg_up{job="postgres-exporter",instance="pg-0",pod="pg-0",namespace="bank",server="pg-0"}"#,
                    "1x20",
                ),
            ],
            at: "4m",
            labels: json!({"severity": "critical", "job": "postgres-exporter", "namespace": "shop"}),
            summary: "PostgreSQL of namespace shop is down",
            description: "PostgreSQL of namespace shop does not answer, or no agent is there to ask it.",
            quiet: &[
                (
                    r#"pg_up{job="postgres-exporter",instance="billing",server="db:5432"}"#,
                    BAR,
                ),
                (
                    r#"pg_up{job="postgres-exporter",instance="pg-7f",pod="pg-7f",namespace="shop",server="pg-7f"}"#,
                    "1 1 stale",
                ),
                (
                    r#"pg_up{job="postgres-exporter",instance="pg-8a",pod="pg-8a",namespace="shop",server="pg-8a"}"#,
                    "_ 1x119",
                ),
            ],
        },
        Case {
            alert: "PostgresConnections",
            fires: &[
                (
                    r#"pg_stat_activity_count{job="postgres-exporter",instance="billing",server="db:5432",datname="a",state="idle"}"#,
                    "50x20",
                ),
                (
                    r#"pg_stat_activity_count{job="postgres-exporter",instance="billing",server="db:5432",datname="b",state="active"}"#,
                    "31x20",
                ),
            ],
            at: "6m",
            labels: json!({"severity": "warning", "instance": "billing", "server": "db:5432"}),
            summary: "PostgreSQL db:5432 has many connections",
            description: "PostgreSQL db:5432 has 81 connections.",
            quiet: &[(
                r#"pg_stat_activity_count{job="postgres-exporter",instance="billing",server="db:5432",datname="a",state="idle"}"#,
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
            alert: "OperatorNotReconciling",
            fires: &[
                (
                    r#"masthead_last_success_timestamp_seconds{job="masthead-operator",instance="a"}"#,
                    "0+60x5 300x30",
                ),
                (
                    r#"masthead_last_success_timestamp_seconds{job="masthead-operator",instance="b"}"#,
                    "0x40",
                ),
            ],
            at: "16m",
            labels: json!({"severity": "warning"}),
            summary: "Masthead's operator does not look after the stacks",
            description: "No operator has finished a look at any stack for minutes, or none answers: changes and new rules are not taken over. What runs goes on.",
            quiet: &[
                (
                    r#"masthead_last_success_timestamp_seconds{job="masthead-operator",instance="a"}"#,
                    "0+60x40",
                ),
                (
                    r#"masthead_last_success_timestamp_seconds{job="masthead-operator",instance="b"}"#,
                    "0x40",
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
