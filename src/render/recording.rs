//! The recording rules of a stack: those that its dashboards read, and those that the dashboards of
//! node-mixin and kubernetes-mixin read, under their names.
//!
//! A group is there where its series are. What the mixins compute from kube-state-metrics is not.

use crate::{
    api::rule::{Engine, RuleEntry},
    resolve::{
        model::{RuleFiles, Stack},
        rules::{place_own, rule_file},
    },
};

/// Devices that are disks, as node-mixin has them.
const DISKS: &str =
    r#"device=~"(/dev/)?(mmcblk.p.+|nvme.+|rbd.+|sd.+|vd.+|xvd.+|dm-.+|md.+|dasd.+)""#;
/// Interfaces of containers, bridges and tunnels: their traffic passes a physical one too, or
/// never leaves the node.
const VIRTUAL: &str = r#"device!~"lo|veth.*|cali.*|cni.*|flannel.*|cilium.*|lxc.*|docker.*|br-.*|virbr.*|tun.*|tap.*|vxlan.*|wg.*|dummy.*|kube-ipvs.*|nodelocaldns.*|ifb.*""#;

/// The group's namespace: nobody's.
const NAMESPACE: &str = "masthead";

/// Adds the files to those of users. No `AlertRule`'s file is called so: those have a namespace, a
/// name and a uid.
pub fn add(stack: &Stack, files: &mut RuleFiles) {
    let nodes = stack.gathers_nodes().then(|| ("nodes", nodes()));
    let containers = stack
        .gathers_containers()
        .then(|| ("containers", containers()));
    for (name, rules) in [nodes, containers].into_iter().flatten() {
        let file = rule_file(NAMESPACE, name, Engine::Prometheus, None, &rules);
        place_own(files, &format!("masthead-{name}.yaml"), file);
    }
}

fn record(name: &str, expr: impl Into<String>) -> RuleEntry {
    RuleEntry {
        record: Some(name.to_owned()),
        expr: expr.into(),
        ..RuleEntry::default()
    }
}

/// What is left where the kernel does not tell `MemAvailable`.
fn available() -> String {
    let memory = |name: &str| format!(r#"node_memory_{name}_bytes{{job="node-exporter"}}"#);
    format!(
        "({} or ({} + {} + {} + {}))",
        memory("MemAvailable"),
        memory("Buffers"),
        memory("Cached"),
        memory("MemFree"),
        memory("Slab")
    )
}

fn nodes() -> Vec<RuleEntry> {
    let mut rules = vec![
        record(
            "instance:node_num_cpu:sum",
            r#"count without (cpu, mode) (node_cpu_seconds_total{job="node-exporter", mode="idle"})"#,
        ),
        record(
            "instance:node_cpu_utilisation:rate5m",
            r#"1 - avg without (cpu) (sum without (mode) (rate(node_cpu_seconds_total{job="node-exporter", mode=~"idle|iowait|steal"}[5m])))"#,
        ),
        record(
            "instance:node_load1_per_cpu:ratio",
            r#"node_load1{job="node-exporter"} / instance:node_num_cpu:sum{job="node-exporter"}"#,
        ),
        record(
            "instance:node_memory_utilisation:ratio",
            format!(
                r#"1 - ({} / node_memory_MemTotal_bytes{{job="node-exporter"}})"#,
                available()
            ),
        ),
        record(
            "instance:node_vmstat_pgmajfault:rate5m",
            r#"rate(node_vmstat_pgmajfault{job="node-exporter"}[5m])"#,
        ),
    ];
    rules.extend(["io_time_seconds", "io_time_weighted_seconds"].map(|name| {
        record(
            &format!("instance_device:node_disk_{name}:rate5m"),
            format!(r#"rate(node_disk_{name}_total{{job="node-exporter", {DISKS}}}[5m])"#),
        )
    }));
    for what in [
        "receive_bytes",
        "receive_drop",
        "transmit_bytes",
        "transmit_drop",
    ] {
        for (kind, devices) in [("excluding_lo", r#"device!="lo""#), ("physical", VIRTUAL)] {
            rules.push(record(
                &format!("instance:node_network_{what}_{kind}:rate5m"),
                format!(
                    r#"sum without (device) (rate(node_network_{what}_total{{job="node-exporter", {devices}}}[5m]))"#
                ),
            ));
        }
    }
    rules.extend([
        record(
            "node:node_num_cpu:sum",
            r#"count by (cluster, node) (node_cpu_seconds_total{job="node-exporter", mode="idle"})"#,
        ),
        record(
            "node:node_cpu_utilization:ratio_rate5m",
            r#"avg by (cluster, node) (sum without (mode) (rate(node_cpu_seconds_total{job="node-exporter", mode!~"idle|iowait|steal"}[5m])))"#,
        ),
        record(
            "cluster:node_cpu:ratio_rate5m",
            "avg by (cluster) (node:node_cpu_utilization:ratio_rate5m)",
        ),
        record(
            ":node_memory_MemAvailable_bytes:sum",
            format!("sum by (cluster) {}", available()),
        ),
    ]);
    rules
}

fn containers() -> Vec<RuleEntry> {
    let by = "sum by (cluster, namespace, pod, container, node)";
    // Neither the pod as a whole nor the container that only holds its network.
    let selector = r#"{job="cadvisor", image!="", container!="", container!="POD"}"#;
    let cpu = "container_cpu_usage_seconds_total";
    let mut rules: Vec<_> = ["rate", "irate"]
        .map(|rate| {
            let name = if rate == "rate" {
                "sum_rate5m"
            } else {
                "sum_irate"
            };
            record(
                &format!("node_namespace_pod_container:{cpu}:{name}"),
                format!("{by} ({rate}({cpu}{selector}[5m]))"),
            )
        })
        .into();
    for name in ["working_set_bytes", "rss", "cache", "swap"] {
        rules.push(record(
            &format!("node_namespace_pod_container:container_memory_{name}"),
            format!("{by} (container_memory_{name}{selector})"),
        ));
    }
    rules
}
