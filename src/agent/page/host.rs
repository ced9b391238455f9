//! The node on the page: its figures from the text of its own metrics, so that the page shows what
//! Prometheus is told, and how its collectors fare.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shape::{Column, Shape, Unit};
use super::table::{Record, Table};
use crate::agent::collector::CollectError;
use crate::agent::exposition::escape;
use crate::agent::host::prom_text;

const NODE: &[Column] = &[
    Column::rate("cpu", "CPU", Unit::Cores).of("cpus"),
    Column::most("cpus", Unit::Count),
    Column::gauge("memory", "Memory", Unit::Bytes).of("memoryTotal"),
    Column::most("memoryTotal", Unit::Bytes),
    Column::gauge("swap", "Swap", Unit::Bytes).of("swapTotal"),
    Column::most("swapTotal", Unit::Bytes),
    Column::rate("received", "Received", Unit::BytesPerSecond),
    Column::rate("sent", "Sent", Unit::BytesPerSecond),
    Column::rate("read", "Read", Unit::BytesPerSecond),
    Column::rate("written", "Written", Unit::BytesPerSecond),
    Column::gauge("load", "Load", Unit::Count),
    Column::most("uptime", Unit::Seconds),
];

const FILESYSTEMS: &[Column] = &[
    Column::gauge("used", "Used", Unit::Bytes)
        .plain()
        .of("size"),
    Column::gauge("size", "Size", Unit::Bytes).plain(),
    Column::gauge("inodes", "Inodes", Unit::Count)
        .plain()
        .of("inodesTotal"),
    Column::most("inodesTotal", Unit::Count),
];

const COLLECTORS: &[Column] = &[Column::gauge("took", "Took", Unit::Seconds)];

/// The node's tables.
#[derive(Debug)]
pub struct Tables {
    /// The node as a whole: one row.
    pub node: Arc<Table>,
    /// Its file systems.
    pub filesystems: Arc<Table>,
    /// Its collectors.
    pub collectors: Arc<Table>,
}

impl Default for Tables {
    fn default() -> Self {
        let table = |name, title, heads, details, columns| {
            Table::new(Shape {
                name,
                title,
                heads,
                details,
                columns,
            })
            .into()
        };
        Self {
            node: table("node", "Node", &["nodename"], &["system", "release"], NODE),
            filesystems: table(
                "filesystems",
                "File systems",
                &["mountpoint"],
                &["device", "fstype"],
                FILESYSTEMS,
            ),
            collectors: table(
                "collectors",
                "Collectors",
                &["collector"],
                &["reason"],
                COLLECTORS,
            ),
        }
    }
}

impl Tables {
    /// Records what a gather told, `now` in seconds since 1970.
    pub fn record(&self, now: f64, text: &str) {
        let mut found = Found::default();
        for line in text.lines() {
            found.line(line);
        }
        let node = Record {
            key: "node",
            labels: &found.labels(),
            values: &found.node(now),
        };
        self.node.record(now, [node]);
        let rows = found.filesystems.iter().map(|(labels, values)| Record {
            key: labels,
            labels,
            values,
        });
        self.filesystems.record(now, rows);
    }

    /// Records how the collectors fared in that gather.
    pub fn record_collectors<'a>(&self, now: f64, fares: impl IntoIterator<Item = Fare<'a>>) {
        let fares: Vec<_> = fares
            .into_iter()
            .map(|fare| (fare.labels(), fare.collector, [fare.took]))
            .collect();
        let rows = fares.iter().map(|(labels, key, values)| Record {
            key,
            labels,
            values,
        });
        self.collectors.record(now, rows);
    }

    /// All of them, in the page's order.
    pub fn all(&self) -> Vec<Arc<Table>> {
        let all = [&self.node, &self.filesystems, &self.collectors];
        all.map(Arc::clone).to_vec()
    }
}

/// How a collector fared in a gather.
#[derive(Debug)]
pub struct Fare<'a> {
    /// Its name.
    pub collector: &'static str,
    /// What came of it; none when it hangs.
    pub outcome: Option<Result<&'a (), &'a CollectError>>,
    /// How long it took, seconds.
    pub took: f64,
}

