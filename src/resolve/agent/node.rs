//! `spec.agent.node`: a wrong piece of it leaves the collectors at their defaults there.

use crate::{
    api::{
        agent::{DevicesSpec, FilterSpec, HostPath, NodeCollectorSpec},
        agent_config::{
            self, DevicesConfig, FilesystemConfig, FilterConfig, NODE_COLLECTORS, NodeConfig,
            TextfileConfig,
        },
    },
    resolve::problem::Problem,
};

const FIELD: &str = "spec.agent.node";

/// The node collectors' configuration; none when they are off.
pub fn resolve(node: &NodeCollectorSpec, problems: &mut Vec<Problem>) -> Option<NodeConfig> {
    if !node.enabled.unwrap_or(true) {
        return None;
    }
    let filesystem = node.filesystem.clone().unwrap_or_default();
    let textfile = node.textfile.clone().unwrap_or_default();
    Some(NodeConfig {
        disable: names("disable", &node.disable, problems),
        enable: names("enable", &node.enable, problems),
        diskstats: devices("diskstats", node.diskstats.as_ref(), problems),
        filesystem: FilesystemConfig {
            mount_points: filter(
                "filesystem.mountPoints",
                filesystem.mount_points.as_ref(),
                problems,
            ),
            fs_types: filter("filesystem.fsTypes", filesystem.fs_types.as_ref(), problems),
        },
        netclass: devices("netclass", node.netclass.as_ref(), problems),
        netdev: devices("netdev", node.netdev.as_ref(), problems),
        textfile: TextfileConfig {
            directories: directories(&textfile.directories, problems),
        },
        ..NodeConfig::default()
    })
}

/// The names that are collectors'. An agent that got another would not start.
fn names(field: &str, given: &[String], problems: &mut Vec<Problem>) -> Vec<String> {
    let mut known = Vec::new();
    for (index, name) in given.iter().enumerate() {
        if NODE_COLLECTORS.contains(&name.as_str()) {
            known.push(name.clone());
        } else {
            problems.push(Problem::new(
                format!("{FIELD}.{field}[{index}]"),
                agent_config::unknown_collector(name),
            ));
        }
    }
    known
}

fn devices(
    collector: &str,
    given: Option<&DevicesSpec>,
    problems: &mut Vec<Problem>,
) -> DevicesConfig {
    let given = given.and_then(|given| given.devices.as_ref());
    DevicesConfig {
        devices: filter(&format!("{collector}.devices"), given, problems),
    }
}

/// The filter; the collector's default one when it is wrong.
fn filter(field: &str, given: Option<&FilterSpec>, problems: &mut Vec<Problem>) -> FilterConfig {
    let Some(given) = given else {
        return FilterConfig::default();
    };
    let field = format!("{FIELD}.{field}");
    if given.include.is_some() && given.exclude.is_some() {
        problems.push(Problem::new(field, "only one of include, exclude"));
        return FilterConfig::default();
    }
    let mut compiled = |key: &str, pattern: &Option<String>| {
        let text = pattern.as_ref()?;
        match agent_config::pattern(text) {
            Ok(_) => Some(text.clone()),
            Err(error) => {
                problems.push(Problem::new(
                    format!("{field}.{key}"),
                    refusal(text, &error),
                ));
                None
            }
        }
    };
    FilterConfig {
        include: compiled("include", &given.include),
        exclude: compiled("exclude", &given.exclude),
    }
}

/// The compiler's error draws the pattern over several lines; the last one says what is wrong.
fn refusal(text: &str, error: &regex::Error) -> String {
    let error = error.to_string();
    let last = error.lines().last().unwrap_or_default();
    let what = last.strip_prefix("error: ").unwrap_or(last);
    format!("{text:?} is not a regular expression: {what}")
}

