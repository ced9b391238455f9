//! What a source's entries are called, settled once before the first is sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use regex::bytes::Regex;
use serde::Deserialize;

use super::labels;
use super::plan::{Plan, regex};
use super::source::{Kind, Settled, Source};
use crate::agent::container::{Pod, Shared, Watch};
use crate::api::agent_config::{LogsConfig, PodMatch};

/// How long a new pod's lines wait for the API server to tell the pod's labels. They wait in their
/// files. One that is not told by then is named after its path, and that stays.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a source's labels should have been told by now.
pub fn is_late(source: &Source) -> bool {
    source.found.elapsed() >= PATIENCE
}

/// What is known about a pod.
#[derive(Debug, Default)]
pub struct Known {
    /// The label `app`.
    app: Option<String>,
    labels: BTreeMap<String, String>,
    multiline: Option<String>,
}

/// Settles a source, if that can be done now.
pub fn settle(source: &Source, plan: &Plan, told: &Shared, node: Option<&str>) -> Option<Settled> {
    match &source.kind {
        Kind::Pod {
            namespace,
            pod,
            uid,
            container,
        } => {
            // Rules that ask for labels are kept: without an answer nothing is sent that they might
            // leave out or redact.
            let asks = plan.asks_for_labels();
            let known = told.with(|told| match told.pods.get(uid) {
                Some(pod) => Some(Known::of(pod)),
                None if told.watch == Watch::None && !asks => Some(Known::default()),
                None => None,
            });
            let waited = (is_late(source) && !asks) || source.gone;
            let unknown = known.is_none() && asks;
            let known = known.or_else(|| waited.then(Known::default))?;
            // What an earlier run has settled stays, so that the same line has the same labels.
            let app = source.app.clone().or(known.app.clone());
            let app = app.unwrap_or_else(|| labels::app_of_name(pod).to_owned());
            let names = Names {
                namespace,
                pod,
                container,
                app: &app,
                node,
            };
            let mut settled = of_pod(&names, &known, plan);
            settled.unknown = unknown;
            settled.excluded |= unknown;
            Some(settled)
        }
        Kind::Docker { id } => {
            let known = DockerConfig::read(&source.folder);
            // Docker makes the folder first, and writes that a moment later.
            let waited = is_late(source) || source.gone;
            let known = known.or_else(|| waited.then(DockerConfig::default))?;
            Some(of_docker(source, id, known, plan, node))
        }
        Kind::Plain { config, .. } => {
            let config = plan.config.files.get(*config)?;
            let path = source.key.trim_start_matches("file:");
            let mut pairs = common(&plan.config, node);
            pairs.push(("filename".into(), path.into()));
            if !config.labels.contains_key("job") {
                pairs.push(("job".into(), super::tail::name(Path::new(path)).into()));
            }
            pairs.extend(
                config
                    .labels
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
            let text = text(&pairs);
            Some(Settled {
                labels: [(pairs.clone(), text.clone()), (pairs, text)],
                first: pattern(config.first_line.as_deref()),
                stages: plan.stages(None),
                tenant: plan.tenant(None),
                ..Settled::default()
            })
        }
        Kind::Journal => {
            let mut pairs = common(&plan.config, node);
            pairs.push(("job".into(), "systemd-journal".into()));
            let text = text(&pairs);
            Some(Settled {
                labels: [(pairs.clone(), text.clone()), (pairs, text)],
                stages: plan.stages(None),
                tenant: plan.tenant(None),
                units: plan.config.journal.clone().unwrap_or_default().units,
                ..Settled::default()
            })
        }
    }
}

struct Names<'a> {
    namespace: &'a str,
    pod: &'a str,
    container: &'a str,
    app: &'a str,
    node: Option<&'a str>,
}

