//! Which log files there are. Folders are looked at again and again: that is the truth, whatever
//! else may hint at changes. One whose time of change is the same is not read.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Listed;
use super::glob;
use super::identity::FileId;
use super::names::{self, Name};
use super::source::Kind;

/// A change in the same tick of the file system's clock as the one before leaves its time as it
/// was. After so many nanoseconds there is no such tick any more.
const TICK: i64 = 2_000_000_000;

/// What is found.
#[derive(Debug)]
pub enum Change {
    /// These are the files of a source, new or changed.
    Files(Found),
    /// The folder of a source is no more.
    Gone(String),
}

/// The files of a source.
#[derive(Debug)]
pub struct Found {
    /// What the checkpoint calls the source.
    pub key: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// What it is of.
    pub kind: Kind,
    /// Folders that they may be in, when links are followed.
    pub within: Arc<[PathBuf]>,
    /// Its files.
    pub files: Vec<Listed>,
}

/// A folder that is read when it has changed.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    changed: Option<i64>,
    read: i64,
    /// It holds links, and what those lead to may change without it.
    links: bool,
}

/// Containers of pods below `/var/log/pods`.
#[derive(Debug)]
pub struct Pods {
    root: Folder,
    within: Arc<[PathBuf]>,
    folders: HashMap<String, Pod>,
}

#[derive(Debug)]
struct Pod {
    folder: Folder,
    containers: HashMap<String, Folder>,
}

/// Containers of Docker below `/var/lib/docker/containers`.
#[derive(Debug)]
pub struct Docker {
    root: Folder,
    within: Arc<[PathBuf]>,
    containers: HashMap<String, Folder>,
}

/// Plain files by their patterns.
#[derive(Debug)]
pub struct Plain {
    patterns: Vec<PathBuf>,
    rootfs: PathBuf,
    /// What was last found, by path.
    known: HashMap<PathBuf, FileId>,
}

