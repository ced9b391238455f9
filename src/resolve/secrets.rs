//! Referenced Secrets: which a stack names, and what they hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inputs, external_loki, model::SecretValue, postgres, problem::Problem};
use crate::api::{
    alerting::{external::External, receiver::Receiver},
    stack::MonitoringStack,
    value::SecretKeyRef,
};

/// The names of the Secrets that a stack refers to, all in its own namespace.
#[must_use]
pub fn references(stack: &MonitoringStack) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let spec = &stack.spec;
    let mut add = |name: &str| {
        names.insert(name.to_owned());
    };
    for write in spec
        .metrics
        .iter()
        .flat_map(|metrics| &metrics.remote_write)
    {
        write
            .basic_auth
            .iter()
            .for_each(|auth| add(&auth.password_secret_ref.name.0));
    }
    if let Some(alerting) = &spec.alerting {
        let receivers = alerting.receivers.iter().flat_map(Receiver::secret_refs);
        let external = alerting.external.iter().flat_map(External::secret_refs);
        receivers.chain(external).for_each(|key| add(&key.name.0));
    }
    let postgres = spec
        .agent
        .as_ref()
        .and_then(|agent| agent.postgres.as_ref());
    postgres
        .into_iter()
        .flat_map(postgres::references)
        .for_each(|name| add(&name.0));
    spec.image_pull_secrets
        .iter()
        .for_each(|secret| add(&secret.name.0));
    if let Some(admin) = spec
        .dashboards
        .as_ref()
        .and_then(|it| it.admin_secret_ref.as_ref())
    {
        add(&admin.name.0);
    }
    names.extend(external_loki::secret_names(spec));
    names
}

/// The names of the Secrets that pull images. All of them reach the pods: a kubelet takes what it
/// finds, and tells nobody about what it does not.
pub fn image_pull_secrets(
    stack: &MonitoringStack,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    const KEYS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];
    let mut names = Vec::new();
    for (index, secret) in stack.spec.image_pull_secrets.iter().enumerate() {
        let name = &secret.name.0;
        names.push(name.clone());
        let message = match inputs.secrets.get(name) {
            None if inputs.assume_secrets => continue,
            None => format!("there is no Secret {name:?} in this namespace"),
            Some(data) if KEYS.iter().any(|key| data.contains_key(*key)) => continue,
            Some(_) => format!(
                "the Secret {name:?} pulls no image: make it with kubectl create secret docker-registry"
            ),
        };
        problems.push(Problem::new(
            format!("spec.imagePullSecrets[{index}]"),
            message,
        ));
    }
    names
}

/// The files of one component's own Secret, filled from the Secrets a stack refers to.
pub struct SecretFiles<'a> {
    inputs: &'a Inputs,
    files: BTreeMap<String, SecretValue>,
}

impl<'a> SecretFiles<'a> {
    /// No files yet.
    pub fn new(inputs: &'a Inputs) -> Self {
        Self {
            inputs,
            files: BTreeMap::new(),
        }
    }

    /// Copies one key into a file; the problem says what is missing and never holds a value.
    pub fn copy(
        &mut self,
        file: String,
        field: String,
        reference: &SecretKeyRef,
    ) -> Result<String, Problem> {
        self.copy_if(file, field, reference, |_| None)
    }

    /// Copies one key into a file unless something is wrong with its value: `check` says what,
    /// without a word of it.
    pub fn copy_if(
        &mut self,
        file: String,
        field: String,
        reference: &SecretKeyRef,
        check: impl FnOnce(&[u8]) -> Option<String>,
    ) -> Result<String, Problem> {
        let (name, key) = (&reference.name.0, &reference.key);
        let Some(data) = self.inputs.secrets.get(name) else {
            if self.inputs.assume_secrets {
                return Ok(file);
            }
            let message = format!("there is no Secret {name:?} in this namespace");
            return Err(Problem::new(field, message));
        };
        let message = match data.get(key) {
            Some(value) if !value.0.is_empty() => match check(&value.0) {
                None => {
                    self.files.insert(file.clone(), value.clone());
                    return Ok(file);
                }
                Some(wrong) => format!("the key {key:?} of the Secret {name:?} {wrong}"),
            },
            Some(_) => format!("the key {key:?} of the Secret {name:?} is empty"),
            None => format!("the Secret {name:?} has no key {key:?}"),
        };
        Err(Problem::new(field, message))
    }

    /// The files by name.
    pub fn into_files(self) -> BTreeMap<String, SecretValue> {
        self.files
    }
}
