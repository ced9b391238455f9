//! Traffic by node, namespace, pod and Service, and what is lost on the way.

use super::{
    Parts,
    board::{Dashboard, Row, Variable},
    panel::Panel,
    style::{
        Limit::{BadFrom, NoticeFrom},
        Unit,
    },
};

const NODES: &str = r#"job="node-exporter", node=~"$node""#;
const PODS: &str = r#"job="cadvisor", namespace=~"$namespace", pod!="""#;
const RATE: &str = "[$__rate_interval]";
/// Of the connections' entries, how many may be used before new ones are in danger.
const CONNTRACK_PERCENT: f64 = 75.0;
/// Pods shown; more lines tell nobody anything.
const MOST: u8 = 10;

/// The dashboard.
pub fn dashboard(parts: &Parts<'_>) -> Dashboard {
    let mut variables = Vec::new();
    let mut rows = Vec::new();
    if parts.node() {
        variables.push(Variable::of_metric(
            "node",
            "Node",
            r#"node_uname_info{job="node-exporter"}"#,
        ));
        rows.push(Row::low("Now", now()));
        rows.push(Row::new("Nodes", nodes()));
    }
    if parts.containers() {
        variables.push(Variable::of_metric(
            "namespace",
            "Namespace",
            r#"container_network_receive_bytes_total{job="cadvisor", namespace!=""}"#,
        ));
        rows.push(Row::new("Namespaces", namespaces()));
        rows.push(Row::new("Pods", pods()));
        rows.push(Row::new("Services", services()));
    }
    Dashboard {
        name: "network",
        title: "Network",
        description: "Who sends and receives how much, and what is lost on the way.",
        variables,
        rows,
    }
}

fn now() -> Vec<Panel> {
    let lost = format!(
        "sum(instance:node_network_receive_drop_excluding_lo:rate5m{{{NODES}}}) + sum(instance:node_network_transmit_drop_excluding_lo:rate5m{{{NODES}}})"
    );
    let again = format!(
        "100 * sum(rate(node_netstat_Tcp_RetransSegs{{{NODES}}}[5m])) / sum(rate(node_netstat_Tcp_OutSegs{{{NODES}}}[5m]))"
    );
    let tracked = format!(
        "100 * max(node_nf_conntrack_entries{{{NODES}}} / node_nf_conntrack_entries_limit{{{NODES}}})"
    );
    vec![
        Panel::stat("Received", "How much do the nodes receive?")
            .width(4)
            .unit(Unit::BytesPerSecond)
            .metric(physical("receive", "sum"), ""),
        Panel::stat("Sent", "How much do the nodes send?")
            .width(4)
            .unit(Unit::BytesPerSecond)
            .metric(physical("transmit", "sum"), ""),
        Panel::stat("Dropped", "How many packets do the nodes drop?")
            .width(4)
            .unit(Unit::PacketsPerSecond)
            .limit(NoticeFrom(10.0))
            .metric(lost, ""),
        Panel::stat(
            "Sent again",
            "What share of TCP segments had to be sent again?",
        )
        .width(4)
        .unit(Unit::Percent)
        .limit(NoticeFrom(1.0))
        .metric(again, ""),
        Panel::stat("Connections", "How many TCP connections are open?")
            .width(4)
            .metric(format!("sum(node_netstat_Tcp_CurrEstab{{{NODES}}})"), ""),
        Panel::stat(
            "Connection table",
            "Of the connections that a node can track, how many does it?",
        )
        .width(4)
        .unit(Unit::Percent)
        .limit(BadFrom(CONNTRACK_PERCENT))
        .empty_is("not tracked")
        .metric(tracked, ""),
    ]
}

fn physical(direction: &str, aggregate: &str) -> String {
    format!("{aggregate} (instance:node_network_{direction}_bytes_physical:rate5m{{{NODES}}})")
}

