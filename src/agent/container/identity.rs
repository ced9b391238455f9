//! Who a control group belongs to, read from its path alone.
//!
//! Kubelets and runtimes place groups differently: systemd or cgroupfs driver, a root of their own
//! (kind's `/kubelet`), Docker in Kubernetes' place. Two things hold everywhere: a pod's folder has
//! `pod<uid>` in its name, and a container's the 64 hexadecimal digits of its id. So nothing here
//! is anchored at `/kubepods`.

const ID_LENGTH: usize = 64;

/// Who a control group belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The pod's uid, with dashes; the hash of the manifest for a static pod.
    pub pod: Option<String>,
    /// The container's id.
    pub container: Option<String>,
}

impl Identity {
    /// The identity of a folder below one of this identity.
    ///
    /// The folder of a container in another container's (kind: a node is a Docker container) is
    /// its own; any other folder in a container's, such as crun's `container` or the slices of a
    /// systemd in it, belongs to nobody.
    pub fn child(&self, name: &str) -> Self {
        if let Some(uid) = parse_pod(name) {
            return Self {
                pod: Some(uid),
                container: None,
            };
        }
        Self {
            pod: self.pod.clone(),
            container: parse_container(name).map(str::to_owned),
        }
    }
}

/// The pod's uid in `pod<uid>` or `…-pod<uid with _ for ->.slice`.
fn parse_pod(name: &str) -> Option<String> {
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let (before, uid) = name.rsplit_once("pod")?;
    let starts = before.is_empty() || before.ends_with('-');
    let looks_like_uid = |c: char| c.is_ascii_hexdigit() || c == '-' || c == '_';
    // 36 characters, or 32 for a static pod; users may give a static pod another.
    let fits = uid.len() >= 16 && uid.chars().all(looks_like_uid);
    (starts && fits).then(|| uid.replace('_', "-"))
}

/// The container's id in `<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`,
/// `crio-<id>.scope` or `libpod-<id>.scope`. conmon is the runtime's own process beside it.
fn parse_container(name: &str) -> Option<&str> {
    if name.strip_suffix(".mount").is_some() || name.contains("conmon") {
        return None;
    }
    let is_id = |run: &&str| run.len() == ID_LENGTH && run.chars().all(is_lower_hex);
    name.trim_end_matches(".scope")
        .rsplit(['-', '_', ':'])
        .find(is_id)
}

/// The container's id in a line of `/proc/<pid>/cgroup`, the innermost one.
pub fn container_in_path(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(parse_container)
}

fn is_lower_hex(c: char) -> bool {
    c.is_ascii_digit() || ('a'..='f').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UID: &str = "7a2d4b63-1c2f-4e8b-8b66-3a2a7d1b2e02";
    const SLICE: &str = "pod7a2d4b63_1c2f_4e8b_8b66_3a2a7d1b2e02.slice";
    const ID: &str = "6d1fb1025780346c95ac9663944e3aa6517565c7c36a62580cd5faa700012ede";

    fn of(path: &str) -> Identity {
        path.split('/')
            .fold(Identity::default(), |identity, name| identity.child(name))
    }

    #[test]
    fn every_layout_of_pods_is_understood() {
        for pod in [
            format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{SLICE}"),
            format!("kubepods.slice/kubepods-{SLICE}"),
            format!("kubepods/besteffort/pod{UID}"),
            format!("kubepods/pod{UID}"),
            format!("masthead/kubepods/burstable/pod{UID}"),
            format!(
                "docker/{}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-{SLICE}",
                ID.replace('6', "5")
            ),
        ] {
            let expected = Identity {
                pod: Some(UID.into()),
                container: None,
            };
            assert_eq!(of(&pod), expected, "{pod}");
            for name in [
                ID.to_owned(),
                format!("cri-containerd-{ID}.scope"),
                format!("crio-{ID}.scope"),
                format!("docker-{ID}.scope"),
            ] {
                let found = of(&format!("{pod}/{name}"));
                assert_eq!(found.container.as_deref(), Some(ID), "{pod}/{name}");
                assert_eq!(found.pod.as_deref(), Some(UID));
            }
        }
    }

    #[test]
    fn containers_without_a_pod_have_none() {
        for path in [
            format!("docker/{ID}"),
            format!("system.slice/docker-{ID}.scope"),
            format!("machine.slice/libpod-{ID}.scope"),
            format!("machine.slice/machine-libpod_pod_{ID}.slice/libpod-{ID}.scope"),
            format!("kubepods/burstable/pod1/x/../{ID}"),
        ] {
            let expected = Identity {
                pod: None,
                container: Some(ID.into()),
            };
            assert_eq!(of(&path), expected, "{path}");
        }
    }

    #[test]
    fn what_lies_beside_or_in_a_container_is_none() {
        for path in [
            format!("kubepods/pod{UID}/crio-conmon-{ID}.scope"),
            format!("system.slice/var-lib-docker-overlay2-{ID}-merged.mount"),
            format!("docker/{ID}/init.scope"),
            format!("kubepods/pod{UID}/crio-{ID}.scope/container"),
            "kubepods.slice/kubepods-burstable.slice".into(),
            "system.slice/docker.service".into(),
            format!("docker/{ID}0"),
        ] {
            assert_eq!(of(&path).container, None, "{path}");
        }
    }

    #[test]
    fn a_static_pod_has_the_hash_of_its_manifest() {
        let found = of("kubepods/burstable/pod0f3a5b6c7d8e9f00112233445566aabb");
        assert_eq!(found.pod.unwrap(), "0f3a5b6c7d8e9f00112233445566aabb");
    }

    #[test]
    fn the_innermost_id_of_a_path_is_the_process_own() {
        let inner = format!("/../../kubepods/pod{UID}/cri-containerd-{ID}.scope/init.scope");
        assert_eq!(container_in_path(&inner), Some(ID));
        assert_eq!(container_in_path("/system.slice/ssh.service"), None);
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in any::<String>(), path in "[a-z0-9/._:-]{0,200}") {
            Identity::default().child(&name);
            of(&path);
            container_in_path(&path);
        }
    }
}
