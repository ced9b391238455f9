//! The pipeline from files to a receiver.

mod allocation;
mod emptied;
mod receiver;
mod renamed;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use super::Logs;
use crate::agent::config::{Live, Source};
use crate::agent::roots::Roots;
use crate::api::agent_config::{
    AgentConfig, DockerLogsConfig, FileLogsConfig, LogsConfig, LokiConfig, Pattern, PodLogsConfig,
    StageConfig,
};
use receiver::Receiver;

/// A pipeline that runs until it is dropped.
struct Running {
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    registry: Registry,
}

impl Running {
    fn start(config: LogsConfig) -> Self {
        let file = Path::new(&config.state).with_file_name("agent.yaml");
        write(&file, &config);
        let source = Source {
            path: Some(file),
            ..Source::default()
        };
        Self::with(config, source)
    }

    fn with(config: LogsConfig, source: Source) -> Self {
        let stop = CancellationToken::new();
        let (stopped, registry) = (stop.clone(), Registry::new());
        let live = Arc::new(Live::load(source, &Registry::new()).unwrap());
        let roots = Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: "/".into(),
        };
        let logs = Logs::new(config, live, roots, None, Some("node-1".into()), &registry).unwrap();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(logs.run(stopped)).unwrap();
        });
        Self {
            stop,
            thread: Some(thread),
            registry,
        }
    }

    fn value(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metrics = family
            .map(prometheus::proto::MetricFamily::get_metric)
            .unwrap_or_default();
        metrics
            .iter()
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }
}

