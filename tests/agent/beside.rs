//! Our figures beside those of `node_exporter` on this machine: every family that it has by default
//! and those that dashboards ask for besides.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use masthead::cli::AgentArgs;

use super::compare::{differences, normalise, split};
use super::exposition::Scrape;
use super::{Killed, LOOPBACK, Running, args, body, get};

/// Off by default in both.
const OPT_IN: [&str; 3] = ["interrupts", "processes", "tcpstat"];

/// `node_exporter`'s program, said loudly when there is none.
pub fn node_exporter() -> Option<PathBuf> {
    let found = std::env::var_os("MASTHEAD_NODE_EXPORTER").map(PathBuf::from);
    let found = found.or_else(|| {
        let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
        ["node_exporter", "prometheus-node-exporter"]
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|path| path.is_file())
    });
    if found.is_none() {
        eprintln!("SKIPPED: no node_exporter in PATH and MASTHEAD_NODE_EXPORTER is not set");
    }
    found
}

/// Starts it with upstream's defaults, as Debian's package has others, and more flags.
pub fn start_node_exporter(binary: &Path, flags: &[String]) -> (Killed, SocketAddr) {
    let address = TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
    let child = Command::new(binary)
        .arg(format!("--web.listen-address={address}"))
        .arg("--web.disable-exporter-metrics")
        // Debian's package has it on where there is a systemd.
        .arg("--no-collector.systemd")
        .arg("--collector.textfile.directory=")
        .arg(
            "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|\
             var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
        )
        .arg(
            "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|\
             debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|\
             pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
        )
        .args(flags)
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

#[test]
fn this_machines_figures_are_those_of_node_exporter_beside_us() {
    let Some(binary) = node_exporter() else {
        return;
    };
    let flags = OPT_IN.map(|name| format!("--collector.{name}"));
    let (_child, address) = start_node_exporter(&binary, &flags);
    if !body(address, "/metrics").contains("device_error=\"") {
        eprintln!(
            "SKIPPED: {} is older than node_exporter 1.9",
            binary.display()
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agent.yaml");
    std::fs::write(&config, format!("node: {{enable: {OPT_IN:?}}}")).unwrap();
    let agent = Running::start(AgentArgs {
        config: Some(config),
        ..args()
    });
    let compared = |text: &str| Scrape::parse(text).map_series(normalise);
    let theirs = || compared(&body(address, "/metrics"));
    // The machine moves between two scrapes: a figure is wrong that is so at each of some moments.
    let mut wrong: Option<Vec<(String, String)>> = None;
    for _ in 0..20 {
        let before = theirs();
        let ours = compared(&body(agent.node, "/metrics"));
        let after = theirs();
        let (mut found, allowed) = split(differences(&ours, &before, &after), &ours, &after);
        if let Some(wrong) = &wrong {
            found.retain(|(subject, _)| wrong.iter().any(|(known, _)| known == subject));
        }
        if found.is_empty() {
            eprintln!("allowed differences:\n{}", allowed.join("\n"));
            every_name_of_the_dashboards(&ours, &after);
            return;
        }
        wrong = Some(found);
    }
    panic!("{}: {wrong:#?}", binary.display());
}

/// Every name that dashboards query and `node_exporter` exports here, we export.
fn every_name_of_the_dashboards(ours: &Scrape, theirs: &Scrape) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dashboard-names.txt");
    let text = std::fs::read_to_string(file).unwrap();
    let names: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let exported: Vec<&str> = names
        .into_iter()
        .filter(|name| theirs.families.contains_key(*name))
        .collect();
    let missing: Vec<&&str> = exported
        .iter()
        .filter(|name| !ours.families.contains_key(**name))
        .collect();
    eprintln!(
        "{} names that dashboards query are exported here",
        exported.len()
    );
    assert!(missing.is_empty(), "{missing:?}");
    assert!(exported.len() > 150, "{exported:?}");
}
