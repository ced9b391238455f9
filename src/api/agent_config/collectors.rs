//! What users may write about the node collectors, checked by both halves alike.

use regex::bytes::{Regex, RegexBuilder};

/// Every node collector by name, sorted but for `textfile`, which comes last.
pub const NODE_COLLECTORS: [&str; 36] = [
    "arp",
    "bonding",
    "conntrack",
    "cpu",
    "cpufreq",
    "diskstats",
    "dmi",
    "edac",
    "entropy",
    "filefd",
    "filesystem",
    "hwmon",
    "interrupts",
    "kernel_hung",
    "loadavg",
    "mdadm",
    "meminfo",
    "netclass",
    "netdev",
    "netstat",
    "os",
    "powersupplyclass",
    "pressure",
    "processes",
    "schedstat",
    "sockstat",
    "softnet",
    "stat",
    "tcpstat",
    "thermal_zone",
    "time",
    "timex",
    "udp_queues",
    "uname",
    "vmstat",
    "textfile",
];

/// Those that are on only when `enable` names them, as in `node_exporter`: their cost or their
/// number of series grows with what the host runs.
pub const OPT_IN_COLLECTORS: [&str; 3] = ["interrupts", "processes", "tcpstat"];

/// What to tell the author of a name that is none of [`NODE_COLLECTORS`].
#[must_use]
pub fn unknown_collector(name: &str) -> String {
    let known = NODE_COLLECTORS.join(", ");
    format!("no collector is named {name:?}; there are {known}")
}

/// The most memory that a compiled pattern may take, bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// Compiles a filter's pattern.
///
/// # Errors
/// When it is no regular expression or too large; the message says where.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    // Names are bytes here: without Unicode tables the pattern takes a tenth of the space.
    RegexBuilder::new(text)
        .unicode(false)
        .size_limit(PATTERN_BYTES)
        .build()
}
