//! Referenced Secrets: which a stack names, and what they hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inputs, external_loki, model::SecretValue, problem::Problem};
use crate::api::{stack::MonitoringStack, value::SecretKeyRef};

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
    for receiver in spec
        .alerting
        .iter()
        .flat_map(|alerting| &alerting.receivers)
    {
        let chat = receiver
            .slack
            .as_ref()
            .map(|slack| &slack.webhook_secret_ref);
        let email = receiver
            .email
            .as_ref()
            .and_then(|email| email.password_secret_ref.as_ref());
        let webhook = receiver
            .webhook
            .as_ref()
            .and_then(|webhook| webhook.url_secret_ref.as_ref());
        [chat, email, webhook]
            .into_iter()
            .flatten()
            .for_each(|key| add(&key.name.0));
    }
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
        let (name, key) = (&reference.name.0, &reference.key);
        let Some(data) = self.inputs.secrets.get(name) else {
            if self.inputs.assume_secrets {
                return Ok(file);
            }
            let message = format!("there is no Secret {name:?} in this namespace");
            return Err(Problem::new(field, message));
        };
        let message = match data.get(key) {
            Some(value) if !value.0.is_empty() => {
                self.files.insert(file.clone(), value.clone());
                return Ok(file);
            }
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
