//! Many small files of the kernel, read with as few system calls as will do.

use std::io;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};

/// The kernel hands out at most a page (4 KiB) at once of a file made of records. None of those
/// read here has a record of more than half of that, so a shorter piece is the last.
const LAST_PIECE: usize = 2048;
/// Nothing read here is longer by design; a longer one is cut.
const MOST_BYTES: usize = 1 << 20;

/// An open folder, to reach files below it without walking its own path again: the kernel takes a
/// lock for every element of a path in these file systems.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder; the path may lead through symbolic links.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens a folder below; an empty path is the folder itself.
    ///
    /// # Errors
    /// When it cannot be opened: mostly, because it is gone.
    pub fn below(&self, path: &str) -> io::Result<Self> {
        let path = if path.is_empty() { "." } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(&self.0, path, flags, Mode::empty())?))
    }

    /// Reads a file, into memory that is reused; none when it is absent, unreadable or not text.
    pub fn read<'a>(&self, name: &str, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
        read_open(&self.file(name)?, buffer)
    }

    /// Opens a file in it.
    pub fn file(&self, name: &str) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        openat(&self.0, name, flags, Mode::empty()).ok()
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.0, name, rustix::fs::AtFlags::empty()).is_ok()
    }

    /// The open folder, for what is not a file's content.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }
}

/// Reads a file from its beginning, as [`Folder::read`] does.
pub fn read_open<'a>(file: &OwnedFd, buffer: &'a mut Vec<u8>) -> Option<&'a str> {
    buffer.resize(buffer.capacity().max(4 * LAST_PIECE), 0);
    let mut length = 0;
    loop {
        let read = rustix::io::pread(file, buffer.get_mut(length..)?, length as u64).ok()?;
        length += read;
        if read < LAST_PIECE || length >= MOST_BYTES {
            break;
        }
        if length == buffer.len() {
            buffer.resize(2 * length, 0);
        }
    }
    std::str::from_utf8(buffer.get(..length)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whole_and_memory_is_reused() {
        let temp = tempfile::tempdir().unwrap();
        let long = "x".repeat(100_000);
        std::fs::create_dir(temp.path().join("a")).unwrap();
        std::fs::write(temp.path().join("a/long"), &long).unwrap();
        std::fs::write(temp.path().join("a/short"), "1\n").unwrap();
        std::fs::write(temp.path().join("a/bytes"), [0xff]).unwrap();
        let folder = Folder::open(temp.path()).unwrap().below("a").unwrap();
        let mut buffer = Vec::new();
        assert_eq!(folder.read("long", &mut buffer), Some(long.as_str()));
        assert_eq!(folder.read("short", &mut buffer), Some("1\n"));
        assert_eq!(folder.read("bytes", &mut buffer), None);
        assert_eq!(folder.read("none", &mut buffer), None);
        assert!(folder.has("short") && !folder.has("none"));
    }
}
