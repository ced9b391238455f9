//! The containers' figures beside the files of their groups, on a machine of version 2: the guest of
//! `make test-cgroup2`, where Docker runs the containers that `hack/cgroup2/guest` names.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::contained::Contained;
use super::exposition::Scrape;
use super::{Running, args, body};

/// Set where Docker and the known load are there.
const SET: &str = "MASTHEAD_TEST_GROUPS";
const PATIENCE: Duration = Duration::from_mins(2);
const MIB: f64 = 1_048_576.0;

/// A container as Docker knows it, and where its group lies.
struct Container {
    name: String,
    id: String,
    pid: String,
    group: PathBuf,
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The containers that run.
fn containers() -> Vec<Container> {
    let ids = output("docker", &["ps", "--quiet", "--no-trunc"]);
    let containers = ids.lines().map(|id| {
        let asked = ["inspect", "--format", "{{.Name}} {{.State.Pid}}", id];
        let told = output("docker", &asked);
        let (name, pid) = told.split_once(' ').unwrap();
        let line = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let path = line.trim().strip_prefix("0::/").unwrap();
        Container {
            name: name.trim_start_matches('/').to_owned(),
            id: id.to_owned(),
            pid: pid.to_owned(),
            group: Path::new("/sys/fs/cgroup").join(path),
        }
    });
    containers.collect()
}

/// What a group's files say, by `file` for those of one number and by `file:key` for the others.
fn read(container: &Container) -> HashMap<String, f64> {
    let mut figures = HashMap::new();
    let mut add = |file: &str, key: &str, value: &str| {
        let name = if key.is_empty() {
            file.to_owned()
        } else {
            format!("{file}:{key}")
        };
        if let Ok(value) = value.parse() {
            figures.insert(name, value);
        }
    };
    for file in std::fs::read_dir(&container.group).unwrap() {
        let path = file.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        // Some files are there to be written only.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                [value] => add(file, "", value),
                // cpu.max has two values, the others a name and a value.
                [first, second] if file == "cpu.max" => {
                    add(file, "quota", first);
                    add(file, "period", second);
                }
                [key, value] => add(file, key, value),
                [first, ..] => {
                    for (key, value) in words.iter().filter_map(|word| word.split_once('=')) {
                        add(file, &format!("{first} {key}"), value);
                    }
                }
                [] => {}
            }
        }
    }
    let network = std::fs::read_to_string(format!("/proc/{}/net/dev", container.pid)).unwrap();
    for line in network.lines() {
        if let Some((interface, numbers)) = line.split_once(':') {
            let numbers: Vec<&str> = numbers.split_ascii_whitespace().collect();
            add("net", &format!("{} rx", interface.trim()), numbers[0]);
            add("net", &format!("{} tx", interface.trim()), numbers[8]);
        }
    }
    figures
}

