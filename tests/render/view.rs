//! Ways to look at rendered objects.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    core::v1::{ConfigMap, PodTemplateSpec},
};
use masthead::{
    render::{self, objects::Object},
    resolve::model::Stack,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Every object, in the order they are applied.
pub fn objects(stack: &Stack) -> Vec<Object> {
    render::render(stack).into_ordered()
}

/// The object of a kind and name, if it is rendered.
pub fn find(stack: &Stack, kind: &str, name: &str) -> Option<Object> {
    objects(stack)
        .into_iter()
        .find(|object| object.resource.kind == kind && object.name == name)
}

/// The typed object of a kind and name.
pub fn get<K: DeserializeOwned>(stack: &Stack, kind: &str, name: &str) -> K {
    let object = find(stack, kind, name).unwrap_or_else(|| panic!("no {kind} {name}"));
    serde_json::from_value(object.body.to_value()).unwrap()
}

/// The files in a `ConfigMap`, by name.
pub fn files(stack: &Stack, config_map: &str) -> BTreeMap<String, String> {
    let config_map: ConfigMap = get(stack, "ConfigMap", config_map);
    config_map.data.unwrap()
}

/// The text of a file in a `ConfigMap`.
pub fn file(stack: &Stack, config_map: &str, file: &str) -> String {
    files(stack, config_map).remove(file).unwrap()
}

/// A configuration file, read.
pub fn config(stack: &Stack, config_map: &str, name: &str) -> Value {
    serde_saphyr::from_str(&file(stack, config_map, name)).unwrap()
}

/// The pod template of every workload, by the workload's name.
pub fn templates(stack: &Stack) -> Vec<(String, PodTemplateSpec)> {
    let template = |object: &Object| {
        let body = object.body.to_value();
        match object.resource.kind.as_str() {
            "StatefulSet" => read::<StatefulSet>(body).spec.map(|spec| spec.template),
            "Deployment" => read::<Deployment>(body).spec.map(|spec| spec.template),
            "DaemonSet" => read::<DaemonSet>(body).spec.map(|spec| spec.template),
            _ => None,
        }
    };
    objects(stack)
        .iter()
        .filter_map(|object| Some((object.name.clone(), template(object)?)))
        .collect()
}

fn read<K: DeserializeOwned>(body: Value) -> K {
    serde_json::from_value(body).unwrap()
}
