//! Where the host's files are: injected everywhere, so that fixtures can replace a machine.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::collector::CollectError;

/// The most that is read of one file: more than the largest that a kernel of thousands of
/// processors and sockets writes, and a bound for whatever else stands in its place.
const MOST_BYTES: usize = 32 << 20;
/// No attribute of sysfs is longer than a page (Documentation/filesystems/sysfs.rst).
const PAGE: usize = 4096;

/// The host's procfs, sysfs and root file system as this process sees them.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The host's procfs, such as `/host/proc`.
    pub proc: PathBuf,
    /// The host's sysfs, such as `/host/sys`.
    pub sys: PathBuf,
    /// The host's root file system, such as `/host/root`.
    pub rootfs: PathBuf,
}

impl Roots {
    /// Whether this process runs on the host itself rather than in a container. Only then do
    /// its own network, mounts and host name stand for the host's.
    pub fn native(&self) -> bool {
        self.rootfs == Path::new("/")
    }

    /// Reads a file of the host's procfs.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_proc(&self, path: impl AsRef<Path>) -> Result<String, CollectError> {
        read(&self.proc.join(path))
    }

    /// Reads a file of the host's procfs that holds one whole number.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn proc_number(&self, path: &'static str) -> Result<f64, CollectError> {
        let text = self.read_proc(path)?;
        let number = text.trim().parse::<i64>().map(|number| number as f64);
        number.map_err(|error| CollectError::malformed(path, error.to_string()))
    }

    /// Reads a file about the host's first process, whose namespaces are the host's; natively
    /// the same file about this process does, for hosts that hide other processes.
    ///
    /// # Errors
    /// When neither can be read.
    pub fn read_proc_of_init(&self, path: &str) -> Result<String, CollectError> {
        let read = self.read_proc(Path::new("1").join(path));
        if read.is_err() && self.native() {
            return self.read_proc(Path::new("self").join(path));
        }
        read
    }

    /// Reads a file of the host's sysfs.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_sys(&self, path: impl AsRef<Path>) -> Result<String, CollectError> {
        read(&self.sys.join(path))
    }

    /// Opens a folder of the host's sysfs.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn sys_folder(&self, path: impl AsRef<Path>) -> Result<Folder, CollectError> {
        Folder::open(self.sys.join(path))
    }

    /// Reads a file of the host's root file system.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_rootfs(&self, path: &str) -> Result<String, CollectError> {
        read(&self.in_rootfs(path))
    }

    /// Where a path of the host, such as `/var/lib`, is for this process.
    pub fn in_rootfs(&self, path: &str) -> PathBuf {
        self.rootfs.join(path.trim_start_matches('/'))
    }
}

/// A folder that is open: its files are reached without walking the whole path again, which is
/// most of the cost of reading a small file of sysfs.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// When it cannot be opened, or is none.
    pub fn open(path: PathBuf) -> Result<Self, CollectError> {
        match rustix::fs::open(&path, FOLDER, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(errno) => Err(failed(&path, errno)),
        }
    }

    /// Opens a folder in it; `None` when there is none.
    pub fn folder(&self, name: &str) -> Option<Self> {
        let fd = rustix::fs::openat(&self.fd, name, FOLDER, Mode::empty()).ok()?;
        let path = self.path.join(name);
        Some(Self { fd, path })
    }

    /// The names in it, sorted. Read anew each time.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, CollectError> {
        let entries = rustix::fs::Dir::read_from(&self.fd);
        let entries = entries.map_err(|errno| failed(&self.path, errno))?;
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().to_str().ok()?;
            (name != "." && name != "..").then(|| name.to_owned())
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Hands a file's first page to `parse`, without spaces around it; `None` when it cannot be
    /// read, or is no text. A driver may refuse to answer at any time, and then just this figure
    /// is missing.
    pub fn parse<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let mut page = [0; PAGE];
        let fd = rustix::fs::openat(&self.fd, name, FILE, Mode::empty()).ok()?;
        let length = rustix::io::read(fd, &mut page).ok()?;
        parse(std::str::from_utf8(page.get(..length)?).ok()?.trim())
    }

    /// Opens a file to be read again and again.
    pub fn keep(&self, name: &str) -> Option<Kept> {
        let fd = rustix::fs::openat(&self.fd, name, FILE, Mode::empty()).ok()?;
        Some(Kept(fd))
    }

    /// A file that holds a whole number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.parse(name, |text| text.parse().ok())
    }

    /// A file's text without spaces around it; bytes that are no UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        let mut page = [0; PAGE];
        let fd = rustix::fs::openat(&self.fd, name, FILE, Mode::empty()).ok()?;
        let length = rustix::io::read(fd, &mut page).ok()?;
        Some(
            String::from_utf8_lossy(page.get(..length)?)
                .trim()
                .to_owned(),
        )
    }
}

/// A file of sysfs that stays open. Each read from its beginning tells what is so now, for a third
/// of the cost of opening it anew.
#[derive(Debug)]
pub struct Kept(OwnedFd);

/// The device of a kept file is no more.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

impl Kept {
    /// Hands the file's first page to `parse`, as [`Folder::parse`] does.
    ///
    /// # Errors
    /// When the device is no more: another may have its name.
    pub fn parse<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Gone> {
        let mut page = [0; PAGE];
        let length = match rustix::io::pread(&self.0, &mut page, 0) {
            Ok(length) => length,
            Err(Errno::NODEV) => return Err(Gone),
            Err(_) => return Ok(None),
        };
        let text = String::from_utf8_lossy(page.get(..length).unwrap_or_default());
        Ok(parse(text.trim()))
    }
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Non-blocking, so that a pipe where a file should be keeps nobody waiting.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

fn failed(path: &Path, errno: Errno) -> CollectError {
    CollectError::Read {
        path: path.to_path_buf(),
        source: errno.into(),
    }
}

/// Reads a file as text. Bytes that are no UTF-8 (a mount point or a device model may hold any)
/// are replaced: label values must be UTF-8.
///
/// Not [`std::fs::read`]: that asks for the size first, which procfs and sysfs tell as 0 or 4096.
fn read(path: &Path) -> Result<String, CollectError> {
    let bytes = read_bytes(path).map_err(|errno| failed(path, errno))?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Errno> {
    let fd = rustix::fs::open(path, FILE, Mode::empty())?;
    let mut bytes = Vec::with_capacity(PAGE);
    while bytes.len() < MOST_BYTES {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.len());
        }
        match rustix::io::read(&fd, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mounts");
        std::fs::write(&file, b"/mnt/\xff x\n").unwrap();
        assert_eq!(read(&file).unwrap(), "/mnt/\u{fffd} x\n");
        let error = read(&folder.path().join("none")).unwrap_err();
        assert!(
            error.is_absent() && error.to_string().contains("/none: "),
            "{error}"
        );
    }

    #[test]
    fn the_hosts_paths_stay_below_its_root() {
        let roots = |rootfs: &str| Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: rootfs.into(),
        };
        assert_eq!(
            roots("/host/root").in_rootfs("/var/lib"),
            Path::new("/host/root/var/lib")
        );
        assert_eq!(roots("/host/root").in_rootfs("/"), Path::new("/host/root/"));
        assert_eq!(roots("/").in_rootfs("/var"), Path::new("/var"));
        assert!(roots("/").native() && !roots("/host/root").native());
    }
}
