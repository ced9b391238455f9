//! What the fuzz targets in `fuzz/` call: any bytes in, in place of the files that the agent reads.
//! Only in tests and with the feature `fuzz`.

use std::io;
use std::path::{Path, PathBuf};

use prometheus::Registry;

use super::collector;
use super::container::Containers;
use super::exposition::{Exposition, merge};
use super::host::prom_text;
use super::roots::Roots;
use crate::api::agent_config::{ContainersConfig, NodeConfig};

pub use super::container::fuzz::told as cri;
pub use super::postgres::fuzz::told as postgres;

/// Ends one file's content in the bytes of a target; it stands in no UTF-8.
const END: u8 = 0xff;

/// Every file that a collector of the node reads, below one folder that stands for all roots.
pub const NODE: [&str; 86] = [
    "1/mountinfo",
    "1/net/arp",
    "1/net/dev",
    "1/net/netstat",
    "1/net/snmp",
    "1/net/snmp6",
    "1/net/sockstat",
    "1/net/sockstat6",
    "1/net/softnet_stat",
    "1/net/stat/nf_conntrack",
    "1/net/tcp",
    "1/net/tcp6",
    "1/net/udp",
    "1/net/udp6",
    "1/stat",
    "1/task/1/stat",
    "1/task/2/stat",
    "diskstats",
    "interrupts",
    "loadavg",
    "mdstat",
    "meminfo",
    "pressure/cpu",
    "pressure/io",
    "pressure/irq",
    "pressure/memory",
    "schedstat",
    "stat",
    "sys/fs/file-nr",
    "sys/kernel/hung_task_detect_count",
    "sys/kernel/pid_max",
    "sys/kernel/random/entropy_avail",
    "sys/kernel/random/poolsize",
    "sys/kernel/threads-max",
    "sys/net/netfilter/nf_conntrack_max",
    "vmstat",
    "etc/hostname",
    "etc/localtime",
    "etc/os-release",
    "textfile/a.prom",
    "textfile/b.prom",
    "block/md0/md/degraded",
    "block/md0/md/raid_disks",
    "block/sda/queue/rotational",
    "class/dmi/id/bios_date",
    "class/dmi/id/sys_vendor",
    "class/hwmon/hwmon0/beep_enable",
    "class/hwmon/hwmon0/fan1_input",
    "class/hwmon/hwmon0/freq1_input",
    "class/hwmon/hwmon0/freq1_label",
    "class/hwmon/hwmon0/name",
    "class/hwmon/hwmon0/pwm1",
    "class/hwmon/hwmon0/temp1_crit_alarm",
    "class/hwmon/hwmon0/temp1_input",
    "class/hwmon/hwmon0/temp1_label",
    "class/hwmon/hwmon0/update_interval",
    "class/hwmon/hwmon0/vrm",
    "class/net/bonding_masters",
    "class/net/bond0/bonding/slaves",
    "class/net/bond0/lower_eth0/bonding_slave/mii_status",
    "class/net/eth0/carrier",
    "class/net/eth0/flags",
    "class/net/eth0/ifalias",
    "class/net/eth0/operstate",
    "class/net/eth0/speed",
    "class/net/eth0/statistics/rx_nohandler",
    "class/power_supply/BAT0/capacity",
    "class/power_supply/BAT0/energy_now",
    "class/power_supply/BAT0/status",
    "class/power_supply/BAT0/temp",
    "class/thermal/cooling_device0/cur_state",
    "class/thermal/cooling_device0/max_state",
    "class/thermal/cooling_device0/type",
    "class/thermal/thermal_zone0/temp",
    "class/thermal/thermal_zone0/type",
    "devices/system/clocksource/clocksource0/available_clocksource",
    "devices/system/clocksource/clocksource0/current_clocksource",
    "devices/system/cpu/cpu0/cpufreq/scaling_available_governors",
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
    "devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
    "devices/system/cpu/isolated",
    "devices/system/cpu/offline",
    "devices/system/edac/mc/mc0/ce_count",
    "devices/system/edac/mc/mc0/csrow0/ue_count",
    "devices/system/edac/mc/mc0/ue_noinfo_count",
];

/// The files of a container in both versions of control groups, and those around it.
pub const CONTAINERS: [&str; 38] = [
    "fs/cgroup/docker/ID/cgroup.procs",
    "fs/cgroup/docker/ID/cpu.max",
    "fs/cgroup/docker/ID/cpu.pressure",
    "fs/cgroup/docker/ID/cpu.stat",
    "fs/cgroup/docker/ID/cpu.weight",
    "fs/cgroup/docker/ID/io.pressure",
    "fs/cgroup/docker/ID/io.stat",
    "fs/cgroup/docker/ID/memory.current",
    "fs/cgroup/docker/ID/memory.events",
    "fs/cgroup/docker/ID/memory.max",
    "fs/cgroup/docker/ID/memory.min",
    "fs/cgroup/docker/ID/memory.stat",
    "fs/cgroup/docker/ID/memory.swap.max",
    "fs/cgroup/docker/ID/pids.current",
    "fs/cgroup/cpuacct/docker/ID/cpuacct.stat",
    "fs/cgroup/cpuacct/docker/ID/cpuacct.usage",
    "fs/cgroup/cpu/docker/ID/cpu.cfs_period_us",
    "fs/cgroup/cpu/docker/ID/cpu.cfs_quota_us",
    "fs/cgroup/cpu/docker/ID/cpu.shares",
    "fs/cgroup/cpu/docker/ID/cpu.stat",
    "fs/cgroup/memory/docker/ID/memory.limit_in_bytes",
    "fs/cgroup/memory/docker/ID/memory.oom_control",
    "fs/cgroup/memory/docker/ID/memory.soft_limit_in_bytes",
    "fs/cgroup/memory/docker/ID/memory.stat",
    "fs/cgroup/memory/docker/ID/memory.usage_in_bytes",
    "fs/cgroup/blkio/docker/ID/blkio.throttle.io_service_bytes",
    "fs/cgroup/blkio/docker/ID/blkio.throttle.io_service_bytes_recursive",
    "fs/cgroup/blkio/docker/ID/blkio.throttle.io_serviced_recursive",
    "fs/cgroup/pids/docker/ID/cgroup.procs",
    "fs/cgroup/pids/docker/ID/pids.current",
    "fs/cgroup/pids/docker/ID/pids.max",
    "dev/block/8:0/uevent",
    "1/mountinfo",
    "1/net/dev",
    "7/cgroup",
    "7/net/dev",
    "meminfo",
    "stat",
];

