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
