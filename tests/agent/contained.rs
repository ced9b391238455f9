//! The real binary in namespaces of its own, as in a pod. Needs root, unshare(1) and setpriv(1);
//! says loudly when it cannot run.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::exposition::Scrape;
use super::{Killed, LOOPBACK, Running, args, body, get};

const UNSHARE: [&str; 5] = ["--mount", "--pid", "--uts", "--fork", "--kill-child"];

/// The agent as process 1 of its own process, mount and UTS namespaces.
pub struct Contained {
    pub folder: tempfile::TempDir,
    unshare: Killed,
    node: SocketAddr,
    pub containers: SocketAddr,
    admin: SocketAddr,
}

impl Contained {
    /// Runs a shell script that ends in `exec $AGENT …` and has an empty folder `$DIR` to mount
    /// into; `None` where namespaces are refused.
    pub fn start(script: &str) -> Option<Self> {
        let trial = Command::new("unshare")
            .args(UNSHARE)
            .arg("true")
            .stderr(Stdio::null())
            .status();
        if !trial.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: unshare(1) is missing or refused; run as root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let free = || TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
        let (node, containers, postgres, admin) = (free(), free(), free(), free());
        let child = Command::new("unshare")
            .args(UNSHARE)
            .args(["sh", "-euc", script])
            .env("DIR", folder.path())
            .env("AGENT", format!("{} agent", env!("CARGO_BIN_EXE_masthead")))
            .env("MASTHEAD_NODE_ADDRESS", node.to_string())
            .env("MASTHEAD_CONTAINERS_ADDRESS", containers.to_string())
            .env("MASTHEAD_POSTGRES_ADDRESS", postgres.to_string())
            .env("MASTHEAD_ADMIN_ADDRESS", admin.to_string())
            .env("MASTHEAD_LOG", "warn")
            .spawn()
            .unwrap();
        let contained = Self {
            folder,
            unshare: Killed(child),
            node,
            containers,
            admin,
        };
        let begin = Instant::now();
        while get(admin, "/readyz").is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "the agent does not serve"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(contained)
    }

    fn scrape(&self) -> Scrape {
        Scrape::parse(&body(self.node, "/metrics"))
    }

    /// Asks the agent to stop as the kubelet does, and tells how long that took.
    fn stop(mut self) -> Duration {
        let unshare = self.unshare.0.id();
        let children = format!("/proc/{unshare}/task/{unshare}/children");
        let agent = std::fs::read_to_string(children).unwrap();
        let begin = Instant::now();
        let asked = Command::new("kill")
            .args(["-TERM", agent.trim()])
            .status()
            .unwrap();
        assert!(asked.success());
        assert!(self.unshare.0.wait().unwrap().success());
        begin.elapsed()
    }
}

#[test]
fn a_mount_that_hangs_delays_neither_the_scrape_nor_the_stop() {
    if !Path::new("/dev/fuse").exists() {
        eprintln!("SKIPPED: there is no /dev/fuse to make a mount that hangs");
        return;
    }
    // A FUSE mount that nobody serves: the kernel waits for an answer for ever.
    let script = "
        mount -t proc proc /proc
        mount -t tmpfs tmpfs $DIR
        mkdir $DIR/hung
        exec 3<>/dev/fuse
        mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung $DIR/hung
        exec $AGENT";
    let Some(agent) = Contained::start(script) else {
        return;
    };
    let folder = agent.folder.path().display().to_string();
    let error = |device, error, fstype, point| {
        format!(
            "node_filesystem_device_error{{device=\"{device}\",device_error=\"{error}\",\
             fstype=\"{fstype}\",mountpoint=\"{folder}{point}\"}}"
        )
    };
    for limit in [Duration::from_secs(1), Duration::from_millis(300)] {
        let begin = Instant::now();
        let scrape = agent.scrape();
        assert!(begin.elapsed() < limit, "{:?}", begin.elapsed());
        let hung = error("hung", "mountpoint timeout", "fuse", "/hung");
        assert_eq!(scrape.value(&hung), Some(1.0), "{hung} {scrape:?}");
        let well = error("tmpfs", "", "tmpfs", "");
        assert_eq!(scrape.value(&well), Some(0.0), "{well} {scrape:?}");
        let success = "node_scrape_collector_success{collector=\"filesystem\"}";
        assert_eq!(scrape.value(success), Some(1.0));
    }
    let took = agent.stop();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn one_capability_and_read_only_mounts_are_enough() {
    // What a pod gets: uid 0 with CAP_DAC_READ_SEARCH, the host bound read-only, a name of its own.
    let script = "
        for part in proc sys root; do
            from=/$part; [ $part = root ] && from=/
            mkdir $DIR/$part
            mount --rbind $from $DIR/$part
            mount -o remount,bind,ro $DIR/$part
        done
        mount -t proc proc /proc
        hostname pod-7
        echo 'node: {}' >$DIR/agent.yaml
        exec setpriv --bounding-set=-all,+dac_read_search --inh-caps=-all --no-new-privs \
            $AGENT --config $DIR/agent.yaml --proc $DIR/proc --sys $DIR/sys --rootfs $DIR/root --node-name node-1";
    let Some(agent) = Contained::start(script) else {
        return;
    };
    let own = Scrape::parse(&body(agent.admin, "/metrics"));
    match own.value("masthead_agent_landlocked") {
        Some(1.0) => {}
        Some(0.0) => eprintln!("this kernel has no Landlock: the agent runs unlocked"),
        other => panic!("masthead_agent_landlocked is {other:?}"),
    }
    // Root's sockets are below the read-only mount too, and user 0 may connect to them.
    assert_eq!(own.value("masthead_agent_unix_sockets_closed"), Some(1.0));
    // The same collectors succeed as without walls: what the machine lacks fails in both. A slow
    // machine leaves out for once what it did not finish in time.
    let free = Running::start(args());
    let success = "node_scrape_collector_success";
    let failing = |scrape: &Scrape| -> Vec<String> {
        let series = scrape.series.iter();
        series
            .filter(|(series, value)| series.starts_with(success) && *value == "0")
            .map(|(series, _)| series.clone())
            .collect()
    };
    let mut scrape = agent.scrape();
    for _ in 0..20 {
        if failing(&scrape) == failing(&free.scrape()) {
            break;
        }
        scrape = agent.scrape();
    }
    assert_eq!(failing(&scrape), failing(&free.scrape()));
    let of = |name: &str| -> Vec<(String, String)> {
        let series = scrape
            .series
            .iter()
            .filter(|(series, _)| series.starts_with(name));
        series
            .map(|(series, value)| (series.clone(), value.clone()))
            .collect()
    };
    let mounts = of("node_filesystem_device_error");
    assert!(
        !mounts.is_empty() && mounts.iter().all(|(_, value)| value == "0"),
        "{mounts:?}"
    );
    // The host's mounts under the host's own paths.
    let inside = format!("mountpoint=\"{}", agent.folder.path().display());
    assert!(
        !mounts.iter().any(|(series, _)| series.contains(&inside)),
        "{mounts:?}"
    );
    let uname = of("node_uname_info");
    assert!(!uname[0].0.contains("nodename=\"pod-7\""), "{uname:?}");
    agent.stop();
}
