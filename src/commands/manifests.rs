//! YAML files as users keep them: several documents each, other kinds between ours.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    finding::{Finding, Source},
    schema,
};
use crate::{
    api::{self, defaults, rule::AlertRule, stack::MonitoringStack},
    resolve::{
        DASHBOARD_LABELS, Inputs,
        model::{Operator, SecretValue, Server},
        problem::Problem,
        prometheus_operator::objects::{self, Foreign},
        rules::{Reach, Traits, judge},
    },
};

/// An object and where it was read.
#[derive(Clone, Debug)]
pub struct Found<K> {
    /// Where.
    pub source: Source,
    /// The object.
    pub object: K,
    /// What a server would refuse in its specification.
    pub refused: Vec<Problem>,
}

/// The objects of a set of files.
#[derive(Debug, Default)]
pub struct Manifests {
    /// Stacks.
    pub stacks: Vec<Found<MonitoringStack>>,
    /// Rules.
    pub rules: Vec<Found<AlertRule>>,
    /// Secrets, which stacks may refer to.
    pub secrets: Vec<Secret>,
    /// `ConfigMaps` that are labelled as dashboards.
    pub dashboards: Vec<ConfigMap>,
    /// Namespaces, by whose labels stacks may select rules.
    pub namespaces: Vec<Namespace>,
    /// Objects of prometheus-operator's kinds, each with where it was read.
    pub foreign: Vec<(Source, Arc<Foreign>)>,
    /// What could not be read.
    pub findings: Vec<Finding>,
}

