//! The host's mounts that are worth a measurement.

use std::collections::HashSet;
use std::path::Path;

use super::filter::Filter;
use crate::agent::collector::CollectError;
use crate::agent::roots::Roots;
use crate::api::agent_config::FilesystemConfig;

const FILE: &str = "1/mountinfo";

/// One mount, as `proc_pid_mountinfo(5)` tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// The device number's two halves.
    pub major: u32,
    /// See `major`.
    pub minor: u32,
    /// The source, such as `/dev/sda1` or `tmpfs`.
    pub device: String,
    /// Where it is mounted, in the host's own terms.
    pub point: String,
    /// The type, such as `ext4`.
    pub fstype: String,
    /// Whether the mount or the file system below is read-only.
    pub readonly: bool,
}

/// Which mounts are worth it.
#[derive(Debug)]
pub struct Choice {
    points: Filter,
    types: Filter,
}

impl Choice {
    /// The user's choice, or `node_exporter`'s.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub fn new(config: &FilesystemConfig) -> anyhow::Result<Self> {
        let (points, types) = (&config.mount_points, &config.fs_types);
        Ok(Self {
            points: Filter::new(points, "filesystem.mountPoints", ignored_point)?,
            types: Filter::new(types, "filesystem.fsTypes", ignored_type)?,
        })
    }
}

/// The mounts to measure, each combination of device, type and mount point once.
///
/// The first process's table, since a container's own is not the host's: there every mount is
/// read-only when the host's root is bound read-only (`node_exporter` issue 3755). `mountinfo`
/// rather than `mounts` because it has the device numbers.
///
/// # Errors
/// When the table cannot be read.
pub fn read(roots: &Roots, choice: &Choice) -> Result<Vec<Mount>, CollectError> {
    parse(&roots.read_proc_of_init("mountinfo")?, choice)
        .map_err(|line| CollectError::malformed(FILE, format!("cannot read {line:?}")))
}

