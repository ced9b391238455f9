//! A Docker of its own for a test: in a mount namespace, at the usual socket of a `/run` of its own,
//! with a `load:1` image that holds busybox. Its containers have no network, so that the host's
//! filter rules stay as they are.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Shell lines that mount what is apart, and start Docker behind what follows them. `$DIR` is an
/// empty folder on a disk.
const SCRIPT: &str = r#"
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p "$DIR/data"
@MOUNTS@
(
    exec >"$DIR/log" 2>&1
    dockerd --bridge=none --iptables=false --ip6tables=false --ip-masq=false \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent=/@GROUPS@ --data-root "@DATA@" --exec-root /run/exec \
        --pidfile /run/dockerd.pid --host unix:///run/docker.sock &
    until docker info; do sleep 0.2; done
    mkdir -p "$DIR/image/bin" "$DIR/image/tmp"
    cp "$(command -v busybox)" "$DIR/image/bin/"
    for name in sh head tail sleep dd tr; do ln -s busybox "$DIR/image/bin/$name"; done
    tar -C "$DIR/image" -c . | docker import - load:1
    run() { docker run --detach --network none --name "$@"; }
    @CONTAINERS@
) &
"#;

/// The lines that run Docker: its control groups are below `groups`, its files in `data`; `mounts`
/// come before it, and `containers` once it is there (`run <name> <options> load:1 <command>`).
pub fn script(groups: &str, data: &str, mounts: &str, containers: &str) -> String {
    SCRIPT
        .replace("@GROUPS@", groups)
        .replace("@DATA@", data)
        .replace("@MOUNTS@", mounts)
        .replace("@CONTAINERS@", containers)
}

/// Whether there is what is needed; on CI that must be.
pub fn is_there() -> bool {
    let has = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"];
    if has("dockerd") && busybox.iter().any(|path| Path::new(path).exists()) {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "there is no dockerd or no busybox: hack/tools/install tools"
    );
    eprintln!("SKIPPED: there is no dockerd, or no busybox to run in it");
    false
}

/// Takes away the control groups that Docker had no time to.
pub struct Groups(pub &'static str);

impl Drop for Groups {
    fn drop(&mut self) {
        let find = format!(
            "find /sys/fs/cgroup -depth -type d -path '*/{}*' -exec rmdir {{}} +",
            self.0
        );
        // Processes that were killed a moment ago may still hold theirs.
        for _ in 0..50 {
            let done = Command::new("sh").args(["-c", &find]).output();
            if done.is_ok_and(|done| done.status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
