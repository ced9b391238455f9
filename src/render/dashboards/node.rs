//! One node, or several: CPU, memory, disks, network, and what the kernel does.

use super::{
    board::{Dashboard, Row, Variable},
    panel::Panel,
    style::{
        Color,
        Limit::{BadFrom, NoticeFrom},
        Unit,
    },
};
use crate::api::defaults::{CPU_USED_PERCENT, DISK_FREE_PERCENT, MEMORY_USED_PERCENT};

/// The series of the chosen nodes.
const HERE: &str = r#"job="node-exporter", node=~"$node""#;
/// File systems on disks.
const DISKS: &str = r#"fstype!~"tmpfs|ramfs|squashfs|overlay|iso9660""#;
/// Interfaces that carry the node's traffic to others.
const WIRES: &str = r#"device!~"lo|veth.*|cali.*|cni.*|docker.*|br-.*""#;
const RATE: &str = "[$__rate_interval]";

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "node",
        title: "Node",
        description: "What a node is short of: CPU, memory, disk or network.",
        variables: vec![Variable::of_metric(
            "node",
            "Node",
            r#"node_uname_info{job="node-exporter"}"#,
        )],
        rows: vec![
            Row::low("Now", now()),
            Row::new("CPU", cpu()),
            Row::new("Memory", memory()),
            Row::new("Disks", disks()),
            Row::new("Network", network()),
            Row::new("System", system()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::gauge("CPU", "How busy is the CPU?")
            .limit(BadFrom(CPU_USED_PERCENT))
            .metric(
                format!("100 * max(instance:node_cpu_utilisation:rate5m{{{HERE}}})"),
                "",
            ),
        Panel::gauge("Memory", "How full is the memory?")
            .limit(BadFrom(MEMORY_USED_PERCENT))
            .metric(
                format!("100 * max(instance:node_memory_utilisation:ratio{{{HERE}}})"),
                "",
            ),
        Panel::gauge("Fullest disk", "How full is the fullest file system?")
            .limit(BadFrom(100.0 - DISK_FREE_PERCENT))
            .metric(format!("max({})", disk_used()), ""),
        Panel::stat(
            "Load per CPU",
            "Do more tasks want to run than there are CPUs?",
        )
        .limit(NoticeFrom(2.0))
        .metric(
            format!("max(instance:node_load1_per_cpu:ratio{{{HERE}}})"),
            "",
        ),
        Panel::stat("CPUs", "How many CPUs are there?")
            .metric(format!("sum(instance:node_num_cpu:sum{{{HERE}}})"), ""),
        Panel::stat("Memory in all", "How much memory is there?")
            .unit(Unit::Bytes)
            .metric(format!("sum(node_memory_MemTotal_bytes{{{HERE}}})"), ""),
        Panel::stat("Up for", "When was it last started?")
            .unit(Unit::Seconds)
            .metric(
                format!("min(time() - node_boot_time_seconds{{{HERE}}})"),
                "",
            ),
        Panel::stat(
            "Killed for memory",
            "Did the kernel end processes for lack of memory?",
        )
        .limit(NoticeFrom(1.0))
        .metric(
            format!("sum(increase(node_vmstat_oom_kill{{{HERE}}}[$__range]))"),
            "",
        ),
    ]
}

fn disk_used() -> String {
    format!(
        "100 * (1 - node_filesystem_avail_bytes{{{HERE}, {DISKS}}} / node_filesystem_size_bytes{{{HERE}, {DISKS}}})"
    )
}

fn cpu() -> Vec<Panel> {
    vec![
        Panel::time_series("CPU by kind of work", "What does the CPU do, of a hundred?")
            .width(8)
            .unit(Unit::Percent)
            .between(0.0, 100.0)
            .limit(BadFrom(CPU_USED_PERCENT))
            .stacked()
            .metric(
                format!(
                    r#"100 * avg by (mode) (rate(node_cpu_seconds_total{{{HERE}, mode!="idle"}}{RATE}))"#
                ),
                "{{mode}}",
            ),
        Panel::time_series("Load", "How many tasks run or wait, beside how many could run?")
            .width(8)
            .from_zero()
            .metric(format!("sum(node_load1{{{HERE}}})"), "1 min")
            .metric(format!("sum(node_load5{{{HERE}}})"), "5 min")
            .metric(format!("sum(node_load15{{{HERE}}})"), "15 min")
            .metric(format!("sum(instance:node_num_cpu:sum{{{HERE}}})"), "CPUs")
            .color("CPUs", Color::Red),
        Panel::time_series(
            "Waiting",
            "For what share of the time do tasks wait for CPU, memory or disk?",
        )
        .width(8)
        .unit(Unit::Percent)
        .from_zero()
        .empty_is("This kernel does not tell pressure")
        .metric(pressure("cpu"), "CPU")
        .metric(pressure("memory"), "memory")
        .metric(pressure("io"), "disk"),
    ]
}

fn pressure(of: &str) -> String {
    format!("100 * max(rate(node_pressure_{of}_waiting_seconds_total{{{HERE}}}{RATE}))")
}