fn parse<'a>(text: &'a str, choice: &Choice) -> Result<Vec<Mount>, &'a str> {
    let mut seen = HashSet::new();
    let mut mounts = Vec::new();
    for line in text.lines() {
        let mount = parse_line(line).ok_or(line)?;
        if choice.points.ignores(&mount.point) || choice.types.ignores(&mount.fstype) {
            continue;
        }
        if seen.insert((
            mount.device.clone(),
            mount.point.clone(),
            mount.fstype.clone(),
        )) {
            mounts.push(mount);
        }
    }
    mounts.sort_by(|a, b| (&a.device, &a.point).cmp(&(&b.device, &b.point)));
    Ok(mounts)
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`, with any number of optional
/// fields before the dash.
fn parse_line(line: &str) -> Option<Mount> {
    let mut words = line.split(' ');
    let (major, minor) = words.nth(2)?.split_once(':')?;
    let point = words.nth(1)?;
    let options = words.next()?;
    let mut after = words.skip_while(|word| *word != "-").skip(1);
    let (fstype, device) = (after.next()?, after.next()?);
    let super_options = after.next().unwrap_or("");
    let readonly = options
        .split(',')
        .chain(super_options.split(','))
        .any(|word| word == "ro");
    Some(Mount {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        device: unescape(device),
        point: unescape(point),
        fstype: fstype.to_owned(),
        readonly,
    })
}

/// Undoes the octal escapes of `mangle()` in `fs/seq_file.c` for space, tab, line feed, backslash
/// and hash. (`node_exporter` knows the first two, and so cannot measure such mounts.)
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = text.to_owned();
    for (escape, character) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\043", "#"),
    ] {
        plain = plain.replace(escape, character);
    }
    plain.replace("\\134", "\\")
}

/// `node_exporter`'s default and what kube-prometheus adds: mounts of single pods and containers,
/// which come and go and are the node's file systems once more.
fn ignored_point(point: &str) -> bool {
    let below = |folder: &str| {
        Path::new(point)
            .strip_prefix(folder)
            .is_ok_and(|rest| rest != Path::new(""))
    };
    let exact = ["/dev", "/proc", "/sys"]
        .iter()
        .any(|folder| Path::new(point).starts_with(folder));
    exact
        || [
            "/run/credentials",
            "/run/k3s/containerd",
            "/var/lib/containers/storage",
            "/var/lib/docker",
            "/var/lib/kubelet/pods",
        ]
        .iter()
        .any(|folder| below(folder))
}

/// `node_exporter`'s default: file systems that hold no data of their own.
fn ignored_type(fstype: &str) -> bool {
    matches!(
        fstype,
        "autofs"
            | "binfmt_misc"
            | "bpf"
            | "cgroup"
            | "cgroup2"
            | "configfs"
            | "debugfs"
            | "devpts"
            | "devtmpfs"
            | "erofs"
            | "fusectl"
            | "hugetlbfs"
            | "iso9660"
            | "mqueue"
            | "nsfs"
            | "overlay"
            | "proc"
            | "procfs"
            | "pstore"
            | "rpc_pipefs"
            | "securityfs"
            | "selinuxfs"
            | "squashfs"
            | "sysfs"
            | "tracefs"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Vec<Mount>, &str> {
        super::parse(text, &Choice::new(&FilesystemConfig::default()).unwrap())
    }

    #[test]
    fn optional_fields_do_not_move_the_others() {
        let plain = parse_line("36 35 98:1 / /a\\040b rw,noatime - ext3 /dev/root rw").unwrap();
        let tagged =
            parse_line("36 35 98:1 / /a\\040b rw,noatime master:1 shared:2 - ext3 /dev/root rw");
        assert_eq!(Some(&plain), tagged.as_ref());
        assert_eq!((plain.major, plain.minor), (98, 1));
        assert_eq!(
            (plain.point.as_str(), plain.device.as_str()),
            ("/a b", "/dev/root")
        );
        assert_eq!((plain.fstype.as_str(), plain.readonly), ("ext3", false));
    }

    #[test]
    fn read_only_is_the_mount_or_the_file_system_below() {
        assert!(
            parse_line("1 0 8:1 / / ro - ext4 /dev/a rw")
                .unwrap()
                .readonly
        );
        assert!(
            parse_line("1 0 8:1 / / rw - ext4 /dev/a ro,discard")
                .unwrap()
                .readonly
        );
        assert!(
            !parse_line("1 0 8:1 / / rw,errors=remount-ro - ext4 /dev/a rw")
                .unwrap()
                .readonly
        );
    }

    #[test]
    fn mounts_of_the_system_and_of_single_containers_are_left_out() {
        for point in [
            "/dev",
            "/dev/shm",
            "/proc",
            "/sys/fs/cgroup",
            "/run/credentials/systemd-journald.service",
            "/var/lib/docker/overlay2/0f/merged",
            "/var/lib/kubelet/pods/7a/volumes/x",
        ] {
            assert!(ignored_point(point), "{point}");
        }
        for point in [
            "/",
            "/developers",
            "/run",
            "/run/credentials",
            "/var/lib/docker",
            "/home",
        ] {
            assert!(!ignored_point(point), "{point}");
        }
    }

    #[test]
    fn a_mount_that_hides_the_same_one_is_told_once() {
        let line = "1 0 0:33 / /tmp rw - tmpfs tmpfs rw\n";
        let over = "2 1 0:34 / /tmp rw - tmpfs tmpfs rw\n";
        assert_eq!(parse(&format!("{line}{over}")).unwrap().len(), 1);
        assert_eq!(parse("1 0 0:33 / /tmp"), Err("1 0 0:33 / /tmp"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            drop(parse(&text));
            drop(parse(&String::from_utf8_lossy(&bytes)));
            drop(parse(&format!("1 0 8:1 / /{text} rw - ext4 {text} rw")));
            unescape(&text);
        }
    }
}
