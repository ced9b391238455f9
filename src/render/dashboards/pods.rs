//! Containers and pods: what runs, what does not and why, and what each uses of what it may use.

use super::{
    board::{Dashboard, Row, Variable},
    panel::Panel,
    queries::CONTAINER_FAILING,
    style::{
        Limit::{BadFrom, NoticeFrom},
        Unit,
    },
};
use crate::api::defaults::MEMORY_USED_PERCENT;

/// The chosen pods.
const HERE: &str = r#"namespace=~"$namespace", pod=~"$pod""#;
/// Their containers; the pod's own series are theirs together.
const CONTAINERS: &str =
    r#"job="cadvisor", namespace=~"$namespace", pod=~"$pod", container!="", container!="POD""#;
const RATE: &str = "[$__rate_interval]";
const POD: &str =
    "/d/masthead-pods/pods?var-namespace=${__data.fields.Namespace}&var-pod=${__value.raw}";

/// The dashboard.
pub fn dashboard() -> Dashboard {
    let known = r#"container_start_time_seconds{job="cadvisor", namespace!=""}"#;
    let pods = r#"container_start_time_seconds{job="cadvisor", namespace=~"$namespace"}"#;
    Dashboard {
        name: "pods",
        title: "Containers and pods",
        description: "Which containers run, which do not and why, and what each uses.",
        variables: vec![
            Variable::of_metric("namespace", "Namespace", known),
            Variable::of_metric("pod", "Pod", pods),
        ],
        rows: vec![
            Row::low("Now", now()),
            Row::new("What does not run", vec![failing(), restarts()]),
            Row::new("Pods", vec![table()]),
            Row::new("CPU and memory", usage()),
            Row::new("Disk and network", traffic()),
        ],
    }
}

