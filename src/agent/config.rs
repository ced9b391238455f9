//! Reading the agent's configuration file, and following it.
//!
//! The operator delivers the file in a ConfigMap. The kubelet swaps the whole folder by one rename,
//! so a changed file is another file; it is looked at when somebody scrapes and never in between.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use prometheus::{IntCounter, IntGauge, Registry};

use super::collector;
use crate::api::agent_config::{
    AgentConfig, ContainersConfig, DockerLogsConfig, FileLogsConfig, JournalConfig, LogsConfig,
    NodeConfig, PodLogsConfig, PostgresConfig,
};

/// Where Docker listens, unless told otherwise.
const DOCKER: &str = "/run/docker.sock";
/// Where its own configuration is.
const DOCKER_CONFIG: &str = "/etc/docker/daemon.json";
/// Where container runtimes listen.
const CRI: [&str; 3] = [
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
];

/// Where the configuration comes from: a file, and flags that go before it.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file; none: everything that the host offers.
    pub path: Option<PathBuf>,
    /// Loki's address.
    pub loki: Option<String>,
    /// The folder that keeps how far logs are delivered.
    pub state: Option<PathBuf>,
}

/// The configuration as it is now.
#[derive(Debug)]
pub struct Live {
    source: Source,
    state: Mutex<State>,
    right: IntGauge,
    reloads: IntCounter,
}

#[derive(Debug)]
struct State {
    stamp: Option<Stamp>,
    config: Arc<AgentConfig>,
}

/// What tells one version of the file from the next.
type Stamp = (u64, u64, i64, i64, u64);

impl Live {
    /// Reads the configuration; without a file everything that the host offers is on.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong, or when the registry has the metrics already.
    pub fn load(source: Source, registry: &Registry) -> anyhow::Result<Self> {
        let live = Self {
            state: Mutex::new(State {
                stamp: source.path.as_deref().and_then(stamp),
                config: Arc::new(source.load()?),
            }),
            source,
            right: IntGauge::new(
                "masthead_agent_config_last_reload_successful",
                "Whether the configuration in use is the one in the file; 0 after a change that \
                 could not be read.",
            )?,
            reloads: IntCounter::new(
                "masthead_agent_config_reloads_total",
                "Changes of the configuration file since the start that were taken over.",
            )?,
        };
        live.right.set(1);
        registry.register(Box::new(live.right.clone()))?;
        registry.register(Box::new(live.reloads.clone()))?;
        Ok(live)
    }

    /// The configuration, read anew when the file has changed. When the change is wrong the last
    /// good one stays, which log and metrics say.
    pub fn current(&self) -> Arc<AgentConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.source.path else {
            return state.config.clone();
        };
        let stamp = stamp(path);
        if stamp == state.stamp {
            return state.config.clone();
        }
        state.stamp = stamp;
        let loaded = self.source.load();
        self.right.set(loaded.is_ok().into());
        match loaded {
            Ok(config) => {
                tracing::info!("the configuration has changed");
                self.reloads.inc();
                state.config = Arc::new(config);
            }
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "the changed configuration is wrong; the last good one stays in use"
            ),
        }
        state.config.clone()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    let changed = (file.mtime(), file.mtime_nsec());
    Some((file.dev(), file.ino(), changed.0, changed.1, file.len()))
}

impl Source {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When the file cannot be read or is wrong.
    pub fn load(&self) -> anyhow::Result<AgentConfig> {
        let mut config = load(self.path.as_deref())?;
        if let Some(loki) = &self.loki {
            let logs = config.logs.get_or_insert_with(everything);
            logs.loki.url.clone_from(loki);
        }
        if let (Some(logs), Some(state)) = (&mut config.logs, &self.state) {
            logs.state = state.to_string_lossy().into_owned();
        }
        if let Some(logs) = &config.logs {
            super::logs::check(logs)?;
        }
        Ok(config)
    }
}

/// The logs of a host: those of its containers, and those that are there by tradition.
fn everything() -> LogsConfig {
    let file = |path: &str| FileLogsConfig {
        path: path.to_owned(),
        ..FileLogsConfig::default()
    };
    LogsConfig {
        pods: Some(PodLogsConfig::default()),
        docker: Some(docker(&std::fs::read(DOCKER_CONFIG).unwrap_or_default())),
        files: ["/var/log/syslog", "/var/log/messages", "/var/log/auth.log"]
            .map(file)
            .into(),
        journal: Some(JournalConfig::default()),
        ..LogsConfig::default()
    }
}

/// Docker's containers, in the folder that its own configuration moves them to.
fn docker(daemon: &[u8]) -> DockerLogsConfig {
    let daemon: serde_json::Value = serde_json::from_slice(daemon).unwrap_or_default();
    let root = daemon.get("data-root").and_then(serde_json::Value::as_str);
    match root.filter(|root| root.starts_with('/')) {
        Some(root) => DockerLogsConfig {
            directory: format!("{}/containers", root.trim_end_matches('/')),
            ..DockerLogsConfig::default()
        },
        None => DockerLogsConfig::default(),
    }
}

