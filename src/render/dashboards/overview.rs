//! Is all well? What fires, what is down, what fills up.

use super::{
    Parts,
    board::{Dashboard, Row},
    panel::Panel,
    queries::{CONTAINER_FAILING, DISK_USED_PERCENT},
    style::{
        Limit::{BadFrom, NoticeFrom},
        Unit,
    },
};
use crate::api::defaults::{CPU_USED_PERCENT, DISK_FREE_PERCENT, MEMORY_USED_PERCENT};

const NODE: &str = "/d/masthead-node/node?var-node=${__data.fields.Node}";
const PODS: &str = "/d/masthead-pods/pods?var-namespace=${__value.raw}";

/// The dashboard.
pub fn dashboard(parts: &Parts<'_>) -> Dashboard {
    let mut rows = vec![
        Row::low("Is all well?", well(parts)),
        Row::new("What fires, what is down", vec![firing(), down()]),
    ];
    if parts.node() {
        rows.push(Row::new("What fills up", vec![nodes()]));
        rows.push(Row::new("Nodes", node_lines()));
    }
    if parts.containers() {
        rows.push(Row::new("Who uses it", namespaces()));
    }
    Dashboard {
        name: "overview",
        title: "Overview",
        description: "Is all well? What fires, what is down, what fills up.",
        variables: Vec::new(),
        rows,
    }
}

fn well(parts: &Parts<'_>) -> Vec<Panel> {
    let mut panels = vec![
        Panel::stat("Critical alerts", "Does anything need a person now?")
            .limit(BadFrom(1.0))
            .metric(alerts("critical"), ""),
        Panel::stat("Warnings", "Does anything need a look today?")
            .limit(NoticeFrom(1.0))
            .metric(alerts("warning"), ""),
        Panel::stat("Targets down", "Does everything answer Prometheus?")
            .limit(BadFrom(1.0))
            .metric("count(up == 0) or vector(0)", ""),
    ];
    if parts.containers() {
        panels.push(
            Panel::stat(
                "Containers failing",
                "Is a container kept from running: crashes, images, configuration?",
            )
            .limit(NoticeFrom(1.0))
            .metric(format!("count({CONTAINER_FAILING}) or vector(0)"), ""),
        );
    }
    if parts.node() {
        panels.extend([
            Panel::gauge("Busiest CPU", "How busy is the busiest node's CPU?")
                .limit(BadFrom(CPU_USED_PERCENT))
                .metric("100 * max(instance:node_cpu_utilisation:rate5m)", ""),
            Panel::gauge("Fullest memory", "How full is the fullest node's memory?")
                .limit(BadFrom(MEMORY_USED_PERCENT))
                .metric("100 * max(instance:node_memory_utilisation:ratio)", ""),
            Panel::gauge(
                "Fullest disk",
                "How full is the fullest file system of all nodes?",
            )
            .limit(BadFrom(100.0 - DISK_FREE_PERCENT))
            .metric(format!("max({DISK_USED_PERCENT})"), ""),
            Panel::stat("Nodes", "How many nodes tell of themselves?")
                .metric(r#"count(up{job="node-exporter"} == 1)"#, ""),
        ]);
    }
    panels
}

fn alerts(severity: &str) -> String {
    format!(r#"count(ALERTS{{alertstate="firing", severity="{severity}"}}) or vector(0)"#)
}

fn firing() -> Panel {
    Panel::table("What fires", "Which alerts fire, and about what?")
        .empty_is("Nothing fires")
        .metric(r#"ALERTS{alertstate="firing"}"#, "")
        .label("alertname", "Alert")
        .label("severity", "Severity")
        .label("namespace", "Namespace")
        .label("pod", "Pod")
        .label("node", "Node")
        .label("instance", "Instance")
}

fn down() -> Panel {
    Panel::table("What is down", "Which targets do not answer Prometheus?")
        .empty_is("Every target answers")
        .metric("up == 0", "")
        .label("job", "Job")
        .label("namespace", "Namespace")
        .label("pod", "Pod")
        .label("node", "Node")
        .label("instance", "Instance")
}

/// One line for each node, with the limits of the default alerts.
fn nodes() -> Panel {
    let percent = Unit::Percent;
    Panel::table(
        "Nodes",
        "Which node runs out of CPU, memory or disk, and when?",
    )
    .width(24)
    .label_to("node", "Node", NODE)
    .metric(
        "max by (node) (100 * instance:node_cpu_utilisation:rate5m)",
        "",
    )
    .value("CPU", percent, Some(BadFrom(CPU_USED_PERCENT)))
    .metric(
        "max by (node) (100 * instance:node_memory_utilisation:ratio)",
        "",
    )
    .value("Memory", percent, Some(BadFrom(MEMORY_USED_PERCENT)))
    .metric(format!("max by (node) ({DISK_USED_PERCENT})"), "")
    .value(
        "Fullest disk",
        percent,
        Some(BadFrom(100.0 - DISK_FREE_PERCENT)),
    )
    .metric("max by (node) (instance:node_load1_per_cpu:ratio)", "")
    .value("Load per CPU", Unit::Short, None)
    .metric(
        r#"max by (node) (time() - node_boot_time_seconds{job="node-exporter"})"#,
        "",
    )
    .value("Up for", Unit::Seconds, None)
}

fn node_lines() -> Vec<Panel> {
    let lines = |title, description| {
        Panel::time_series(title, description)
            .width(8)
            .unit(Unit::Percent)
            .between(0.0, 100.0)
    };
    vec![
        lines(
            "CPU",
            "Is a node's CPU busy for long, or only now and then?",
        )
        .limit(BadFrom(CPU_USED_PERCENT))
        .metric(
            "max by (node) (100 * instance:node_cpu_utilisation:rate5m)",
            "{{node}}",
        ),
        lines("Memory", "Does a node's memory fill up?")
            .limit(BadFrom(MEMORY_USED_PERCENT))
            .metric(
                "max by (node) (100 * instance:node_memory_utilisation:ratio)",
                "{{node}}",
            ),
        lines("Fullest disk", "Does a file system of a node fill up?")
            .limit(BadFrom(100.0 - DISK_FREE_PERCENT))
            .metric(format!("max by (node) ({DISK_USED_PERCENT})"), "{{node}}"),
    ]
}

fn namespaces() -> Vec<Panel> {
    let cpu = "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m";
    let memory = "node_namespace_pod_container:container_memory_working_set_bytes";
    let failing = format!("count by (namespace) ({CONTAINER_FAILING})");
    vec![
        Panel::time_series(
            "CPU by namespace",
            "Which namespaces use the CPU, in cores?",
        )
        .width(8)
        .stacked()
        .from_zero()
        .metric(format!("sum by (namespace) ({cpu})"), "{{namespace}}"),
        Panel::time_series("Memory by namespace", "Which namespaces use the memory?")
            .width(8)
            .stacked()
            .from_zero()
            .unit(Unit::Bytes)
            .metric(format!("sum by (namespace) ({memory})"), "{{namespace}}"),
        Panel::table(
            "Namespaces",
            "Which namespace uses how much, and where do containers fail?",
        )
        .width(8)
        .label_to("namespace", "Namespace", PODS)
        .metric(format!("sum by (namespace) ({cpu})"), "")
        .value("Cores", Unit::Short, None)
        .metric(format!("sum by (namespace) ({memory})"), "")
        .value("Memory", Unit::Bytes, None)
        .metric(format!("{failing} or 0 * sum by (namespace) ({cpu})"), "")
        .value("Failing", Unit::Short, Some(NoticeFrom(1.0))),
    ]
}