/// A family, a label of the series in it, the figure that it tells, and what one of that is worth.
type Told = (&'static str, &'static str, &'static str, f64);

/// What only grows: it lies between what the files say before and after.
#[rustfmt::skip]
const COUNTERS: [Told; 18] = [
    ("container_cpu_usage_seconds_total", "", "cpu.stat:usage_usec", 1e-6),
    ("container_cpu_user_seconds_total", "", "cpu.stat:user_usec", 1e-6),
    ("container_cpu_system_seconds_total", "", "cpu.stat:system_usec", 1e-6),
    ("container_cpu_cfs_periods_total", "", "cpu.stat:nr_periods", 1.0),
    ("container_cpu_cfs_throttled_periods_total", "", "cpu.stat:nr_throttled", 1.0),
    ("container_cpu_cfs_throttled_seconds_total", "", "cpu.stat:throttled_usec", 1e-6),
    ("container_memory_max_usage_bytes", "", "memory.peak", 1.0),
    ("container_memory_events_max_total", "", "memory.events:max", 1.0),
    ("container_memory_pgscan_total", "", "memory.stat:pgscan", 1.0),
    ("container_memory_failures_total", "failure_type=\"pgfault\",scope=\"container\"", "memory.stat:pgfault", 1.0),
    ("container_oom_events_total", "", "memory.events:oom_kill", 1.0),
    ("container_fs_writes_bytes_total", "device=\"/dev/nvme0n1\"", "io.stat:259:0 wbytes", 1.0),
    ("container_fs_writes_total", "device=\"/dev/nvme0n1\"", "io.stat:259:0 wios", 1.0),
    ("container_pressure_cpu_waiting_seconds_total", "", "cpu.pressure:some total", 1e-6),
    ("container_pressure_memory_stalled_seconds_total", "", "memory.pressure:full total", 1e-6),
    ("container_pressure_io_waiting_seconds_total", "", "io.pressure:some total", 1e-6),
    ("container_network_receive_bytes_total", "interface=\"eth0\"", "net:eth0 rx", 1.0),
    ("container_network_transmit_bytes_total", "interface=\"eth0\"", "net:eth0 tx", 1.0),
];

/// What goes up and down, the limits among it: the last is how far it may lie beyond the two.
#[rustfmt::skip]
const GAUGES: [Told; 11] = [
    ("container_memory_usage_bytes", "", "memory.current", 2.0 * MIB),
    ("container_memory_rss", "", "memory.stat:anon", 2.0 * MIB),
    ("container_memory_cache", "", "memory.stat:file", 2.0 * MIB),
    ("container_memory_kernel_usage", "", "memory.stat:kernel", 2.0 * MIB),
    ("container_memory_swap", "", "memory.swap.current", 2.0 * MIB),
    ("container_threads", "", "pids.current", 3.0),
    ("container_threads_max", "", "pids.max", 0.0),
    ("container_spec_memory_limit_bytes", "", "memory.max", 0.0),
    ("container_spec_memory_swap_limit_bytes", "", "memory.swap.max", 0.0),
    ("container_spec_cpu_quota", "", "cpu.max:quota", 0.0),
    ("container_spec_cpu_period", "", "cpu.max:period", 0.0),
];

/// A container's value of a family, known by its id or its name.
fn value(scrape: &Scrape, container: &Container, family: &str, label: &str) -> Option<f64> {
    let (of, name) = (
        format!("{family}{{"),
        format!("name=\"{}\"", container.name),
    );
    let mut series = scrape.series.iter();
    let (_, value) = series.find(|(series, _)| {
        let its = series.contains(&container.id) || series.contains(&name);
        series.starts_with(&of) && its && series.contains(label)
    })?;
    value.parse().ok()
}

/// What differs from the files, and how many figures do not.
fn differences(scrape: impl FnOnce() -> Scrape, containers: &[Container]) -> (Vec<String>, usize) {
    let before: Vec<_> = containers.iter().map(read).collect();
    let scrape = scrape();
    let after: Vec<_> = containers.iter().map(read).collect();
    let (mut wrong, mut right) = (Vec::new(), 0);
    for ((container, before), after) in containers.iter().zip(&before).zip(&after) {
        let mut compare = |(family, label, figure, worth): Told, slack: f64| {
            // As in cAdvisor, what a limit of the CPU does is told where there is one.
            if family.starts_with("container_cpu_cfs_") && !before.contains_key("cpu.max:quota") {
                return;
            }
            let (Some(low), Some(high)) = (before.get(figure), after.get(figure)) else {
                return;
            };
            let told = value(&scrape, container, family, label);
            let (low, high) = (
                low.min(*high) * worth - slack,
                low.max(*high) * worth + slack,
            );
            if told.is_some_and(|told| (low..=high).contains(&told)) {
                right += 1;
            } else {
                let Container { name, .. } = container;
                wrong.push(format!(
                    "{name}: {family} {told:?}, not within {low} and {high}"
                ));
            }
        };
        for told in COUNTERS {
            // Seconds are written with a rounding of their own.
            compare(told, 1e-6 * told.3);
        }
        // What is killed grows as fast as it can in between: only its limits stand still.
        let grows = container.name == "killed";
        for (family, label, figure, slack) in GAUGES {
            if slack == 0.0 || !grows {
                compare((family, label, figure, 1.0), slack);
            }
        }
    }
    (wrong, right)
}

/// The containers by name.
fn load() -> BTreeMap<String, Container> {
    let named = containers().into_iter().map(|it| (it.name.clone(), it));
    named.collect()
}

/// Waits until what a scrape shows is so.
fn until(what: &str, scrape: &dyn Fn() -> Scrape, is: &dyn Fn(&Scrape) -> Option<bool>) -> Scrape {
    let begin = Instant::now();
    loop {
        let now = scrape();
        if is(&now) == Some(true) {
            return now;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: not so: {now:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The files' figures and the known load's, as one agent shows them.
fn are_shown(scrape: &dyn Fn() -> Scrape) {
    let load = load();
    let all: Vec<Container> = containers();
    let (wrong, right) = differences(scrape, &all);
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Five containers, and of each most of the figures.
    assert!(right > 5 * 18, "{right}");
    eprintln!(
        "{right} figures of {} containers are those of their files",
        all.len()
    );

    let of = |now: &Scrape, name: &str, family: &str| value(now, &load[name], family, "");
    let periods = "container_cpu_cfs_periods_total";
    let usage = "container_cpu_usage_seconds_total";
    let throttled = "container_cpu_cfs_throttled_periods_total";
    let from = scrape();
    let to = until("a container burns on", scrape, &|now| {
        Some(of(now, "burn", periods)? > of(&from, "burn", periods)? + 30.0)
    });
    let grown = |family| of(&to, "burn", family).unwrap() - of(&from, "burn", family).unwrap();
    // 30 ms of each period of 100 ms, unless the machine had no time for it.
    let (burnt, periods, throttled) = (grown(usage), grown(periods), grown(throttled));
    let said = format!("{burnt} s in {periods} periods, {throttled} of them throttled");
    eprintln!("burn: {said}");
    assert!(burnt > 0.03 * throttled * 0.85 - 0.1, "{said}");
    assert!(burnt < 0.03 * periods * 1.15 + 0.1, "{said}");

    until("64 MiB are held", scrape, &|now| {
        let held = of(now, "hold", "container_memory_working_set_bytes")? / MIB;
        Some((64.0..80.0).contains(&held))
    });
    until("kills are counted", scrape, &|now| {
        Some(of(now, "killed", "container_oom_events_total")? >= 2.0)
    });
    until("a container writes", scrape, &|now| {
        let device = "device=\"/dev/nvme0n1\"";
        let bytes = value(
            now,
            &load["writer"],
            "container_fs_writes_bytes_total",
            device,
        )?;
        Some(bytes >= 16.0 * MIB)
    });
    until("a container is waited for in vain", scrape, &|now| {
        Some(of(now, "burn", "container_pressure_cpu_waiting_seconds_total")? > 0.0)
    });
    until("a container talks", scrape, &|now| {
        let interface = "interface=\"eth0\"";
        Some(
            value(
                now,
                &load["talk"],
                "container_network_transmit_bytes_total",
                interface,
            )? > 0.0,
        )
    });
}

fn is_set() -> bool {
    let set = std::env::var_os(SET).is_some();
    if !set {
        eprintln!("SKIPPED: this runs in the guest of make test-cgroup2");
    }
    set
}

#[test]
fn the_figures_of_a_host_alone_are_those_of_the_groups_files() {
    if !is_set() {
        return;
    }
    let agent = Running::start(args());
    let scrape = || Scrape::parse(&body(agent.containers, "/metrics"));
    until("Docker has told the names", &scrape, &|now| {
        let is_named = |name: &&str| {
            let state = format!("masthead_container_state{{name=\"{name}\",state=\"running\"}}");
            let labels = format!("name=\"{name}\",image=\"load:1\"");
            let usage = |series: &String| {
                series.starts_with("container_cpu_usage_seconds_total{") && series.contains(&labels)
            };
            now.value(&state) == Some(1.0) && now.series.keys().any(usage)
        };
        let names = ["burn", "hold", "killed", "talk", "writer"];
        Some(names.iter().all(is_named))
    });
    are_shown(&scrape);
    // Docker measures its layers when it is asked for the first time.
    let disk = "container_fs_usage_bytes";
    until("Docker has told what was written", &scrape, &|now| {
        Some(value(now, &load()["writer"], disk, "")? >= 16.0 * MIB)
    });
}

#[test]
fn the_figures_under_the_daemon_sets_rights_are_those_of_the_groups_files() {
    if !is_set() {
        return;
    }
    let script = "
        for part in proc sys root; do
            from=/$part; [ $part = root ] && from=/
            mkdir $DIR/$part
            mount --rbind $from $DIR/$part
            mount -o remount,bind,ro $DIR/$part
        done
        mount -t proc proc /proc
        echo 'containers: {}' >$DIR/agent.yaml
        exec setpriv --bounding-set=-all,+dac_read_search --inh-caps=-all --no-new-privs \
            $AGENT --config $DIR/agent.yaml --proc $DIR/proc --sys $DIR/sys --rootfs $DIR/root --node-name node-1";
    let Some(agent) = Contained::start(script) else {
        panic!("the guest refuses namespaces");
    };
    are_shown(&|| Scrape::parse(&body(agent.containers, "/metrics")));
}
