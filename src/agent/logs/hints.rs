//! Hints of the kernel about which folders have changed: one inotify instance for all. What it does
//! not tell, because a limit is reached or a file is elsewhere, is found by looking.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// The kernel's hints.
#[derive(Debug)]
pub struct Hints {
    /// None where the system has no instance left.
    instance: Option<OwnedFd>,
    /// Sources by watch.
    watches: HashMap<i32, u32>,
    /// Whether it was said that a limit is reached.
    said: bool,
}

impl Default for Hints {
    fn default() -> Self {
        let instance = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .inspect_err(
                |error| tracing::info!(%error, "no inotify: log files are looked at every second"),
            )
            .ok();
        Self {
            instance,
            watches: HashMap::new(),
            said: false,
        }
    }
}

impl Hints {
    /// Watches a source's folder; none when it must be looked at instead.
    pub fn watch(&mut self, source: u32, folder: &Path) -> Option<i32> {
        let changes = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(self.instance.as_ref()?, folder, changes) {
            Ok(watch) => {
                self.watches.insert(watch, source);
                Some(watch)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.said, true) {
                    tracing::info!(%error, "not every log folder can be watched: the others are looked at every second");
                }
                None
            }
        }
    }

    /// Watches it no more.
    pub fn leave(&mut self, watch: i32) {
        // The kernel has let go already where the folder is no more.
        if self.watches.remove(&watch).is_some()
            && let Some(instance) = &self.instance
            && let Err(error) = inotify::remove_watch(instance, watch)
        {
            tracing::debug!(%error, "a log folder was watched no more");
        }
    }

    /// Tells which sources have changed since the last time; false when some were not told.
    pub fn take(&mut self, mut changed: impl FnMut(u32)) -> bool {
        let Some(instance) = &self.instance else {
            return true;
        };
        let mut buffer = [const { MaybeUninit::uninit() }; 16 * 1024];
        let mut reader = Reader::new(instance, &mut buffer);
        let mut whole = true;
        let mut before = None;
        while let Ok(event) = reader.next() {
            let watch = event.wd();
            whole &= !event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            if event.events().contains(ReadFlags::IGNORED) {
                self.watches.remove(&watch);
            } else if before != Some(watch)
                && let Some(source) = self.watches.get(&watch)
            {
                changed(*source);
                before = Some(watch);
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut hints = Hints::default();
        let Some(watch) = hints.watch(7, folder.path()) else {
            eprintln!("SKIPPED: no inotify watch to be had");
            return;
        };
        let take = |hints: &mut Hints| {
            let mut told = Vec::new();
            assert!(hints.take(|source| told.push(source)));
            told
        };
        assert!(take(&mut hints).is_empty());
        std::fs::write(folder.path().join("0.log"), "x").unwrap();
        assert_eq!(take(&mut hints).first(), Some(&7));
        hints.leave(watch);
        std::fs::write(folder.path().join("0.log"), "y").unwrap();
        assert!(take(&mut hints).is_empty());
        assert!(hints.watch(7, Path::new("/nowhere")).is_none());
    }
}