impl Manifests {
    /// Reads files and folders; `-` is standard input. An error is a file that cannot be read.
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut manifests = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("standard input")?;
                manifests.read_text("-", &text);
                continue;
            }
            for file in files(path)? {
                let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                manifests.read_text(&file.display().to_string(), &text);
            }
        }
        Ok(manifests)
    }

    /// Reads the documents of one file.
    pub fn read_text(&mut self, file: &str, text: &str) {
        for (line, document) in documents(text) {
            let line = line as u64;
            match serde_saphyr::from_str::<Value>(document) {
                Ok(value) => {
                    let source = Source {
                        file: file.to_owned(),
                        line,
                        document: serde_saphyr::from_str(document).ok().map(Arc::new),
                        within: String::new(),
                        title: String::new(),
                    };
                    self.take(source, value);
                }
                Err(error) => {
                    let place = error.location();
                    self.findings.push(Finding {
                        file: file.to_owned(),
                        line: line + place.map_or(0, |at| at.line() - 1),
                        column: place.map(|at| at.column()),
                        message: error.without_snippet().to_string(),
                    });
                }
            }
        }
    }

    fn take(&mut self, mut source: Source, mut value: Value) {
        let text = |field: &str| value.pointer(field).and_then(Value::as_str);
        let kind = text("/kind").unwrap_or_default().to_owned();
        let name = text("/metadata/name").unwrap_or("without a name");
        source.title = format!("{kind} {name}");
        let api_version = text("/apiVersion").unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        match (group, kind.as_str()) {
            (api::GROUP, "MonitoringStack" | "AlertRule") if version != api::VERSION => {
                let (group, right) = (api::GROUP, api::VERSION);
                let message =
                    format!("there is no {group}/{version}: write apiVersion: {group}/{right}");
                self.findings.push(source.at("apiVersion", message));
            }
            (api::GROUP, "MonitoringStack") => {
                let stack = self.decode(source, &kind, value);
                self.stacks.extend(stack);
            }
            (api::GROUP, "AlertRule") => {
                let rule = self.decode(source, &kind, value);
                self.rules.extend(rule);
            }
            (api::GROUP, kind) => {
                let message = format!(
                    "{} has no kind {kind:?}: there are MonitoringStack and AlertRule",
                    api::GROUP
                );
                self.findings.push(source.finding(message));
            }
            (objects::GROUP, _) => {
                let object = Foreign::from_manifest(value).map(Arc::new);
                self.foreign.extend(object.map(|object| (source, object)));
            }
            ("", "Secret") => {
                let secret = self.decode::<Secret>(source, &kind, value);
                self.secrets.extend(secret.map(|found| found.object));
            }
            ("", "ConfigMap") if is_dashboard(&value) => {
                let map = self.decode::<ConfigMap>(source, &kind, value);
                self.dashboards.extend(map.map(|found| found.object));
            }
            ("", "Namespace") => {
                self.namespaces
                    .extend(serde_json::from_value::<Namespace>(value));
            }
            // What `kubectl get -o yaml` prints for several objects.
            ("", "List") => {
                let items = value.get_mut("items").and_then(Value::as_array_mut);
                for (index, item) in items.into_iter().flatten().enumerate() {
                    let mut source = source.clone();
                    source.within = format!("{}.items[{index}]", source.within);
                    self.take(source, item.take());
                }
            }
            _ => {}
        }
    }

    /// Decodes one object; what a server would refuse, or drop without a word, is a finding.
    fn decode<K: DeserializeOwned>(
        &mut self,
        source: Source,
        kind: &str,
        value: Value,
    ) -> Option<Found<K>> {
        let refused = schema::problems(kind, &value);
        self.findings
            .extend(refused.iter().map(|problem| source.problem(problem)));
        let mut unknown = Vec::new();
        let ignored = |path: serde_ignored::Path<'_>| {
            // An Option on the way is a question mark to the library, nothing to the user.
            let path = path.to_string().replace(".?", "");
            // The first two chose the type; the schema has looked at the last.
            if path != "apiVersion" && path != "kind" && !path.starts_with("spec.") {
                unknown.push(Problem::new(path, "there is no such field"));
            }
        };
        let decoded = serde_ignored::deserialize(value, ignored);
        self.findings
            .extend(unknown.iter().map(|problem| source.problem(problem)));
        match decoded {
            Ok(object) => Some(Found {
                source,
                object,
                refused,
            }),
            // The schema has said it better.
            Err(_) if !refused.is_empty() => None,
            Err(error) => {
                self.findings.push(source.finding(error));
                None
            }
        }
    }

    /// What a stack would find in a cluster that holds just these files.
    pub fn inputs(&self, stack: &MonitoringStack, image: &str) -> Inputs {
        let namespace = stack.namespace();
        let namespace = namespace.as_deref();
        let reach = self.reach(stack);
        let here = |other: Option<&str>| other.is_none() || other == namespace;
        Inputs {
            operator: Operator {
                image: image.to_owned(),
                namespace: "masthead-system".into(),
                role_prefix: "masthead".into(),
                cluster_domain: "cluster.local".into(),
                metrics_service: Some("masthead-metrics".into()),
                runbooks: crate::api::defaults::RUNBOOKS.into(),
                cluster_wide: true,
                host_logs: Some(defaults::HOST_LOGS.to_owned()),
            },
            server: Server {
                policy_v1: true,
                endpoint_slices: true,
                traefik: true,
            },
            secrets: self
                .secrets
                .iter()
                .filter(|secret| here(secret.namespace().as_deref()))
                .map(|secret| (secret.name_any(), secret_data(secret)))
                .collect(),
            assume_secrets: true,
            grafana_admin: None,
            grafana_applied: None,
            dashboards: self
                .dashboards
                .iter()
                .filter(|map| here(map.namespace().as_deref()))
                .map(|map| {
                    let mut map = map.clone();
                    map.metadata.namespace = namespace.map(ToOwned::to_owned);
                    Arc::new(map)
                })
                .collect(),
            fresh_password: SecretValue(b"generated-in-the-cluster".to_vec()),
            rules: self
                .rules
                .iter()
                .filter(|rule| reach.takes(&Traits::of(&rule.object.metadata, None)))
                .map(|rule| Arc::new(judge(&rule.object)))
                .collect(),
            barred: BTreeMap::new(),
            prometheus_operator: objects::Inputs::default(),
            namespaces: None,
        }
    }
}

/// Whether an object has a label that makes it a dashboard.
fn is_dashboard(value: &Value) -> bool {
    DASHBOARD_LABELS.iter().any(|(name, wanted)| {
        let label = value
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(name));
        label.and_then(Value::as_str) == Some(wanted)
    })
}

