//! What the API server says of a pod, cut down to what is shown.

use std::collections::BTreeMap;

use kube::core::Object;
use serde::Deserialize;

/// A static pod's uid in paths: the hash of its manifest, which the API keeps in this annotation.
const STATIC_UID: &str = "kubernetes.io/config.hash";
/// The annotation that says how the first line of a log entry looks.
const MULTILINE: &str = "masthead.dev/multiline";
/// The kernel's least weight, which a container without a request has.
const LEAST_SHARES: f64 = 2.0;

/// A pod as the server sends it; what is not named here is skipped when it is read.
pub type Received = Object<Spec, Status>;

/// The wanted part of a specification.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    host_network: Option<bool>,
    containers: Option<Vec<SpecContainer>>,
    init_containers: Option<Vec<SpecContainer>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecContainer {
    name: String,
    resources: Option<Resources>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    requests: Option<BTreeMap<String, String>>,
}

/// The wanted part of a status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    image: String,
    #[serde(rename = "containerID")]
    container_id: String,
    restart_count: f64,
    state: Option<StatusState>,
    last_state: Option<StatusState>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct StatusState {
    waiting: Option<Detail>,
    running: Option<Detail>,
    terminated: Option<Detail>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    reason: Option<String>,
    started_at: Option<String>,
    #[serde(rename = "containerID")]
    container_id: Option<String>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// The uid in the paths of its groups.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether its network is the node's.
    pub host_network: bool,
    /// Those of its labels that are wanted.
    pub labels: Vec<(String, String)>,
    /// Its containers, those that prepare it too.
    pub containers: Vec<Container>,
    /// All of its labels.
    pub given: BTreeMap<String, String>,
    /// What made it: its kind and name.
    pub owner: Option<(String, String)>,
    /// What the first line of an entry of its logs fits.
    pub multiline: Option<String>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The image, as the runtime calls it.
    pub image: String,
    /// The runtime's id, empty before there is one.
    pub id: String,
    /// Whether it only prepares the pod.
    pub init: bool,
    /// What it does: `running`, `waiting` or `terminated`, and why.
    pub state: (&'static str, String),
    /// How often it was started again.
    pub restarts: f64,
    /// When it was started, seconds since 1970.
    pub started: Option<f64>,
    /// CPU shares that its request asks for.
    pub shares: Option<f64>,
    /// The ids of those of its ends that the server tells and that were for lack of memory.
    pub oom_killed: Vec<String>,
}

impl Pod {
    /// Cuts a pod down; `labels` are the names of the wanted ones.
    pub fn from_received(received: Received, labels: &[String]) -> Option<Self> {
        let metadata = received.metadata;
        let mut annotations = metadata.annotations.unwrap_or_default();
        let multiline = annotations.remove(MULTILINE);
        let owners = metadata.owner_references.unwrap_or_default();
        let owner = owners
            .into_iter()
            .find(|owner| owner.controller == Some(true));
        let uid = annotations.get(STATIC_UID).cloned().or(metadata.uid)?;
        let given = metadata.labels.unwrap_or_default();
        let labels = labels
            .iter()
            .filter_map(|label| Some((label.clone(), given.get(label)?.clone())));
        let labels = labels.collect();
        let status = received.status.unwrap_or_default();
        let spec = received.spec;
        let mut containers = Vec::new();
        for (specs, statuses, init) in [
            (spec.init_containers, status.init_container_statuses, true),
            (spec.containers, status.container_statuses, false),
        ] {
            let specs = specs.unwrap_or_default();
            let statuses = statuses.unwrap_or_default();
            containers.extend(
                statuses
                    .into_iter()
                    .map(|status| status.container(&specs, init)),
            );
        }
        Some(Self {
            uid,
            namespace: metadata.namespace?,
            name: metadata.name?,
            host_network: spec.host_network.unwrap_or(false),
            labels,
            containers,
            given,
            owner: owner.map(|owner| (owner.kind, owner.name)),
            multiline,
        })
    }

    /// The application it is of: what its labels say, else what made it.
    pub fn app(&self) -> Option<String> {
        let named = ["app.kubernetes.io/name", "app"].map(|label| self.given.get(label));
        if let Some(name) = named.into_iter().flatten().find(|name| !name.is_empty()) {
            return Some(name.clone());
        }
        let (kind, name) = self.owner.as_ref()?;
        let made = |suffix: &str| name.strip_suffix(suffix)?.strip_suffix('-');
        let name = match kind.as_str() {
            // A Deployment's, or a CronJob's.
            "ReplicaSet" => self
                .given
                .get("pod-template-hash")
                .and_then(|hash| made(hash)),
            "Job" => name.rsplit_once('-').and_then(|(name, time)| {
                let is_time = time.len() >= 8 && time.chars().all(|c| c.is_ascii_digit());
                is_time.then_some(name)
            }),
            // A static pod's owner is the node.
            "Node" => return None,
            _ => None,
        }
        .unwrap_or(name);
        Some(name.to_owned())
    }

    /// The runtime's id of a container's start, if it is the last one.
    pub fn container_id(&self, name: &str, restart: u64) -> Option<String> {
        let fits = |it: &&Container| it.name == name && (it.restarts - restart as f64).abs() < 0.5;
        let found = self.containers.iter().find(fits)?;
        (!found.id.is_empty()).then(|| found.id.clone())
    }
}

impl ContainerStatus {
    fn container(self, specs: &[SpecContainer], init: bool) -> Container {
        let spec = specs.iter().find(|spec| spec.name == self.name);
        let state = self.state.unwrap_or_default();
        let started = state
            .running
            .as_ref()
            .and_then(|it| it.started_at.as_deref());
        let started = started.and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let ends = [Some(&state), self.last_state.as_ref()]
            .into_iter()
            .flatten();
        let oom_killed = ends
            .filter_map(|end| end.terminated.as_ref())
            .filter(|end| end.reason.as_deref() == Some("OOMKilled"))
            .filter_map(|end| Some(bare_id(end.container_id.as_deref()?)))
            .collect();
        Container {
            id: bare_id(&self.container_id),
            image: self.image,
            init,
            restarts: self.restart_count,
            started: started.map(|at| at.as_second() as f64),
            shares: spec.map(shares),
            state: state.told(),
            oom_killed,
            name: self.name,
        }
    }
}

impl StatusState {
    /// A status without any state is of a container that waits, as the API's documentation says.
    fn told(self) -> (&'static str, String) {
        let reason = |detail: Detail| detail.reason.unwrap_or_default();
        match self {
            Self {
                running: Some(it), ..
            } => ("running", reason(it)),
            Self {
                terminated: Some(it),
                ..
            } => ("terminated", reason(it)),
            Self { waiting, .. } => ("waiting", waiting.map(reason).unwrap_or_default()),
        }
    }
}

/// `containerd://<id>`.
fn bare_id(id: &str) -> String {
    id.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The shares that the kubelet asks the runtime for: 1024 for a core, at least two.
fn shares(spec: &SpecContainer) -> f64 {
    let requests = spec.resources.as_ref().and_then(|it| it.requests.as_ref());
    let cpu = requests.and_then(|requests| parse_cpu(requests.get("cpu")?));
    (cpu.unwrap_or(0.0) * 1024.0).floor().max(LEAST_SHARES)
}

/// A quantity of CPUs: `1.5` or `100m`; the server writes nothing else.
fn parse_cpu(text: &str) -> Option<f64> {
    match text.strip_suffix('m') {
        Some(millis) => Some(f64::from(millis.parse::<u32>().ok()?) / 1000.0),
        None => text.parse().ok().filter(|cores: &f64| cores.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pod(text: &str) -> Pod {
        let received: Received = serde_json::from_str(text).unwrap();
        Pod::from_received(received, &["app".into()]).unwrap()
    }

    const RECORDED: &str = r#"{"apiVersion": "v1", "kind": "Pod",
        "metadata": {"uid": "u-1", "name": "oomer", "namespace": "shop", "labels": {"app": "x", "y": "z"}},
        "spec": {"hostNetwork": true, "nodeName": "n", "containers": [
            {"name": "oom", "image": "busybox", "resources": {"requests": {"cpu": "100m", "memory": "8Mi"}}},
            {"name": "side", "image": "busybox", "resources": {}}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "oom", "image": "docker.io/library/busybox:1", "imageID": "", "restartCount": 3,
             "containerID": "containerd://aa", "ready": false,
             "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}},
             "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "containerID": "containerd://aa"}}},
            {"name": "side", "image": "docker.io/library/busybox:1", "containerID": "containerd://bb", "restartCount": 0,
             "state": {"running": {"startedAt": "2026-11-22T10:00:00Z"}}, "lastState": {}}]}}"#;

    #[test]
    fn a_pod_is_cut_down_to_what_is_shown() {
        let pod = pod(RECORDED);
        assert_eq!((pod.uid.as_str(), pod.host_network), ("u-1", true));
        assert_eq!(pod.labels, [("app".to_owned(), "x".to_owned())]);
        let [oom, side] = &pod.containers[..] else {
            panic!("{pod:?}");
        };
        assert_eq!(oom.state, ("waiting", "CrashLoopBackOff".to_owned()));
        assert_eq!((oom.restarts, oom.shares), (3.0, Some(102.0)));
        assert_eq!(oom.oom_killed, ["aa"]);
        assert_eq!(side.id, "bb");
        assert_eq!(side.state, ("running", String::new()));
        assert_eq!(side.started, Some(1_795_341_600.0));
        assert_eq!(side.shares, Some(2.0));
    }

    #[test]
    fn a_static_pod_is_found_by_the_hash_of_its_manifest() {
        let pod = pod(
            r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"uid": "other", "name": "etcd",
            "namespace": "kube-system", "annotations": {"kubernetes.io/config.hash": "0f3a"}}, "spec": {}}"#,
        );
        assert_eq!((pod.uid.as_str(), pod.containers.len()), ("0f3a", 0));
    }

    proptest! {
        #[test]
        fn no_quantity_makes_it_panic(text in any::<String>()) {
            parse_cpu(&text);
        }
    }
}
