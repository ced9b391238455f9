//! Our figures beside those of `node_exporter`: recorded, and on this machine.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use masthead::cli::AgentArgs;

use super::exposition::{Scrape, family};
use super::{Killed, LOOPBACK, Running, args, body, get};

/// Whether a series may differ between two scrapes of one machine in both directions. Read-only
/// counts as one: 1.10 and 1.11 tell it wrong (`node_exporter` issue 3484, mended in 1.12).
fn moves_both_ways(scrape: &Scrape, series: &str) -> bool {
    let constant = [
        "node_boot_time_seconds",
        "node_disk_info",
        "node_filesystem_mount_info",
        "node_filesystem_device_error",
        "node_filesystem_size_bytes",
        "node_memory_MemTotal_bytes",
        "node_memory_VmallocTotal_bytes",
        "node_time_clocksource_available_info",
        "node_time_clocksource_current_info",
        "node_time_seconds",
        "node_time_zone_offset_seconds",
        "node_uname_info",
    ];
    scrape.kind(series) == "gauge" && !constant.contains(&family(series))
}

/// What is wrong with our figures, given `node_exporter`'s before and after them.
fn differences(ours: &Scrape, before: &Scrape, after: &Scrape) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, expected) in &before.families {
        let found = ours.families.get(name);
        if found != Some(expected) {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    for (series, low) in &before.series {
        let (Some(high), Some(found)) = (after.series.get(series), ours.series.get(series)) else {
            if !ours.series.contains_key(series) {
                wrong.push(format!("{series} is missing"));
            }
            continue;
        };
        let between = || {
            let [low, high, found] = [low, high, found].map(|value| value.parse::<f64>().unwrap());
            (low..=high).contains(&found)
        };
        // A value that does not move must be the same to the last digit and in its writing.
        let right = if low == high { low == found } else { between() };
        if !right && !moves_both_ways(before, series) {
            wrong.push(format!("{series} is {found}, not within {low} and {high}"));
        }
    }
    for series in ours
        .series
        .keys()
        .filter(|series| !before.series.contains_key(*series))
    {
        wrong.push(format!("{series} is ours alone"));
    }
    wrong
}

/// `node_exporter` since 1.9 has a fixed list of memory fields; we show what the kernel shows.
fn newer_memory_field(series: &str, theirs: &Scrape) -> bool {
    series.starts_with("node_memory_") && !theirs.families.contains_key(series)
}

#[test]
fn a_recorded_machine_gives_the_figures_that_node_exporter_gave() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/guest-node");
    // The mounts' sizes cannot be recorded: folders of this machine stand for them.
    let rootfs = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(rootfs.path().join("run/lock")).unwrap();
    std::fs::create_dir(rootfs.path().join("tmp")).unwrap();
    let agent = Running::start(AgentArgs {
        proc: fixture.join("proc"),
        sys: fixture.join("sys"),
        rootfs: rootfs.path().into(),
        ..args()
    });
    // The library that node_exporter 1.9 asks gives up on the whole queue folder, rotational with
    // it, when one of the files it expects is gone from a newer kernel. The kernel said 1.
    let truth = |text: &str| {
        let corrected = text.lines().map(|line| {
            if line.starts_with("node_disk_info{device=\"vd") {
                line.replace("rotational=\"0\"", "rotational=\"1\"") + "\n"
            } else {
                line.to_owned() + "\n"
            }
        });
        Scrape::parse(&corrected.collect::<String>())
    };
    let recorded = |name: &str| truth(&std::fs::read_to_string(fixture.join(name)).unwrap());
    let (before, after) = (
        recorded("node_exporter-before.txt"),
        recorded("node_exporter-after.txt"),
    );
    let not_recorded = |series: &str| {
        ["node_scrape_", "node_time_seconds", "node_time_zone", "node_uname_info"]
            .iter()
            .any(|prefix| series.starts_with(prefix))
            // Debian's package leaves /run out; upstream does not.
            || series.contains("mountpoint=\"/run")
            || newer_memory_field(series, &before)
    };
    let ours = agent.scrape().retain(|series| !not_recorded(series));
    let mut wrong = differences(&ours, &before, &after);
    wrong.retain(|line| !line.starts_with("node_filesystem_size_bytes{"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The collectors that both have.
const SHARED: [&str; 10] = [
    "cpu",
    "diskstats",
    "filesystem",
    "loadavg",
    "meminfo",
    "netdev",
    "stat",
    "time",
    "uname",
    "vmstat",
];

fn node_exporter() -> Option<PathBuf> {
    if let Some(binary) = std::env::var_os("MASTHEAD_NODE_EXPORTER") {
        return Some(binary.into());
    }
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    ["node_exporter", "prometheus-node-exporter"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

fn start_node_exporter(binary: &Path) -> (Killed, SocketAddr) {
    let address = TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
    let child = Command::new(binary)
        .arg(format!("--web.listen-address={address}"))
        .arg("--web.disable-exporter-metrics")
        .arg("--collector.disable-defaults")
        .args(SHARED.map(|name| format!("--collector.{name}")))
        // Upstream's defaults; Debian's package has others.
        .arg(
            "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|\
             var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
        )
        .arg(
            "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|\
             debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|\
             pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
        )
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Killed(child);
    let begin = Instant::now();
    while get(address, "/").is_err() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{} does not serve",
            binary.display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    (child, address)
}

/// Leaves out what each tells about itself, and a figure that is for macOS, always 0 on Linux.
fn comparable(series: &str) -> bool {
    ![
        "node_exporter_build_info",
        "node_filesystem_purgeable_bytes",
        "node_scrape_collector_duration_seconds",
        "promhttp_",
    ]
    .iter()
    .any(|prefix| series.starts_with(prefix))
}

/// Blanks the one label that 1.11 gets wrong on newer kernels, see the recorded machine above.
fn without_known_mistakes(series: &str) -> String {
    series.replace("rotational=\"1\"", "rotational=\"0\"")
}

#[test]
fn this_machines_figures_are_those_of_node_exporter_beside_us() {
    let Some(binary) = node_exporter() else {
        eprintln!("SKIPPED: no node_exporter in PATH and MASTHEAD_NODE_EXPORTER is not set");
        return;
    };
    let (_child, address) = start_node_exporter(&binary);
    let agent = Running::start(args());
    if !body(address, "/metrics").contains("device_error=\"") {
        eprintln!(
            "SKIPPED: {} is older than node_exporter 1.9",
            binary.display()
        );
        return;
    }
    let compared = |scrape: Scrape| scrape.retain(comparable).map_series(without_known_mistakes);
    let theirs = || compared(Scrape::parse(&body(address, "/metrics")));
    let mut wrong = Vec::new();
    // The machine moves between two scrapes, so one quiet moment out of some must do.
    for _ in 0..20 {
        let before = theirs();
        let ours = compared(agent.scrape());
        let after = theirs();
        let ours = ours.retain(|series| !newer_memory_field(series, &before));
        wrong = differences(&ours, &before, &after);
        if wrong.is_empty() {
            return;
        }
    }
    panic!("{}:\n{}", binary.display(), wrong.join("\n"));
}