impl Running {
    /// The containers and files whose lag is told.
    fn lags(&self) -> Vec<String> {
        let families = self.registry.gather();
        let lags = families
            .iter()
            .filter(|family| family.name() == "masthead_agent_log_lag_bytes");
        let labels = lags
            .flat_map(prometheus::proto::MetricFamily::get_metric)
            .flat_map(prometheus::proto::Metric::get_label);
        let containers = labels.filter(|label| label.name() == "container");
        containers.map(|label| label.value().to_owned()).collect()
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

/// A host's folders.
struct Host {
    folder: tempfile::TempDir,
    receiver: Receiver,
}

impl Host {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            receiver: Receiver::start(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn config(&self) -> LogsConfig {
        LogsConfig {
            loki: LokiConfig {
                url: self.receiver.url(),
                ..LokiConfig::default()
            },
            state: self.path("state/x").parent().unwrap().display().to_string(),
            pods: Some(PodLogsConfig {
                directory: self.path("pods/x").parent().unwrap().display().to_string(),
                ..PodLogsConfig::default()
            }),
            ..LogsConfig::default()
        }
    }

    fn append(&self, path: &str, text: &str) {
        append(&self.path(path), text);
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Puts a configuration in place.
fn write(file: &Path, logs: &LogsConfig) {
    let config = AgentConfig {
        logs: Some(logs.clone()),
        ..AgentConfig::default()
    };
    let next = file.with_extension("next");
    fs::write(&next, serde_json::to_string(&config).unwrap()).unwrap();
    fs::rename(next, file).unwrap();
}

/// A line of the kubelet's files; `number` is its time and its text.
fn cri(number: usize) -> String {
    let time =
        jiff::Timestamp::from_nanosecond(1_795_341_600_000_000_000 + number as i128).unwrap();
    format!("{time} stdout F line {number}\n")
}

/// Waits until the receiver has just these lines, in any order between streams and with doubles
/// that Loki folds.
fn expect(host: &Host, expected: &[String]) {
    let begin = Instant::now();
    loop {
        let mut got: Vec<String> = host
            .receiver
            .folded()
            .into_iter()
            .map(|entry| entry.line)
            .collect();
        got.sort();
        let mut wanted = expected.to_vec();
        wanted.sort();
        if got == wanted {
            return;
        }
        if begin.elapsed() > Duration::from_secs(40) {
            let missing: Vec<&String> = wanted
                .iter()
                .filter(|line| !got.contains(line))
                .take(5)
                .collect();
            panic!(
                "{} of {} lines; missing {missing:?}",
                got.len(),
                wanted.len()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn lines(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

const POD: &str = "pods/shop_web-5d9c7b9f4-x7x2k_u-1/app";

#[test]
fn a_pods_lines_arrive_with_its_labels() {
    let host = Host::new();
    let log = format!("{POD}/0.log");
    host.append(
        &log,
        "2026-11-22T10:00:00.000000001Z stdout F hello\n2026-11-22T10:00:00.5Z stderr P par\n",
    );
    host.append(
        &log,
        "2026-11-22T10:00:01Z stdout F \n2026-11-22T10:00:02Z stderr F t\u{e4}\nnot a line\n",
    );
    let _running = Running::start(host.config());
    expect(
        &host,
        &["hello", "", "part\u{e4}", "not a line"].map(str::to_owned),
    );
    let entries = host.receiver.folded();
    let of = |line: &str| entries.iter().find(|entry| entry.line == line).unwrap();
    let labels = |stream: &str| {
        format!(
            "{{app=\"web\", container=\"app\", job=\"shop/web\", namespace=\"shop\", node_name=\"node-1\", \
             pod=\"web-5d9c7b9f4-x7x2k\", stream=\"{stream}\"}}"
        )
    };
    assert_eq!(of("hello").labels, labels("stdout"));
    assert_eq!(of("hello").time, 1_795_341_600_000_000_001);
    assert_eq!(
        (of("part\u{e4}").labels.clone(), of("part\u{e4}").time),
        (labels("stderr"), 1_795_341_600_500_000_000)
    );
    let metadata: BTreeMap<_, _> = of("hello").metadata.iter().cloned().collect();
    assert_eq!(metadata["pod_uid"], "u-1");
    assert_eq!(metadata["restart"], "0");
    assert!(metadata["filename"].ends_with("/app/0.log"));
}

#[test]
fn lines_arrive_once_over_restarts_rotations_and_compression() {
    let host = Host::new();
    let log = format!("{POD}/0.log");
    let (mut number, mut turn) = (0, 0);
    let mut write = |count: usize| {
        for _ in 0..count {
            host.append(&log, &cri(number));
            number += 1;
        }
        number
    };
    // What the kubelet does: compress the older, put the newest aside.
    let mut rotate = || {
        let folder = host.path(&format!("{POD}/x")).parent().unwrap().to_owned();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("0.log.") && path.extension().is_none_or(|end| end != "gz") {
                let file = fs::File::create(folder.join(format!("{name}.gz"))).unwrap();
                let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                encoder.write_all(&fs::read(&path).unwrap()).unwrap();
                encoder.finish().unwrap();
                fs::remove_file(path).unwrap();
            }
        }
        turn += 1;
        fs::rename(
            folder.join("0.log"),
            folder.join(format!("0.log.20261122-10000{turn}")),
        )
        .unwrap();
        fs::write(folder.join("0.log"), "").unwrap();
    };
    write(100);
    {
        let _running = Running::start(host.config());
        let end = write(50);
        expect(&host, &lines(0..end));
        rotate();
        let end = write(50);
        expect(&host, &lines(0..end));
    }
    let before = host.receiver.count();
    // Down across three rotations.
    write(10);
    rotate();
    write(10);
    rotate();
    write(10);
    rotate();
    let end = write(10);
    let running = Running::start(host.config());
    expect(&host, &lines(0..end));
    assert_eq!(host.receiver.count(), before + 40, "nothing was sent twice");
    assert!(running.value("masthead_agent_log_losses_total").abs() < 0.5);
    assert!(host.receiver.in_order());
}

#[test]
fn an_outage_loses_nothing_and_a_deleted_pod_is_drained() {
    let host = Host::new();
    let log = format!("{POD}/0.log");
    host.append(&log, &(0..1000).map(cri).collect::<String>());
    host.receiver.answer(503);
    let running = Running::start(host.config());
    host.receiver.wait_for_requests(2);
    host.append(&log, &(1000..2000).map(cri).collect::<String>());
    fs::remove_dir_all(host.path("pods/shop_web-5d9c7b9f4-x7x2k_u-1")).unwrap();
    host.receiver.answer(429);
    host.receiver.wait_for_requests(4);
    host.receiver.answer(204);
    expect(&host, &lines(0..2000));
    let begin = Instant::now();
    while running.value("masthead_agent_log_files") > 0.0 {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "the deleted file is let go"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn plain_files_and_docker_are_read_and_a_double_has_the_same_time() {
    let host = Host::new();
    let id = "ab".repeat(32);
    host.append(
        &format!("docker/{id}/{id}-json.log"),
        "{\"log\":\"from docker\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T10:00:00Z\"}\n",
    );
    host.append(
        &format!("docker/{id}/config.v2.json"),
        r#"{"Name": "/web", "Config": {"Labels": {}}}"#,
    );
    host.append("log/app.log", "one\ntwo\n");
    let config = LogsConfig {
        docker: Some(DockerLogsConfig {
            directory: host
                .path("docker/x")
                .parent()
                .unwrap()
                .display()
                .to_string(),
            first_line: None,
        }),
        files: vec![FileLogsConfig {
            path: host.path("log/*.log").display().to_string(),
            labels: [("job".to_owned(), "plain".to_owned())].into(),
            first_line: None,
        }],
        ..host.config()
    };
    // Loki has stored it, but its answer is lost, and then the agent is killed.
    host.receiver.answer(500);
    let running = Running::start(config.clone());
    host.receiver.wait_for_requests(2);
    let state = host.path("state/logs.checkpoint");
    let kept = fs::read(&state).unwrap();
    drop(running);
    fs::write(state, kept).unwrap();
    host.receiver.answer(204);
    host.append("log/app.log", "three\n");
    let running = Running::start(config);
    expect(
        &host,
        &["from docker", "one", "two", "three"].map(str::to_owned),
    );
    assert!(running.lags().contains(&"web".to_owned()));
    let entries = host.receiver.folded();
    let docker = entries
        .iter()
        .find(|entry| entry.line == "from docker")
        .unwrap();
    assert_eq!(
        docker.labels,
        r#"{app="web", container="web", job="docker/web", node_name="node-1", stream="stderr"}"#
    );
}

#[test]
fn a_changed_configuration_is_taken_over_and_no_offset_is_lost() {
    let host = Host::new();
    let file = host.path("agent.yaml");
    let log = format!("{POD}/0.log");
    host.append(&log, &(0..10).map(cri).collect::<String>());
    let running = Running::start(host.config());
    expect(&host, &lines(0..10));
    // Elsewhere, with another label and a stage.
    let other = Receiver::start();
    let mut changed = host.config();
    changed.loki.url = other.url();
    changed.labels = [("cluster".to_owned(), "one".to_owned())].into();
    changed.stages = vec![StageConfig::Drop(Pattern {
        pods: None,
        pattern: "line 12$".into(),
    })];
    write(&file, &changed);
    let begin = Instant::now();
    let mut next = 10;
    while other.count() == 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "the change is followed"
        );
        std::thread::sleep(Duration::from_millis(500));
        host.append(&log, &cri(next));
        next += 1;
    }
    host.append(
        &log,
        "2026-11-22T10:00:00Z stdout F line 12\n2026-11-22T10:00:00Z stdout F last\n",
    );
    while !other.folded().iter().any(|entry| entry.line == "last") {
        assert!(begin.elapsed() < Duration::from_mins(1), "lines go on");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        other
            .folded()
            .iter()
            .all(|entry| entry.labels.contains("cluster=\"one\""))
    );
    assert!(running.value("masthead_agent_log_dropped_entries_total") > 0.5);
    // Every line once, here or there, but for those that the stage left out.
    let mut all: Vec<String> = Vec::new();
    for receiver in [&host.receiver, &other] {
        all.extend(receiver.folded().into_iter().map(|entry| entry.line));
    }
    assert_eq!(
        all.len(),
        host.receiver.count() + other.count(),
        "nothing was sent twice"
    );
    for line in lines(0..next).iter().filter(|line| *line != "line 12") {
        assert!(all.contains(line), "{line}");
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_counted_and_looked_at_again() {
    let host = Host::new();
    let pods = host.folder.path().join("pods");
    let mut config = host.config();
    config.pods = Some(PodLogsConfig {
        directory: pods.display().to_string(),
        ..PodLogsConfig::default()
    });
    drop(fs::remove_dir(&pods));
    let running = Running::start(config);
    let failures = || running.value("masthead_agent_log_read_failures_total");
    let until = |count: f64| {
        let begin = Instant::now();
        while failures() < count {
            assert!(
                begin.elapsed() < Duration::from_mins(1),
                "{} of {count}",
                failures()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // It is not there at all.
    until(1.0);
    // A container's folder that leads to itself.
    let container = host.path("pods/shop_web-0_u/app");
    std::os::unix::fs::symlink(&container, &container).unwrap();
    until(2.0);
    fs::remove_file(&container).unwrap();
    append(&host.path("pods/shop_web-0_u/app/0.log"), &cri(0));
    expect(&host, &lines(0..1));
    assert!((failures() - 2.0).abs() < 0.1, "each is counted once");
}
