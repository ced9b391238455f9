//! The agent on a host with Docker and no configuration file, and containers of a known load.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::body;
use super::contained::Contained;
use super::dockerd;
use super::exposition::Scrape;

/// Where Docker puts the groups, apart from those of others.
const GROUPS: &str = "masthead-test-docker";
const PATIENCE: Duration = Duration::from_mins(2);
const USAGE: &str = "container_cpu_usage_seconds_total";
const PERIODS: &str = "container_cpu_cfs_periods_total";
const THROTTLED: &str = "container_cpu_cfs_throttled_periods_total";

/// What its containers do. The Docker starts while the agent is there already.
const CONTAINERS: &str = r"
run burn --cpus 0.3 load:1 sh -c 'while :; do :; done'
run hold --memory 256m load:1 sh -c 'head -c 64m /dev/zero | tail | sleep 100000'
run killed --memory 16m --restart always load:1 sh -c 'sleep 1; tail /dev/zero'
# Version 1 counts what a group writes only where some group has a limit.
run writer @LIMIT@ load:1 \
    sh -c 'while :; do dd if=/dev/zero of=/tmp/file bs=1M count=50 oflag=direct; done'
";

#[test]
fn a_host_with_docker_shows_what_its_containers_do() {
    if !dockerd::is_there() {
        return;
    }
    let disk = disk_below(&std::env::temp_dir());
    let limit = disk
        .as_ref()
        .map(|disk| format!("--device-write-bps {disk}:10485760"));
    let containers = CONTAINERS.replace("@LIMIT@", &limit.unwrap_or_default());
    let script = dockerd::script(GROUPS, "$DIR/data", "", &containers);
    let _groups = dockerd::Groups(GROUPS);
    let Some(agent) = Contained::start(&format!("{script}exec $AGENT")) else {
        return;
    };
    let log = agent.folder.path().join("log");
    let scrape = || Scrape::parse(&body(agent.containers, "/metrics"));
    let value = |scrape: &Scrape, name: &str, container: &str| -> Option<f64> {
        let (of, is) = (format!("{name}{{"), format!("name=\"{container}\""));
        let mut series = scrape.series.iter();
        let found = series.find(|(series, _)| series.starts_with(&of) && series.contains(&is))?;
        found.1.parse().ok()
    };
    let until = |what: &str, is: &dyn Fn(&Scrape) -> Option<bool>| {
        let begin = Instant::now();
        while is(&scrape()) != Some(true) {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(
                begin.elapsed() < PATIENCE,
                "{what}: not so. Docker: {}",
                said()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    until("a container burns", &|now| {
        Some(value(now, PERIODS, "burn")? > 10.0)
    });
    let from = scrape();
    until("it goes on", &|now| {
        Some(value(now, PERIODS, "burn")? > value(&from, PERIODS, "burn")? + 50.0)
    });
    let to = scrape();
    let grown = |name| value(&to, name, "burn").unwrap() - value(&from, name, "burn").unwrap();
    // 30 ms of each period of 100 ms, unless the machine had no time for it.
    let (burnt, periods, throttled) = (grown(USAGE), grown(PERIODS), grown(THROTTLED));
    let said = format!("{burnt} s in {periods} periods, {throttled} of them throttled");
    assert!(burnt > 0.03 * throttled * 0.85 - 0.1, "{said}");
    assert!(burnt < 0.03 * periods * 1.15 + 0.1, "{said}");

    let held = "container_memory_working_set_bytes";
    let mib = 1_048_576.0;
    until("64 MiB are held", &|now| {
        Some((64.0..80.0).contains(&(value(now, held, "hold")? / mib)))
    });
    until("a kill is counted over the restart", &|now| {
        let kills = value(now, "container_oom_events_total", "killed")?;
        Some(kills >= 2.0 && value(now, "masthead_container_restarts_total", "killed")? >= 1.0)
    });
    if disk.is_none() {
        eprintln!(
            "SKIPPED: what a container writes: {:?} is on no disk",
            std::env::temp_dir()
        );
        return;
    }
    let written = "container_fs_writes_bytes_total";
    until("a container writes", &|now| {
        Some(value(now, written, "writer")? > 0.0)
    });
    let (first, begin) = (value(&scrape(), written, "writer").unwrap(), Instant::now());
    until("it writes on", &|now| {
        Some(value(now, written, "writer")? > first + 20.0 * mib)
    });
    let rate =
        (value(&scrape(), written, "writer").unwrap() - first) / begin.elapsed().as_secs_f64();
    // The kernel keeps it below; how far is the disk's affair.
    assert!(rate < 15.0 * mib, "{} MiB/s", rate / mib);
}

/// The whole disk that holds a folder.
fn disk_below(folder: &Path) -> Option<String> {
    let script = "source=$(findmnt -no SOURCE -T \"$1\"); [ -b \"$source\" ] || exit 1
        parent=$(lsblk -dno PKNAME \"$source\"); echo \"${parent:+/dev/$parent}\" | grep . || echo \"$source\"";
    let found = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder)
        .output()
        .ok()?;
    let disk = String::from_utf8(found.stdout).ok()?.trim().to_owned();
    (found.status.success() && !disk.is_empty()).then_some(disk)
}
