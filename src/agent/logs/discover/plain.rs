//! Plain files by patterns of their paths.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{self, listed, real};
use super::{Change, Found};
use crate::agent::logs::identity::FileId;
use crate::agent::logs::source::Kind;
use crate::agent::logs::{glob, names, tail};

/// Plain files by their patterns.
#[derive(Debug)]
pub struct Plain {
    patterns: Vec<PathBuf>,
    rootfs: PathBuf,
    /// What was last found, by path.
    known: HashMap<PathBuf, FileId>,
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
                if self.known.get(path) == Some(&id) {
                    continue;
                }
                let key = host_key(path, &self.rootfs);
                if let Some(change) = plain(path, key, config, glob::fixed(pattern)) {
                    self.known.insert(path.clone(), id);
                    out.push(change);
                }
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

    /// Reports this source with the next look again.
    pub fn forget(&mut self, key: &str) {
        let rootfs = &self.rootfs;
        self.known.retain(|path, _| host_key(path, rootfs) != key);
    }
}

/// What the checkpoint calls a plain file: its path on the host.
fn host_key(path: &Path, rootfs: &Path) -> String {
    let path = path.strip_prefix(rootfs).unwrap_or(path).to_string_lossy();
    format!("file:/{}", path.trim_start_matches('/'))
}

/// Whether it is what another of the paths was called before.
fn is_old(path: &Path, paths: &[PathBuf]) -> bool {
    let name = tail::name(path);
    paths.iter().any(|other| {
        let base = tail::name(other);
        other != path && other.parent() == path.parent() && names::sibling(name, base, 0).is_some()
    })
}

fn plain(path: &Path, key: String, config: usize, fixed: &Path) -> Option<Change> {
    let parent = path.parent()?;
    let base = tail::name(path);
    let mut files = Vec::new();
    for name in folder::names(parent).ok()? {
        if names::sibling(&name, base, 0).is_none() {
            continue;
        }
        let path = parent.join(&name);
        let modified = fs::metadata(&path).map_or(0, |metadata| folder::modified(&metadata));
        let Some(found) = names::sibling(&name, base, modified.max(0).cast_unsigned()) else {
            continue;
        };
        files.extend(listed(name, path, found));
    }
    Some(Change::Files(Found {
        key,
        folder: parent.to_owned(),
        kind: Kind::Plain {
            base: base.to_owned(),
            config,
        },
        within: [real(fixed)].into(),
        // Beside many others: they would be told of with it.
        watch: None,
        files,
    }))
}
