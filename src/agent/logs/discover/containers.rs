//! Folders of containers: those of the kubelet's pods, and Docker's.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{Folder, Tree, key, real};
use super::{Change, Found};
use crate::agent::logs::hints::Hints;
use crate::agent::logs::names::{self, Name};
use crate::agent::logs::source::Kind;

/// Containers of pods below `/var/log/pods`.
#[derive(Debug)]
pub struct Pods {
    pods: Tree<Tree<Folder>>,
    within: Arc<[PathBuf]>,
}

/// Containers of Docker below `/var/lib/docker/containers`.
#[derive(Debug)]
pub struct Docker {
    containers: Tree<Folder>,
    within: Arc<[PathBuf]>,
}

/// What a look is made with.
#[derive(Debug)]
pub struct Scan<'a> {
    /// The time in nanoseconds since 1970.
    pub now: i64,
    /// The kernel's hints.
    pub hints: &'a mut Hints,
    /// What is found.
    pub out: &'a mut Vec<Change>,
}

impl Pods {
    /// Below this folder; `docker` is where Docker's are, to which links may lead.
    pub fn new(root: PathBuf, docker: &Path) -> Self {
        Self {
            within: [real(&root), real(docker)].into(),
            pods: Tree::new(root),
        }
    }

    /// Whether there are folders of whose changes the kernel does not tell.
    pub fn is_blind(&self) -> bool {
        let blind =
            |pod: &Tree<Folder>| pod.folder.is_blind() || pod.inner.values().any(Folder::is_blind);
        self.pods.folder.is_blind() || self.pods.inner.values().any(blind)
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn scan(&mut self, scan: &mut Scan<'_>) -> io::Result<()> {
        let pod = |name: &str, path| names::pod(name).map(|_| Tree::new(path));
        let Scan { now, hints, out } = scan;
        self.pods.look(*now, hints, pod, |pod| {
            let containers = pod.inner.values();
            out.extend(containers.map(|folder| Change::Gone(key(&folder.path))));
        })?;
        for (name, pod) in &mut self.pods.inner {
            scan_pod(name, pod, &self.within, scan);
        }
        Ok(())
    }
}

fn scan_pod(name: &str, folders: &mut Tree<Folder>, within: &Arc<[PathBuf]>, scan: &mut Scan<'_>) {
    let Some((namespace, pod, uid)) = names::pod(name) else {
        return;
    };
    let Scan { now, hints, out } = scan;
    let container = |_: &str, path| Some(Folder::new(path));
    let looked = folders.look(*now, hints, container, |folder| {
        out.push(Change::Gone(key(&folder.path)));
    });
    if let Err(error) = looked {
        failed(&mut folders.folder, error, out);
    }
    for (container, folder) in &mut folders.inner {
        let kind = || Kind::Pod {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            uid: uid.to_owned(),
            container: container.clone(),
        };
        files(folder, within, names::kubelet, kind, scan);
    }
}

impl Docker {
    /// Below this folder.
    pub fn new(root: PathBuf) -> Self {
        Self {
            within: [real(&root)].into(),
            containers: Tree::new(root),
        }
    }

    /// Whether there are folders of whose changes the kernel does not tell.
    pub fn is_blind(&self) -> bool {
        self.containers.folder.is_blind() || self.containers.inner.values().any(Folder::is_blind)
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn scan(&mut self, scan: &mut Scan<'_>) -> io::Result<()> {
        let Scan { now, hints, out } = scan;
        let container = |_: &str, path| Some(Folder::new(path));
        self.containers.look(*now, hints, container, |folder| {
            out.push(Change::Gone(key(&folder.path)));
        })?;
        for (id, folder) in &mut self.containers.inner {
            let kind = || Kind::Docker { id: id.clone() };
            let name = |name: &str| names::docker(name, id);
            files(folder, &self.within, name, kind, scan);
        }
        Ok(())
    }
}

/// Reports a folder's files when they may have changed.
fn files(
    folder: &mut Folder,
    within: &Arc<[PathBuf]>,
    name: impl Fn(&str) -> Option<Name>,
    kind: impl FnOnce() -> Kind,
    scan: &mut Scan<'_>,
) {
    match folder.files(scan.now, name, scan.hints) {
        Ok(None) => {}
        Ok(Some(files)) => scan.out.push(Change::Files(Found {
            key: key(&folder.path),
            folder: folder.path.clone(),
            kind: kind(),
            within: within.clone(),
            // Of what links lead to the folder's watch does not tell.
            watch: folder.watch.filter(|_| !folder.links),
            files,
        })),
        Err(error) => failed(folder, error, scan.out),
    }
}

/// A folder that is no more has no files; another is looked at again, and said once.
fn failed(folder: &mut Folder, error: io::Error, out: &mut Vec<Change>) {
    let gone = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    if gone {
        out.push(Change::Gone(key(&folder.path)));
    } else if folder.fails() {
        out.push(Change::Failed(folder.path.clone(), error));
    }
}
