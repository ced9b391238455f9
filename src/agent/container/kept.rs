//! The files of a control group, which stay open from one gather to the next: to read one again is
//! half of the cost of opening it anew.
//!
//! An open file costs a descriptor, and about a page of the kernel's memory; so there is a budget
//! for all groups, and what is above it is opened for each read. A file that is open keeps no group
//! alive: when that ends, reading says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::files::{Folder, read_open};

/// About twenty megabytes of the kernel's, and 250 containers.
const MOST_FILES: usize = 4096;

/// How many files may stay open.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// [`MOST_FILES`], or half of the descriptors that this process may have, which are raised as
    /// far as needed and allowed: a login shell's limit is 1024.
    pub fn of_process() -> Self {
        let wanted = 2 * MOST_FILES as u64;
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
            let raised = Rlimit {
                current: Some(raised),
                ..limit
            };
            if setrlimit(Resource::Nofile, raised).is_ok() {
                limit = raised;
            }
        }
        let half = limit.current.map_or(MOST_FILES, |current| {
            usize::try_from(current / 2).unwrap_or(MOST_FILES)
        });
        Self::new(half.min(MOST_FILES))
    }

    /// So many.
    pub fn new(files: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(files)))
    }

    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    fn give(&self, files: usize) {
        self.0.fetch_add(files, Ordering::Relaxed);
    }
}

/// A group's folder.
#[derive(Debug)]
pub struct Kept {
    folder: Folder,
    open: Vec<(&'static str, OwnedFd)>,
    budget: Budget,
    /// Whether the folder itself is within the budget.
    stays: bool,
}

impl Kept {
    /// None of its files is open yet.
    pub fn new(folder: Folder, budget: &Budget) -> Self {
        Self {
            folder,
            open: Vec::new(),
            stays: budget.take(),
            budget: budget.clone(),
        }
    }

    /// Whether there was room for it in the budget; one for which there was none must go after use.
    pub fn stays(&self) -> bool {
        self.stays
    }

    /// Reads a file that will be read again, as [`Folder::read`] does.
    pub fn read<'a>(&mut self, name: &'static str, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
        let known = self.open.iter().position(|(known, _)| *known == name);
        if let Some((_, file)) = known.and_then(|index| self.open.get(index)) {
            return read_open(file, buffer);
        }
        let file = self.folder.file(name)?;
        let text = read_open(&file, buffer);
        if text.is_some() && self.stays && self.budget.take() {
            self.open.push((name, file));
        }
        text
    }

    /// The folder, for what is seldom read.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.give(self.open.len() + usize::from(self.stays));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_open_within_the_budget_and_tell_what_is_so_now() {
        let temp = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(temp.path().join(name), text).unwrap();
        for name in ["a", "b", "c"] {
            write(name, "1");
        }
        let budget = Budget::new(3);
        let left = || budget.0.load(Ordering::Relaxed);
        let mut buffer = Vec::new();
        let mut kept = Kept::new(Folder::open(temp.path()).unwrap(), &budget);
        for expected in ["1", "2", "345"] {
            for name in ["a", "b", "c"] {
                write(name, expected);
                assert_eq!(kept.read(name, &mut buffer), Some(expected));
            }
            assert_eq!((kept.open.len(), left()), (2, 0));
        }
        assert_eq!(kept.read("none", &mut buffer), None);
        let other = Kept::new(Folder::open(temp.path()).unwrap(), &budget);
        assert!(kept.stays() && !other.stays());
        drop(other);
        drop(kept);
        assert_eq!(left(), 3);
    }

    #[test]
    fn a_budget_is_less_than_the_processs_limit() {
        let Budget(left) = Budget::of_process();
        let left = left.load(Ordering::Relaxed);
        assert!(left > 0 && left <= MOST_FILES, "{left}");
    }
}