fn of_pod(names: &Names<'_>, known: &Known, plan: &Plan) -> Settled {
    let fits = |matched: &PodMatch| fits(matched, names.namespace, names.container, &known.labels);
    let pods = plan.config.pods.clone().unwrap_or_default();
    let included = pods.include.is_empty() || pods.include.iter().any(fits);
    let mut first = known
        .multiline
        .as_deref()
        .and_then(|text| pattern(Some(text)));
    if first.is_none() {
        let rule = pods.multiline.iter().find(|rule| fits(&rule.pods));
        first = rule.and_then(|rule| pattern(Some(&rule.first_line)));
    }
    let mut pairs = common(&plan.config, names.node);
    let job = format!("{}/{}", names.namespace, names.app);
    for (name, value) in [
        ("namespace", names.namespace),
        ("pod", names.pod),
        ("container", names.container),
        ("app", names.app),
        ("job", &job),
    ] {
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Settled {
        app: names.app.to_owned(),
        labels: outputs(&pairs),
        first,
        stages: plan.stages(Some(&fits)),
        tenant: plan.tenant(Some(names.namespace)),
        rate: pods.limit.map(|limit| limit.bytes_per_second),
        units: Vec::new(),
        unknown: false,
        excluded: !included || pods.exclude.iter().any(fits),
    }
}

/// What Docker keeps about a container beside its log.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DockerConfig {
    name: String,
    config: DockerInner,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DockerInner {
    labels: Option<BTreeMap<String, String>>,
}

impl DockerConfig {
    /// As it is in a container's folder; none while it is not there or says no name.
    fn read(folder: &Path) -> Option<Self> {
        let bytes = std::fs::read(folder.join("config.v2.json")).ok()?;
        let read: Self = serde_json::from_slice(&bytes).ok()?;
        (!read.name.is_empty()).then_some(read)
    }
}

fn of_docker(
    source: &Source,
    id: &str,
    known: DockerConfig,
    plan: &Plan,
    node: Option<&str>,
) -> Settled {
    let name = known.name.trim_start_matches('/');
    let short = id.get(..12).unwrap_or(id);
    let container = if name.is_empty() { short } else { name };
    let given = known.config.labels.unwrap_or_default();
    let label = |name: &str| given.get(name).cloned();
    let project = label("com.docker.compose.project");
    let app = source
        .app
        .clone()
        .or_else(|| label("com.docker.compose.service"));
    let app = app.unwrap_or_else(|| container.to_owned());
    let mut pairs = common(&plan.config, node);
    pairs.push(("container".into(), container.to_owned()));
    pairs.push((
        "job".into(),
        format!("{}/{app}", project.as_deref().unwrap_or("docker")),
    ));
    pairs.push(("app".into(), app.clone()));
    let first = plan
        .config
        .docker
        .as_ref()
        .and_then(|docker| docker.first_line.as_deref());
    Settled {
        app,
        labels: outputs(&pairs),
        first: pattern(first),
        stages: plan.stages(None),
        tenant: plan.tenant(None),
        ..Settled::default()
    }
}

/// Labels of the configuration and the node, which those of the source may replace.
fn common(config: &LogsConfig, node: Option<&str>) -> Vec<(String, String)> {
    let own = config
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let node = node.map(|node| ("node_name".to_owned(), node.to_owned()));
    own.chain(node).collect()
}

fn outputs(pairs: &[(String, String)]) -> [(Vec<(String, String)>, String); 2] {
    ["stdout", "stderr"].map(|output| {
        let mut pairs = pairs.to_vec();
        pairs.push(("stream".into(), output.into()));
        let text = text(&pairs);
        (pairs, text)
    })
}

fn text(pairs: &[(String, String)]) -> String {
    labels::text(
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

/// Patterns of the configuration were tried when it was read; one of an annotation may be wrong.
fn pattern(text: Option<&str>) -> Option<Regex> {
    let text = text?;
    regex(text)
        .inspect_err(|error| tracing::warn!(pattern = text, %error, "no multiline: this is no regular expression"))
        .ok()
}

fn fits(
    matched: &PodMatch,
    namespace: &str,
    container: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let one_of =
        |names: &[String], name: &str| names.is_empty() || names.iter().any(|it| it == name);
    one_of(&matched.namespaces, namespace)
        && one_of(&matched.containers, container)
        && matched
            .match_labels
            .iter()
            .all(|(name, value)| labels.get(name) == Some(value))
}

impl Known {
    fn of(pod: &Pod) -> Self {
        Self {
            app: pod.app(),
            labels: pod.given.clone(),
            multiline: pod.multiline.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::logs::discover::Found;
    use crate::api::agent_config::{LokiConfig, Pattern, PodLogsConfig, StageConfig};
    use std::sync::Arc;
    use std::time::Instant;

    fn source() -> Source {
        let found = Found {
            key: "/pods/shop_web-0_u/app".into(),
            folder: "/pods/shop_web-0_u/app".into(),
            kind: Kind::Pod {
                namespace: "shop".into(),
                pod: "web-0".into(),
                uid: "u".into(),
                container: "app".into(),
            },
            within: [].into(),
            watch: None,
            files: Vec::new(),
        };
        let mut source = Source::new(0, &found, Arc::default());
        source.found = Instant::now().checked_sub(PATIENCE * 100).unwrap();
        source
    }

    fn plan(change: impl FnOnce(&mut LogsConfig)) -> Plan {
        let mut config = LogsConfig {
            loki: LokiConfig {
                url: "http://loki:3100".into(),
                ..LokiConfig::default()
            },
            pods: Some(PodLogsConfig::default()),
            ..LogsConfig::default()
        };
        change(&mut config);
        Plan::new(config).unwrap()
    }

    #[test]
    fn where_rules_ask_for_labels_nothing_goes_before_they_are_told() {
        let labelled = || PodMatch {
            match_labels: [("card".to_owned(), "yes".to_owned())].into(),
            ..PodMatch::default()
        };
        let asking = [
            plan(|config| {
                config.pods = Some(PodLogsConfig {
                    exclude: vec![labelled()],
                    ..PodLogsConfig::default()
                });
            }),
            plan(|config| {
                config.stages = vec![StageConfig::Drop(Pattern {
                    pods: Some(labelled()),
                    pattern: "x".into(),
                })];
            }),
        ];
        let told = Shared::default();
        let mut source = source();
        for watch in [Watch::None, Watch::Follows] {
            told.with(|told| told.watch = watch);
            for plan in &asking {
                assert!(settle(&source, plan, &told, None).is_none());
            }
        }
        // Nothing depends on them: the name in the path will do.
        let settled = settle(&source, &plan(|_| {}), &told, None).unwrap();
        assert_eq!((settled.app.as_str(), settled.excluded), ("web", false));
        // Nobody will ever tell of a pod that is no more.
        source.gone = true;
        for plan in &asking {
            let settled = settle(&source, plan, &told, None).unwrap();
            assert!(settled.unknown && settled.excluded);
        }
        source.gone = false;
        told.with(|told| {
            told.pods.insert(
                "u".into(),
                Pod {
                    given: labelled().match_labels,
                    ..Pod::default()
                },
            )
        });
        assert!(settle(&source, &asking[0], &told, None).unwrap().excluded);
        assert!(!settle(&source, &asking[1], &told, None).unwrap().excluded);
    }

    #[test]
    fn a_container_of_docker_waits_for_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = source();
        source.folder = folder.path().to_owned();
        source.kind = Kind::Docker {
            id: "4f".repeat(32),
        };
        let settled = |source: &Source| settle(source, &plan(|_| {}), &Shared::default(), None);
        let late = std::mem::replace(&mut source.found, Instant::now());
        let config = folder.path().join("config.v2.json");
        assert!(settled(&source).is_none());
        for unfinished in ["", r#"{"Name": ""}"#] {
            std::fs::write(&config, unfinished).unwrap();
            assert!(settled(&source).is_none(), "{unfinished}");
        }
        let labels =
            r#"{"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}"#;
        let text = format!(r#"{{"Name": "/shop-web-1", "Config": {{"Labels": {labels}}}}}"#);
        std::fs::write(&config, text).unwrap();
        let told = settled(&source).unwrap().labels[0].1.clone();
        let wanted = r#"{app="web", container="shop-web-1", job="shop/web", stream="stdout"}"#;
        assert_eq!(told, wanted);
        // One that never tells is sent under its id.
        std::fs::remove_file(&config).unwrap();
        source.found = late;
        assert_eq!(settled(&source).unwrap().app, "4f".repeat(6));
    }

    #[test]
    fn a_pods_pattern_takes_no_more_memory_than_one_of_the_configuration() {
        assert!(pattern(Some(r"^\d{4}-")).is_some());
        assert!(pattern(Some(r"(\w{1000}){100}")).is_none());
        assert!(pattern(Some("(")).is_none());
    }
}
