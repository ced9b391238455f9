//! What differs between our figures and those of `node_exporter`, and which of it may.

use super::exposition::{Scrape, family};

/// What differs, by family or series.
pub type Difference = (String, String);

/// A moving figure may lie outside the two readings around it by a tenth, and by this much.
const SLACK_SHARE: f64 = 0.1;
const SLACK_COUNT: f64 = 16.0;
const SLACK_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// Gauges that do not move while nobody changes the machine: they must be equal to the last digit.
const CONSTANT: [&str; 52] = [
    "node_boot_time_seconds",
    "node_bonding_slaves",
    "node_cpu_isolated",
    "node_disk_info",
    "node_dmi_info",
    "node_entropy_pool_size_bits",
    "node_filefd_maximum",
    "node_filesystem_device_error",
    "node_filesystem_mount_info",
    "node_filesystem_readonly",
    "node_filesystem_size_bytes",
    "node_hwmon_chip_names",
    "node_hwmon_sensor_label",
    "node_memory_HugePages_Total",
    "node_memory_Hugepagesize_bytes",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_memory_VmallocTotal_bytes",
    "node_network_address_assign_type",
    "node_network_carrier",
    "node_network_device_id",
    "node_network_dormant",
    "node_network_flags",
    "node_network_iface_id",
    "node_network_iface_link",
    "node_network_iface_link_mode",
    "node_network_info",
    "node_network_mtu_bytes",
    "node_network_name_assign_type",
    "node_network_net_dev_group",
    "node_network_protocol_type",
    "node_network_speed_bytes",
    "node_network_transmit_queue_length",
    "node_network_up",
    "node_nf_conntrack_entries_limit",
    "node_os_info",
    "node_os_version",
    "node_power_supply_info",
    "node_processes_max_processes",
    "node_processes_max_threads",
    "node_scrape_collector_success",
    "node_textfile_scrape_error",
    "node_time_clocksource_available_info",
    "node_time_clocksource_current_info",
    "node_time_seconds",
    "node_time_zone_offset_seconds",
    "node_timex_status",
    "node_timex_sync_status",
    "node_timex_tai_offset_seconds",
    "node_timex_tick_seconds",
    "node_uname_info",
    "node_exporter_build_info",
];

/// Differences that are right, each with its reason: a prefix of the family or series.
const ALLOWED: [(&str, &str); 15] = [
    (
        "masthead_agent_textfile_bad_files",
        "ours: how many textfiles are left out",
    ),
    (
        "node_filesystem_purgeable_bytes",
        "a figure of macOS, always 0 on Linux",
    ),
    (
        "node_filesystem_readonly{",
        "1.10 and 1.11 miss a file system that is read-only below a writable mount \
         (node_exporter issue 3484, mended in 1.12)",
    ),
    (
        "node_processes_state{",
        "which states occur changes from one scrape to the next",
    ),
    (
        "node_processes_threads_state{",
        "which states occur changes from one scrape to the next",
    ),
    (
        "node_scrape_collector_duration_seconds",
        "each tells its own time",
    ),
    ("node_selinux_", "a collector that no dashboard asks for"),
    (
        "node_tcp_connection_states{state=\"tx_queued_bytes\"}",
        "node_exporter counts the limit of a listening socket's backlog as bytes to be sent",
    ),
    (
        "node_tcp_connection_states{",
        "connections open and close between the scrapes, also those of the scrapes",
    ),
    ("node_watchdog_", "a collector that no dashboard asks for"),
    ("node_xfs_", "a collector that no dashboard asks for"),
    ("node_zfs_", "a collector that no dashboard asks for"),
    ("node_btrfs_", "a collector that no dashboard asks for"),
    ("node_nfs", "a collector that no dashboard asks for"),
    ("node_nvme_", "a collector that no dashboard asks for"),
];

