//! Nodes and the containers on them.

use super::{Alert, Gathered, or};
use crate::api::{alerting::Severity, default_rules::DefaultRulesSpec, rule::RuleEntry};

/// File systems that are not disks, or repeat one.
const NO_DISK: &str = "tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|erofs|nsfs|fuse.lxcfs";

pub(super) fn containers(gathered: &Gathered<'_>, spec: &DefaultRulesSpec) -> Vec<RuleEntry> {
    let given = spec.container_down.clone().unwrap_or_default();
    if !gathered.has("cadvisor") || given.enabled == Some(false) {
        return Vec::new();
    }
    let alert = Alert {
        name: "ContainerDown",
        // What ended as it should, a Job's container, is not down. The state and its reason change
        // while a container crashes again and again: the alert is one all the same.
        expr: "max by (namespace, pod, container, name, node) (masthead_container_state{job=\"cadvisor\",state!=\"running\",reason!=\"Completed\"}) == 1".into(),
        for_: Some(or(given.for_.as_ref(), "1m")),
        severity: Some(Severity::Critical),
        summary: "Container {{ or $labels.container $labels.name }} is down",
        description: "Container {{ or $labels.container $labels.name }}{{ with $labels.pod }} of pod {{ $labels.namespace }}/{{ . }}{{ end }} on node {{ $labels.node }} does not run.",
    };
    vec![alert.entry()]
}

pub(super) fn nodes(gathered: &Gathered<'_>, spec: &DefaultRulesSpec) -> Vec<RuleEntry> {
    if !gathered.has("node-exporter") {
        return Vec::new();
    }
    let rules = [memory(spec), cpu(gathered, spec), disk(spec)];
    rules.into_iter().flatten().collect()
}

fn memory(spec: &DefaultRulesSpec) -> Option<RuleEntry> {
    let given = spec.high_memory.clone().unwrap_or_default();
    let alert = Alert {
        name: "HighMemory",
        expr: format!(
            "100 * (1 - node_memory_MemAvailable_bytes{{job=\"node-exporter\"}} / node_memory_MemTotal_bytes{{job=\"node-exporter\"}}) > {}",
            given.used_percent.unwrap_or(90)
        ),
        for_: Some(or(given.for_.as_ref(), "5m")),
        severity: Some(Severity::Warning),
        summary: "Node {{ $labels.instance }} is short of memory",
        description: "{{ $value | printf \"%.1f\" }} % of the memory of node {{ $labels.instance }} is used.",
    };
    (given.enabled != Some(false)).then(|| alert.entry())
}

fn cpu(gathered: &Gathered<'_>, spec: &DefaultRulesSpec) -> Option<RuleEntry> {
    let given = spec.high_cpu.clone().unwrap_or_default();
    let alert = Alert {
        name: "HighCpu",
        expr: format!(
            "100 * (1 - avg by (instance, node) (sum without (mode) (rate(node_cpu_seconds_total{{job=\"node-exporter\",mode=~\"idle|iowait\"}}[{}])))) > {}",
            gathered.rate_window(),
            given.used_percent.unwrap_or(80)
        ),
        for_: Some(or(given.for_.as_ref(), "10m")),
        severity: Some(Severity::Warning),
        summary: "The processors of node {{ $labels.instance }} are busy",
        description: "The processors of node {{ $labels.instance }} are busy for {{ $value | printf \"%.1f\" }} % of the time.",
    };
    (given.enabled != Some(false)).then(|| alert.entry())
}

fn disk(spec: &DefaultRulesSpec) -> Option<RuleEntry> {
    let given = spec.low_disk.clone().unwrap_or_default();
    let which = format!("{{job=\"node-exporter\",fstype!~\"{NO_DISK}\"}}");
    let alert = Alert {
        name: "LowDisk",
        // A device is one disk wherever it is mounted: volumes of pods are places of the node's own.
        expr: format!(
            "min without (mountpoint) (100 * node_filesystem_avail_bytes{which} / node_filesystem_size_bytes{which} and node_filesystem_readonly{which} == 0) < {}",
            given.free_percent.unwrap_or(10)
        ),
        for_: Some(or(given.for_.as_ref(), "5m")),
        severity: Some(Severity::Warning),
        summary: "Disk {{ $labels.device }} of node {{ $labels.instance }} is nearly full",
        description: "{{ $value | printf \"%.1f\" }} % of {{ $labels.device }} of node {{ $labels.instance }} is free{{ range $i, $it := printf \"node_filesystem_readonly{job='node-exporter',instance=%q,device=%q} == 0\" $labels.instance $labels.device | query | sortByLabel \"mountpoint\" }}{{ if not $i }}; it is mounted at {{ $it | label \"mountpoint\" }}{{ end }}{{ end }}.",
    };
    (given.enabled != Some(false)).then(|| alert.entry())
}