fn memory() -> Vec<Panel> {
    let sum = |name: &str| format!("sum(node_memory_{name}_bytes{{{HERE}}})");
    vec![
        Panel::time_series("Memory", "Who has the memory, and how much could be had?")
            .unit(Unit::Bytes)
            .from_zero()
            .metric(
                format!("{} - {}", sum("MemTotal"), sum("MemAvailable")),
                "used",
            )
            .metric(sum("MemAvailable"), "available")
            .metric(sum("Cached"), "page cache")
            .metric(sum("MemTotal"), "in all")
            .color("in all", Color::Red),
        Panel::time_series("Swap", "Does memory move to disk and back?")
            .width(6)
            .unit(Unit::PerSecond)
            .from_zero()
            .metric(
                format!("sum(rate(node_vmstat_pswpin{{{HERE}}}{RATE}))"),
                "pages in",
            )
            .metric(
                format!("sum(rate(node_vmstat_pswpout{{{HERE}}}{RATE}))"),
                "pages out",
            ),
        Panel::time_series(
            "Major page faults",
            "Do programs wait for pages from disk? Many mean that memory is short.",
        )
        .width(6)
        .unit(Unit::PerSecond)
        .from_zero()
        .metric(
            format!("max by (node) (instance:node_vmstat_pgmajfault:rate5m{{{HERE}}})"),
            "{{node}}",
        ),
    ]
}

fn disks() -> Vec<Panel> {
    let rate =
        |name: &str| format!("sum by (node, device) (rate(node_disk_{name}{{{HERE}}}{RATE}))");
    let inodes = format!(
        "100 * (1 - node_filesystem_files_free{{{HERE}, {DISKS}}} / (node_filesystem_files{{{HERE}, {DISKS}}} > 0))"
    );
    vec![
        Panel::time_series("How full", "Does a file system fill up?")
            .width(6)
            .unit(Unit::Percent)
            .between(0.0, 100.0)
            .limit(BadFrom(100.0 - DISK_FREE_PERCENT))
            .metric(format!("max by (node, mountpoint) ({})", disk_used()), "{{node}} {{mountpoint}}"),
        Panel::time_series("Inodes used", "Do the file systems run out of inodes?")
            .width(6)
            .unit(Unit::Percent)
            .between(0.0, 100.0)
            .metric(format!("max by (node, mountpoint) ({inodes})"), "{{node}} {{mountpoint}}"),
        Panel::time_series("Bytes read and written", "Who writes is below zero.")
            .width(6)
            .unit(Unit::BytesPerSecond)
            .mirrored("written")
            .metric(rate("read_bytes_total"), "read {{node}} {{device}}")
            .metric(rate("written_bytes_total"), "written {{node}} {{device}}"),
        Panel::time_series("Busy", "For what share of the time does a disk work?")
            .width(6)
            .unit(Unit::Percent)
            .between(0.0, 100.0)
            .metric(
                format!("100 * max by (node, device) (rate(node_disk_io_time_seconds_total{{{HERE}}}{RATE}))"),
                "{{node}} {{device}}",
            ),
    ]
}

fn network() -> Vec<Panel> {
    let rate = |name: &str| {
        format!("sum by (node, device) (rate(node_network_{name}_total{{{HERE}, {WIRES}}}{RATE}))")
    };
    vec![
        Panel::time_series(
            "Traffic",
            "What goes through the interfaces? What is sent is below zero.",
        )
        .width(8)
        .unit(Unit::BytesPerSecond)
        .mirrored("sent")
        .metric(rate("receive_bytes"), "received {{node}} {{device}}")
        .metric(rate("transmit_bytes"), "sent {{node}} {{device}}"),
        Panel::time_series("Lost packets", "Are packets dropped or broken?")
            .width(8)
            .unit(Unit::PacketsPerSecond)
            .from_zero()
            .metric(
                format!("{} + {}", rate("receive_drop"), rate("receive_errs")),
                "received {{node}} {{device}}",
            )
            .metric(
                format!("{} + {}", rate("transmit_drop"), rate("transmit_errs")),
                "sent {{node}} {{device}}",
            ),
        Panel::time_series("Connections", "How many TCP connections are open?")
            .width(8)
            .from_zero()
            .metric(
                format!("sum by (node) (node_netstat_Tcp_CurrEstab{{{HERE}}})"),
                "{{node}}",
            ),
    ]
}

fn system() -> Vec<Panel> {
    vec![
        Panel::time_series("Tasks", "How many tasks run, and how many are stuck on a disk?")
            .width(8)
            .from_zero()
            .metric(format!("sum(node_procs_running{{{HERE}}})"), "running")
            .metric(format!("sum(node_procs_blocked{{{HERE}}})"), "blocked"),
        Panel::time_series("Open files", "Of the files that the kernel may open, how many are open?")
            .width(8)
            .unit(Unit::Percent)
            .from_zero()
            .metric(
                format!("100 * max by (node) (node_filefd_allocated{{{HERE}}} / node_filefd_maximum{{{HERE}}})"),
                "{{node}}",
            ),
        Panel::time_series("Clock", "By how much is the clock off?")
            .width(8)
            .unit(Unit::Seconds)
            .metric(format!("max by (node) (node_timex_offset_seconds{{{HERE}}})"), "{{node}}"),
    ]
}
