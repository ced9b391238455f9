//! The folder that keeps the checkpoint: a write that is interrupted anywhere leaves a whole one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::checkpoint::{Saved, parse};

const CURRENT: &str = "logs.checkpoint";
const PREVIOUS: &str = "logs.checkpoint.old";
const NEXT: &str = "logs.checkpoint.tmp";

/// The checkpoint's place.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// A store in a folder.
    pub fn open(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The last checkpoint, or the one before where that is torn. What could not be used is logged:
    /// without any, everything that is still there is sent again, and Loki keeps one of each.
    pub fn load(&self) -> Saved {
        for name in [CURRENT, PREVIOUS] {
            let path = self.folder.join(name);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "the checkpoint cannot be read");
                    continue;
                }
            };
            match parse(&bytes) {
                Ok(saved) => {
                    tracing::info!(path = %path.display(), sources = saved.sources.len(), "logs go on where they were");
                    return saved;
                }
                Err(problem) => {
                    tracing::error!(path = %path.display(), problem, "the checkpoint is damaged and not used");
                }
            }
        }
        tracing::warn!(folder = %self.folder.display(), "no checkpoint: logs are sent from the beginning of each file");
        Saved::default()
    }

    /// Writes a checkpoint; when this returns it survives a power cut.
    ///
    /// # Errors
    /// When it cannot be written; the last one is then still there.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let next = self.folder.join(NEXT);
        let current = self.folder.join(CURRENT);
        let mut file = match File::create(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.folder)?;
                File::create(&next)?
            }
            created => created?,
        };
        file.write_all(bytes)?;
        file.sync_data()?;
        match fs::rename(&current, self.folder.join(PREVIOUS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&next, &current)?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::logs::checkpoint::Writer;

    fn checkpoint(key: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.source(key, None);
        writer.finish()
    }

    #[test]
    fn a_damaged_checkpoint_is_replaced_by_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state"));
        assert_eq!(store.load(), Saved::default());
        store.write(&checkpoint("a")).unwrap();
        store.write(&checkpoint("b")).unwrap();
        assert!(store.load().sources.contains_key("b"));
        let current = folder.path().join("state").join(CURRENT);
        for damaged in [checkpoint("b")[..20].to_vec(), vec![0; 64], Vec::new()] {
            fs::write(&current, damaged).unwrap();
            assert!(store.load().sources.contains_key("a"));
        }
        fs::remove_file(&current).unwrap();
        assert!(store.load().sources.contains_key("a"));
    }
}
