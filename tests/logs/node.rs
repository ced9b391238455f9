//! A node: its log folders, the agent's state and its configuration.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use masthead::api::agent_config::{
    AgentConfig, FileLogsConfig, LogsConfig, LokiConfig, PodLogsConfig,
};

use crate::loki::Loki;

/// A node in a folder of its own.
pub struct Node {
    folder: tempfile::TempDir,
    agents: AtomicU32,
}

impl Node {
    /// A node whose agent ships its pods' lines to this Loki.
    pub fn new(loki: &Loki) -> Self {
        Self::with(loki, |_| {})
    }

    /// A node whose agent is configured otherwise.
    pub fn with(loki: &Loki, change: impl FnOnce(&mut LogsConfig)) -> Self {
        // Beside the project rather than in a tmpfs: inode numbers come back here.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let node = Self {
            folder,
            agents: AtomicU32::new(0),
        };
        fs::create_dir(node.path("pods")).unwrap();
        fs::create_dir(node.path("state")).unwrap();
        let mut logs = LogsConfig {
            loki: LokiConfig {
                url: loki.url(),
                ..LokiConfig::default()
            },
            state: text(&node.path("state")),
            pods: Some(PodLogsConfig {
                directory: text(&node.path("pods")),
                ..PodLogsConfig::default()
            }),
            ..LogsConfig::default()
        };
        change(&mut logs);
        node.configure(logs);
        node
    }

    /// Writes the agent's file as the kubelet does: another file in its place.
    pub fn configure(&self, logs: LogsConfig) {
        let config = AgentConfig {
            logs: Some(logs),
            ..AgentConfig::default()
        };
        let next = self.path("agent.yaml.next");
        fs::write(&next, serde_saphyr::to_string(&config).unwrap()).unwrap();
        fs::rename(next, self.path("agent.yaml")).unwrap();
    }

    /// The agent's configuration as it stands.
    pub fn config(&self) -> LogsConfig {
        let text = fs::read_to_string(self.path("agent.yaml")).unwrap();
        serde_saphyr::from_str::<AgentConfig>(&text)
            .unwrap()
            .logs
            .unwrap()
    }

    /// A path on the node.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of a container's logs, made.
    pub fn container(&self, pod: &str) -> PathBuf {
        let folder = self
            .path("pods")
            .join(format!("shop_{pod}_{}", uid(pod)))
            .join("main");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Takes a pod's folder away, as the kubelet does with a deleted pod.
    pub fn delete(&self, pod: &str) {
        fs::remove_dir_all(self.path("pods").join(format!("shop_{pod}_{}", uid(pod)))).unwrap();
    }

    /// A number of its own for each agent.
    pub fn next(&self) -> u32 {
        self.agents.fetch_add(1, Ordering::Relaxed)
    }
}

/// A uid that follows from the name.
fn uid(pod: &str) -> String {
    let sum = pod.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("0c1d2e3f-0000-4000-8000-{:012x}", sum & 0xffff_ffff_ffff)
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A plain file to ship.
pub fn file(path: &Path) -> FileLogsConfig {
    FileLogsConfig {
        path: text(path),
        labels: [("job".to_owned(), "files".to_owned())].into(),
        first_line: None,
    }
}