/// The folders that a file's name on the node can stand for.
fn directories(given: &[HostPath], problems: &mut Vec<Problem>) -> Vec<String> {
    let mut taken = Vec::new();
    for (index, HostPath(path)) in given.iter().enumerate() {
        let is_plain = path.starts_with('/')
            && !path.contains('\0')
            && path.split('/').all(|part| part != "..");
        if is_plain {
            taken.push(path.clone());
        } else {
            problems.push(Problem::new(
                format!("{FIELD}.textfile.directories[{index}]"),
                format!(
                    "{path:?}: write a folder of the node from / on, without .., such as /var/lib/node_exporter/textfile"
                ),
            ));
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FilterSpec, NodeCollectorSpec, NodeConfig, Problem, filter};

    fn resolve(node: &str) -> (Option<NodeConfig>, Vec<String>) {
        let node: NodeCollectorSpec = serde_saphyr::from_str(node).unwrap();
        let mut problems = Vec::new();
        let config = super::resolve(&node, &mut problems);
        (config, problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn nothing_given_is_the_agents_default() {
        assert_eq!(resolve("{}"), (Some(NodeConfig::default()), vec![]));
        assert_eq!(resolve("{enabled: false}"), (None, vec![]));
    }

    #[test]
    fn what_is_given_reaches_the_agent() {
        let (config, problems) = resolve(
            "{disable: [arp], enable: [tcpstat], diskstats: {devices: {exclude: ^loop}},
              filesystem: {mountPoints: {exclude: ^/snap}, fsTypes: {include: '^(ext4|xfs)$'}},
              netclass: {devices: {include: ^eth}}, netdev: {devices: {include: ^en}},
              textfile: {directories: [/var/lib/textfile]}}",
        );
        assert!(problems.is_empty(), "{problems:?}");
        let config = config.unwrap();
        assert_eq!(
            (&*config.disable, &*config.enable),
            (&["arp".to_owned()][..], &["tcpstat".to_owned()][..])
        );
        assert_eq!(config.diskstats.devices.exclude.as_deref(), Some("^loop"));
        let filesystem = &config.filesystem;
        assert_eq!(filesystem.mount_points.exclude.as_deref(), Some("^/snap"));
        assert_eq!(filesystem.fs_types.include.as_deref(), Some("^(ext4|xfs)$"));
        assert_eq!(config.netclass.devices.include.as_deref(), Some("^eth"));
        assert_eq!(config.netdev.devices.include.as_deref(), Some("^en"));
        assert_eq!(config.textfile.directories, ["/var/lib/textfile"]);
    }

    #[test]
    fn each_wrong_piece_is_named_and_the_rest_goes_on() {
        let (config, problems) = resolve(
            "{disable: [cpu, gpu], enable: [numa], netdev: {devices: {include: '('}},
              netclass: {devices: {include: a, exclude: b}},
              textfile: {directories: [/a, b, /c/../d]}}",
        );
        let config = config.unwrap();
        assert_eq!(config.disable, ["cpu"]);
        assert_eq!(config.textfile.directories, ["/a"]);
        assert_eq!(config.netdev, super::DevicesConfig::default());
        let starts = [
            "spec.agent.node.disable[1]: no collector is named \"gpu\"; there are arp, bonding, ",
            "spec.agent.node.enable[0]: no collector is named \"numa\"; there are ",
            "spec.agent.node.netclass.devices: only one of include, exclude",
            "spec.agent.node.netdev.devices.include: \"(\" is not a regular expression: unclosed group",
            "spec.agent.node.textfile.directories[1]: \"b\": write a folder",
            "spec.agent.node.textfile.directories[2]: \"/c/../d\": write a folder",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }

    #[test]
    fn a_pattern_that_would_take_too_much_memory_is_refused() {
        let (_, problems) = resolve("{netdev: {devices: {include: '(.{1000}){1000}'}}}");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("size limit"), "{problems:?}");
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "\\PC{0,80}") {
            let given = FilterSpec { include: Some(pattern), exclude: None };
            let _filter = filter("netdev.devices", Some(&given), &mut Vec::new());
        }
    }
}
