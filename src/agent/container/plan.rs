//! What of which group is shown under which labels: the groups that were found, joined with what
//! the API server and Docker told.

use std::collections::HashMap;

use super::oom::Key;
use super::pod::{Container, Pod};
use super::text::Labels;
use super::told::{DockerContainer, Told};
use super::tree::Group;

/// The label `image` of a sandbox. The API server does not tell it; but dashboards that ask for
/// the network of pods leave out what has no image, and all runtimes' images are called so.
const SANDBOX_IMAGE: &str = "pause";

/// What is shown of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The index of the group.
    pub group: usize,
    /// Its labels.
    pub labels: Labels,
    /// Whether its figures are shown. A sandbox's are not: it only holds the network.
    pub figures: bool,
    /// The containers in its network, the likeliest to live first; none when its network is shown
    /// with another group, or is the node's.
    pub network: Vec<String>,
    /// When it was started, where that was told.
    pub started: Option<f64>,
    /// The CPU shares that were asked for.
    pub shares: Option<f64>,
    /// Whether it is a container of Docker that was told.
    pub docker: bool,
    /// How its kills are counted: over restarts, under the id of this run.
    pub kills: Option<(Key, String)>,
}

/// The plan of a scrape.
#[derive(Debug, Default)]
pub struct Plan {
    /// The groups shown.
    pub entries: Vec<Entry>,
    /// The labels under which each counted container's kills are shown. They hold nothing of the
    /// single run, so that the series goes on over a restart and its increase can be asked for.
    pub kills: Vec<(Key, Labels)>,
}

impl Plan {
    /// Plans a scrape.
    pub fn new(groups: &[Group], told: &Told) -> Self {
        let mut plan = Self::default();
        let mut by_pod: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, group) in groups.iter().enumerate() {
            match (&group.identity.pod, &group.identity.container) {
                (Some(uid), _) => by_pod.entry(uid).or_default().push(index),
                (None, Some(id)) => plan.alone(index, group, id, told),
                (None, None) => plan.entries.push(Entry {
                    group: index,
                    labels: Labels::default().with("id", &group.path),
                    figures: true,
                    ..Entry::default()
                }),
            }
        }
        for (uid, indexes) in by_pod {
            plan.pod(groups, &indexes, told.pod(uid));
        }
        for (id, container) in &told.docker {
            let labels = docker_labels(Labels::default(), id, Some(container));
            plan.kills.push(((String::new(), id.clone()), labels));
        }
        plan.entries.sort_by_key(|entry| entry.group);
        plan
    }

    /// A container outside of any pod.
    fn alone(&mut self, index: usize, group: &Group, id: &str, told: &Told) {
        let docker = told.docker.get(id);
        let labels = Labels::default().with("id", &group.path);
        let labels = match told.of_runtime(id).filter(|_| docker.is_none()) {
            Some((pod, container)) => {
                let labels = with_pod(labels, pod).with("name", id);
                container_labels(labels, container)
            }
            None => docker_labels(labels, id, docker),
        };
        let key = (String::new(), id.to_owned());
        let run = docker.map_or_else(String::new, |it| it.run.clone());
        let foreign = docker.is_some_and(|it| it.foreign_network);
        if docker.is_none() {
            self.kills.push((key.clone(), labels.clone()));
        }
        self.entries.push(Entry {
            group: index,
            labels,
            figures: true,
            network: if foreign {
                Vec::new()
            } else {
                vec![id.to_owned()]
            },
            started: docker.and_then(|it| it.started),
            docker: docker.is_some(),
            kills: Some((key, run)),
            ..Entry::default()
        });
    }

    /// A pod: its own group and those of its containers.
    fn pod(&mut self, groups: &[Group], indexes: &[usize], pod: Option<&Pod>) {
        let of = |index: &usize| groups.get(*index);
        let id = |group: &Group| group.identity.container.clone();
        let known = |id: &str| pod.and_then(|pod| pod.containers.iter().find(|it| it.id == id));
        let ids = || indexes.iter().filter_map(of).filter_map(id);
        // The sandbox is the one that the API server does not list. A container that has just
        // started is not listed either, but the sandbox comes first, and the kernel numbers groups
        // as they come.
        let unlisted = indexes.iter().filter_map(of).filter(|group| {
            let id = group.identity.container.as_deref();
            id.is_some_and(|id| known(id).is_none())
        });
        let first = unlisted.min_by_key(|group| group.inode);
        let sandbox = pod.and(first).and_then(id);
        let mut network: Vec<String> = sandbox.iter().cloned().collect();
        network.extend(ids().filter(|id| Some(id) != sandbox.as_ref()));
        if pod.is_some_and(|pod| pod.host_network) {
            network.clear();
        }
        let bare = pod_labels(pod);
        for index in indexes {
            let Some(group) = of(index) else { continue };
            let mut entry = Entry {
                group: *index,
                figures: true,
                ..Entry::default()
            };
            match id(group) {
                None => {
                    entry.labels = bare.clone().with("id", &group.path);
                    if sandbox.is_none() {
                        entry.network.clone_from(&network);
                    }
                    self.kills
                        .extend(pod.into_iter().flat_map(|pod| kills(pod, group)));
                }
                Some(id) if Some(&id) == sandbox.as_ref() => {
                    entry.figures = false;
                    entry.labels = bare.clone().with("id", &group.path);
                    entry.labels = entry.labels.with("image", SANDBOX_IMAGE).with("name", &id);
                    entry.network.clone_from(&network);
                }
                Some(id) => {
                    entry.labels = bare.clone().with("id", &group.path).with("name", &id);
                    if let (Some(pod), Some(container)) = (pod, known(&id)) {
                        entry.labels = container_labels(entry.labels, container);
                        entry.started = container.started;
                        entry.shares = container.shares;
                        entry.kills = Some(((pod.uid.clone(), container.name.clone()), id));
                    }
                }
            }
            self.entries.push(entry);
        }
    }
}

