//! Which control groups there are: version 2, or version 1 with a folder per controller.

use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::figures::{Figures, Limits};
use super::files::Folder;
use super::identity::Identity;
use super::kept::{Budget, Kept};
use super::{v1, v2};

/// Deeper groups are left alone; the deepest known (a pod in kind) lies at eight.
const MOST_DEPTH: usize = 16;
/// More groups than this are left alone: something is wrong with such a machine.
const MOST_GROUPS: usize = 20_000;

/// The control groups' file systems.
#[derive(Debug)]
pub enum Tree {
    /// Version 2: all files of a group in one folder.
    V2(Folder),
    /// Version 1: a folder per controller.
    V1(Controllers),
}

/// The folders of version 1. cpu and cpuacct may be one, under both names.
#[derive(Debug)]
pub struct Controllers {
    /// Time used.
    pub cpuacct: Folder,
    /// Shares and quota.
    pub cpu: Option<Folder>,
    /// Memory.
    pub memory: Option<Folder>,
    /// Input and output.
    pub blkio: Option<Folder>,
    /// Tasks.
    pub pids: Option<Folder>,
}

/// A control group worth telling about: the root's, a pod's or a container's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The path below the file system's root, `/` for the root itself: the label `id`.
    pub path: String,
    /// Whose it is.
    pub identity: Identity,
    /// Tells a group from an earlier one of the same path.
    pub inode: u64,
    /// When the folder was first seen by the kernel's cache, seconds since 1970: about when it
    /// was made, since the runtime looks into it at once.
    pub made: i64,
}

impl Tree {
    /// Finds the file systems below `<sys>/fs/cgroup`, where systemd and every runtime look. A
    /// hybrid machine has its controllers in version 1.
    ///
    /// # Errors
    /// When there is neither.
    pub fn find(sys: &Path) -> anyhow::Result<Self> {
        let base = sys.join("fs/cgroup");
        let missing = || {
            anyhow::anyhow!(
                "{}: no control groups there; mount the host's /sys with what lies below it",
                base.display()
            )
        };
        let folder = Folder::open(&base).map_err(|_| missing())?;
        if folder.has("cgroup.controllers") {
            return Ok(Self::V2(folder));
        }
        let controller = |name| folder.below(name).ok();
        Ok(Self::V1(Controllers {
            cpuacct: controller("cpuacct").ok_or_else(missing)?,
            cpu: controller("cpu"),
            memory: controller("memory"),
            blkio: controller("blkio"),
            pids: controller("pids"),
        }))
    }

    /// The root, pods and containers as they are now.
    pub fn walk(&self) -> Vec<Group> {
        // In version 1 runtimes put a container under the same path in every controller.
        let root = match self {
            Self::V2(folder) => folder,
            Self::V1(controllers) => &controllers.cpuacct,
        };
        let mut walk = Walk::default();
        if let Ok(stat) = statat(root.fd(), ".", AtFlags::empty()) {
            walk.tell("/".to_owned(), Identity::default(), &stat);
        }
        walk.descend(root.fd().as_fd(), ".", "", &Identity::default(), 0);
        walk.found
    }

    /// Opens a group; none when it has just ended.
    pub fn open(&self, path: &str, budget: &Budget) -> Option<Open> {
        Some(match self {
            Self::V1(all) => Open::V1(v1::Group::open(all, path, budget)),
            Self::V2(root) => {
                let folder = root.below(path.trim_start_matches('/')).ok()?;
                Open::V2(Kept::new(folder, budget))
            }
        })
    }
}

/// An open group.
#[derive(Debug)]
pub enum Open {
    /// Of version 2.
    V2(Kept),
    /// Of version 1.
    V1(v1::Group),
}

impl Open {
    /// Reads its figures but its limits. Without a CPU limit, nothing is throttled.
    pub fn figures(&mut self, limited: bool, buffer: &mut Vec<u8>) -> Figures {
        match self {
            Self::V1(group) => v1::figures(group, limited, buffer),
            Self::V2(group) => v2::figures(group, buffer),
        }
    }

