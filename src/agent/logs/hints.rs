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
    /// Sources by watch; none for a folder of folders.
    watches: HashMap<i32, Option<u32>>,
    /// Whether it was said that a limit is reached.
    said: bool,
}

/// What is to be told of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// That names come and go.
    Names,
    /// That files are written, as well.
    Writes,
}

/// What the kernel has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether it could keep everything that there was to tell.
    pub whole: bool,
    /// Whether names have come or gone anywhere.
    pub names: bool,
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
    /// Watches a folder; none when it must be looked at instead.
    pub fn watch(&mut self, folder: &Path, wanted: Wanted) -> Option<i32> {
        let names =
            WatchFlags::CREATE | WatchFlags::MOVE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        let changes = match wanted {
            Wanted::Names => names,
            Wanted::Writes => names | WatchFlags::MODIFY,
        };
        match inotify::add_watch(self.instance.as_ref()?, folder, changes) {
            Ok(watch) => {
                self.watches.insert(watch, None);
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

    /// Whether the kernel still tells of a folder: not once it is no more.
    pub fn is_on(&self, watch: i32) -> bool {
        self.watches.contains_key(&watch)
    }

    /// Whose folder it is.
    pub fn belongs(&mut self, watch: i32, source: u32) {
        self.watches.insert(watch, Some(source));
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

    /// Tells which sources have changed since the last time.
    pub fn take(&mut self, mut changed: impl FnMut(u32)) -> Told {
        let mut told = Told {
            whole: true,
            names: false,
        };
        let Some(instance) = &self.instance else {
            return told;
        };
        let mut buffer = [const { MaybeUninit::uninit() }; 16 * 1024];
        let mut reader = Reader::new(instance, &mut buffer);
        let mut before = None;
        while let Ok(event) = reader.next() {
            let (watch, events) = (event.wd(), event.events());
            told.whole &= !events.contains(ReadFlags::QUEUE_OVERFLOW);
            told.names |= events != ReadFlags::MODIFY;
            if events.contains(ReadFlags::IGNORED) {
                self.watches.remove(&watch);
            } else if before != Some(watch)
                && let Some(Some(source)) = self.watches.get(&watch)
            {
                changed(*source);
                before = Some(watch);
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_change_is_told_once_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut hints = Hints::default();
        let Some(watch) = hints.watch(folder.path(), Wanted::Writes) else {
            eprintln!("SKIPPED: no inotify watch to be had");
            return;
        };
        hints.belongs(watch, 7);
        let take = |hints: &mut Hints| {
            let mut sources = Vec::new();
            let told = hints.take(|source| sources.push(source));
            assert!(told.whole);
            (sources.first().copied(), told.names)
        };
        let file = folder.path().join("0.log");
        assert_eq!(take(&mut hints), (None, false));
        std::fs::write(&file, "x").unwrap();
        assert_eq!(take(&mut hints), (Some(7), true));
        std::fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(b"y"))
            .unwrap();
        assert_eq!(take(&mut hints), (Some(7), false));
        hints.leave(watch);
        assert_eq!(take(&mut hints), (None, true));
        std::fs::write(&file, "y").unwrap();
        assert_eq!(take(&mut hints), (None, false));
        assert!(hints.watch(Path::new("/nowhere"), Wanted::Names).is_none());
    }

    #[test]
    fn a_folder_that_is_no_more_is_not_watched_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, mut hints) = (folder.path().join("pod"), Hints::default());
        std::fs::create_dir(&inner).unwrap();
        let outer = hints.watch(folder.path(), Wanted::Names);
        let Some((watch, _)) = hints.watch(&inner, Wanted::Names).zip(outer) else {
            eprintln!("SKIPPED: no inotify watch to be had");
            return;
        };
        assert!(hints.is_on(watch));
        std::fs::remove_dir(&inner).unwrap();
        assert!(hints.take(|_| {}).names);
        assert!(!hints.is_on(watch));
    }
}
