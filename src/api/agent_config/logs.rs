//! Which log lines the agent ships, what it does to them, and where to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PodsConfig, is_default};

/// Log lines from this node to Loki.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LogsConfig {
    /// Where lines go.
    pub loki: LokiConfig,
    /// The folder that keeps how far each file was delivered. The one folder the agent writes to.
    pub state: String,
    /// Labels on every stream, beside those of its source.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// The containers of this node's pods; absent: not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodLogsConfig>,
    /// The containers of a Docker host without Kubernetes; absent: not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<DockerLogsConfig>,
    /// Plain files.
    #[serde(skip_serializing_if = "is_default")]
    pub files: Vec<FileLogsConfig>,
    /// The systemd journal; absent: not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalConfig>,
    /// What is done to the lines, in this order.
    #[serde(skip_serializing_if = "is_default")]
    pub stages: Vec<StageConfig>,
    /// What the agent may hold.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: LogLimits,
}

/// A receiver of Loki's push protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LokiConfig {
    /// Its address, such as `http://main-loki:3100`; a path other than `/` replaces
    /// `/loki/api/v1/push`.
    pub url: String,
    /// The tenant of everything that `tenants` does not name; absent: no tenant header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tenants of namespaces that have one of their own.
    #[serde(skip_serializing_if = "is_default")]
    pub tenants: BTreeMap<String, String>,
    /// A user name and its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuthFile>,
    /// A file that holds a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<String>,
    /// How an https address is trusted.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: TlsFiles,
    /// How batches are written.
    #[serde(skip_serializing_if = "is_default")]
    pub encoding: Encoding,
}

/// A user name, and the file that holds the password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuthFile {
    /// The user's name.
    pub username: String,
    /// The file; a line end at its end is left out. Read again when it changes.
    pub password_file: String,
}

/// Files of a TLS client; absent: the system's authorities, and no certificate of our own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificates of the authorities to trust, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Our own certificate, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<String>,
    /// Its key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
}

/// How a batch is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    /// Protobuf, compressed with snappy: Loki's own.
    #[default]
    Protobuf,
    /// JSON, compressed with gzip, for receivers that know no other.
    Json,
}

/// Logs of the containers of this node's pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PodLogsConfig {
    /// The kubelet's folder, as the agent sees it.
    pub directory: String,
    /// Only pods that one of these fits; empty: every pod.
    #[serde(skip_serializing_if = "is_default")]
    pub include: Vec<PodMatch>,
    /// Pods that one of these fits are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub exclude: Vec<PodMatch>,
    /// Where one entry has several lines; the first that fits a pod. A pod's annotation
    /// `masthead.dev/multiline`, a regular expression, goes before them.
    #[serde(skip_serializing_if = "is_default")]
    pub multiline: Vec<PodMultiline>,
    /// The pods of this node give the labels; absent: `containers.pods` says who is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<PodsConfig>,
    /// How much one pod may send; absent: as much as it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<RateLimit>,
}

/// Pods, by what is known of them. All that is given must fit; what is empty fits every pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PodMatch {
    /// Names of namespaces.
    #[serde(skip_serializing_if = "is_default")]
    pub namespaces: Vec<String>,
    /// Labels that the pod has.
    #[serde(skip_serializing_if = "is_default")]
    pub match_labels: BTreeMap<String, String>,
    /// Names of containers.
    #[serde(skip_serializing_if = "is_default")]
    pub containers: Vec<String>,
}

/// Pods whose entries may have several lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PodMultiline {
    /// Which pods.
    pub pods: PodMatch,
    /// A regular expression that the first line of an entry fits, and no other.
    pub first_line: String,
}

/// How much may pass. What is above waits in the file; what the kubelet deletes meanwhile is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Bytes per second, in the long run.
    pub bytes_per_second: u64,
}

/// Logs of Docker's containers on a host without Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DockerLogsConfig {
    /// Docker's folder, as the agent sees it.
    pub directory: String,
    /// A regular expression for the first line of an entry, where entries have several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_line: Option<String>,
}

/// Plain files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FileLogsConfig {
    /// A path of the host, or a pattern with `*` and `?` in any part, such as `/var/log/*.log`.
    pub path: String,
    /// Labels of the stream, such as `job`; `filename` is added.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// A regular expression for the first line of an entry, where entries have several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_line: Option<String>,
}

/// The systemd journal of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JournalConfig {
    /// The journal's folders, as the agent sees them.
    pub directories: Vec<String>,
    /// Only these units, such as `kubelet.service`; empty: all.
    #[serde(skip_serializing_if = "is_default")]
    pub units: Vec<String>,
}

/// One step that each entry goes through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum StageConfig {
    /// Leave out entries that the regular expression fits, anywhere in the line.
    Drop(Pattern),
    /// Leave out all other entries.
    Keep(Pattern),
    /// Write something else in place of what the regular expression fits, such as card numbers.
    Replace(Replacement),
    /// Take fields of a line that is a JSON object.
    Json(Fields),
    /// Take fields of a line such as `level=info msg="…"`.
    Logfmt(Fields),
    /// Keep only this part of the entries, from 0 to 1; which ones follows from their text and time.
    Sample(Sampling),
}

/// A regular expression, and the pods it is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Pattern {
    /// Which pods; all sources when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodMatch>,
    /// The regular expression.
    pub pattern: String,
}

/// What is written in place of what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Replacement {
    /// Which pods; all sources when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodMatch>,
    /// The regular expression.
    pub pattern: String,
    /// The text in its place; `$1` is the first group.
    pub with: String,
}

/// Fields of a structured line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fields {
    /// Which pods; all sources when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodMatch>,
    /// Labels by the field that gives their value. Each value makes a stream: keep them few.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// Structured metadata by the field that gives its value.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
}

/// A part of the entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Sampling {
    /// Which pods; all sources when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodMatch>,
    /// The part that is kept, from 0 to 1.
    pub keep: f64,
}

/// What the agent may hold. Each cut is counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LogLimits {
    /// The longest entry in bytes; a longer one is cut, and marked.
    pub line_bytes: usize,
    /// Open files.
    pub open_files: usize,
    /// Bytes of deleted files that are held open because they are not delivered yet.
    pub pinned_bytes: u64,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            loki: LokiConfig::default(),
            state: "/var/lib/masthead".to_owned(),
            labels: BTreeMap::new(),
            pods: None,
            docker: None,
            files: Vec::new(),
            journal: None,
            stages: Vec::new(),
            limits: LogLimits::default(),
        }
    }
}

impl Default for PodLogsConfig {
    fn default() -> Self {
        Self {
            directory: "/var/log/pods".to_owned(),
            include: Vec::new(),
            exclude: Vec::new(),
            multiline: Vec::new(),
            watch: None,
            limit: None,
        }
    }
}

impl Default for DockerLogsConfig {
    fn default() -> Self {
        Self {
            directory: "/var/lib/docker/containers".to_owned(),
            first_line: None,
        }
    }
}

impl Default for JournalConfig {
    fn default() -> Self {
        let directories = ["/var/log/journal", "/run/log/journal"];
        Self {
            directories: directories.map(str::to_owned).into(),
            units: Vec::new(),
        }
    }
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            // Loki's own limit.
            line_bytes: 256 * 1024,
            open_files: 1024,
            pinned_bytes: 1 << 30,
        }
    }
}