/// Everything that differs from `node_exporter`'s figures before and after ours.
pub fn differences(ours: &Scrape, before: &Scrape, after: &Scrape) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |subject: &str, what: String| found.push((subject.to_owned(), what));
    for (name, expected) in &before.families {
        // A family without samples, such as the errors of devices that are gone, has no header.
        if ours.families.get(name) != Some(expected) && after.families.contains_key(name) {
            let told = ours.families.get(name);
            add(name, format!("{told:?} instead of {expected:?}"));
        }
    }
    for (series, low) in &before.series {
        // What came or went between the two readings proves nothing.
        let Some(high) = after.series.get(series) else {
            continue;
        };
        let Some(told) = ours.series.get(series) else {
            add(series, "missing".to_owned());
            continue;
        };
        if !agrees(before, series, [low, high, told]) {
            add(series, format!("{told}, not within {low} and {high}"));
        }
    }
    let theirs =
        |series: &String| before.series.contains_key(series) || after.series.contains_key(series);
    for series in ours.series.keys().filter(|series| !theirs(series)) {
        add(series, "ours alone".to_owned());
    }
    found
}

fn agrees(before: &Scrape, series: &str, [low, high, told]: [&String; 3]) -> bool {
    if told == low || told == high {
        return true;
    }
    // Of the untyped figures of netstat one is no counter.
    let gauge = before.kind(series) == "gauge" || series == "node_netstat_Tcp_CurrEstab";
    let moves = gauge && !CONSTANT.contains(&family(series));
    // A value that does not move must be the same to the last digit and in its writing.
    if low == high && !moves {
        return low == told;
    }
    let [low, high, told] = [low, high, told].map(|value| value.parse::<f64>().unwrap());
    if !moves {
        return (low..=high).contains(&told);
    }
    let fixed = if series.contains("_bytes") {
        SLACK_BYTES
    } else {
        SLACK_COUNT
    };
    let slack = fixed + SLACK_SHARE * low.abs().max(high.abs());
    low.min(high) - slack <= told && told <= low.max(high) + slack
}

/// Why a difference is right, if it is.
pub fn reason(subject: &str, theirs: &Scrape, own_collectors: &[String]) -> Option<&'static str> {
    if let Some((_, reason)) = ALLOWED
        .iter()
        .find(|(prefix, _)| subject.starts_with(prefix))
    {
        return Some(reason);
    }
    if subject.starts_with("node_memory_") && !theirs.families.contains_key(family(subject)) {
        return Some("a field of a newer kernel; node_exporter since 1.9 has a fixed list");
    }
    if let Some(rest) = subject.strip_prefix("node_scrape_collector_success{collector=\"") {
        let collector = rest.trim_end_matches("\"}");
        let ours = own_collectors.iter().any(|name| name == collector);
        return (!ours).then_some("a collector that no dashboard asks for");
    }
    None
}

/// The collectors that a scrape names.
pub fn collectors(scrape: &Scrape) -> Vec<String> {
    let label = "node_scrape_collector_success{collector=\"";
    let names = scrape
        .series
        .keys()
        .filter_map(|series| series.strip_prefix(label));
    names
        .map(|name| name.trim_end_matches("\"}").to_owned())
        .collect()
}

/// Splits what differs into what is wrong and what is not, the latter with its reason.
pub fn split(
    differences: Vec<Difference>,
    ours: &Scrape,
    theirs: &Scrape,
) -> (Vec<Difference>, Vec<String>) {
    let own = collectors(ours);
    let (mut wrong, mut allowed) = (Vec::new(), Vec::new());
    for (subject, what) in differences {
        match reason(&subject, theirs, &own) {
            Some(reason) => allowed.push(format!("{subject}: {what}: {reason}")),
            None => wrong.push((subject, what)),
        }
    }
    (wrong, allowed)
}

/// Makes alike what each must tell differently: whose build it is, and the one label that
/// `node_exporter` 1.11 gets wrong on newer kernels: the library that it asks gives up on the whole
/// queue folder, `rotational` with it, when one of the files it expects is gone.
pub fn normalise(series: &str) -> String {
    if series.starts_with("node_exporter_build_info{") {
        let names = series.split('"').step_by(2);
        return names.collect::<Vec<_>>().join("\"\"");
    }
    if series.starts_with("node_disk_info{") {
        return series.replace("rotational=\"1\"", "rotational=\"0\"");
    }
    series.to_owned()
}