/// The kills of each container of a pod. They are shown for as long as the pod is there.
fn kills(pod: &Pod, group: &Group) -> Vec<(Key, Labels)> {
    let of = |container: &Container| {
        let key = (pod.uid.clone(), container.name.clone());
        let labels = pod_labels(Some(pod)).with("id", &group.path);
        (key, container_labels(labels, container))
    };
    pod.containers.iter().map(of).collect()
}

fn pod_labels(pod: Option<&Pod>) -> Labels {
    let labels = Labels::default();
    match pod {
        Some(pod) => with_pod(labels, pod),
        None => labels,
    }
}

fn with_pod(labels: Labels, pod: &Pod) -> Labels {
    let labels = labels
        .with("namespace", &pod.namespace)
        .with("pod", &pod.name);
    with_given(labels, &pod.labels)
}

fn container_labels(labels: Labels, container: &Container) -> Labels {
    labels
        .with("container", &container.name)
        .with("image", &container.image)
}

fn docker_labels(labels: Labels, id: &str, docker: Option<&DockerContainer>) -> Labels {
    match docker {
        Some(docker) => {
            let labels = labels
                .with("name", &docker.name)
                .with("image", &docker.image);
            with_given(labels, &docker.labels)
        }
        None => labels.with("name", id),
    }
}

