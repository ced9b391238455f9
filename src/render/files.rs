//! `ConfigMaps` and Secrets whose values are files of a pod.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};

use super::meta;
use crate::{
    api::component::Component,
    resolve::model::{SecretValue, Stack},
};

/// A `ConfigMap` with files by name.
#[must_use]
pub fn config_map(
    stack: &Stack,
    component: Component,
    name: String,
    files: BTreeMap<String, String>,
) -> ConfigMap {
    ConfigMap {
        metadata: meta::owned(stack, component, name),
        data: Some(files),
        ..ConfigMap::default()
    }
}

/// The component's one configuration file, in a `ConfigMap` of the component's name.
#[must_use]
pub fn config_file(stack: &Stack, component: Component, file: &str, text: String) -> ConfigMap {
    let files = BTreeMap::from([(file.to_owned(), text)]);
    config_map(stack, component, stack.child_name(component), files)
}

/// A Secret with files by name.
#[must_use]
pub fn secret(
    stack: &Stack,
    component: Component,
    name: String,
    files: BTreeMap<String, SecretValue>,
) -> Secret {
    let data = files
        .into_iter()
        .map(|(name, SecretValue(value))| (name, ByteString(value)))
        .collect();
    Secret {
        metadata: meta::owned(stack, component, name),
        type_: Some("Opaque".into()),
        data: Some(data),
        ..Secret::default()
    }
}

/// The name of the Secret with a component's secret files.
#[must_use]
pub fn secrets_name(stack: &Stack, component: Component) -> String {
    format!("{}-secrets", stack.child_name(component))
}