fn is_there(path: &&str) -> bool {
    Path::new(path).exists()
}

fn load(file: Option<&Path>) -> anyhow::Result<AgentConfig> {
    let Some(file) = file else {
        return Ok(AgentConfig {
            node: Some(NodeConfig::default()),
            containers: Some(ContainersConfig {
                docker: Some(DOCKER.to_owned()),
                cri: CRI.into_iter().find(is_there).map(str::to_owned),
                ..ContainersConfig::default()
            }),
            // Without Loki's address there is nowhere to ship to.
            logs: None,
            postgres: Some(PostgresConfig {
                local: true,
                ..PostgresConfig::default()
            }),
        });
    };
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "--config {}: cannot be read; check the path and its mount",
            file.display()
        )
    })?;
    parse(&text).with_context(|| format!("--config {}", file.display()))
}

fn parse(text: &str) -> anyhow::Result<AgentConfig> {
    let config: AgentConfig = serde_saphyr::from_str(text)?;
    if let Some(node) = &config.node {
        collector::chosen(node, None)?;
    }
    let mut names = BTreeSet::new();
    let targets = config
        .postgres
        .iter()
        .flat_map(|postgres| &postgres.targets);
    for (index, target) in targets.enumerate() {
        anyhow::ensure!(
            !target.name.is_empty() && names.insert(&target.name),
            "postgres.targets[{index}].name: {:?} is empty or taken; each target has its own",
            target.name
        );
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_everything_is_on() {
        let config = load(None).unwrap();
        assert_eq!(config.node, Some(NodeConfig::default()));
        assert_eq!(config.containers.unwrap().docker.unwrap(), DOCKER);
    }

    #[test]
    fn dockers_logs_are_where_its_configuration_moves_them() {
        let folder = |daemon: &str| docker(daemon.as_bytes()).directory;
        assert_eq!(
            folder(r#"{"data-root": "/srv/docker/"}"#),
            "/srv/docker/containers"
        );
        for usual in ["", "{", r#"{"debug": true}"#, r#"{"data-root": 7}"#] {
            assert_eq!(folder(usual), "/var/lib/docker/containers");
        }
    }

    #[test]
    fn what_is_absent_is_off() {
        assert_eq!(parse("{}").unwrap(), AgentConfig::default());
        let config = parse("node:\n  disable: [netdev]\n").unwrap();
        assert_eq!(config.node.unwrap().disable, ["netdev"]);
    }

    #[test]
    fn errors_name_the_file_the_field_and_the_remedy() {
        let error = format!(
            "{:#}",
            load(Some(Path::new("/nowhere/agent.yaml"))).unwrap_err()
        );
        assert!(
            error.starts_with("--config /nowhere/agent.yaml: cannot be read"),
            "{error}"
        );

        let error = parse("node: {disable: [cpu, gpu]}")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("node.disable[1]: no collector is named \"gpu\""),
            "{error}"
        );
        assert!(error.contains("meminfo"), "{error}");

        let error = parse("node: {enable: [numa]}").unwrap_err().to_string();
        assert!(error.starts_with("node.enable[0]: "), "{error}");
        let error = parse("node: {netdev: {devices: {include: '['}}}").unwrap_err();
        assert!(
            error.to_string().starts_with("node.netdev.devices.include"),
            "{error:#}"
        );

        let error = parse("node: {disabled: []}").unwrap_err().to_string();
        assert!(
            error.contains("disabled") && error.contains("disable"),
            "{error}"
        );
    }

    #[test]
    fn a_change_is_taken_over_and_a_wrong_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.yaml");
        let (registry, current) = (Registry::new(), folder.path().join("..data"));
        // As the kubelet does it: the file is a link into a folder that is a link, which a rename
        // leads elsewhere.
        std::os::unix::fs::symlink("..data/agent.yaml", &path).unwrap();
        let deliver = |version: &str, text: &str| {
            let version = folder.path().join(version);
            std::fs::create_dir(&version).unwrap();
            std::fs::write(version.join("agent.yaml"), text).unwrap();
            let next = folder.path().join("..data_tmp");
            std::os::unix::fs::symlink(&version, &next).unwrap();
            std::fs::rename(&next, &current).unwrap();
        };
        deliver("1", "node: {disable: [cpu]}");
        let source = Source {
            path: Some(path),
            ..Source::default()
        };
        let live = Live::load(source, &registry).unwrap();
        let disabled = || live.current().node.as_ref().unwrap().disable.clone();
        assert_eq!(disabled(), ["cpu"]);
        assert!(Arc::ptr_eq(&live.current(), &live.current()));

        deliver("2", "node: {disable: [gpu]}");
        assert_eq!(disabled(), ["cpu"]);
        assert_eq!((live.right.get(), live.reloads.get()), (0, 0));
        deliver("3", "node: {disable: [arp]}");
        assert_eq!(disabled(), ["arp"]);
        assert_eq!((live.right.get(), live.reloads.get()), (1, 1));

        std::fs::remove_file(&current).unwrap();
        assert_eq!(disabled(), ["arp"]);
        assert_eq!(live.right.get(), 0);
    }
}
