//! Users' dashboards: those of `ConfigMaps` that are labelled so. One that Grafana could not take,
//! or that would take the place of another, is left out alone and named.

mod document;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::{Resource, ResourceExt};
use sha2::{Digest, Sha256};

use crate::{
    api::dashboards::DashboardSelector,
    resolve::{model::DashboardShard, problem::Problem},
};

/// The labels that make a `ConfigMap` a dashboard, with their values; the second is the one that
/// Grafana's chart made usual.
pub const DASHBOARD_LABELS: [(&str, &str); 2] = [
    ("masthead.dev/dashboard", "true"),
    ("grafana_dashboard", "1"),
];
/// How many `ConfigMaps` hold users' dashboards. It is part of Grafana's pod template.
pub const SHARDS: u8 = 16;
/// How many bytes of dashboards one holds: the server takes 1 MiB, with all that is around them.
const SHARD_BYTES: usize = 900 * 1024;
/// The folder's name stands in one of these annotations.
const FOLDER_ANNOTATIONS: [&str; 2] = ["masthead.dev/folder", "grafana_folder"];
/// Grafana's bound on a folder's name.
const FOLDER_CHARS: usize = 189;

/// A dashboard that was left out, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedDashboard {
    /// The `ConfigMap`.
    pub config_map: ObjectReference,
    /// The key in its data.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl RefusedDashboard {
    /// As a problem of the stack.
    pub fn problem(&self) -> Problem {
        let namespace = self.config_map.namespace.as_deref().unwrap_or_default();
        let name = self.config_map.name.as_deref().unwrap_or_default();
        let field = format!("ConfigMap {namespace}/{name} data[{}]", self.key);
        Problem::new(field, self.message.clone())
    }
}

/// What came of the labelled `ConfigMaps`.
#[derive(Debug, Default)]
pub struct Judged {
    /// The good dashboards.
    pub shards: BTreeMap<u8, DashboardShard>,
    /// The others.
    pub refused: Vec<RefusedDashboard>,
}

/// A good dashboard on its way to a shard.
struct Taken<'a> {
    map: &'a ConfigMap,
    key: &'a str,
    folder: String,
    file: String,
    text: String,
}

/// Whether a `ConfigMap` has the labels that a stack asks for.
pub fn has_labels(map: &ConfigMap, selector: &DashboardSelector) -> bool {
    let labels = map.labels();
    selector
        .match_labels
        .iter()
        .all(|(name, value)| labels.get(name) == Some(&value.0))
}

/// Judges the dashboards of the `ConfigMaps` that are `selected`.
pub fn judge(maps: &[Arc<ConfigMap>], selected: impl Fn(&ConfigMap) -> bool) -> Judged {
    let mut maps: Vec<&ConfigMap> = maps
        .iter()
        .map(|map| &**map)
        .filter(|map| selected(map))
        .collect();
    // The first by name keeps a uid that two have, whatever order the cache has.
    maps.sort_by_key(|map| (map.namespace(), map.name_any()));
    maps.dedup_by_key(|map| (map.namespace(), map.name_any()));
    let mut judged = Judged::default();
    let mut known = Known::default();
    let mut taken = Vec::new();
    for map in maps {
        for (key, text) in map.data.iter().flatten() {
            match take(map, key, text, &mut known) {
                Ok(dashboard) => taken.push(dashboard),
                Err(message) => judged.refuse(map, key, message),
            }
        }
        for key in map.binary_data.iter().flat_map(BTreeMap::keys) {
            judged.refuse(
                map,
                key,
                "is binary: a dashboard is text, under data".into(),
            );
        }
    }
    judged.spread(taken);
    judged
}

/// What no two dashboards may share.
#[derive(Default)]
struct Known {
    /// By uid, where it is.
    uids: BTreeMap<String, String>,
    /// Folder and title.
    titles: BTreeSet<(String, String)>,
}

