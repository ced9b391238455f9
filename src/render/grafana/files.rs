//! Grafana's provisioning files and dashboards, and how its pod sees them.

use std::{collections::BTreeMap, iter};

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, KeyToPath, Volume, VolumeMount};

use super::{
    super::{
        config::{self, grafana::DataSources},
        dashboards::{self, FOLDER, board::Dashboard},
        digest, files,
        objects::{Objects, Stage},
        volume,
    },
    COMPONENT,
};
use crate::resolve::{
    SHARDS,
    model::{Grafana, Stack},
};

const DATA_SOURCES: &str = "datasources.yaml";
const PROVIDERS: &str = "dashboards.yaml";
/// Where the dashboards are, each `ConfigMap` in a folder of its own.
const DASHBOARDS_DIR: &str = "/etc/grafana/dashboards";
const SHIPPED: &str = "shipped";
/// The dashboard that people see first.
const HOME: &str = "overview";

/// The files that Grafana reads at its start, and again when it is told to.
pub struct Provisioning {
    /// The texts by name.
    texts: BTreeMap<String, String>,
    /// Tells these files from others.
    pub hash: String,
    /// The data source that holds the hash once it is loaded.
    pub source: Option<&'static str>,
}

impl Provisioning {
    /// The files of a stack.
    pub fn of(stack: &Stack, grafana: &Grafana) -> Self {
        let sources: DataSources = config::grafana::data_sources(stack, grafana);
        let providers = config::to_yaml(&providers(stack, grafana));
        let hash = digest::short([&config::to_yaml(&sources), "\0", &providers].concat());
        let source = sources.first();
        let sources = config::to_yaml(&sources.marked(&hash));
        Self {
            texts: BTreeMap::from([
                (DATA_SOURCES.to_owned(), sources),
                (PROVIDERS.to_owned(), providers),
            ]),
            hash,
            source,
        }
    }
}

/// One for the dashboards of the stack, and one for each shard of users' dashboards.
fn providers(stack: &Stack, grafana: &Grafana) -> config::grafana::Providers {
    let provider = |name: String, folder: &str| {
        let path = format!("{DASHBOARDS_DIR}/{name}");
        (name, folder.to_owned(), path)
    };
    let shipped = (!dashboards::shipped(stack, grafana).is_empty())
        .then(|| provider(SHIPPED.to_owned(), FOLDER));
    let users = grafana
        .shards
        .iter()
        .map(|(shard, of)| provider(shard.to_string(), &of.folder));
    config::grafana::providers(shipped.into_iter().chain(users))
}

/// The `ConfigMaps` with the files and the dashboards.
pub fn objects(stack: &Stack, grafana: &Grafana) -> Objects {
    let mut objects = Objects::default();
    let mut add = |name: String, texts: BTreeMap<String, String>| {
        let map = files::config_map(stack, COMPONENT, name, texts);
        objects.add(Stage::Config, &map);
    };
    let texts = Provisioning::of(stack, grafana).texts;
    add(stack.child_name(COMPONENT), texts);
    let shipped: BTreeMap<_, _> = dashboards::shipped(stack, grafana)
        .iter()
        .map(|dashboard| (file_name(dashboard), dashboard.json().to_string()))
        .collect();
    if !shipped.is_empty() {
        add(map_name(stack, SHIPPED), shipped);
    }
    for (shard, dashboards) in &grafana.shards {
        add(
            map_name(stack, &shard.to_string()),
            dashboards.files.clone(),
        );
    }
    objects
}

fn file_name(dashboard: &Dashboard) -> String {
    format!("{}.json", dashboard.uid())
}

fn map_name(stack: &Stack, part: &str) -> String {
    format!("{}-dashboards-{part}", stack.child_name(COMPONENT))
}

/// The file of the dashboard that people see first, if it is there.
pub fn home(stack: &Stack, grafana: &Grafana) -> Option<String> {
    let shipped = dashboards::shipped(stack, grafana);
    let home = shipped.iter().find(|dashboard| dashboard.name == HOME)?;
    Some(format!("{DASHBOARDS_DIR}/{SHIPPED}/{}", file_name(home)))
}

/// The same for every stack: no dashboard changes them.
pub fn volumes(stack: &Stack) -> (Vec<Volume>, Vec<VolumeMount>) {
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    for (name, file) in [("datasources", DATA_SOURCES), ("providers", PROVIDERS)] {
        volumes.push(one_file(name, stack.child_name(COMPONENT), file));
    }
    let provisioning = "/etc/grafana/provisioning";
    mounts.push(volume::read_only(
        "datasources",
        format!("{provisioning}/datasources"),
    ));
    mounts.push(volume::read_only(
        "providers",
        format!("{provisioning}/dashboards"),
    ));
    let shards = (0..SHARDS).map(|shard| shard.to_string());
    for part in iter::once(SHIPPED.to_owned()).chain(shards) {
        let name = format!("dashboards-{part}");
        volumes.push(volume::config_map(&name, map_name(stack, &part), true));
        mounts.push(volume::read_only(&name, format!("{DASHBOARDS_DIR}/{part}")));
    }
    (volumes, mounts)
}

/// One file of a `ConfigMap`: Grafana reads all that is in a folder.
fn one_file(name: &str, config_map: String, file: &str) -> Volume {
    Volume {
        name: name.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map,
            items: Some(vec![KeyToPath {
                key: file.into(),
                path: file.into(),
                mode: None,
            }]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}
