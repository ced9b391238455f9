//! What a collector is, and the table of all of them.
//!
//! A new collector is one new file below `host/` and one line in [`all`]. Switching off by name,
//! deadline, duration and success come from here and from [`super::node`].

use std::path::PathBuf;
use std::sync::Arc;

use super::exposition::Exposition;
use super::host;
use super::roots::Roots;
use crate::api::agent_config::{self, NODE_COLLECTORS, NodeConfig};

/// Gathers one subject's families from the host, at the time of the scrape.
pub trait Collector: Send + Sync {
    /// The name in `node_scrape_collector_success{collector="…"}`, as in `node_exporter`.
    fn name(&self) -> &'static str;

    /// Reads the host and writes families. May block: it runs on a thread of its own and is left
    /// out of the scrape when it misses the deadline.
    ///
    /// # Errors
    /// When something that must be there cannot be read. What was written before is still shown.
    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError>;

    /// Whether it runs only when the configuration names it, as in `node_exporter`: those whose
    /// cost or number of series grows with what the host runs.
    fn opt_in(&self) -> bool {
        false
    }
}

/// Every collector there is, by name; `textfile` last, so that of a family that it and another
/// have the other's is shown.
///
/// `node_name` stands for the host's name where the host's own cannot be read.
///
/// # Errors
/// When a filter is wrong; the message names the field.
pub fn all(
    config: &NodeConfig,
    node_name: Option<&str>,
) -> anyhow::Result<Vec<Arc<dyn Collector>>> {
    Ok(vec![
        Arc::new(host::arp::Arp),
        Arc::new(host::bonding::Bonding),
        Arc::new(host::conntrack::Conntrack),
        Arc::new(host::cpu::Cpu::default()),
        Arc::new(host::cpufreq::Cpufreq),
        Arc::new(host::diskstats::Diskstats::new(&config.diskstats)?),
        Arc::new(host::dmi::Dmi::default()),
        Arc::new(host::edac::Edac),
        Arc::new(host::entropy::Entropy),
        Arc::new(host::filefd::Filefd),
        Arc::new(host::filesystem::Filesystem::new(&config.filesystem)?),
        Arc::new(host::hwmon::Hwmon),
        Arc::new(host::interrupts::Interrupts::new(&config.interrupts)?),
        Arc::new(host::kernel_hung::KernelHung),
        Arc::new(host::loadavg::Loadavg),
        Arc::new(host::mdadm::Mdadm),
        Arc::new(host::meminfo::Meminfo),
        Arc::new(host::netclass::Netclass::new(&config.netclass)?),
        Arc::new(host::netdev::Netdev::new(&config.netdev)?),
        Arc::new(host::netstat::Netstat),
        Arc::new(host::os::Os),
        Arc::new(host::powersupplyclass::PowerSupply),
        Arc::new(host::pressure::Pressure),
        Arc::new(host::processes::Processes),
        Arc::new(host::schedstat::Schedstat),
        Arc::new(host::sockstat::Sockstat),
        Arc::new(host::softnet::Softnet),
        Arc::new(host::stat::Stat),
        Arc::new(host::tcpstat::Tcpstat),
        Arc::new(host::thermal_zone::ThermalZone),
        Arc::new(host::time::Time),
        Arc::new(host::timex::Timex),
        Arc::new(host::udp_queues::UdpQueues),
        Arc::new(host::uname::Uname::new(node_name)),
        Arc::new(host::vmstat::Vmstat),
        Arc::new(host::textfile::Textfile::new(&config.textfile)),
    ])
}

/// The collectors that the configuration leaves on.
///
/// # Errors
/// When the configuration is wrong; the message names the field.
pub fn chosen(
    config: &NodeConfig,
    node_name: Option<&str>,
) -> anyhow::Result<Vec<Arc<dyn Collector>>> {
    let mut all = all(config, node_name)?;
    for (field, chosen) in [("disable", &config.disable), ("enable", &config.enable)] {
        for (index, name) in chosen.iter().enumerate() {
            anyhow::ensure!(
                NODE_COLLECTORS.contains(&name.as_str()),
                "node.{field}[{index}]: {}",
                agent_config::unknown_collector(name)
            );
        }
    }
    let has = |names: &[String], known: &dyn Collector| names.iter().any(|n| n == known.name());
    all.retain(|known| {
        let on = !known.opt_in() || has(&config.enable, &**known);
        on && !has(&config.disable, &**known)
    });
    Ok(all)
}