fn now() -> Vec<Panel> {
    let state = |state: &str| {
        format!(r#"sum(masthead_container_state{{state="{state}", {HERE}}}) or vector(0)"#)
    };
    vec![
        Panel::stat("Running", "How many containers run?").width(4).metric(state("running"), ""),
        Panel::stat("Waiting", "How many containers wait to be started?")
            .width(4)
            .limit(NoticeFrom(1.0))
            .metric(state("waiting"), ""),
        Panel::stat("Restarts", "How many containers were started again in this time?")
            .width(4)
            .limit(NoticeFrom(1.0))
            .metric(format!("sum(increase(masthead_container_restarts_total{{{HERE}}}[$__range]))"), ""),
        Panel::stat("Killed for memory", "How many processes were ended for lack of memory?")
            .width(4)
            .limit(NoticeFrom(1.0))
            .metric(format!("sum(increase(container_oom_events_total{{{CONTAINERS}}}[$__range]))"), ""),
        Panel::stat("Cores", "How many cores do they use?").width(4).metric(
            format!("sum(node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m{{{HERE}}})"),
            "",
        ),
        Panel::stat("Memory", "How much memory do they use?")
            .width(4)
            .unit(Unit::Bytes)
            .metric(
                format!("sum(node_namespace_pod_container:container_memory_working_set_bytes{{{HERE}}})"),
                "",
            ),
    ]
}

fn failing() -> Panel {
    Panel::table(
        "Kept from running",
        "Which containers are kept from running, and why?",
    )
    .empty_is("Every container runs")
    .metric(
        format!("{CONTAINER_FAILING} and on (namespace, pod) masthead_container_state{{{HERE}}}"),
        "",
    )
    .label("namespace", "Namespace")
    .label("pod", "Pod")
    .label("container", "Container")
    .label("reason", "Reason")
    .label("node", "Node")
}

fn restarts() -> Panel {
    Panel::time_series("Restarts", "Which containers start again and again?")
        .from_zero()
        .empty_is("No container was started again")
        .metric(
            format!("sum by (namespace, pod, container) (increase(masthead_container_restarts_total{{{HERE}}}[15m])) > 0"),
            "{{namespace}}/{{pod}} {{container}}",
        )
}

/// One line for each pod.
fn table() -> Panel {
    let by_pod = |expr: &str| format!("sum by (namespace, pod) ({expr})");
    Panel::table(
        "Pods",
        "Which pod uses how much, and how near is it to its limit?",
    )
    .width(24)
    .label("namespace", "Namespace")
    .label_to("pod", "Pod", POD)
    .metric(
        by_pod(&format!(
            "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m{{{HERE}}}"
        )),
        "",
    )
    .value("Cores", Unit::Short, None)
    .metric(
        by_pod(&format!(
            "node_namespace_pod_container:container_memory_working_set_bytes{{{HERE}}}"
        )),
        "",
    )
    .value("Memory", Unit::Bytes, None)
    .metric(
        format!("max by (namespace, pod) ({})", memory_of_limit()),
        "",
    )
    .value(
        "Of its limit",
        Unit::Percent,
        Some(BadFrom(MEMORY_USED_PERCENT)),
    )
    .metric(
        by_pod(&format!(
            "rate(container_network_receive_bytes_total{{job=\"cadvisor\", {HERE}}}[5m])"
        )),
        "",
    )
    .value("Received", Unit::BytesPerSecond, None)
    .metric(
        by_pod(&format!(
            "rate(container_network_transmit_bytes_total{{job=\"cadvisor\", {HERE}}}[5m])"
        )),
        "",
    )
    .value("Sent", Unit::BytesPerSecond, None)
    .metric(
        by_pod(&format!("masthead_container_restarts_total{{{HERE}}}")),
        "",
    )
    .value("Restarts", Unit::Short, None)
}

/// Containers without a limit are left out.
fn memory_of_limit() -> String {
    format!(
        "100 * container_memory_working_set_bytes{{{CONTAINERS}}} / (container_spec_memory_limit_bytes{{{CONTAINERS}}} > 0)"
    )
}

fn usage() -> Vec<Panel> {
    let rate = |name: &str| format!("sum by (namespace, pod) (rate({name}{{{CONTAINERS}}}{RATE}))");
    let throttled = format!(
        "100 * {} / {}",
        rate("container_cpu_cfs_throttled_periods_total"),
        rate("container_cpu_cfs_periods_total")
    );
    vec![
        Panel::time_series("CPU", "Which pods use the CPU, in cores?")
            .width(6)
            .from_zero()
            .metric(
                rate("container_cpu_usage_seconds_total"),
                "{{namespace}}/{{pod}}",
            ),
        Panel::time_series(
            "Slowed down",
            "For what share of the time does a CPU limit slow a pod down?",
        )
        .width(6)
        .unit(Unit::Percent)
        .between(0.0, 100.0)
        .empty_is("No container has a CPU limit")
        .metric(throttled, "{{namespace}}/{{pod}}"),
        Panel::time_series("Memory", "Which pods use the memory?")
            .width(6)
            .unit(Unit::Bytes)
            .from_zero()
            .metric(
                format!(
                    "sum by (namespace, pod) (container_memory_working_set_bytes{{{CONTAINERS}}})"
                ),
                "{{namespace}}/{{pod}}",
            ),
        Panel::time_series(
            "Memory of its limit",
            "Which container is about to be ended for its memory?",
        )
        .width(6)
        .unit(Unit::Percent)
        .between(0.0, 100.0)
        .limit(BadFrom(MEMORY_USED_PERCENT))
        .metric(
            format!("max by (namespace, pod, container) ({})", memory_of_limit()),
            "{{namespace}}/{{pod}} {{container}}",
        ),
    ]
}

fn traffic() -> Vec<Panel> {
    let disk = |name: &str| format!("sum by (namespace, pod) (rate({name}{{{CONTAINERS}}}{RATE}))");
    let network = |name: &str| {
        format!("sum by (namespace, pod) (rate({name}{{job=\"cadvisor\", {HERE}}}{RATE}))")
    };
    vec![
        Panel::time_series(
            "Disk",
            "Which pods read and write? What is written is below zero.",
        )
        .unit(Unit::BytesPerSecond)
        .mirrored("written")
        // The kernel tells a control group's disk only once something of it was there.
        .empty_is("No container has read or written a disk")
        .metric(
            disk("container_fs_reads_bytes_total"),
            "read {{namespace}}/{{pod}}",
        )
        .metric(
            disk("container_fs_writes_bytes_total"),
            "written {{namespace}}/{{pod}}",
        ),
        Panel::time_series(
            "Network",
            "Which pods receive and send? What is sent is below zero.",
        )
        .unit(Unit::BytesPerSecond)
        .mirrored("sent")
        .metric(
            network("container_network_receive_bytes_total"),
            "received {{namespace}}/{{pod}}",
        )
        .metric(
            network("container_network_transmit_bytes_total"),
            "sent {{namespace}}/{{pod}}",
        ),
    ]
}
