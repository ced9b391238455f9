//! Our figures from recorded files beside those that `node_exporter` gave for the same: a machine
//! with nine containers, and hardware that no test machine has.

use std::path::{Path, PathBuf};

use masthead::cli::AgentArgs;

use super::beside::{node_exporter, start_node_exporter};
use super::compare::{differences, normalise, split};
use super::exposition::{Scrape, family};
use super::tree::unpack;
use super::{Running, args, body};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn agent(folder: &Path, config: &str) -> Running {
    let file: PathBuf = folder.join("agent.yaml");
    std::fs::write(&file, config).unwrap();
    Running::start(AgentArgs {
        config: Some(file),
        proc: folder.join("proc"),
        sys: folder.join("sys"),
        rootfs: folder.into(),
        ..args()
    })
}

#[test]
fn a_recorded_machine_gives_the_figures_that_node_exporter_gave() {
    let folder = tempfile::tempdir().unwrap();
    unpack(&fixture("guest-node.tree"), folder.path());
    // The mounts' sizes cannot be recorded: folders of this machine stand for them.
    std::fs::create_dir_all(folder.path().join("run/lock")).unwrap();
    std::fs::create_dir(folder.path().join("tmp")).unwrap();
    let agent = agent(folder.path(), "node: {}");
    let not_recorded = |series: &str| {
        [
            // Not all of their files were copied.
            "node_cooling_device_",
            "node_dmi_info",
            "node_network_address_assign_type",
            "node_scrape_",
            // The running program's and the running machine's.
            "node_exporter_build_info",
            "node_filesystem_avail_bytes",
            "node_filesystem_files",
            "node_filesystem_free_bytes",
            "node_filesystem_size_bytes",
            "node_time_seconds",
            "node_time_zone",
            "node_timex_",
            "node_uname_info",
        ]
        .iter()
        .any(|prefix| series.starts_with(prefix))
            // Debian's package leaves /run out; upstream does not.
            || series.contains("mountpoint=\"/run")
            // This file of version 6 was not copied.
            || series.starts_with("node_udp_queues{ip=\"v6\"")
            // Of the containers' devices only the counters were kept.
            || series.starts_with("node_network_info{") && series.contains("device=\"veth")
            || series.starts_with("node_network_up{device=\"veth")
    };
    let read = |text: &str| {
        Scrape::parse(text)
            .map_series(normalise)
            .retain(|series| !not_recorded(series))
    };
    let before = read(&fixture("guest-node.node_exporter-before.txt"));
    let after = read(&fixture("guest-node.node_exporter-after.txt"));
    let text = body(agent.node, "/metrics");
    let ours = read(&text);
    assert!(before.families.len() > 200, "{}", before.families.len());
    let (wrong, _) = split(differences(&ours, &before, &after), &ours, &after);
    assert_eq!(wrong, []);
}

/// Collectors whose hardware or kernel option this machine lacks.
const HARDWARE: [&str; 13] = [
    "bonding",
    "cpu",
    "cpufreq",
    "dmi",
    "edac",
    "hwmon",
    "interrupts",
    "kernel_hung",
    "mdadm",
    "powersupplyclass",
    "pressure",
    "schedstat",
    "thermal_zone",
];
const CONFIG: &str = "node:\n  enable: [interrupts]\n  textfile: {directories: [/textfile]}\n";

/// The families that the collectors above and `textfile` have, of both sides alike.
fn of_the_hardware(scrape: Scrape, theirs: &Scrape) -> Scrape {
    let collector = |series: &str| {
        let success = series.starts_with("node_scrape_collector_success{");
        let names = HARDWARE.iter().chain(&["textfile"]);
        success
            && names
                .into_iter()
                .any(|name| series.contains(&format!("\"{name}\"")))
    };
    let known = |series: &str| {
        let name = family(series).trim_end_matches("_bucket");
        let name = ["_sum", "_count"]
            .iter()
            .fold(name, |n, end| n.trim_end_matches(end));
        theirs.families.contains_key(family(series)) || theirs.families.contains_key(name)
    };
    let of_one = |series: &str| {
        family(series) != "node_textfile_mtime_seconds"
            && family(series) != "node_exporter_build_info"
            && family(series) != "node_scrape_collector_duration_seconds"
            && if series.starts_with("node_scrape_collector_success{") {
                collector(series)
            } else {
                known(series)
            }
    };
    scrape.retain(of_one)
}

/// Paths as the exporter was started with are in some help texts.
fn ours_and(expected: &str, folder: &Path) -> (Scrape, Scrape) {
    let agent = agent(folder, CONFIG);
    let text = body(agent.node, "/metrics").replace(" /textfile/", " textfile/");
    let theirs = Scrape::parse(expected);
    let theirs = of_the_hardware(theirs, &Scrape::parse(expected));
    (of_the_hardware(Scrape::parse(&text), &theirs), theirs)
}

#[test]
fn hardware_made_by_hand_gives_the_figures_that_node_exporter_gives() {
    let folder = tempfile::tempdir().unwrap();
    unpack(&fixture("hardware.tree"), folder.path());
    // Recorded once, so that the test needs no exporter; the next test records it anew.
    let (ours, theirs) = ours_and(&fixture("hardware.node_exporter.txt"), folder.path());
    assert!(theirs.families.len() > 80, "{}", theirs.families.len());
    let differences = differences(&ours, &theirs, &theirs);
    assert_eq!(differences, []);
    assert_eq!(ours.series, theirs.series);
}

#[test]
fn the_recording_of_the_hardware_is_what_node_exporter_gives_today() {
    let Some(binary) = node_exporter() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    unpack(&fixture("hardware.tree"), folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut flags = vec![
        "--collector.disable-defaults".to_owned(),
        "--collector.textfile".to_owned(),
        format!("--path.procfs={}", path("proc")),
        format!("--path.sysfs={}", path("sys")),
        format!("--collector.textfile.directory={}", path("textfile")),
    ];
    flags.extend(HARDWARE.map(|name| format!("--collector.{name}")));
    let (_child, address) = start_node_exporter(&binary, &flags);
    let text = body(address, "/metrics").replace(&path("textfile"), "textfile");
    let (_, recorded) = ours_and(&fixture("hardware.node_exporter.txt"), folder.path());
    let (ours, today) = ours_and(&text, folder.path());
    assert_eq!(ours.series, today.series);
    assert_eq!(
        recorded.series,
        today.series,
        "{} differs",
        binary.display()
    );
}
