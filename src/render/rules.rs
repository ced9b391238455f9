//! Rule files, spread over a fixed number of `ConfigMaps`: a `ConfigMap` holds one MiB at most, and
//! a pod template that named a growing number of them would roll the pods with every new rule.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value};

use super::{
    digest, meta,
    objects::{Objects, Stage},
};
use crate::{
    api::component::Component,
    resolve::{
        model::{RuleFile, RuleFiles, Stack},
        rules::SHARDS,
    },
};

/// The `ConfigMaps` of the shards that hold any file. Their data is made when it is asked for:
/// of thousands of rules few change at a time.
#[must_use]
pub fn objects(stack: &Stack, component: Component, files: &RuleFiles) -> Objects {
    let mut shards: BTreeMap<u8, Vec<_>> = BTreeMap::new();
    for (name, placed) in files {
        let shard = shards.entry(placed.shard).or_default();
        shard.push((name.clone(), placed.file.clone()));
    }
    let mut objects = Objects::default();
    for (shard, files) in shards {
        let map = ConfigMap {
            metadata: meta::owned(stack, component, shard_name(stack, component, shard)),
            ..ConfigMap::default()
        };
        let mut marks = Vec::new();
        for (name, file) in &files {
            // No name holds a NUL, so none can run into the next.
            marks.extend(name.bytes().chain([0]).chain(file.mark.to_le_bytes()));
        }
        let data = move || {
            let text = |(name, file): &(Arc<str>, Arc<RuleFile>)| {
                (name.to_string(), Value::String(file.text.clone()))
            };
            Value::Object(files.iter().map(text).collect::<Map<_, _>>())
        };
        objects.add_later(Stage::Config, &map, "data", digest::short(marks), data);
    }
    objects
}

/// A hash of which rules there are and what is in them.
#[must_use]
pub fn hash(files: &RuleFiles) -> String {
    let mut marks = Vec::new();
    for (name, placed) in files {
        marks.extend(
            name.bytes()
                .chain([0])
                .chain(placed.file.mark.to_le_bytes()),
        );
    }
    digest::short(marks)
}

/// The names of all shards, empty ones too.
pub fn shard_names(stack: &Stack, component: Component) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| shard_name(stack, component, shard))
}

fn shard_name(stack: &Stack, component: Component, shard: u8) -> String {
    format!("{}-rules-{shard}", stack.child_name(component))
}
