//! What others told about this node's containers: the API server of its pods, Docker of its own.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::cri::messages::Written;
use super::oom::{Key, Kills};
use super::pod::{Container, Pod};

/// How old a figure of Docker's disk may be. Docker walks through each layer for it, and a node
/// that nobody scrapes must not.
const DISK_AGE: Duration = Duration::from_mins(5);
/// Between two questions to the runtime, however many containers come and go.
const NEWS_AGE: Duration = Duration::from_secs(5);

/// What is known, shared between those who follow it and the scrape that reads it.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<Told>>, Arc<Wanted>);

/// Who is asked when something is wanted.
#[derive(Debug, Default)]
struct Wanted {
    docker: Notify,
    cri: Notify,
}

/// How far the watch of this node's pods is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// There is none: nobody will tell of pods.
    #[default]
    None,
    /// There is one, which may tell of a pod at any time.
    Follows,
}

/// What is known.
#[derive(Debug, Default)]
pub struct Told {
    /// Whether pods are told of.
    pub watch: Watch,
    /// The pods of this node by the uid that stands in paths.
    pub pods: HashMap<String, Pod>,
    /// What the container runtime told of pods.
    pub cri: Cri,
    /// Docker's containers by id.
    pub docker: HashMap<String, DockerContainer>,
    /// Docker's disk.
    pub docker_disk: DockerDisk,
    /// Kills for lack of memory: told ones are counted as they come, read ones at each scrape.
    pub kills: Kills,
}

/// What the container runtime told over its CRI socket.
#[derive(Debug, Default)]
pub struct Cri {
    /// Whether it is asked at all.
    pub follows: bool,
    /// Its pods by uid.
    pub pods: HashMap<String, Pod>,
    /// What its containers have written.
    pub written: Written,
    /// When it was asked last.
    asked: Option<Instant>,
    /// The containers that there were then.
    seen: HashSet<String>,
}

/// A container of Docker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DockerContainer {
    /// Its name, without the slash.
    pub name: String,
    /// The image, as it was asked for.
    pub image: String,
    /// Those of its labels that are wanted.
    pub labels: Vec<(String, String)>,
    /// Whether its network is the host's, or another container's.
    pub foreign_network: bool,
    /// `running`, `waiting` or `terminated`, and why.
    pub state: (&'static str, String),
    /// How often Docker started it again.
    pub restarts: f64,
    /// When it was started, seconds since 1970.
    pub started: Option<f64>,
    /// Tells one start from the next: an id stays over restarts.
    pub run: String,
    /// Whether this run ended for lack of memory.
    pub oom_killed: bool,
}

/// What Docker says of its disk.
#[derive(Clone, Debug, Default)]
pub struct DockerDisk {
    /// The folder that holds all containers.
    pub root: String,
    /// Bytes in the writable layer, by container.
    pub written: HashMap<String, f64>,
    /// When that was asked for last; Docker walks through the layers for it.
    pub asked: Option<Instant>,
}

impl Shared {
    /// A scrape shows how much Docker's containers have written: it is measured again now and
    /// then, for the next one.
    pub fn want(&self) {
        let old = |asked: Instant| asked.elapsed() > DISK_AGE;
        let due = self.with(|told| {
            let due = told.docker_disk.asked.is_none_or(old);
            if due {
                told.docker_disk.asked = Some(Instant::now());
            }
            due
        });
        if due {
            self.1.docker.notify_one();
        }
    }

    /// A scrape shows these containers: the runtime is asked for their names if some are new, and
    /// now and then for what they have written, for the next one.
    pub fn want_cri<'a>(&self, ids: impl Iterator<Item = &'a str> + Clone) {
        let due = self.with(|told| {
            let cri = &mut told.cri;
            if !cri.follows {
                return false;
            }
            let age = cri.asked.map(|asked| asked.elapsed());
            let is_new = |id: &str| !cri.seen.contains(id);
            let due =
                age.is_none_or(|age| age > DISK_AGE || (age > NEWS_AGE && ids.clone().any(is_new)));
            if due {
                cri.asked = Some(Instant::now());
                cri.seen = ids.map(str::to_owned).collect();
            }
            due
        });
        if due {
            self.1.cri.notify_one();
        }
    }

    /// Waits for [`Self::want_cri`].
    pub async fn cri_wanted(&self) {
        self.1.cri.notified().await;
    }

    /// Waits for [`Self::want`].
    pub async fn wanted(&self) {
        self.1.docker.notified().await;
    }

    /// Looks at, or changes, what is known.
    pub fn with<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Told {
    /// A pod is new or changed.
    pub fn apply(&mut self, pod: Pod) {
        for container in &pod.containers {
            let key = (pod.uid.clone(), container.name.clone());
            for id in &container.oom_killed {
                self.kills.told(&key, id);
            }
        }
        self.pods.insert(pod.uid.clone(), pod);
    }

    /// These are all pods there are.
    pub fn replace_pods(&mut self, listed: Vec<Pod>) {
        self.pods.clear();
        for pod in listed {
            self.apply(pod);
        }
        self.forget();
    }

    /// These are all pods of the container runtime.
    pub fn replace_cri(&mut self, pods: HashMap<String, Pod>) {
        self.cri.pods = pods;
        self.forget();
    }

    /// A pod by the uid in the paths of its groups: as the API server tells it, else the runtime.
    pub fn pod(&self, uid: &str) -> Option<&Pod> {
        self.pods.get(uid).or_else(|| self.cri.pods.get(uid))
    }

    /// All pods, each once.
    pub fn all_pods(&self) -> impl Iterator<Item = &Pod> {
        let others = self.cri.pods.values();
        let others = others.filter(|pod| !self.pods.contains_key(&pod.uid));
        self.pods.values().chain(others)
    }

    /// A container of the runtime whose group does not tell its pod.
    pub fn of_runtime(&self, id: &str) -> Option<(&Pod, &Container)> {
        self.cri.pods.values().find_map(|pod| {
            let container = pod.containers.iter().find(|it| it.id == id)?;
            Some((pod, container))
        })
    }

    /// A pod is gone.
    pub fn remove(&mut self, uid: &str) {
        self.pods.remove(uid);
        self.forget();
    }

    /// A container of Docker is new or changed.
    pub fn apply_docker(&mut self, id: String, container: DockerContainer) {
        if container.oom_killed {
            let key = (String::new(), id.clone());
            self.kills.told(&key, &container.run);
        }
        self.docker.insert(id, container);
    }

    /// A container of Docker is gone.
    pub fn remove_docker(&mut self, id: &str) {
        self.docker.remove(id);
        self.forget();
    }

    /// Kills are counted for as long as the pod is there, whatever its containers do.
    fn forget(&mut self) {
        let Self {
            pods,
            cri,
            docker,
            kills,
            ..
        } = self;
        let of_pods = pods.values().chain(cri.pods.values()).flat_map(|pod| {
            pod.containers
                .iter()
                .map(|container| (pod.uid.clone(), container.name.clone()))
        });
        let of_docker = docker.keys().map(|id| (String::new(), id.clone()));
        let alive: Vec<Key> = of_pods.chain(of_docker).collect();
        let alive: HashSet<&Key> = alive.iter().collect();
        kills.keep(&alive);
    }
}
