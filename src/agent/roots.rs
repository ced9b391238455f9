//! Where the host's files are: injected everywhere, so that fixtures can replace a machine.

use std::path::{Path, PathBuf};

use super::collector::CollectError;

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

/// Reads a file as text. Bytes that are no UTF-8 (a mount point or a device model may hold any)
/// are replaced: label values must be UTF-8.
fn read(path: &Path) -> Result<String, CollectError> {
    let bytes = std::fs::read(path).map_err(|source| CollectError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
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