impl Folder {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            changed: None,
            read: 0,
            links: false,
        }
    }

    /// Its names, when they may have changed.
    fn read(&mut self, now: i64) -> io::Result<Option<Vec<String>>> {
        let metadata = fs::metadata(&self.path)?;
        let changed = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
        let settled = self.read - changed > TICK || self.read == 0;
        if self.changed == Some(changed) && settled && !self.links && self.read != 0 {
            return Ok(None);
        }
        self.changed = Some(changed);
        self.read = now;
        names(&self.path).map(Some)
    }

    /// Its log files, when they may have changed.
    fn files(
        &mut self,
        now: i64,
        name: impl Fn(&str) -> Option<Name>,
    ) -> io::Result<Option<Vec<Listed>>> {
        let Some(names) = self.read(now)? else {
            return Ok(None);
        };
        self.links = false;
        let mut files = Vec::new();
        for text in names {
            let Some(found) = name(&text) else { continue };
            let path = self.path.join(&text);
            self.links |= fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
            // Gone since the folder was read: the next look shows it.
            files.extend(listed(text, path, found));
        }
        Ok(Some(files))
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let names =
        fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

fn listed(name: String, path: PathBuf, found: Name) -> Option<Listed> {
    let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    Some(Listed {
        name,
        path,
        id: FileId::from(&metadata),
        size: metadata.len(),
        modified: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        found,
    })
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl Pods {
    /// Below this folder; `docker` is where Docker's are, to which links may lead.
    pub fn new(root: PathBuf, docker: &Path) -> Self {
        Self {
            within: [real(&root), real(docker)].into(),
            root: Folder::new(root),
            folders: HashMap::new(),
        }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn scan(&mut self, now: i64, out: &mut Vec<Change>) -> io::Result<()> {
        match self.root.read(now)? {
            None => {}
            Some(names) => {
                let names: HashSet<String> = names
                    .into_iter()
                    .filter(|name| names::pod(name).is_some())
                    .collect();
                self.folders.retain(|name, pod| {
                    let stays = names.contains(name);
                    if !stays {
                        out.extend(
                            pod.containers
                                .values()
                                .map(|folder| Change::Gone(key(&folder.path))),
                        );
                    }
                    stays
                });
                for name in names {
                    let path = self.root.path.join(&name);
                    self.folders.entry(name).or_insert_with(|| Pod {
                        folder: Folder::new(path),
                        containers: HashMap::new(),
                    });
                }
            }
        }
        for (name, pod) in &mut self.folders {
            pod.scan(name, &self.within, now, out);
        }
        Ok(())
    }
}

impl Pod {
    fn scan(&mut self, name: &str, within: &Arc<[PathBuf]>, now: i64, out: &mut Vec<Change>) {
        let Some((namespace, pod, uid)) = names::pod(name) else {
            return;
        };
        if let Ok(Some(names)) = self.folder.read(now) {
            let names: HashSet<String> = names.into_iter().collect();
            self.containers.retain(|name, folder| {
                let stays = names.contains(name);
                if !stays {
                    out.push(Change::Gone(key(&folder.path)));
                }
                stays
            });
            for name in names {
                let path = self.folder.path.join(&name);
                self.containers
                    .entry(name)
                    .or_insert_with(|| Folder::new(path));
            }
        }
        for (container, folder) in &mut self.containers {
            let kind = || Kind::Pod {
                namespace: namespace.to_owned(),
                pod: pod.to_owned(),
                uid: uid.to_owned(),
                container: container.clone(),
            };
            files(folder, within, now, names::kubelet, kind, out);
        }
    }
}

/// Reports a folder's files when they may have changed.
fn files(
    folder: &mut Folder,
    within: &Arc<[PathBuf]>,
    now: i64,
    name: impl Fn(&str) -> Option<Name>,
    kind: impl FnOnce() -> Kind,
    out: &mut Vec<Change>,
) {
    match folder.files(now, name) {
        Ok(None) => {}
        Ok(Some(files)) => out.push(Change::Files(Found {
            key: key(&folder.path),
            folder: folder.path.clone(),
            kind: kind(),
            within: within.clone(),
            files,
        })),
        Err(error) if is_gone(&error) => out.push(Change::Gone(key(&folder.path))),
        // It is looked at again; a folder that cannot be read has no change to tell.
        Err(error) => {
            tracing::debug!(folder = %folder.path.display(), %error, "a log folder cannot be read");
        }
    }
}

impl Docker {
    /// Below this folder.
    pub fn new(root: PathBuf) -> Self {
        Self {
            within: [real(&root)].into(),
            root: Folder::new(root),
            containers: HashMap::new(),
        }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn scan(&mut self, now: i64, out: &mut Vec<Change>) -> io::Result<()> {
        match self.root.read(now)? {
            None => {}
            Some(names) => {
                let names: HashSet<String> = names.into_iter().collect();
                self.containers.retain(|name, folder| {
                    let stays = names.contains(name);
                    if !stays {
                        out.push(Change::Gone(key(&folder.path)));
                    }
                    stays
                });
                for name in names {
                    let path = self.root.path.join(&name);
                    self.containers
                        .entry(name)
                        .or_insert_with(|| Folder::new(path));
                }
            }
        }
        for (id, folder) in &mut self.containers {
            let kind = || Kind::Docker { id: id.clone() };
            files(
                folder,
                &self.within,
                now,
                |name| names::docker(name, id),
                kind,
                out,
            );
        }
        Ok(())
    }
}

impl Plain {
    /// Files that these patterns fit, below the host's root.
    pub fn new(patterns: Vec<PathBuf>, rootfs: PathBuf) -> Self {
        Self {
            patterns,
            rootfs,
            known: HashMap::new(),
        }
    }

    /// Looks at everything. A file is reported with those beside it that it may have been called
    /// before.
    pub fn scan(&mut self, out: &mut Vec<Change>) {
        let mut seen = HashSet::new();
        for (config, pattern) in self.patterns.iter().enumerate() {
            let mut paths = glob::expand(pattern);
            paths.sort();
            for path in &paths {
                if seen.contains(path) || (!self.known.contains_key(path) && is_old(path, &paths)) {
                    continue;
                }
                let Some(metadata) = fs::metadata(path).ok().filter(fs::Metadata::is_file) else {
                    continue;
                };
                seen.insert(path.clone());
                let id = FileId::from(&metadata);
                if self.known.insert(path.clone(), id) == Some(id) {
                    continue;
                }
                let key = host_key(path, &self.rootfs);
                out.extend(plain(path, key, config, glob::fixed(pattern)));
            }
        }
        self.known.retain(|path, _| {
            let stays = seen.contains(path);
            if !stays {
                out.push(Change::Gone(host_key(path, &self.rootfs)));
            }
            stays
        });
    }
}

/// What the checkpoint calls a plain file: its path on the host.
fn host_key(path: &Path, rootfs: &Path) -> String {
    let path = path.strip_prefix(rootfs).unwrap_or(path).to_string_lossy();
    format!("file:/{}", path.trim_start_matches('/'))
}

/// Whether it is what another of the paths was called before.
fn is_old(path: &Path, paths: &[PathBuf]) -> bool {
    let name = super::tail::name(path);
    paths.iter().any(|other| {
        let base = super::tail::name(other);
        other != path && other.parent() == path.parent() && names::sibling(name, base, 0).is_some()
    })
}

fn plain(path: &Path, key: String, config: usize, fixed: &Path) -> Option<Change> {
    let folder = path.parent()?;
    let base = super::tail::name(path);
    let mut files = Vec::new();
    for name in names(folder).ok()? {
        if names::sibling(&name, base, 0).is_none() {
            continue;
        }
        let path = folder.join(&name);
        let modified = fs::metadata(&path).map_or(0, |metadata| {
            metadata.mtime_nsec() + metadata.mtime() * 1_000_000_000
        });
        let Some(found) = names::sibling(&name, base, modified.max(0).cast_unsigned()) else {
            continue;
        };
        files.extend(listed(name, path, found));
    }
    Some(Change::Files(Found {
        key,
        folder: folder.to_owned(),
        kind: Kind::Plain {
            base: base.to_owned(),
            config,
        },
        within: [real(fixed)].into(),
        files,
    }))
}

/// A folder's own path, without links.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn key(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
