//! The file system that containers write to.

use crate::agent::roots::Roots;

/// A file system's size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk {
    /// The device, as `/dev/sda1`.
    pub device: String,
    /// Bytes in all.
    pub size: f64,
    /// Bytes that are not free.
    pub used: f64,
    /// Inodes in all.
    pub inodes: f64,
    /// Free inodes.
    pub inodes_free: f64,
}

impl Disk {
    /// Looks at the file system that holds a path of the host.
    pub fn read(roots: &Roots, path: &str) -> Option<Self> {
        let stat = rustix::fs::statvfs(roots.in_rootfs(path)).ok()?;
        let mounts = roots.read_proc_of_init("mountinfo").ok()?;
        let block = stat.f_frsize as f64;
        Some(Self {
            device: device(&mounts, path)?.to_owned(),
            size: stat.f_blocks as f64 * block,
            used: stat.f_blocks.saturating_sub(stat.f_bfree) as f64 * block,
            inodes: stat.f_files as f64,
            inodes_free: stat.f_ffree as f64,
        })
    }
}

/// The device mounted nearest above a path, in the lines of proc_pid_mountinfo(5).
fn device<'a>(mounts: &'a str, path: &str) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        let below = path.strip_prefix(point)?;
        let holds = point == "/" || below.is_empty() || below.starts_with('/');
        holds.then_some((point.len(), after.split(' ').nth(1)?))
    };
    // Of two at one place, the later hides the earlier.
    mounts
        .lines()
        .filter_map(mount)
        .max_by_key(|(length, _)| *length)
        .map(|(_, device)| device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOUNTS: &str = "21 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n\
        22 21 0:4 / /proc rw - proc proc rw\n\
        30 21 8:1 / /var/lib rw - ext4 /dev/sda1 rw\n\
        31 21 8:2 / /var/lib/dock rw - ext4 /dev/sdb1 rw\n";

    #[test]
    fn the_mount_nearest_above_holds_a_path() {
        assert_eq!(device(MOUNTS, "/"), Some("/dev/vda"));
        assert_eq!(device(MOUNTS, "/var/lib/docker"), Some("/dev/sda1"));
        assert_eq!(device(MOUNTS, "/var/lib"), Some("/dev/sda1"));
        assert_eq!(device("", "/"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), path in "[/a-z]{0,9}") {
            device(&text, &path);
        }
    }
}
