//! Control groups of version 2. Documentation/admin-guide/cgroup-v2.rst says what the files hold.

use super::figures::{
    Cpu, DeviceIo, Faults, Figures, Limits, Memory, Pressure, Stall, limit, number, pairs,
};
use super::files::Folder;
use super::kept::Kept;

const MICROSECONDS: f64 = 1e6;

/// Reads a group's figures but its limits.
pub fn figures(group: &mut Kept, buffer: &mut Vec<u8>) -> Figures {
    let mut memory = Memory::default();
    if let Some(text) = group.read("memory.stat", buffer) {
        memory = parse_memory_stat(text);
    }
    let mut value = |name: &'static str| group.read(name, buffer).and_then(number);
    // The root has none of these.
    memory.usage = value("memory.current");
    memory.most = value("memory.peak");
    memory.swap = value("memory.swap.current");
    let threads = value("pids.current");
    if let Some(text) = group.read("memory.events", buffer) {
        parse_memory_events(text, &mut memory);
    }
    let mut stall = |name: &'static str| {
        group
            .read(name, buffer)
            .map(parse_pressure)
            .unwrap_or_default()
    };
    let pressure = Pressure {
        cpu: stall("cpu.pressure"),
        memory: stall("memory.pressure"),
        io: stall("io.pressure"),
    };
    Figures {
        cpu: group
            .read("cpu.stat", buffer)
            .map(parse_cpu_stat)
            .unwrap_or_default(),
        memory,
        limits: Limits::default(),
        io: group
            .read("io.stat", buffer)
            .map(parse_io_stat)
            .unwrap_or_default(),
        // Processes of other namespaces are there, as lines of 0.
        processes: group
            .read("cgroup.procs", buffer)
            .map(|text| text.lines().count() as f64),
        threads,
        pressure,
    }
}

/// Reads a group's limits.
pub fn limits(group: &Folder, buffer: &mut Vec<u8>) -> Limits {
    let (quota, period) = group
        .read("cpu.max", buffer)
        .map_or((None, None), parse_cpu_max);
    let weight = group.read("cpu.weight", buffer).and_then(number);
    let mut value = |name| group.read(name, buffer).and_then(limit);
    // The kubelet keeps memory by memory.min, Docker by memory.low.
    let reservation = value("memory.min")
        .filter(|min| *min > 0.0)
        .or_else(|| value("memory.low"));
    Limits {
        shares: weight.map(shares),
        quota,
        period,
        memory: value("memory.max"),
        reservation,
        swap: value("memory.swap.max"),
        threads: value("pids.max"),
    }
}

/// The shares that a weight was made from, by the straight line that runc before 1.3.2 used and
/// cAdvisor inverts. Newer ones use a curve, so a pod's request, where known, goes before this.
fn shares(weight: f64) -> f64 {
    (2.0 + (weight - 1.0) * 262_142.0 / 9_999.0)
        .floor()
        .max(0.0)
}

fn parse_cpu_max(text: &str) -> (Option<f64>, Option<f64>) {
    let mut words = text.split_ascii_whitespace().map(number);
    (words.next().flatten(), words.next().flatten())
}

fn parse_cpu_stat(text: &str) -> Cpu {
    let mut cpu = Cpu::default();
    for (name, value) in pairs(text) {
        let seconds = Some(value / MICROSECONDS);
        match name {
            "usage_usec" => cpu.usage = seconds,
            "user_usec" => cpu.user = seconds,
            "system_usec" => cpu.system = seconds,
            "nr_periods" => cpu.periods = Some(value),
            "nr_throttled" => cpu.throttled_periods = Some(value),
            "throttled_usec" => cpu.throttled = seconds,
            "nr_bursts" => cpu.bursts = Some(value),
            "burst_usec" => cpu.burst = seconds,
            _ => {}
        }
    }
    cpu
}

fn parse_memory_stat(text: &str) -> Memory {
    let mut memory = Memory::default();
    for (name, value) in pairs(text) {
        let field = match name {
            "anon" => &mut memory.rss,
            "file" => &mut memory.cache,
            "kernel" => &mut memory.kernel,
            "file_mapped" => &mut memory.mapped_file,
            "file_dirty" => &mut memory.dirty,
            "file_writeback" => &mut memory.writeback,
            "inactive_file" => &mut memory.inactive_file,
            "active_file" => &mut memory.active_file,
            "workingset_refault_anon" => &mut memory.refault_anon,
            "workingset_refault_file" => &mut memory.refault_file,
            "pgscan" => &mut memory.scanned,
            "pgsteal" => &mut memory.stolen,
            "pgfault" => &mut memory.faults.all,
            "pgmajfault" => &mut memory.faults.major,
            _ => continue,
        };
        *field = Some(value);
    }
    // The kernel counts with the groups below only; cAdvisor tells both alike.
    memory.faults_below = Faults {
        all: memory.faults.all,
        major: memory.faults.major,
    };
    memory
}

fn parse_memory_events(text: &str, memory: &mut Memory) {
    let (mut kills, mut group_kills) = (None, 0.0);
    for (name, value) in pairs(text) {
        match name {
            "high" => memory.high_events = Some(value),
            "max" => memory.max_events = Some(value),
            "oom_kill" => kills = Some(value),
            "oom_group_kill" => group_kills = value,
            _ => {}
        }
    }
    // With memory.oom.group, which the kubelet sets, a whole container is killed at once, and its
    // processes are counted one by one, some of them twice: the deaths are oom_group_kill.
    memory.oom_kills = kills.map(|kills| {
        if group_kills > 0.0 {
            group_kills
        } else {
            kills
        }
    });
}