fn take<'a>(
    map: &'a ConfigMap,
    key: &'a str,
    text: &str,
    known: &mut Known,
) -> Result<Taken<'a>, String> {
    if key.strip_suffix(".json").is_none() {
        return Err("is no dashboard: its key must end in .json".into());
    }
    if text.len() > SHARD_BYTES {
        return Err(format!("has {} bytes: {SHARD_BYTES} at most", text.len()));
    }
    let folder = folder(map)?;
    let namespace = map.namespace().unwrap_or_default();
    let place = format!("{namespace}/{} data[{key}]", map.name_any());
    let dashboard = document::read(text, || generated_uid(&place))?;
    let title = (folder.clone(), dashboard.title);
    if let Some(other) = known.uids.get(&dashboard.uid) {
        return Err(format!(
            "its uid {:?} is that of ConfigMap {other}: give it another one",
            dashboard.uid
        ));
    }
    if known.titles.contains(&title) {
        return Err(format!(
            "another dashboard of its folder is called {:?} too: Grafana shows one of the two",
            title.1
        ));
    }
    known.titles.insert(title);
    known.uids.insert(dashboard.uid.clone(), place);
    Ok(Taken {
        map,
        key,
        folder,
        file: format!("{}.json", dashboard.uid),
        text: dashboard.text,
    })
}

/// The folder that a `ConfigMap` names; none is Grafana's general one.
fn folder(map: &ConfigMap) -> Result<String, String> {
    let annotations = map.annotations();
    let named = FOLDER_ANNOTATIONS
        .iter()
        .find_map(|name| annotations.get(*name));
    let folder = named.map(|folder| folder.trim()).unwrap_or_default();
    if folder.chars().count() > FOLDER_CHARS {
        return Err(format!(
            "its folder's name is too long: {FOLDER_CHARS} characters at most"
        ));
    }
    // Grafana has it already, and refuses another of the name.
    let folder = if folder.eq_ignore_ascii_case("general") {
        ""
    } else {
        folder
    };
    Ok(folder.to_owned())
}

/// The same for the same place: a dashboard without a uid keeps its address.
fn generated_uid(place: &str) -> String {
    let digest = Sha256::digest(place);
    let number = digest
        .iter()
        .take(10)
        .fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    format!("cm-{number:020x}")
}

impl Judged {
    fn refuse(&mut self, map: &ConfigMap, key: &str, message: String) {
        self.refused.push(RefusedDashboard {
            config_map: map.object_ref(&()),
            key: key.to_owned(),
            message,
        });
    }

    /// Spreads the dashboards over the shards. Each has one folder, since Grafana gives all files
    /// below a path one; where a folder's dashboards are depends on little but its name, so that a
    /// new folder moves few others.
    fn spread(&mut self, taken: Vec<Taken<'_>>) {
        let mut folders: BTreeMap<String, Vec<Taken<'_>>> = BTreeMap::new();
        for dashboard in taken {
            folders
                .entry(dashboard.folder.clone())
                .or_default()
                .push(dashboard);
        }
        for (folder, dashboards) in folders {
            let mut room = 0;
            let mut shard = None;
            for Taken {
                map,
                key,
                file,
                text,
                ..
            } in dashboards
            {
                if shard.is_none() || text.len() > room {
                    shard = self.free_shard(&folder);
                    room = SHARD_BYTES;
                }
                let Some(shard) = shard else {
                    let message = format!(
                        "there is no room for it: {SHARDS} folders and {SHARDS} times {SHARD_BYTES} bytes at most"
                    );
                    self.refuse(map, key, message);
                    continue;
                };
                room -= text.len();
                let shard = self.shards.entry(shard).or_insert_with(|| DashboardShard {
                    folder: folder.clone(),
                    files: BTreeMap::new(),
                });
                shard.files.insert(file, text);
            }
        }
    }

    /// The first shard without a folder, from where the folder's name points to.
    fn free_shard(&self, folder: &str) -> Option<u8> {
        let first = Sha256::digest(folder)
            .first()
            .map_or(0, |byte| byte % SHARDS);
        let mut shards = (first..SHARDS).chain(0..first);
        shards.find(|shard| !self.shards.contains_key(shard))
    }
}

#[cfg(test)]
mod tests;
