//! `spec.agent.node`: which of the node's own metrics there are.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The node's own metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCollectorSpec {
    /// Whether they are gathered; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Collectors to leave out, by name as in `node_scrape_collector_success{collector="…"}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 32)))]
    pub disable: Vec<String>,
    /// Collectors to add that are off by default, as in node_exporter: interrupts, processes, tcpstat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 32)))]
    pub enable: Vec<String>,
    /// Which disks `node_disk_*` shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diskstats: Option<DevicesSpec>,
    /// Which mounts `node_filesystem_*` shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<FilesystemSpec>,
    /// Which interfaces `node_network_*` shows of what does not count traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netclass: Option<DevicesSpec>,
    /// Which interfaces `node_network_*` shows the traffic of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netdev: Option<DevicesSpec>,
    /// Metrics that others write into files of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub textfile: Option<TextfileSpec>,
}

/// A choice by name; only one of the two, which replaces the collector's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
#[x_kube(validation = Rule::new("!(has(self.include) && has(self.exclude))").message("only one of include, exclude"))]
pub struct FilterSpec {
    /// Only what this regular expression (Rust's) matches, anywhere in the name, is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub include: Option<String>,
    /// What this regular expression (Rust's) matches, anywhere in the name, is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub exclude: Option<String>,
}

/// A choice of devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct DevicesSpec {
    /// By the device's name, such as eth0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<FilterSpec>,
}

/// A choice of mounts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct FilesystemSpec {
    /// By the mount point on the node, such as /boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_points: Option<FilterSpec>,
    /// By the file system's type, such as ext4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fs_types: Option<FilterSpec>,
}

/// Where metrics written by others are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct TextfileSpec {
    /// Folders of the node whose files `*.prom` are read at each scrape.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub directories: Vec<HostPath>,
}

/// A folder of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct HostPath(#[schemars(regex(pattern = r"^/"), length(min = 1, max = 256))] pub String);