impl Fare<'_> {
    /// `works`, `nothing` where the host has none of its subject, `fails` or `hangs`; and why.
    fn labels(&self) -> String {
        let (state, reason) = match self.outcome {
            Some(Ok(())) => ("works", String::new()),
            Some(Err(CollectError::Absent(_))) => ("nothing", "this host has none".to_owned()),
            Some(Err(error)) => ("fails", error.to_string()),
            None => ("hangs", "left out until it returns".to_owned()),
        };
        let mut labels = String::new();
        for (name, content) in [
            ("collector", self.collector),
            ("state", state),
            ("reason", &reason),
        ] {
            label(&mut labels, name, content);
        }
        labels
    }
}

/// What was found in the text.
#[derive(Debug, Default)]
struct Found<'a> {
    busy: f64,
    cpus: f64,
    /// By the name after `node_memory_`.
    memory: BTreeMap<&'a str, f64>,
    /// Received and sent, read and written.
    bytes: [f64; 4],
    load: f64,
    booted: f64,
    uname: &'a str,
    system: &'a str,
    /// By labels: used, size, used inodes and all.
    filesystems: BTreeMap<&'a str, [f64; 4]>,
}

impl<'a> Found<'a> {
    /// Takes what the page needs of a line `name{labels} value`.
    fn line(&mut self, line: &'a str) {
        let Some(rest) = line.strip_prefix("node_") else {
            return;
        };
        let Some((series, value)) = rest.rsplit_once(' ') else {
            return;
        };
        let (name, labels) = series
            .split_once('{')
            .map_or((series, ""), |(name, labels)| {
                (name, labels.strip_suffix('}').unwrap_or(labels))
            });
        let value: f64 = value.parse().unwrap_or(f64::NAN);
        match name {
            "cpu_seconds_total" => self.cpu(labels, value),
            "memory_MemTotal_bytes"
            | "memory_MemAvailable_bytes"
            | "memory_SwapTotal_bytes"
            | "memory_SwapFree_bytes" => {
                self.memory.insert(name, value);
            }
            "network_receive_bytes_total" if is_link(labels) => self.bytes[0] += value,
            "network_transmit_bytes_total" if is_link(labels) => self.bytes[1] += value,
            "disk_read_bytes_total" if is_disk(labels) => self.bytes[2] += value,
            "disk_written_bytes_total" if is_disk(labels) => self.bytes[3] += value,
            "load1" => self.load = value,
            "boot_time_seconds" => self.booted = value,
            "uname_info" => self.uname = labels,
            "os_info" => self.system = labels,
            _ => self.filesystem(name, labels, value),
        }
    }

    fn cpu(&mut self, labels: &str, value: f64) {
        if labels.ends_with("mode=\"idle\"") {
            self.cpus += 1.0;
        } else if !labels.ends_with("mode=\"iowait\"") {
            // Guests' time is told apart, and is in user and nice as well.
            self.busy += value;
        }
    }

    fn filesystem(&mut self, name: &str, labels: &'a str, value: f64) {
        // Memory that looks like a disk says nothing of the disks.
        if labels.contains("fstype=\"tmpfs\"") || labels.contains("fstype=\"ramfs\"") {
            return;
        }
        let mut add = |index: usize, sign: f64| {
            let figures = self.filesystems.entry(labels).or_default();
            if let Some(figure) = figures.get_mut(index) {
                *figure += sign * value;
            }
        };
        match name {
            "filesystem_size_bytes" => {
                add(0, 1.0);
                add(1, 1.0);
            }
            // What root keeps for itself is not to be had.
            "filesystem_avail_bytes" => add(0, -1.0),
            "filesystem_files" => {
                add(2, 1.0);
                add(3, 1.0);
            }
            "filesystem_files_free" => add(2, -1.0),
            _ => {}
        }
    }

    fn labels(&self) -> String {
        let uname = prom_text::parse_labels(self.uname).unwrap_or_default();
        let system = prom_text::parse_labels(self.system).unwrap_or_default();
        let wanted = uname
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "nodename" | "release" | "machine"))
            .map(|(name, content)| (name.as_str(), content));
        let pretty = system
            .iter()
            .filter(|(name, _)| name == "pretty_name")
            .map(|(_, content)| ("system", content));
        let mut labels = String::new();
        for (name, content) in wanted.chain(pretty) {
            label(&mut labels, name, content);
        }
        labels
    }

    fn node(&self, now: f64) -> [f64; 12] {
        let memory = |name| self.memory.get(name).copied().unwrap_or(f64::NAN);
        let total = memory("memory_MemTotal_bytes");
        let swap = memory("memory_SwapTotal_bytes");
        let [received, sent, read, written] = self.bytes;
        [
            self.busy,
            self.cpus,
            total - memory("memory_MemAvailable_bytes"),
            total,
            swap - memory("memory_SwapFree_bytes"),
            swap,
            received,
            sent,
            read,
            written,
            self.load,
            now - self.booted,
        ]
    }
}

