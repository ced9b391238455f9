//! Reading the agent's configuration file.

use std::path::Path;

use anyhow::Context;

use super::collector;
use crate::api::agent_config::{AgentConfig, ContainersConfig, NodeConfig};

/// Where Docker listens, unless told otherwise.
const DOCKER: &str = "/run/docker.sock";

/// Reads the configuration; without a file everything that the host offers is on.
///
/// # Errors
/// When the file cannot be read or is wrong; the message names the file and the field.
pub fn load(file: Option<&Path>) -> anyhow::Result<AgentConfig> {
    let Some(file) = file else {
        return Ok(AgentConfig {
            node: Some(NodeConfig::default()),
            containers: Some(ContainersConfig {
                docker: Some(DOCKER.to_owned()),
                ..ContainersConfig::default()
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
        let known: Vec<&str> = collector::all(None)
            .iter()
            .map(|known| known.name())
            .collect();
        for (index, name) in node.disable.iter().enumerate() {
            anyhow::ensure!(
                known.contains(&name.as_str()),
                "node.disable[{index}]: no collector is named {name:?}; there are {}",
                known.join(", ")
            );
        }
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

        let error = parse("node: {disabled: []}").unwrap_err().to_string();
        assert!(
            error.contains("disabled") && error.contains("disable"),
            "{error}"
        );
    }
}