    /// Reads its limits.
    pub fn limits(&self, buffer: &mut Vec<u8>) -> Limits {
        match self {
            Self::V1(group) => v1::limits(group, buffer),
            Self::V2(group) => v2::limits(group.folder(), buffer),
        }
    }

    /// Whether it may stay open.
    pub fn stays(&self) -> bool {
        match self {
            Self::V1(group) => group.stays(),
            Self::V2(group) => group.stays(),
        }
    }
}

#[derive(Default)]
struct Walk {
    found: Vec<Group>,
    seen: usize,
}

impl Walk {
    fn descend(
        &mut self,
        above: BorrowedFd<'_>,
        name: &str,
        path: &str,
        of: &Identity,
        depth: usize,
    ) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A group may go at any time.
        let Ok(mut folder) = openat(above, name, flags, Mode::empty()).and_then(Dir::new) else {
            return;
        };
        let mut names = Vec::new();
        while let Some(Ok(entry)) = folder.read() {
            let may_be_folder =
                matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
            match entry.file_name().to_str() {
                Ok(name) if may_be_folder && name != "." && name != ".." => {
                    names.push(name.to_owned());
                }
                _ => {}
            }
        }
        let Ok(here) = folder.fd() else { return };
        for name in names {
            self.seen += 1;
            if self.seen > MOST_GROUPS {
                return;
            }
            let Ok(stat) = statat(here, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                continue;
            }
            let identity = of.child(&name);
            let path = format!("{path}/{name}");
            // These file systems count a folder's folders as links: two are its own, so two mean
            // a leaf, which most groups are (kernfs_refresh_inode in the kernel).
            if stat.st_nlink != 2 && depth < MOST_DEPTH {
                self.descend(here, &name, &path, &identity, depth + 1);
            }
            if identity.container.is_some() || identity.pod != of.pod {
                self.tell(path, identity, &stat);
            }
        }
    }

    fn tell(&mut self, path: String, identity: Identity, stat: &Stat) {
        self.found.push(Group {
            path,
            identity,
            inode: stat.st_ino,
            made: stat.st_mtime,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6d1fb1025780346c95ac9663944e3aa6517565c7c36a62580cd5faa700012ede";

    fn made(folders: &[String]) -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        for folder in folders {
            std::fs::create_dir_all(temp.path().join("fs/cgroup").join(folder)).unwrap();
        }
        temp
    }

    fn paths(tree: &Tree) -> Vec<String> {
        let mut paths: Vec<_> = tree.walk().into_iter().map(|group| group.path).collect();
        paths.sort();
        paths
    }

    #[test]
    fn pods_and_containers_are_found_and_nothing_between() {
        let pod = "kubepods/burstable/pod7a2d4b63-1c2f-4e8b-8b66-3a2a7d1b2e02";
        let temp = made(&[
            format!("{pod}/{ID}/init.scope/deeper"),
            "kubepods/besteffort".into(),
            "system.slice/ssh.service".into(),
        ]);
        std::fs::write(temp.path().join("fs/cgroup/cgroup.controllers"), "cpu\n").unwrap();
        let tree = Tree::find(temp.path()).unwrap();
        assert!(matches!(tree, Tree::V2(_)));
        assert_eq!(
            paths(&tree),
            ["/".to_owned(), format!("/{pod}"), format!("/{pod}/{ID}")]
        );
    }

    #[test]
    fn version_1_is_known_by_its_controllers_also_behind_links() {
        let temp = made(&[format!("cpu,cpuacct/docker/{ID}"), "memory".into()]);
        let base = temp.path().join("fs/cgroup");
        std::os::unix::fs::symlink("cpu,cpuacct", base.join("cpuacct")).unwrap();
        let tree = Tree::find(temp.path()).unwrap();
        let Tree::V1(controllers) = &tree else {
            panic!("{tree:?}");
        };
        assert!(controllers.memory.is_some() && controllers.pids.is_none());
        assert_eq!(paths(&tree), ["/".to_owned(), format!("/docker/{ID}")]);
    }

    #[test]
    fn a_machine_without_control_groups_is_told_with_a_remedy() {
        let temp = made(&["unified".into()]);
        let error = Tree::find(temp.path()).unwrap_err().to_string();
        assert!(error.contains("mount the host's /sys"), "{error}");
    }
}