/// Adds a label to those that stand between braces.
pub fn label(labels: &mut String, name: &str, content: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    escape(labels, content);
    labels.push('"');
}

/// Whether an interface leads out of the node: what goes over one within it was counted at the
/// other end, or goes nowhere.
fn is_link(labels: &str) -> bool {
    const WITHIN: [&str; 16] = [
        "lo", "veth", "docker", "br-", "cni", "flannel", "cali", "cilium", "lxc", "virbr", "vxlan",
        "tun", "tap", "dummy", "ifb", "kube-",
    ];
    let name = device(labels);
    !WITHIN.iter().any(|within| name.starts_with(within))
}

/// Whether a device is a disk rather than made of others, which count the same bytes.
fn is_disk(labels: &str) -> bool {
    let name = device(labels);
    !["dm-", "md", "loop", "ram", "zram"]
        .iter()
        .any(|made| name.starts_with(made))
}

fn device(labels: &str) -> &str {
    labels.strip_prefix("device=\"").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::table::Frame;
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const TEXT: &str = "\
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 100
node_cpu_seconds_total{cpu=\"0\",mode=\"iowait\"} 7
node_cpu_seconds_total{cpu=\"0\",mode=\"system\"} 2
node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 3
node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"} 3
node_memory_MemTotal_bytes 1000
node_memory_MemAvailable_bytes 400
node_network_receive_bytes_total{device=\"eth0\"} 10
node_network_receive_bytes_total{device=\"veth1\"} 10
node_disk_written_bytes_total{device=\"vda\"} 4
node_disk_written_bytes_total{device=\"dm-0\"} 4
node_load1 0.5
node_filesystem_size_bytes{device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/\"} 100
node_filesystem_avail_bytes{device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/\"} 25
node_filesystem_size_bytes{device=\"tmpfs\",fstype=\"tmpfs\",mountpoint=\"/run\"} 100
node_os_info{id=\"debian\",pretty_name=\"Debian \\\"12\\\"\"} 1
node_uname_info{machine=\"x86_64\",nodename=\"n1\",release=\"6.1\"} 1
";

    fn shown(table: &Table) -> (Value, Value) {
        let frame = table.frame(&Frame::default());
        let read = |bytes| -> Value { serde_json::from_slice::<Value>(bytes).unwrap() };
        (
            read(&frame.rows)["rows"][0][1].clone(),
            read(&frame.now)["rows"][0][1].clone(),
        )
    }

    #[test]
    fn the_nodes_figures_come_from_its_metrics() {
        let tables = Tables::default();
        tables.record(100.0, TEXT);
        tables.record(110.0, &TEXT.replace("mode=\"user\"} 3", "mode=\"user\"} 8"));
        let (labels, figures) = shown(&tables.node);
        assert_eq!(labels["nodename"], "n1");
        assert_eq!(labels["system"], "Debian \"12\"");
        let figures: Vec<Option<f64>> = serde_json::from_value(figures).unwrap();
        assert_eq!(
            figures[..4],
            [Some(0.5), Some(1.0), Some(600.0), Some(1000.0)]
        );
        assert_eq!((figures[4], figures[10]), (None, Some(0.5)));

        let (labels, figures) = shown(&tables.filesystems);
        assert_eq!(labels["mountpoint"], "/");
        assert_eq!(figures[0], 75.0);
        assert_eq!(figures[1], 100.0);
    }

    #[test]
    fn what_is_counted_at_another_end_is_left_out() {
        let mut found = Found::default();
        TEXT.lines().for_each(|line| found.line(line));
        assert_eq!(
            found.bytes.map(|bytes| bytes.to_string()),
            ["10", "0", "0", "4"]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(node_(cpu_seconds_total|filesystem_files|uname_info)?[{a-z=\", 0-9}]{0,30}\n){0,9}|.{0,99}") {
            Tables::default().record(1.0, &text);
        }
    }
}