/// Labels that were asked for, under cAdvisor's names for them.
fn with_given(labels: Labels, given: &[(String, String)]) -> Labels {
    given.iter().fold(labels, |labels, (name, value)| {
        let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = name.chars().map(fits).collect();
        labels.with(&format!("container_label_{name}"), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::container::identity::Identity;

    fn group(path: &str, pod: Option<&str>, container: Option<&str>) -> Group {
        Group {
            path: path.into(),
            identity: Identity {
                pod: pod.map(Into::into),
                container: container.map(Into::into),
            },
            ..Group::default()
        }
    }

    fn groups() -> Vec<Group> {
        vec![
            group("/", None, None),
            group("/p", Some("u"), None),
            group("/p/s", Some("u"), Some("s")),
            group("/p/c", Some("u"), Some("c")),
            group("/docker/d", None, Some("d")),
        ]
    }

    fn told() -> Told {
        let mut told = Told::default();
        told.apply(Pod {
            uid: "u".into(),
            namespace: "shop".into(),
            name: "web-1".into(),
            labels: vec![("app.kubernetes.io/name".into(), "web".into())],
            containers: vec![Container {
                name: "web".into(),
                image: "nginx".into(),
                id: "c".into(),
                shares: Some(102.0),
                ..Container::default()
            }],
            ..Pod::default()
        });
        told.apply_docker(
            "d".into(),
            DockerContainer {
                name: "db".into(),
                image: "postgres".into(),
                run: "r".into(),
                ..DockerContainer::default()
            },
        );
        told
    }

    fn label(labels: &[(&str, &str)]) -> Labels {
        labels.iter().fold(Labels::default(), |all, (name, value)| {
            all.with(name, value)
        })
    }

    #[test]
    fn a_pods_containers_carry_its_names_and_its_sandbox_holds_the_network() {
        let plan = Plan::new(&groups(), &told());
        let [root, pod, sandbox, container, docker] = &plan.entries[..] else {
            panic!("{plan:?}");
        };
        assert_eq!(root.labels, label(&[("id", "/")]));
        let of_pod = [
            ("namespace", "shop"),
            ("pod", "web-1"),
            ("container_label_app_kubernetes_io_name", "web"),
        ];
        let with = |more: &[(&str, &str)]| label(&[&of_pod[..], more].concat());
        assert_eq!(pod.labels, with(&[("id", "/p")]));
        assert!(pod.figures && pod.network.is_empty());
        let named = [("id", "/p/s"), ("image", "pause"), ("name", "s")];
        assert_eq!(sandbox.labels, with(&named));
        assert!(!sandbox.figures);
        assert_eq!(sandbox.network, ["s", "c"]);
        let named = [
            ("id", "/p/c"),
            ("name", "c"),
            ("container", "web"),
            ("image", "nginx"),
        ];
        assert_eq!(container.labels, with(&named));
        assert_eq!(container.shares, Some(102.0));
        let named = [("id", "/docker/d"), ("name", "db"), ("image", "postgres")];
        assert_eq!(docker.labels, label(&named));
        assert_eq!(docker.network, ["d"]);
        let kills = [("id", "/p"), ("container", "web"), ("image", "nginx")];
        assert!(
            plan.kills
                .contains(&(("u".into(), "web".into()), with(&kills)))
        );
    }

    #[test]
    fn before_anything_is_told_containers_go_by_their_ids() {
        let plan = Plan::new(&groups(), &Told::default());
        let [_, pod, first, _, docker] = &plan.entries[..] else {
            panic!("{plan:?}");
        };
        assert_eq!(pod.network, ["s", "c"]);
        assert_eq!(first.labels, label(&[("id", "/p/s"), ("name", "s")]));
        assert!(first.figures && first.network.is_empty());
        assert_eq!(docker.labels, label(&[("id", "/docker/d"), ("name", "d")]));
    }

    #[test]
    fn the_network_of_the_node_is_not_a_pods() {
        let mut told = told();
        told.pods.get_mut("u").unwrap().host_network = true;
        let plan = Plan::new(&groups(), &told);
        let of_pod = plan
            .entries
            .iter()
            .filter(|entry| (1..4).contains(&entry.group));
        assert!(of_pod.map(|entry| &entry.network).all(Vec::is_empty));
    }

    #[test]
    fn a_container_that_is_not_listed_yet_is_no_sandbox() {
        let mut groups = groups();
        groups.insert(2, group("/p/new", Some("u"), Some("new")));
        groups[2].inode = 5;
        let plan = Plan::new(&groups, &told());
        let [_, _, new, sandbox, ..] = &plan.entries[..] else {
            panic!("{plan:?}");
        };
        assert!(new.figures && new.network.is_empty());
        assert_eq!(sandbox.network, ["s", "new", "c"]);
    }
}
