//! The agent from outside: its endpoints, and its figures beside those of `node_exporter`.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/exposition.rs"]
mod exposition;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use exposition::{Scrape, family};
use masthead::agent::{Agent, run};
use masthead::cli::AgentArgs;
use tokio_util::sync::CancellationToken;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn args() -> AgentArgs {
    AgentArgs {
        config: None,
        node_address: LOOPBACK,
        admin_address: LOOPBACK,
        proc: "/proc".into(),
        sys: "/sys".into(),
        rootfs: "/".into(),
        node_name: None,
    }
}

/// An agent on a thread of its own, stopped when dropped.
struct Running {
    node: SocketAddr,
    admin: SocketAddr,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(args: AgentArgs) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let agent = Agent::bind(args).await.unwrap();
                sender
                    .send((agent.node_address().unwrap(), agent.admin_address()))
                    .unwrap();
                agent.serve(stopped).await.unwrap();
            });
        });
        let (node, admin) = receiver.recv().unwrap();
        Self {
            node,
            admin,
            stop,
            thread: Some(thread),
        }
    }

    fn scrape(&self) -> Scrape {
        Scrape::parse(&body(self.node, "/metrics"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: agent\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

fn body(address: SocketAddr, path: &str) -> String {
    let response = get(address, path).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}

#[test]
fn every_endpoint_answers() {
    let agent = Running::start(args());
    let response = get(agent.node, "/metrics").unwrap().to_ascii_lowercase();
    assert!(response.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(body(agent.node, "/").contains("href=\"/metrics\""));
    assert_eq!(body(agent.admin, "/livez"), "ok\n");
    assert_eq!(body(agent.admin, "/readyz"), "ready\n");
    let own = Scrape::parse(&body(agent.admin, "/metrics"));
    assert_eq!(own.value("masthead_agent_scrapes_total"), Some(1.0));
    assert!(own.value("process_resident_memory_bytes").unwrap() > 0.0);
    assert!(own.families.contains_key("masthead_build_info"));
}

#[test]
fn families_are_sorted_by_name_and_each_comes_once() {
    let agent = Running::start(args());
    let text = body(agent.node, "/metrics");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(names.len() > 80, "{names:?}");
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[test]
fn a_disabled_collector_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agent.yaml");
    std::fs::write(&config, "node:\n  disable: [vmstat]\n").unwrap();
    let scrape = Running::start(AgentArgs {
        config: Some(config),
        ..args()
    })
    .scrape();
    assert!(!scrape.series.keys().any(|series| series.contains("vmstat")));
    assert_eq!(
        scrape.value("node_scrape_collector_success{collector=\"cpu\"}"),
        Some(1.0)
    );
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_flag() {
    let taken = TcpListener::bind(LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap();
    let args = AgentArgs {
        node_address: address,
        ..args()
    };
    let error = format!(
        "{:#}",
        run(args, CancellationToken::new()).await.unwrap_err()
    );
    assert!(
        error.starts_with(&format!("--node-address {address}: ")),
        "{error}"
    );
}

#[test]
fn a_missing_file_fails_its_collector_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("loadavg"), "0.1 0.2 0.3 1/1 1\n").unwrap();
    let scrape = Running::start(AgentArgs {
        proc: folder.path().into(),
        rootfs: folder.path().into(),
        ..args()
    })
    .scrape();
    assert_eq!(scrape.value("node_load5"), Some(0.2));
    let success = |name| {
        scrape.value(&format!(
            "node_scrape_collector_success{{collector=\"{name}\"}}"
        ))
    };
    assert_eq!(success("loadavg"), Some(1.0));
    for name in [
        "cpu",
        "diskstats",
        "filesystem",
        "meminfo",
        "netdev",
        "stat",
        "vmstat",
    ] {
        assert_eq!(success(name), Some(0.0), "{name}");
    }
}

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

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
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
