//! `node_filesystem_*`: size and use of every mounted file system.
//!
//! A mount whose server is gone hangs whoever asks it. It gets `node_filesystem_device_error` 1
//! with the same word as in `node_exporter`, and is not asked again before it answered.

use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::StatFs;
use rustix::io::Errno;

use super::mounts::{self, Choice, Mount};
use crate::agent::collector::{CollectError, Collector};
use crate::agent::deadline::{Job, Runner};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;
use crate::api::agent_config::FilesystemConfig;

/// How long all mounts together may take; well below the deadline of the whole scrape.
const DEADLINE: Duration = Duration::from_millis(400);
/// What `node_exporter` puts into `device_error` for a mount that hangs.
const HANGS: &str = "mountpoint timeout";

/// Size and use of every mounted file system.
#[derive(Debug)]
pub struct Filesystem {
    runner: Runner,
    choice: Choice,
}

impl Collector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let mounts = mounts::read(roots, &self.choice)?;
        let measured = self.measure(&mounts, roots, |path| rustix::fs::statfs(&path));
        write(&mounts, &measured, out);
        Ok(())
    }
}

/// What asking a mount gave: its figures, or what goes into `device_error`.
type Measured = Result<StatFs, &'static str>;

impl Filesystem {
    /// Shows the mounts that the configuration leaves.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub fn new(config: &FilesystemConfig) -> anyhow::Result<Self> {
        Ok(Self {
            runner: Runner::new("statfs", DEADLINE),
            choice: Choice::new(config)?,
        })
    }

    fn measure(
        &self,
        mounts: &[Mount],
        roots: &Roots,
        statfs: impl Fn(PathBuf) -> Result<StatFs, Errno> + Copy + Send + 'static,
    ) -> Vec<Measured> {
        let jobs = mounts.iter().map(|mount| {
            let path = roots.in_rootfs(&mount.point);
            let job: Job<_> = Box::new(move || statfs(path).map_err(describe));
            (mount.point.clone(), job)
        });
        let results = self.runner.run(jobs.collect());
        results
            .into_iter()
            .map(|result| result.unwrap_or(Err(HANGS)))
            .collect()
    }
}

/// The words of Go's errors, which `node_exporter` shows, for what statfs(2) may answer. The C
/// library's differ from one to the next.
fn describe(error: Errno) -> &'static str {
    match error {
        Errno::ACCESS => "permission denied",
        Errno::PERM => "operation not permitted",
        Errno::IO => "input/output error",
        Errno::LOOP => "too many levels of symbolic links",
        Errno::NAMETOOLONG => "file name too long",
        Errno::NOENT => "no such file or directory",
        Errno::NOTDIR => "not a directory",
        Errno::NOSYS => "function not implemented",
        Errno::STALE => "stale NFS file handle",
        Errno::NOTCONN => "transport endpoint is not connected",
        Errno::TIMEDOUT => "connection timed out",
        Errno::HOSTDOWN => "host is down",
        Errno::CONNABORTED => "software caused connection abort",
        _ => "statfs failed",
    }
}

/// Name, help, and the figure in it.
type Figure = (&'static str, &'static str, fn(&StatFs) -> f64);

const FIGURES: [Figure; 5] = [
    (
        "node_filesystem_size_bytes",
        "Filesystem size in bytes.",
        |stat| bytes(stat, stat.f_blocks),
    ),
    (
        "node_filesystem_free_bytes",
        "Filesystem free space in bytes.",
        |stat| bytes(stat, stat.f_bfree),
    ),
    (
        "node_filesystem_avail_bytes",
        "Filesystem space available to non-root users in bytes.",
        |stat| bytes(stat, stat.f_bavail),
    ),
    (
        "node_filesystem_files",
        "Filesystem total file nodes.",
        |stat| stat.f_files as f64,
    ),
    (
        "node_filesystem_files_free",
        "Filesystem total free file nodes.",
        |stat| stat.f_ffree as f64,
    ),
];

fn bytes(stat: &StatFs, blocks: u64) -> f64 {
    blocks as f64 * stat.f_bsize as f64
}

fn write(mounts: &[Mount], measured: &[Measured], out: &mut Exposition) {
    let rows = || mounts.iter().zip(measured);
    let help = "Whether an error occurred while getting statistics for the given device.";
    let mut family = out.gauge("node_filesystem_device_error", help);
    for (mount, result) in rows() {
        family.sample(&labels(mount, result), f64::from(result.is_err()));
    }
    let mut family = out.gauge("node_filesystem_readonly", "Filesystem read-only status.");
    for (mount, result) in rows() {
        family.sample(&labels(mount, result), f64::from(mount.readonly));
    }
    for (name, help, figure) in FIGURES {
        let mut family = out.gauge(name, help);
        for (mount, result) in rows() {
            if let Ok(stat) = result {
                family.sample(&labels(mount, result), figure(stat));
            }
        }
    }
    let mut family = out.gauge(
        "node_filesystem_mount_info",
        "Filesystem mount information.",
    );
    for (mount, _) in rows().filter(|(_, result)| result.is_ok()) {
        let labels = [
            ("device", mount.device.as_str()),
            ("major", &mount.major.to_string()),
            ("minor", &mount.minor.to_string()),
            ("mountpoint", &mount.point),
        ];
        family.sample(&labels, 1.0);
    }
}

fn labels<'a>(mount: &'a Mount, result: &Measured) -> [(&'a str, &'a str); 4] {
    [
        ("device", &mount.device),
        ("device_error", result.as_ref().err().copied().unwrap_or("")),
        ("fstype", &mount.fstype),
        ("mountpoint", &mount.point),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::exposition::merge;

    fn mount(point: &str) -> Mount {
        Mount {
            major: 0,
            minor: 50,
            device: "server:/x".into(),
            point: point.into(),
            fstype: "nfs4".into(),
            readonly: false,
        }
    }

    #[test]
    fn a_hung_mount_is_an_error_and_the_others_are_measured() {
        let roots = Roots {
            proc: "/proc".into(),
            sys: "/sys".into(),
            rootfs: "/".into(),
        };
        let filesystem = Filesystem::new(&FilesystemConfig::default()).unwrap();
        let mounts = [mount("/"), mount("/hung"), mount("/denied")];
        let measured = filesystem.measure(&mounts, &roots, |path| {
            match path.to_str() {
                Some("/hung") => std::thread::sleep(Duration::from_secs(3)),
                Some("/denied") => return Err(Errno::ACCESS),
                _ => {}
            }
            rustix::fs::statfs("/")
        });
        let mut out = Exposition::default();
        write(&mounts, &measured, &mut out);
        let text = merge([&out]);
        for (error, point, value) in [
            ("", "/", 0),
            (HANGS, "/hung", 1),
            ("permission denied", "/denied", 1),
        ] {
            let line = format!(
                "node_filesystem_device_error{{device=\"server:/x\",device_error=\"{error}\",\
                 fstype=\"nfs4\",mountpoint=\"{point}\"}} {value}\n"
            );
            assert!(text.contains(&line), "{line}{text}");
        }
        assert_eq!(text.matches("\nnode_filesystem_size_bytes{").count(), 1);
        assert_eq!(text.matches("\nnode_filesystem_mount_info{").count(), 1);
    }
}