fn nodes() -> Vec<Panel> {
    let lost = |direction: &str| {
        format!(
            "sum by (node) (rate(node_network_{direction}_errs_total{{{NODES}}}{RATE}) + rate(node_network_{direction}_drop_total{{{NODES}}}{RATE}))"
        )
    };
    vec![
        Panel::time_series(
            "Traffic by node",
            "Which nodes receive and send? What is sent is below zero.",
        )
        .unit(Unit::BytesPerSecond)
        .mirrored("sent")
        .metric(physical("receive", "sum by (node)"), "received {{node}}")
        .metric(physical("transmit", "sum by (node)"), "sent {{node}}"),
        Panel::time_series(
            "Lost packets by node",
            "Where are packets dropped or broken?",
        )
        .unit(Unit::PacketsPerSecond)
        .from_zero()
        .metric(lost("receive"), "received {{node}}")
        .metric(lost("transmit"), "sent {{node}}"),
    ]
}

fn rate(name: &str) -> String {
    format!("rate(container_network_{name}_total{{{PODS}}}{RATE})")
}

fn namespaces() -> Vec<Panel> {
    vec![
        Panel::time_series("Received by namespace", "Which namespaces receive?")
            .unit(Unit::BytesPerSecond)
            .stacked()
            .from_zero()
            .metric(
                format!("sum by (namespace) ({})", rate("receive_bytes")),
                "{{namespace}}",
            ),
        Panel::time_series("Sent by namespace", "Which namespaces send?")
            .unit(Unit::BytesPerSecond)
            .stacked()
            .from_zero()
            .metric(
                format!("sum by (namespace) ({})", rate("transmit_bytes")),
                "{{namespace}}",
            ),
    ]
}

fn pods() -> Vec<Panel> {
    let most = |expr: String| format!("topk({MOST}, sum by (namespace, pod) ({expr}))");
    let lost = format!(
        "{} + {} + {} + {}",
        rate("receive_packets_dropped"),
        rate("receive_errors"),
        rate("transmit_packets_dropped"),
        rate("transmit_errors")
    );
    vec![
        Panel::time_series("Pods that receive most", "Which ten pods receive most?")
            .width(8)
            .unit(Unit::BytesPerSecond)
            .from_zero()
            .metric(most(rate("receive_bytes")), "{{namespace}}/{{pod}}"),
        Panel::time_series("Pods that send most", "Which ten pods send most?")
            .width(8)
            .unit(Unit::BytesPerSecond)
            .from_zero()
            .metric(most(rate("transmit_bytes")), "{{namespace}}/{{pod}}"),
        Panel::time_series(
            "Lost packets by pod",
            "Which pods' packets are dropped or broken?",
        )
        .width(8)
        .unit(Unit::PacketsPerSecond)
        .from_zero()
        .metric(most(lost), "{{namespace}}/{{pod}}"),
    ]
}

/// Pods are told to belong to a Service by the targets that were discovered through it.
fn services() -> Vec<Panel> {
    let by_service = |direction: &str| {
        format!(
            r#"sum by (namespace, service) (group by (namespace, pod, service) (up{{service!="", pod!="", namespace=~"$namespace"}}) * on (namespace, pod) group_left () sum by (namespace, pod) ({}))"#,
            rate(direction)
        )
    };
    let words = "No Service is scraped: annotate it with prometheus.io/scrape";
    vec![
        Panel::time_series(
            "Received by Service",
            "Which Services receive? Those are told whose pods Prometheus scrapes through them.",
        )
        .unit(Unit::BytesPerSecond)
        .from_zero()
        .empty_is(words)
        .metric(by_service("receive_bytes"), "{{namespace}}/{{service}}"),
        Panel::time_series(
            "Sent by Service",
            "Which Services send? Those are told whose pods Prometheus scrapes through them.",
        )
        .unit(Unit::BytesPerSecond)
        .from_zero()
        .empty_is(words)
        .metric(by_service("transmit_bytes"), "{{namespace}}/{{service}}"),
    ]
}
