//! What is taken from the answers of the CRI, `runtime.v1` in
//! <https://github.com/kubernetes/cri-api>; numbers of fields are from there.

use std::collections::HashMap;

use crate::agent::container::pod::{Container, Pod};
use crate::agent::protobuf::Fields;

/// Where the kubelet writes down how often it started a container again.
const RESTARTS: &str = "io.kubernetes.container.restartCount";

/// How much containers have written, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The folder in which all of them write.
    pub root: String,
    /// Bytes by container.
    pub bytes: HashMap<String, f64>,
}

/// The pods in a `ListPodSandboxResponse`, by uid, with their containers from a
/// `ListContainersResponse`.
pub fn pods(sandboxes: &[u8], containers: &[u8]) -> HashMap<String, Pod> {
    let mut pods = HashMap::new();
    let mut uids = HashMap::new();
    for sandbox in Fields(sandboxes).filter(|field| field.number == 1) {
        let Some((id, pod)) = self::sandbox(sandbox.fields()) else {
            continue;
        };
        uids.insert(id, pod.uid.clone());
        // A pod whose sandbox ended has another beside it, of the same name.
        pods.entry(pod.uid.clone()).or_insert(pod);
    }
    for found in Fields(containers).filter(|field| field.number == 1) {
        let (sandbox, container) = container(found.fields());
        let pod = uids.get(&sandbox).and_then(|uid| pods.get_mut(uid));
        if let Some(Pod { containers, .. }) = pod {
            add(containers, container);
        }
    }
    pods
}

/// Of several with one name, runs that have ended, the last is the container.
fn add(containers: &mut Vec<Container>, container: Container) {
    match containers.iter_mut().find(|it| it.name == container.name) {
        Some(other) if other.started > container.started => {}
        Some(other) => *other = container,
        None => containers.push(container),
    }
}

/// A `PodSandbox`: its id, and the pod without containers.
fn sandbox(fields: Fields<'_>) -> Option<(String, Pod)> {
    let (mut id, mut pod) = (String::new(), Pod::default());
    for field in fields {
        match field.number {
            1 => id = field.text(),
            2 => {
                for part in field.fields() {
                    match part.number {
                        1 => pod.name = part.text(),
                        2 => pod.uid = part.text(),
                        3 => pod.namespace = part.text(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (!pod.uid.is_empty()).then_some((id, pod))
}

/// A `Container`, and the id of its sandbox.
fn container(fields: Fields<'_>) -> (String, Container) {
    let mut sandbox = String::new();
    let mut container = Container {
        state: state(0),
        ..Container::default()
    };
    for field in fields {
        let text = |number| {
            let part = field.fields().get(number);
            part.map(|part| part.text()).unwrap_or_default()
        };
        match field.number {
            1 => container.id = field.text(),
            2 => sandbox = field.text(),
            3 => container.name = text(1),
            // As it was asked for, where the runtime keeps that, else its digest.
            4 => {
                container.image = Some(text(18))
                    .filter(|it| !it.is_empty())
                    .unwrap_or_else(|| text(1));
            }
            6 => container.state = state(field.value),
            7 => container.started = Some(field.value as f64 / 1e9),
            9 if text(1) == RESTARTS => container.restarts = text(2).parse().unwrap_or(0.0),
            _ => {}
        }
    }
    (sandbox, container)
}

/// A `ContainerState`.
fn state(number: u64) -> (&'static str, String) {
    let word = match number {
        1 => "running",
        2 => "terminated",
        _ => "waiting",
    };
    (word, String::new())
}

/// What a `ListContainerStatsResponse` says of writable layers.
pub fn written(stats: &[u8]) -> Written {
    let mut written = Written::default();
    for stats in Fields(stats).filter(|field| field.number == 1) {
        let fields = stats.fields();
        let id = fields.get(1).and_then(|it| it.fields().get(1));
        let layer = fields.get(4).map(|it| it.fields());
        let used = layer.as_ref().and_then(|it| it.get(3));
        let (Some(id), Some(used)) = (id, used) else {
            continue;
        };
        let place = layer.and_then(|it| it.get(2)?.fields().get(1));
        if let Some(place) = place.filter(|_| written.root.is_empty()) {
            written.root = place.text();
        }
        // A value of 0 is left out of the message that wraps it.
        let used = used.fields().get(1).map_or(0, |it| it.value);
        written.bytes.insert(id.text(), used as f64);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A field with bytes, of less than 128.
    fn bytes(number: u16, content: impl AsRef<[u8]>) -> Vec<u8> {
        let content = content.as_ref();
        let tag = number << 3 | 2;
        let mut out = vec![];
        if tag < 128 {
            out.push(u8::try_from(tag).unwrap());
        } else {
            out.extend([
                u8::try_from(tag & 127).unwrap() | 128,
                u8::try_from(tag >> 7).unwrap(),
            ]);
        }
        out.push(u8::try_from(content.len()).unwrap());
        out.extend(content);
        out
    }

    fn a_sandbox(id: &str) -> Vec<u8> {
        let metadata = [bytes(1, "web"), bytes(2, "u-1"), bytes(3, "shop")].concat();
        bytes(1, [bytes(1, id), bytes(2, metadata)].concat())
    }

    fn a_container(id: &str, created: u8, state: u8) -> Vec<u8> {
        let restarts = [bytes(1, RESTARTS), bytes(2, "3")].concat();
        let parts = [
            bytes(1, id),
            bytes(2, "s"),
            bytes(3, bytes(1, "app")),
            bytes(4, [bytes(1, "sha256:0"), bytes(18, "nginx:1")].concat()),
            vec![6 << 3, state, 7 << 3, created],
            bytes(9, restarts),
        ];
        bytes(1, parts.concat())
    }

    #[test]
    fn pods_have_their_containers_and_the_last_run_of_each() {
        let sandboxes = [a_sandbox("old"), a_sandbox("s"), bytes(1, bytes(1, "none"))].concat();
        let containers = [a_container("b", 9, 1), a_container("a", 5, 2)].concat();
        let pods = pods(&sandboxes, &containers);
        assert_eq!(pods.len(), 1);
        let pod = &pods["u-1"];
        assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("shop", "web"));
        let [container] = pod.containers.as_slice() else {
            panic!("{pod:?}");
        };
        assert_eq!(
            (container.id.as_str(), container.name.as_str()),
            ("b", "app")
        );
        assert_eq!(
            (container.image.as_str(), container.state.0),
            ("nginx:1", "running")
        );
        assert!((container.restarts - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_was_written_is_read_by_container() {
        let layer = [bytes(2, bytes(1, "/var/lib/c")), bytes(3, [8, 7])].concat();
        let one = [bytes(1, bytes(1, "a")), bytes(4, layer)].concat();
        let none = [bytes(1, bytes(1, "b")), bytes(4, bytes(3, []))].concat();
        let stats = [bytes(1, one), bytes(1, none), bytes(1, bytes(1, "c"))].concat();
        let expected = Written {
            root: "/var/lib/c".to_owned(),
            bytes: HashMap::from([("a".to_owned(), 7.0), ("b".to_owned(), 0.0)]),
        };
        assert_eq!(written(&stats), expected);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(one in proptest::collection::vec(any::<u8>(), 0..99), two in proptest::collection::vec(0_u8..80, 0..99)) {
            pods(&one, &two);
            pods(&two, &two);
            written(&one);
            written(&two);
        }
    }
}
