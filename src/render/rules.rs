//! Rule files, spread over a fixed number of `ConfigMaps`: a `ConfigMap` holds one MiB at most, and
//! a pod template that named a growing number of them would roll the pods with every new rule.

use std::collections::BTreeMap;

use super::{
    config::{self, rule_group},
    digest, files,
    objects::{Objects, Stage},
};
use crate::{
    api::component::Component,
    resolve::model::{RuleFile, Stack},
};

/// How many `ConfigMaps` hold the rules of a component. It is part of the pod templates.
pub const SHARDS: u8 = 16;

/// The text of each rule file, by name.
#[must_use]
pub fn texts(rule_files: &BTreeMap<String, RuleFile>) -> BTreeMap<String, String> {
    rule_files
        .iter()
        .map(|(name, file)| (name.clone(), config::to_yaml(&rule_group::file(file))))
        .collect()
}

/// The `ConfigMaps` of the shards that hold any file.
#[must_use]
pub fn objects(stack: &Stack, component: Component, texts: BTreeMap<String, String>) -> Objects {
    let mut shards: BTreeMap<u8, BTreeMap<String, String>> = BTreeMap::new();
    for (name, text) in texts {
        let shard = digest::shard(&name, SHARDS);
        shards.entry(shard).or_default().insert(name, text);
    }
    let mut objects = Objects::default();
    for (shard, texts) in shards {
        let name = shard_name(stack, component, shard);
        objects.add(
            Stage::Config,
            &files::config_map(stack, component, name, texts),
        );
    }
    objects
}

/// The names of all shards, empty ones too.
pub fn shard_names(stack: &Stack, component: Component) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| shard_name(stack, component, shard))
}

fn shard_name(stack: &Stack, component: Component, shard: u8) -> String {
    format!("{}-rules-{shard}", stack.child_name(component))
}
