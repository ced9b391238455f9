//! Programs that a test starts for itself: they end with it, and so does their folder.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long they may take to answer on a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Running programs and the folder they work in.
pub struct Processes {
    children: Vec<Child>,
    // Last, since it is removed when it is dropped.
    folder: TempDir,
}

impl Processes {
    /// None yet, in a new folder.
    pub fn new() -> Self {
        Self {
            children: vec![],
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Starts a program in the folder.
    pub fn spawn(&mut self, program: &Path, flags: &[String]) {
        let log = fs::File::create(self.log(self.children.len())).unwrap();
        // The kernel ends it when the test's thread ends, however that happens.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(flags)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.children.push(child);
    }

    /// Asks until there is an answer; fails with the words of a program that ended instead.
    pub async fn until_ready<T>(&mut self, ask: impl AsyncFn() -> kube::Result<T>) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = ask().await {
            for number in 0..self.children.len() {
                if let Some(status) = self.children[number].try_wait().unwrap() {
                    panic!(
                        "{status}: {}",
                        fs::read_to_string(self.log(number)).unwrap()
                    );
                }
            }
            assert!(Instant::now() < deadline, "not ready: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn log(&self, number: usize) -> PathBuf {
        self.path(&format!("{number}.log"))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // It may have ended by itself; the folder goes next either way.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// An etcd of its own, for an API server; `client` and `peer` are addresses with ports.
pub fn etcd_flags(client: &str, peer: &str) -> Vec<String> {
    vec![
        "--data-dir=etcd".into(),
        "--unsafe-no-fsync".into(),
        format!("--listen-client-urls=http://{client}"),
        format!("--advertise-client-urls=http://{client}"),
        format!("--listen-peer-urls=http://{peer}"),
        format!("--initial-advertise-peer-urls=http://{peer}"),
        format!("--initial-cluster=default=http://{peer}"),
    ]
}

/// A folder of what `hack/tools` builds, if it has both an etcd and the server.
pub fn assets(variable: &str, in_cache: &str, server: &str) -> Option<PathBuf> {
    let cache = || {
        let cache = env::var_os("MASTHEAD_CACHE").map_or_else(
            || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/masthead"),
            PathBuf::from,
        );
        cache.join(in_cache)
    };
    let folder = env::var_os(variable).map_or_else(cache, PathBuf::from);
    let has = |name: &str| folder.join(name).exists();
    if has("etcd") && has(server) {
        return Some(folder);
    }
    assert!(
        env::var_os("CI").is_none(),
        "no etcd and {server} in {}: run make tools",
        folder.display()
    );
    eprintln!("SKIPPED: no etcd and {server}: run make tools or set {variable}");
    None
}

/// Addresses whose ports were free a moment ago, all different.
pub fn free_addresses() -> [String; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}
