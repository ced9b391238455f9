//! The agent as a process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::node::Node;

/// How long anything may take: far more than it does, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until something holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running agent. It is killed when it goes.
pub struct Agent {
    child: Child,
    said: PathBuf,
}

impl Agent {
    /// Starts one on a node.
    pub fn start(node: &Node) -> Self {
        Self::start_in(node, &[])
    }

    /// Starts one by way of another program, such as `unshare`, that ends in running it.
    pub fn start_in(node: &Node, wrapper: &[&str]) -> Self {
        let said = node.path(&format!("agent-{}.log", node.next()));
        let output = File::create(&said).unwrap();
        let binary = env!("CARGO_BIN_EXE_masthead");
        let mut command = match wrapper {
            [] => Command::new(binary),
            [program, args @ ..] => {
                let mut command = Command::new(program);
                command.args(args).arg(binary);
                command
            }
        };
        let child = command
            .args([
                "agent",
                "--node-name",
                "node-1",
                "--admin-address",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(node.path("agent.yaml"))
            .env("MASTHEAD_LOG", "info")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, said }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does, and waits for that.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, waits until it has, and tells its exit code and how long that took.
    pub fn stop(mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), start.elapsed())
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Its own metrics.
    pub fn metrics(&self) -> String {
        let mut address = None;
        wait_until("the agent serves", || {
            address = field(&self.said(), "admin_address");
            address.is_some()
        });
        get(&address.unwrap(), "/metrics")
    }

    /// The sum of a metric's series, 0 when there are none.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let series = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        series
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Its resident memory in KiB, and its open descriptors.
    pub fn size(&self) -> (u64, usize) {
        let process = Path::new("/proc").join(self.pid().to_string());
        let status = fs::read_to_string(process.join("status")).unwrap();
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let rss = rss.split_whitespace().next().unwrap().parse().unwrap();
        (rss, fs::read_dir(process.join("fd")).unwrap().count())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Nothing can be done about one that has ended already.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
        if std::thread::panicking() {
            eprintln!("the agent said:\n{}", self.said());
        }
    }
}

/// The value of a field in the agent's log, human or JSON.
fn field(said: &str, name: &str) -> Option<String> {
    let rest = said.split_once(name)?.1;
    let value = rest.trim_start_matches(['"', '=', ':', ' ', '\u{1b}', '[', '0', 'm']);
    let end = value.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    value
        .get(..end)
        .map(str::to_owned)
        .filter(|value| value.contains(':'))
}

/// The body of an answer, by hand: it is one request.
fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
        .split_once("\r\n\r\n")
        .map_or_else(String::new, |(_, body)| body.to_owned())
}