impl Manifests {
    /// Whose rules a stack takes, as far as these files tell.
    fn reach(&self, stack: &MonitoringStack) -> Reach {
        let selector = stack
            .spec
            .alerting
            .as_ref()
            .and_then(|it| it.rules.as_ref());
        let wanted = selector.and_then(|it| Some(&it.namespaces.as_ref()?.match_labels));
        let has = |namespace: &&Namespace| {
            let labels = namespace.metadata.labels.as_ref();
            wanted.is_some_and(|wanted| {
                wanted
                    .iter()
                    .all(|(name, value)| labels.and_then(|all| all.get(name)) == Some(&value.0))
            })
        };
        let labelled = self
            .namespaces
            .iter()
            .filter(has)
            .map(ResourceExt::name_any);
        Reach::of(stack, labelled.collect())
    }
}

/// The data of a Secret, `stringData` included: a server would have merged it.
fn secret_data(secret: &Secret) -> BTreeMap<String, SecretValue> {
    let binary = secret
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.0.clone()));
    let text = secret.string_data.iter().flatten();
    let text = text.map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    binary
        .chain(text)
        .map(|(key, value)| (key, SecretValue(value)))
        .collect()
}

/// The YAML files below a path, in order of their names.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "yml")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The documents of a file, each with the number of its first line. Empty ones are left out.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut first, mut offset) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let end = offset + line.len();
        if line.trim_end() == "---" || line.starts_with("--- ") {
            found.push((first, text.get(start..offset).unwrap_or_default()));
            (start, first) = (end, number + 2);
        }
        offset = end;
    }
    found.push((first, text.get(start..).unwrap_or_default()));
    found.retain(|(_, document)| {
        document
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Manifests, documents};

    #[test]
    fn documents_know_their_first_line() {
        let text = "# head\n---\na: 1\n---\n# nothing\n---\nb: 2\n";
        assert_eq!(documents(text), [(3, "a: 1\n"), (7, "b: 2\n")]);
    }

    fn said(text: &str) -> Vec<String> {
        let mut manifests = Manifests::default();
        manifests.read_text("f.yaml", text);
        manifests.findings.iter().map(ToString::to_string).collect()
    }

    const STACK: &str = "apiVersion: masthead.dev/v1alpha1\nkind: MonitoringStack\n";

    #[test]
    fn a_field_that_does_not_exist_is_found_where_it_stands() {
        let text =
            format!("# head\n---\n{STACK}metadata: {{name: a, nmae: b}}\nspec: {{metrcs: {{}}}}\n");
        let mut said = said(&text);
        assert!(said[0].starts_with(
            "f.yaml:6:8: MonitoringStack a: spec.metrcs: there is no such field; there are agent, "
        ));
        assert_eq!(
            said.split_off(1),
            ["f.yaml:5:21: MonitoringStack a: metadata.nmae: there is no such field"]
        );
    }

    #[test]
    fn what_cannot_be_decoded_is_told_by_the_schema_alone() {
        let text = format!("{STACK}metadata: {{name: a}}\nspec:\n  metrics:\n    replicas: two\n");
        assert_eq!(
            said(&text),
            ["f.yaml:6:5: MonitoringStack a: spec.metrics.replicas: \
              a whole number is needed, not the text \"two\""]
        );
    }

    #[test]
    fn the_items_of_a_list_are_read_like_documents() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: masthead.dev/v1alpha1\n  \
                    kind: AlertRule\n  metadata: {name: r}\n  spec: {rules: []}\n";
        assert_eq!(
            said(text),
            ["f.yaml:7:10: AlertRule r: spec.rules: is empty"]
        );
    }

    #[test]
    fn a_version_and_a_kind_that_do_not_exist_are_told() {
        let text = "apiVersion: masthead.dev/v1\nkind: AlertRule\nmetadata: {name: r}\n---\n\
                    apiVersion: masthead.dev/v1alpha1\nkind: AlertRules\n";
        assert_eq!(
            said(text),
            [
                "f.yaml:1:1: AlertRule r: there is no masthead.dev/v1: write apiVersion: masthead.dev/v1alpha1",
                "f.yaml:6:1: AlertRules without a name: masthead.dev has no kind \"AlertRules\": \
                 there are MonitoringStack and AlertRule",
            ]
        );
    }

    #[test]
    fn broken_yaml_names_its_line_and_column() {
        let said = &said("a: 1\n---\nb: [1\nc: 2\n")[0];
        assert!(
            said.starts_with("f.yaml:4:") || said.starts_with("f.yaml:3:"),
            "{said}"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            Manifests::default().read_text("f.yaml", &text);
        }
    }
}
