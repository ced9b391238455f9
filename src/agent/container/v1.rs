//! Control groups of version 1: the same figures in other files. What they hold is said in
//! Documentation/admin-guide/cgroup-v1 of the kernel; which of them cAdvisor takes, in runc's
//! `cgroups/fs`.

use super::figures::{Cpu, DeviceIo, Faults, Figures, Limits, Memory, limit, number, pairs};
use super::files::Folder;
use super::kept::{Budget, Kept};
use super::tree::Controllers;

const NANOSECONDS: f64 = 1e9;
/// Times of cpuacct.stat are in these, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// A group: a folder of each controller that has it.
#[derive(Debug)]
pub struct Group {
    cpuacct: Option<Kept>,
    cpu: Option<Kept>,
    memory: Option<Kept>,
    blkio: Option<Kept>,
    pids: Option<Kept>,
}

impl Group {
    /// Opens the folders of the group at a path.
    pub fn open(all: &Controllers, path: &str, budget: &Budget) -> Self {
        let below = |controller: &Folder| {
            let folder = controller.below(path.trim_start_matches('/')).ok()?;
            Some(Kept::new(folder, budget))
        };
        let of = |controller: &Option<Folder>| controller.as_ref().and_then(below);
        Self {
            cpuacct: below(&all.cpuacct),
            cpu: of(&all.cpu),
            memory: of(&all.memory),
            blkio: of(&all.blkio),
            pids: of(&all.pids),
        }
    }

    /// Whether there was room in the budget for all folders.
    pub fn stays(&self) -> bool {
        let all = [
            &self.cpuacct,
            &self.cpu,
            &self.memory,
            &self.blkio,
            &self.pids,
        ];
        all.into_iter().flatten().all(Kept::stays)
    }
}

/// Reads a group's figures but its limits; `limited` tells whether it has a CPU quota, without
/// which nothing is ever throttled.
pub fn figures(group: &mut Group, limited: bool, buffer: &mut Vec<u8>) -> Figures {
    let mut figures = Figures::default();
    if let Some(group) = &mut group.cpuacct {
        let text = group.read("cpuacct.stat", buffer);
        figures.cpu = text.map(parse_cpuacct_stat).unwrap_or_default();
        let usage = group.read("cpuacct.usage", buffer).and_then(number);
        figures.cpu.usage = usage.map(|ns| ns / NANOSECONDS);
    }
    if let Some(group) = group.cpu.as_mut().filter(|_| limited) {
        let text = group.read("cpu.stat", buffer).unwrap_or_default();
        parse_cpu_stat(text, &mut figures.cpu);
    }
    if let Some(group) = &mut group.memory {
        let text = group.read("memory.stat", buffer);
        let mut memory = text.map(parse_memory_stat).unwrap_or_default();
        let mut value = |name: &'static str| group.read(name, buffer).and_then(number);
        memory.usage = value("memory.usage_in_bytes");
        memory.most = value("memory.max_usage_in_bytes");
        memory.failcnt = value("memory.failcnt");
        let text = group.read("memory.oom_control", buffer).unwrap_or_default();
        memory.oom_kills = pairs(text)
            .find(|(name, _)| *name == "oom_kill")
            .map(|(_, kills)| kills);
        figures.memory = memory;
    }
    if let Some(group) = &mut group.blkio {
        figures.io = io(group, buffer);
    }
    if let Some(group) = &mut group.pids {
        figures.threads = group.read("pids.current", buffer).and_then(number);
        // Processes of other namespaces are left out: none at all means that it cannot be known.
        let text = group.read("cgroup.procs", buffer);
        let count = text.map(|text| text.lines().count() as f64);
        figures.processes = count.filter(|count| *count > 0.0 || figures.threads == Some(0.0));
    }
    figures
}

/// Reads a group's limits.
pub fn limits(group: &Group, buffer: &mut Vec<u8>) -> Limits {
    let mut limits = Limits::default();
    if let Some(group) = group.cpu.as_ref().map(Kept::folder) {
        let mut value = |name| group.read(name, buffer).and_then(number);
        limits.shares = value("cpu.shares");
        // -1 is no quota.
        limits.quota = value("cpu.cfs_quota_us");
        limits.period = value("cpu.cfs_period_us");
    }
    if let Some(group) = group.memory.as_ref().map(Kept::folder) {
        let mut value = |name| group.read(name, buffer).and_then(limit);
        limits.memory = value("memory.limit_in_bytes");
        limits.reservation = value("memory.soft_limit_in_bytes");
        limits.swap = value("memory.memsw.limit_in_bytes");
    }
    if let Some(group) = group.pids.as_ref().map(Kept::folder) {
        limits.threads = group.read("pids.max", buffer).and_then(limit);
    }
    limits
}

fn parse_cpuacct_stat(text: &str) -> Cpu {
    let mut cpu = Cpu::default();
    for (name, ticks) in pairs(text) {
        let seconds = Some(ticks / TICKS_PER_SECOND);
        match name {
            "user" => cpu.user = seconds,
            "system" => cpu.system = seconds,
            _ => {}
        }
    }
    cpu
}

fn parse_cpu_stat(text: &str, cpu: &mut Cpu) {
    for (name, value) in pairs(text) {
        match name {
            "nr_periods" => cpu.periods = Some(value),
            "nr_throttled" => cpu.throttled_periods = Some(value),
            "throttled_time" => cpu.throttled = Some(value / NANOSECONDS),
            "nr_bursts" => cpu.bursts = Some(value),
            "burst_time" => cpu.burst = Some(value / NANOSECONDS),
            _ => {}
        }
    }
}

