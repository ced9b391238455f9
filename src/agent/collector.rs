//! What a collector is, and the table of all of them.
//!
//! A new collector is one new file below `host/` and one line in [`all`]. Switching off by name,
//! deadline, duration and success come from here and from [`super::node`].

use std::path::PathBuf;
use std::sync::Arc;

use super::exposition::Exposition;
use super::host;
use super::roots::Roots;

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
}

/// Every collector there is.
///
/// `node_name` stands for the host's name where the host's own cannot be read.
pub fn all(node_name: Option<&str>) -> Vec<Arc<dyn Collector>> {
    vec![
        Arc::new(host::cpu::Cpu::default()),
        Arc::new(host::diskstats::Diskstats),
        Arc::new(host::filesystem::Filesystem::default()),
        Arc::new(host::loadavg::Loadavg),
        Arc::new(host::meminfo::Meminfo),
        Arc::new(host::netdev::Netdev),
        Arc::new(host::stat::Stat),
        Arc::new(host::time::Time),
        Arc::new(host::uname::Uname::new(node_name)),
        Arc::new(host::vmstat::Vmstat),
    ]
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
}

impl CollectError {
    /// A file that holds something unexpected.
    pub fn malformed(file: &'static str, problem: impl Into<String>) -> Self {
        Self::Malformed {
            file,
            problem: problem.into(),
        }
    }

    /// Whether the file is simply not there: the kernel or the hardware lacks the feature.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::exposition::merge;
    use proptest::prelude::*;

    #[test]
    fn names_are_unique_and_sorted() {
        let all = all(None);
        assert!(all.is_sorted_by(|a, b| a.name() < b.name()));
    }

    /// Bytes that are often close to what the kernel writes.
    fn contents() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            any::<Vec<u8>>(),
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
            std::fs::create_dir_all(path.join("1/net")).unwrap();
            let clocksource = path.join("devices/system/clocksource/clocksource0");
            std::fs::create_dir_all(&clocksource).unwrap();
            std::fs::create_dir_all(path.join("devices/system/cpu")).unwrap();
            std::fs::create_dir_all(path.join("etc")).unwrap();
            for file in [
                "stat", "meminfo", "loadavg", "diskstats", "vmstat", "1/mountinfo", "1/net/dev",
                "etc/hostname", "etc/localtime", "devices/system/cpu/isolated",
            ] {
                std::fs::write(path.join(file), &contents).unwrap();
            }
            for file in ["available_clocksource", "current_clocksource"] {
                std::fs::write(clocksource.join(file), &contents).unwrap();
            }
            let roots = Roots { proc: path.into(), sys: path.into(), rootfs: path.into() };
            for collector in all(None) {
                let mut out = Exposition::default();
                let _failed = collector.collect(&roots, &mut out).is_err();
                for line in merge([&out]).lines().filter(|line| !line.starts_with("# ")) {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    prop_assert!(series.starts_with("node_"), "{}", line);
                    prop_assert!(value.parse::<f64>().is_ok(), "{}", line);
                }
            }
        }
    }
}
