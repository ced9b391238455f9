//! Real back ends as child processes.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use hyper::Method;
use masthead::controller::backend::{Backends, PodRef};
use tempfile::TempDir;

/// A back end that ends with its owner.
pub struct Process {
    child: Child,
    pub port: u16,
}

impl Process {
    /// Ends it as `kill -9` does.
    pub fn end(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Finds a tool in PATH or in the project's cache. Without it the test is skipped loudly, in CI it
/// fails.
pub fn tool(name: &str) -> Option<PathBuf> {
    let cache = env::var_os("MASTHEAD_CACHE")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache/masthead")));
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(cache.map(|cache| cache.join("bin")))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(env::var_os("CI").is_none(), "{name} is needed in CI");
        eprintln!("SKIPPED: {name} is neither in PATH nor in the cache");
    }
    found
}

/// Prometheus on a folder with `prometheus.yml`, once it is ready.
pub async fn prometheus(binary: &Path, folder: &TempDir) -> Process {
    match prometheus_or_its_end(binary, folder).await {
        Ok(process) => process,
        Err(log) => panic!("it ended, or was not ready in 20 s:\n{log}"),
    }
}

/// The same; else what it said before it ended.
pub async fn prometheus_or_its_end(binary: &Path, folder: &TempDir) -> Result<Process, String> {
    let port = free_port();
    let child = command(binary, folder)
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg("--web.enable-lifecycle")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .spawn()
        .unwrap();
    ready_or_ended(Process { child, port }, folder).await
}

/// Alertmanager on a folder with `alertmanager.yml`, once it is ready.
pub async fn alertmanager(binary: &Path, folder: &TempDir) -> Process {
    let alone = ["--cluster.listen-address=".to_owned()];
    alertmanager_with(binary, folder, &alone).await
}

/// The same with these flags for its cluster.
pub async fn alertmanager_with(binary: &Path, folder: &TempDir, flags: &[String]) -> Process {
    let port = free_port();
    let child = command(binary, folder)
        .arg("--config.file=alertmanager.yml")
        .arg("--storage.path=data")
        .args(flags)
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .spawn()
        .unwrap();
    ready(Process { child, port }, folder).await
}

/// A mail server that takes mail from the user `masthead` with this password only; each mail is a
/// line of JSON in `mails`. None where Python has no aiosmtpd.
pub async fn smtp(folder: &TempDir, password: &str) -> Option<Process> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/backend/smtp.py");
    // The one that Debian's packages are for.
    let python = "/usr/bin/python3";
    let has = Command::new(python)
        .args(["-c", "import aiosmtpd"])
        .output();
    if !has.is_ok_and(|output| output.status.success()) {
        assert!(
            env::var_os("CI").is_none(),
            "python3-aiosmtpd is needed in CI"
        );
        eprintln!("SKIPPED: no python3-aiosmtpd: hack/tools/install tools");
        return None;
    }
    let port = free_port();
    let child = command(Path::new(python), folder)
        .args([script, &port.to_string(), password])
        .stdout(fs::File::create(folder.path().join("mails")).unwrap())
        .spawn()
        .unwrap();
    let process = Process { child, port };
    for _ in 0..400 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Some(process);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    panic!("the mail server was not ready in 20 s:\n{log}");
}

/// The pod that a local process stands for.
pub fn pod(name: &str) -> PodRef {
    PodRef {
        namespace: "monitoring".into(),
        name: name.into(),
        ip: Some(Ipv4Addr::LOCALHOST.into()),
    }
}

fn command(binary: &Path, folder: &TempDir) -> Command {
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut command = Command::new(binary);
    command
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(log);
    command
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

async fn ready(process: Process, folder: &TempDir) -> Process {
    match ready_or_ended(process, folder).await {
        Ok(process) => process,
        Err(log) => panic!("it ended, or was not ready in 20 s:\n{log}"),
    }
}

async fn ready_or_ended(mut process: Process, folder: &TempDir) -> Result<Process, String> {
    let backends = Backends::new(crate::kubelet::nobody(), true);
    for _ in 0..200 {
        let answer = backends
            .request(&pod("starting"), process.port, Method::GET, "/-/ready")
            .await;
        if answer.is_ok_and(|(status, _)| status.is_success()) {
            return Ok(process);
        }
        if process.child.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(fs::read_to_string(folder.path().join("log")).unwrap())
}