/// The figures with the groups below, `total_…`: a pod's own group is empty.
fn parse_memory_stat(text: &str) -> Memory {
    let mut memory = Memory::default();
    let (mut faults, mut faults_below) = (Faults::default(), Faults::default());
    for (name, value) in pairs(text) {
        let field = match name {
            "total_cache" => &mut memory.cache,
            "total_rss" => &mut memory.rss,
            "total_swap" => &mut memory.swap,
            "total_mapped_file" => &mut memory.mapped_file,
            "total_inactive_file" => &mut memory.inactive_file,
            "total_active_file" => &mut memory.active_file,
            "total_dirty" => &mut memory.dirty,
            "total_writeback" => &mut memory.writeback,
            "total_workingset_refault_anon" => &mut memory.refault_anon,
            "total_workingset_refault_file" => &mut memory.refault_file,
            "pgfault" => &mut faults.all,
            "pgmajfault" => &mut faults.major,
            "total_pgfault" => &mut faults_below.all,
            "total_pgmajfault" => &mut faults_below.major,
            _ => continue,
        };
        *field = Some(value);
    }
    memory.faults = faults;
    memory.faults_below = faults_below;
    memory
}

/// What passed the throttling layer, with the groups below where the kernel can (since 4.17).
fn io(group: &mut Kept, buffer: &mut Vec<u8>) -> Vec<DeviceIo> {
    let mut read = |below: &'static str, own: &'static str| {
        if let Some(text) = group.read(below, buffer) {
            return parse_blkio(text);
        }
        group.read(own, buffer).map(parse_blkio).unwrap_or_default()
    };
    let bytes = read(
        "blkio.throttle.io_service_bytes_recursive",
        "blkio.throttle.io_service_bytes",
    );
    if bytes.is_empty() {
        return Vec::new();
    }
    let operations = read(
        "blkio.throttle.io_serviced_recursive",
        "blkio.throttle.io_serviced",
    );
    bytes
        .into_iter()
        .map(|(number, bytes)| DeviceIo {
            operations: operations
                .iter()
                .find(|other| other.0 == number)
                .map_or([0.0; 2], |other| other.1),
            number,
            bytes,
        })
        .collect()
}

/// `254:0 Read 4096` and `254:0 Write 0`, by device.
fn parse_blkio(text: &str) -> Vec<(String, [f64; 2])> {
    let mut found: Vec<(String, [f64; 2])> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(device), Some(operation), Some(value)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let index = match operation {
            "Read" => 0,
            "Write" => 1,
            _ => continue,
        };
        let Some(value) = number(value) else { continue };
        if found.last().is_none_or(|last| last.0 != device) {
            found.push((device.to_owned(), [0.0; 2]));
        }
        if let Some(last) = found.last_mut() {
            last.1[index] = value;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_counts_the_groups_below() {
        let text = "cache 0\nrss 0\npgfault 1\ntotal_cache 4096\ntotal_rss 8192\n\
            total_inactive_file 1024\ntotal_pgfault 7\n";
        let memory = parse_memory_stat(text);
        assert_eq!((memory.cache, memory.rss), (Some(4096.0), Some(8192.0)));
        assert_eq!(memory.faults.all, Some(1.0));
        assert_eq!(memory.faults_below.all, Some(7.0));
    }

    #[test]
    fn bytes_come_by_device_and_direction() {
        let text = "254:0 Read 4096\n254:0 Write 1\n254:0 Sync 9\n254:0 Total 4097\n\
            8:16 Read 5\nTotal 4102\n";
        assert_eq!(
            parse_blkio(text),
            [
                ("254:0".to_owned(), [4096.0, 1.0]),
                ("8:16".to_owned(), [5.0, 0.0])
            ]
        );
    }

    #[test]
    fn a_group_is_put_together_from_its_controllers() {
        let temp = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = temp.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        file("cpuacct/docker/a/cpuacct.usage", "1500000000\n");
        file("cpuacct/docker/a/cpuacct.stat", "user 120\nsystem 30\n");
        file("cpu/docker/a/cpu.cfs_quota_us", "-1\n");
        file("cpu/docker/a/cpu.shares", "1024\n");
        file("memory/docker/a/memory.usage_in_bytes", "4096\n");
        file(
            "memory/docker/a/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        file(
            "memory/docker/a/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        );
        file("pids/docker/a/pids.current", "3\n");
        file("pids/docker/a/cgroup.procs", "");
        let controller = |name| Folder::open(&temp.path().join(name)).unwrap();
        let all = Controllers {
            cpuacct: controller("cpuacct"),
            cpu: Some(controller("cpu")),
            memory: Some(controller("memory")),
            blkio: None,
            pids: Some(controller("pids")),
        };
        let mut buffer = Vec::new();
        let mut group = Group::open(&all, "/docker/a", &Budget::new(100));
        assert!(group.stays());
        let found = figures(&mut group, false, &mut buffer);
        assert_eq!(found.cpu.usage, Some(1.5));
        assert_eq!((found.cpu.user, found.cpu.system), (Some(1.2), Some(0.3)));
        assert_eq!(found.memory.usage, Some(4096.0));
        assert_eq!(found.memory.oom_kills, Some(2.0));
        assert_eq!((found.threads, found.processes), (Some(3.0), None));
        let found = limits(&group, &mut buffer);
        assert_eq!((found.quota, found.shares), (None, Some(1024.0)));
        assert_eq!(found.memory, Some(0.0));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(
            text in prop_oneof![any::<String>(), "([a-zA-Z0-9:]{1,9} [0-9a-zA-Z]{0,25}[ \n]){0,9}"],
        ) {
            parse_cpuacct_stat(&text);
            parse_cpu_stat(&text, &mut Cpu::default());
            parse_memory_stat(&text);
            parse_blkio(&text);
        }
    }
}