/// Why a collector has nothing, or not all, to show.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A file could not be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file, as this process sees it.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A file held something else than the kernel documents.
    #[error("{file}: {problem}")]
    Malformed {
        /// The file, below its root.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The kernel or the hardware has none of it. Told as a failure, since `node_exporter` does,
    /// but not in the log: most machines lack something.
    #[error("this host has none: {0}")]
    Absent(Box<CollectError>),
}

impl CollectError {
    /// A file that holds something unexpected.
    pub fn malformed(file: &'static str, problem: impl Into<String>) -> Self {
        Self::Malformed {
            file,
            problem: problem.into(),
        }
    }

    /// Whether the file is not there, or the kernel says that it was built or started without
    /// what the file tells.
    pub fn is_absent(&self) -> bool {
        use std::io::ErrorKind::{NotFound, Unsupported};
        match self {
            Self::Read { source, .. } => matches!(source.kind(), NotFound | Unsupported),
            Self::Malformed { .. } => false,
            Self::Absent(_) => true,
        }
    }

    /// For files that a host may well lack: says so instead of failing.
    pub fn or_absent(self) -> Self {
        if self.is_absent() {
            return Self::Absent(Box::new(self));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::exposition::merge;
    use proptest::prelude::*;

    #[test]
    fn names_are_unique_and_sorted() {
        let all = all(&NodeConfig::default(), None).unwrap();
        let (textfile, others) = all.split_last().unwrap();
        assert!(others.is_sorted_by(|a, b| a.name() < b.name()));
        assert_eq!(textfile.name(), "textfile");
    }

    #[test]
    fn the_names_that_the_operator_checks_are_those_of_the_collectors() {
        let all = all(&NodeConfig::default(), None).unwrap();
        let names: Vec<&str> = all.iter().map(|known| known.name()).collect();
        assert_eq!(names, NODE_COLLECTORS);
        let opt_in = all.iter().filter(|known| known.opt_in());
        let names: Vec<&str> = opt_in.map(|known| known.name()).collect();
        assert_eq!(names, agent_config::OPT_IN_COLLECTORS);
    }

    /// Bytes that are often close to what the kernel writes.
    fn contents() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            any::<Vec<u8>>(),
            "(up|# TYPE up (gauge|counter)|up\\{a=\"[a-z]{0,3}\"\\}|Tcp: InSegs|Icmp6InMsgs|TCP: mem|some avg10=0 total=|\
              md0 : active raid1 a\\[0\\]|NMI:|1 \\(x\\) S|bond0|ID=)( *[0-9]{1,20}){0,20}\n"
                .prop_map(String::into_bytes),
            "(cpu[0-9]{0,3}|intr|ctxt|pgpgin|MemFree:|8 0 sda|lo:)?( *[0-9]{1,20}){0,20}( kB)?\n"
                .prop_map(String::into_bytes),
            "[0-9]{1,3} 1 [0-9]{1,12}:0 / /[a-z\\\\0-9]{0,9} (ro|rw) - ext4 .{0,5} rw\n"
                .prop_map(String::into_bytes),
        ];
        proptest::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_files_hold_every_collector_ends_with_well_formed_lines(
            contents in contents(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            for file in crate::agent::fuzz::NODE {
                let file = path.join(file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, &contents).unwrap();
            }
            let mut config = NodeConfig::default();
            config.textfile.directories = vec!["/textfile".to_owned()];
            let roots = Roots { proc: path.into(), sys: path.into(), rootfs: path.into() };
            for collector in all(&config, None).unwrap() {
                let mut out = Exposition::default();
                let _failed = collector.collect(&roots, &mut out).is_err();
                for line in merge([&out]).lines().filter(|line| !line.starts_with("# ")) {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    // What others write may have any name.
                    let own = series.starts_with("node_") || collector.name() == "textfile";
                    prop_assert!(own, "{}", line);
                    prop_assert!(value.parse::<f64>().is_ok(), "{}", line);
                }
            }
        }
    }
}
