//! A folder that is looked at again and again, and read when it may have changed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::agent::logs::files::Listed;
use crate::agent::logs::hints::{Hints, Wanted};
use crate::agent::logs::identity::FileId;
use crate::agent::logs::names::Name;

/// A change in the same tick of the file system's clock as the one before leaves its time as it
/// was. After so many nanoseconds there is no such tick any more.
const TICK: i64 = 2_000_000_000;

/// How often a folder that changes meanwhile is listed before the list is taken as it is.
const LISTS: usize = 4;

/// A folder whose names are known.
#[derive(Debug)]
pub struct Folder {
    pub path: PathBuf,
    /// The kernel tells of changes in it.
    pub watch: Option<i32>,
    changed: Option<i64>,
    read: i64,
    /// It holds links, and what those lead to may change without it.
    pub links: bool,
    /// Whether it could not be read the last time.
    failing: bool,
}

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            watch: None,
            changed: None,
            read: 0,
            links: false,
            failing: false,
        }
    }

    /// Whether changes in it are found by nobody but who looks.
    pub fn is_blind(&self) -> bool {
        self.watch.is_none() || self.links
    }

    /// Its names, when they may have changed.
    pub fn read(
        &mut self,
        now: i64,
        wanted: Wanted,
        hints: &mut Hints,
    ) -> io::Result<Option<Vec<String>>> {
        let metadata = fs::metadata(&self.path)?;
        let changed = modified(&metadata);
        let settled = self.read - changed > TICK || self.read == 0;
        if self.changed == Some(changed) && settled && !self.links && self.read != 0 {
            return Ok(None);
        }
        // Watched before it is read, so that nothing falls between.
        if !self.watch.is_some_and(|watch| hints.is_on(watch)) {
            self.watch = hints.watch(&self.path, wanted);
        }
        let names = names(&self.path)?;
        self.changed = Some(changed);
        self.read = now;
        self.failing = false;
        Ok(Some(names))
    }

    /// Its log files, when they may have changed. A list that was made while files were renamed may
    /// lack some and have others twice, so it is made again.
    pub fn files(
        &mut self,
        now: i64,
        name: impl Fn(&str) -> Option<Name>,
        hints: &mut Hints,
    ) -> io::Result<Option<Vec<Listed>>> {
        let Some(mut names) = self.read(now, Wanted::Writes, hints)? else {
            return Ok(None);
        };
        for _ in 0..LISTS {
            let (files, whole) = self.list(names, &name);
            let changed = modified(&fs::metadata(&self.path)?);
            if whole && self.changed == Some(changed) {
                return Ok(Some(files));
            }
            self.changed = Some(changed);
            names = self::names(&self.path)?;
        }
        Ok(Some(self.list(names, &name).0))
    }

    /// The log files among these names, and whether all of them were still there.
    fn list(
        &mut self,
        names: Vec<String>,
        name: impl Fn(&str) -> Option<Name>,
    ) -> (Vec<Listed>, bool) {
        self.links = false;
        let (mut files, mut whole) = (Vec::new(), true);
        for text in names {
            let Some(found) = name(&text) else { continue };
            let path = self.path.join(&text);
            match fs::symlink_metadata(&path) {
                Ok(metadata) => self.links |= metadata.is_symlink(),
                Err(_) => whole = false,
            }
            files.extend(listed(text, path, found));
        }
        (files, whole)
    }

    /// Whether it could be read before it failed: what fails again and again is said once.
    pub fn fails(&mut self) -> bool {
        !std::mem::replace(&mut self.failing, true)
    }
}

/// A folder, and what is known of each folder in it.
#[derive(Debug)]
pub struct Tree<T> {
    pub folder: Folder,
    pub inner: HashMap<String, T>,
}

impl<T> Tree<T> {
    pub fn new(path: PathBuf) -> Self {
        Self {
            folder: Folder::new(path),
            inner: HashMap::new(),
        }
    }

    /// Looks which folders are in it; tells of those that are no more.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(
        &mut self,
        now: i64,
        hints: &mut Hints,
        make: impl Fn(&str, PathBuf) -> Option<T>,
        mut gone: impl FnMut(T),
    ) -> io::Result<()> {
        let Some(names) = self.folder.read(now, Wanted::Names, hints)? else {
            return Ok(());
        };
        let names: HashSet<String> = names.into_iter().collect();
        let left = self.inner.extract_if(|name, _| !names.contains(name));
        left.for_each(|(_, inner)| gone(inner));
        for name in names {
            if !self.inner.contains_key(&name)
                && let Some(inner) = make(&name, self.folder.path.join(&name))
            {
                self.inner.insert(name, inner);
            }
        }
        Ok(())
    }
}

/// The names in a folder.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let names =
        fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

/// A file as it is listed; none where there is none.
pub fn listed(name: String, path: PathBuf, found: Name) -> Option<Listed> {
    let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    Some(Listed {
        name,
        path,
        id: FileId::from(&metadata),
        size: metadata.len(),
        modified: modified(&metadata),
        found,
    })
}

/// When it was last written, in nanoseconds since 1970.
pub fn modified(metadata: &fs::Metadata) -> i64 {
    let seconds = metadata.mtime().saturating_mul(1_000_000_000);
    seconds.saturating_add(metadata.mtime_nsec())
}

/// A folder's own path, without links.
pub fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// What the checkpoint calls a folder.
pub fn key(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
