//! Which names a collector shows: `node_exporter`'s default, or what the user wrote.

use anyhow::Context;
use regex::bytes::Regex;

use crate::api::agent_config::{self, FilterConfig};

/// Decides by name. The defaults are code rather than patterns: compiling and running patterns
/// that nobody wrote would cost memory and time at every scrape.
#[derive(Debug)]
pub enum Filter {
    /// Leaves out what the function says.
    Default(fn(&str) -> bool),
    /// Shows what matches.
    Include(Regex),
    /// Leaves out what matches.
    Exclude(Regex),
}

impl Filter {
    /// The user's choice, or the collector's default.
    ///
    /// # Errors
    /// When both are given or one is no pattern; the message names the field below `node`.
    pub fn new(
        config: &FilterConfig,
        field: &str,
        ignored_by_default: fn(&str) -> bool,
    ) -> anyhow::Result<Self> {
        let compile = |pattern: &str, key: &str| {
            agent_config::pattern(pattern)
                .with_context(|| format!("node.{field}.{key}: not a regular expression"))
        };
        match (&config.include, &config.exclude) {
            (None, None) => Ok(Self::Default(ignored_by_default)),
            (Some(pattern), None) => Ok(Self::Include(compile(pattern, "include")?)),
            (None, Some(pattern)) => Ok(Self::Exclude(compile(pattern, "exclude")?)),
            (Some(_), Some(_)) => anyhow::bail!(
                "node.{field}: include and exclude cannot both be given; leave one out"
            ),
        }
    }

    /// Whether the name is left out.
    pub fn ignores(&self, name: &str) -> bool {
        match self {
            Self::Default(ignored) => ignored(name),
            Self::Include(pattern) => !pattern.is_match(name.as_bytes()),
            Self::Exclude(pattern) => pattern.is_match(name.as_bytes()),
        }
    }
}

/// For collectors that leave nothing out by default.
pub fn nothing(_: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: Option<&str>, exclude: Option<&str>) -> anyhow::Result<Filter> {
        let config = FilterConfig {
            include: include.map(Into::into),
            exclude: exclude.map(Into::into),
        };
        Filter::new(&config, "netdev.devices", |name| name == "lo")
    }

    #[test]
    fn a_pattern_matches_anywhere_and_replaces_the_default() {
        let exclude = filter(None, Some("^veth\\d+|docker")).unwrap();
        assert!(exclude.ignores("veth12") && exclude.ignores("mydocker0"));
        assert!(!exclude.ignores("lo") && !exclude.ignores("eth0"));
        let include = filter(Some("th0$"), None).unwrap();
        assert!(include.ignores("lo") && !include.ignores("eth0"));
        let default = filter(None, None).unwrap();
        assert!(default.ignores("lo") && !default.ignores("veth12"));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let error = format!("{:#}", filter(None, Some("(")).unwrap_err());
        assert!(
            error.starts_with("node.netdev.devices.exclude: not a regular expression: "),
            "{error}"
        );
        let error = filter(Some("a"), Some("b")).unwrap_err().to_string();
        assert!(
            error.starts_with("node.netdev.devices: include and exclude"),
            "{error}"
        );
    }
}