fn parse_io_stat(text: &str) -> Vec<DeviceIo> {
    text.lines().filter_map(parse_io_line).collect()
}

/// `259:0 rbytes=1 wbytes=2 rios=3 wios=4 …`; a device may stand alone.
fn parse_io_line(line: &str) -> Option<DeviceIo> {
    let (device, rest) = line.split_once(' ')?;
    let mut io = DeviceIo {
        number: device.to_owned(),
        ..DeviceIo::default()
    };
    let mut any = false;
    for word in rest.split_ascii_whitespace() {
        let (name, value) = word.split_once('=')?;
        let field = match name {
            "rbytes" => &mut io.bytes[0],
            "wbytes" => &mut io.bytes[1],
            "rios" => &mut io.operations[0],
            "wios" => &mut io.operations[1],
            _ => continue,
        };
        *field = number(value)?;
        any = true;
    }
    any.then_some(io)
}

/// `some avg10=… total=<microseconds>` and `full …`.
fn parse_pressure(text: &str) -> Stall {
    let total = |line: &str| number(line.rsplit_once("total=")?.1).map(|us| us / MICROSECONDS);
    let of = |word: &str| {
        text.lines()
            .find(|line| line.starts_with(word))
            .and_then(total)
    };
    Stall {
        some: of("some"),
        full: of("full"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::kept::Budget;
    use super::*;
    use proptest::prelude::*;

    /// A recorded group of a real machine.
    fn recorded(name: &str) -> Figures {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/cgroup2/docker")
            .join(name);
        let (group, mut buffer) = (Folder::open(&path).unwrap(), Vec::new());
        let mut group = Kept::new(group, &Budget::new(9));
        Figures {
            limits: limits(group.folder(), &mut buffer),
            ..figures(&mut group, &mut buffer)
        }
    }

    #[test]
    fn an_idle_container_has_no_limits() {
        let idle = recorded("idle");
        assert_eq!(idle.cpu.usage, Some(1.193_066));
        assert_eq!(idle.limits.quota, None);
        assert_eq!(idle.limits.period, Some(100_000.0));
        assert_eq!(idle.limits.memory, Some(0.0));
        assert_eq!(idle.limits.threads, Some(2358.0));
        assert_eq!((idle.processes, idle.threads), (Some(1.0), Some(1.0)));
        assert_eq!(idle.memory.oom_kills, Some(0.0));
    }

    #[test]
    fn a_container_with_every_limit_shows_them() {
        let quota = recorded("quota");
        let expected = Limits {
            shares: Some(shares(20.0)),
            quota: Some(25_000.0),
            period: Some(100_000.0),
            memory: Some(67_108_864.0),
            reservation: Some(33_554_432.0),
            swap: Some(33_554_432.0),
            threads: Some(64.0),
        };
        assert_eq!(quota.limits, expected);
        assert_eq!(quota.cpu.periods, Some(1099.0));
        assert_eq!(quota.cpu.throttled_periods, Some(993.0));
    }

    #[test]
    fn memory_is_told_apart() {
        let memory = recorded("mem").memory;
        assert_eq!(memory.usage, Some(63_967_232.0));
        assert_eq!(memory.rss, Some(41_996_288.0));
        assert_eq!(memory.cache, Some(20_975_616.0));
        assert_eq!(memory.working_set(), Some(42_991_616.0));
        let swap = recorded("swap").memory;
        assert_eq!(swap.swap, Some(20_942_848.0));
        assert_eq!(swap.max_events, Some(61.0));
    }

    #[test]
    fn killed_processes_and_bytes_of_a_disk_are_counted() {
        let oom = recorded("oom").memory;
        assert_eq!((oom.oom_kills, oom.most), (Some(3.0), Some(25_165_824.0)));
        let disk = DeviceIo {
            number: "259:0".into(),
            bytes: [16_777_216.0, 33_554_432.0],
            operations: [32.0, 64.0],
        };
        assert_eq!(recorded("disk").io, [disk]);
    }

    #[test]
    fn a_device_without_figures_is_left_out() {
        assert_eq!(parse_io_stat("259:0 \n8:0\n"), []);
    }

    #[test]
    fn a_group_that_was_killed_as_a_whole_counts_once() {
        let mut memory = Memory::default();
        parse_memory_events("oom 2\noom_kill 4\noom_group_kill 2\n", &mut memory);
        assert_eq!(memory.oom_kills, Some(2.0));
    }

    #[test]
    fn shares_come_from_the_weight_as_in_cadvisor() {
        // The pairs of the recorded machine: requests of 100m (weight 4) and none (1).
        assert_eq!(
            (Some(shares(4.0)), Some(shares(1.0))),
            (Some(80.0), Some(2.0))
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(
            text in prop_oneof![any::<String>(), "([a-z_]{1,9}[ =][0-9a-z:.]{0,25}[ \n]){0,9}"],
        ) {
            parse_cpu_max(&text);
            parse_cpu_stat(&text);
            parse_memory_stat(&text);
            parse_memory_events(&text, &mut Memory::default());
            parse_io_stat(&text);
            parse_pressure(&text);
        }
    }
}