const ID: &str = "6d1fb1025780346c95ac9663944e3aa6517565c7c36a62580cd5faa700012ede";

/// A folder that stands for a machine. One that lies in memory (`/dev/shm`) is fast.
#[derive(Debug)]
pub struct Machine {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Machine {
    /// A machine whose files have these names, none of which is there yet.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn new(folder: &Path, names: &[&str]) -> io::Result<Self> {
        let path = |name: &&str| folder.join(name.replace("ID", ID));
        let files: Vec<PathBuf> = names.iter().map(path).collect();
        for above in files.iter().filter_map(|file| file.parent()) {
            std::fs::create_dir_all(above)?;
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            files,
        })
    }

    /// Lays the files that `data` describes and takes all others away: pieces end with 0xff, and
    /// the first byte of each chooses its file.
    fn lay(&self, data: &[u8]) -> io::Result<()> {
        for file in &self.files {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for piece in data.split(|byte| *byte == END) {
            if let Some((first, content)) = piece.split_first()
                && let Some(file) = self.files.get(usize::from(*first) % self.files.len())
            {
                std::fs::write(file, content)?;
            }
        }
        Ok(())
    }

    fn roots(&self) -> Roots {
        Roots {
            proc: self.folder.clone(),
            sys: self.folder.clone(),
            rootfs: self.folder.clone(),
        }
    }

    /// What the node's collectors make of `data`.
    ///
    /// # Errors
    /// When the files cannot be laid.
    pub fn node(&self, data: &[u8]) -> anyhow::Result<String> {
        self.lay(data)?;
        let mut config = NodeConfig::default();
        config.textfile.directories = vec!["/textfile".to_owned()];
        let roots = self.roots();
        let collect = |it: &std::sync::Arc<dyn collector::Collector>| {
            let mut out = Exposition::default();
            // A collector may fail on what it reads; it must not end the process.
            drop(it.collect(&roots, &mut out));
            out
        };
        let outs: Vec<_> = collector::all(&config, None)?.iter().map(collect).collect();
        Ok(merge(&outs))
    }

    /// What the containers' metrics are, given `data`; version 2 where it is asked for.
    ///
    /// # Errors
    /// When the files cannot be laid.
    pub fn containers(&self, data: &[u8]) -> anyhow::Result<String> {
        self.lay(data)?;
        let marker = self.folder.join("fs/cgroup/cgroup.controllers");
        if data.len().is_multiple_of(2) {
            std::fs::write(&marker, "")?;
        } else if marker.exists() {
            std::fs::remove_file(&marker)?;
        }
        let config = ContainersConfig::default();
        let containers = Containers::new(config, self.roots(), &Registry::new())?;
        Ok(containers.gather())
    }
}

/// Whether a text is in the format that Prometheus takes, as the textfile collector reads it.
///
/// # Errors
/// What is wrong, with the line.
pub fn exposition(text: &str) -> Result<(), String> {
    prom_text::parse(text).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_files_is_what_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(folder.path(), &NODE).unwrap();
        let index = |name| u8::try_from(NODE.iter().position(|it| *it == name).unwrap()).unwrap();
        let mut data = vec![index("loadavg")];
        data.extend(b"0.25 0.5 1 1/2 3");
        data.extend([END, index("textfile/a.prom")]);
        data.extend(b"up 1");
        let text = machine.node(&data).unwrap();
        assert!(text.contains("\nnode_load1 0.25\n"), "{text}");
        assert!(text.contains("\nup 1\n"), "{text}");
        assert_eq!(exposition(&text), Ok(()));
        assert!(!machine.node(b"").unwrap().contains("node_load1"));
    }

    #[test]
    fn both_versions_of_control_groups_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(folder.path(), &CONTAINERS).unwrap();
        let usage = |text: &str| {
            let wanted = "container_cpu_usage_seconds_total{id=\"/docker";
            let line = text.lines().find(|line| line.starts_with(wanted));
            line.and_then(|line| line.rsplit_once(' '))
                .map(|(_, value)| value.to_owned())
        };
        let text = machine.containers(b"\x03usage_usec 2000000\n").unwrap();
        assert_eq!(usage(&text).as_deref(), Some("2"), "{text}");
        assert_eq!(exposition(&text), Ok(()));
        let text = machine.containers(b"\x0f3000000000").unwrap();
        assert_eq!(usage(&text).as_deref(), Some("3"), "{text}");
        assert_eq!(exposition(&text), Ok(()));
    }
}
