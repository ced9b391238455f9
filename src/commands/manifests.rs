//! YAML files as users keep them: several documents each, other kinds between ours.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    api::{rule::AlertRule, stack::MonitoringStack},
    resolve::{
        Inputs,
        model::{Operator, SecretValue, Server},
    },
};

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// `file:line`, or `file:line:column` where the column is known.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// An object and where it was read.
#[derive(Clone, Debug)]
pub struct Found<K> {
    /// `file:line` of its first line.
    pub place: String,
    /// The object.
    pub object: K,
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
            match serde_saphyr::from_str::<Value>(document) {
                Ok(value) => self.take(format!("{file}:{line}"), value),
                Err(error) => {
                    let place = error.location().map_or(format!("{file}:{line}"), |at| {
                        format!("{file}:{}:{}", line as u64 + at.line() - 1, at.column())
                    });
                    let message = error.without_snippet().to_string();
                    self.findings.push(Finding { place, message });
                }
            }
        }
    }

    fn take(&mut self, place: String, value: Value) {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let ours = text("apiVersion")
            .split_once('/')
            .is_some_and(|(g, _)| g == crate::api::GROUP);
        match (ours, text("kind")) {
            (true, "MonitoringStack") => {
                let stack = self.decode(&place, value);
                self.stacks
                    .extend(stack.map(|object| Found { place, object }));
            }
            (true, "AlertRule") => {
                let rule = self.decode(&place, value);
                self.rules
                    .extend(rule.map(|object| Found { place, object }));
            }
            (false, "Secret") => {
                let secret = self.decode(&place, value);
                self.secrets.extend(secret);
            }
            (true, kind) => {
                let message = format!("{kind:?} is no kind of {}", crate::api::GROUP);
                self.findings.push(Finding { place, message });
            }
            (false, _) => {}
        }
    }

    /// Decodes one object; a field that its kind does not have is a finding, as on a server.
    fn decode<K: DeserializeOwned>(&mut self, place: &str, value: Value) -> Option<K> {
        let mut unknown = Vec::new();
        let ignored = |path: serde_ignored::Path<'_>| {
            // An Option on the way is a question mark to the library, nothing to the user.
            let path = path.to_string().replace(".?", "");
            // Known by then: they chose the type.
            if path != "apiVersion" && path != "kind" {
                unknown.push(path);
            }
        };
        match serde_ignored::deserialize(value, ignored) {
            Ok(object) => {
                self.findings
                    .extend(unknown.into_iter().map(|path| Finding {
                        place: place.to_owned(),
                        message: format!("{path}: there is no such field"),
                    }));
                Some(object)
            }
            Err(error) => {
                self.findings.push(Finding {
                    place: place.to_owned(),
                    message: error.to_string(),
                });
                None
            }
        }
    }

    /// What a stack would find in a cluster that holds just these files.
    pub fn inputs(&self, namespace: Option<&str>, image: &str) -> Inputs {
        let here = |other: Option<&str>| other.is_none() || other == namespace;
        Inputs {
            operator: Operator {
                image: image.to_owned(),
                namespace: "masthead-system".into(),
                role_prefix: "masthead".into(),
                cluster_domain: "cluster.local".into(),
                cluster_wide: true,
            },
            server: Server {
                policy_v1: true,
                endpoint_slices: true,
                claim_retention: true,
            },
            secrets: self
                .secrets
                .iter()
                .filter(|secret| here(secret.namespace().as_deref()))
                .map(|secret| (secret.name_any(), secret_data(secret)))
                .collect(),
            assume_secrets: true,
            grafana_admin: None,
            fresh_password: SecretValue(b"generated-in-the-cluster".to_vec()),
            rules: self
                .rules
                .iter()
                .filter(|rule| rule.object.namespace().as_deref() == namespace)
                .map(|rule| rule.object.clone())
                .collect(),
        }
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

    #[test]
    fn a_field_that_does_not_exist_is_found() {
        let mut manifests = Manifests::default();
        manifests.read_text(
            "f.yaml",
            "apiVersion: masthead.dev/v1alpha1\nkind: MonitoringStack\nmetadata: {name: a}\nspec: {metrcs: {}}\n",
        );
        assert_eq!(
            manifests.findings[0].to_string(),
            "f.yaml:1: spec.metrcs: there is no such field"
        );
        assert_eq!(manifests.stacks.len(), 1);
    }

    #[test]
    fn broken_yaml_names_its_line_and_column() {
        let mut manifests = Manifests::default();
        manifests.read_text("f.yaml", "a: 1\n---\nb: [1\nc: 2\n");
        let place = &manifests.findings[0].place;
        assert!(
            place.starts_with("f.yaml:4:") || place.starts_with("f.yaml:3:"),
            "{place}"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            Manifests::default().read_text("f.yaml", &text);
        }
    }
}
