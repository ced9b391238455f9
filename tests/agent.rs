//! The agent from outside: its endpoints, and its figures beside those of `node_exporter`.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "agent/beside.rs"]
mod beside;
#[path = "support/browser.rs"]
mod browser;
#[path = "agent/compare.rs"]
mod compare;
#[path = "agent/contained.rs"]
mod contained;
#[path = "agent/docker.rs"]
mod docker;
#[path = "support/dockerd.rs"]
mod dockerd;
#[path = "support/exposition.rs"]
mod exposition;
#[path = "agent/groups.rs"]
mod groups;
#[path = "agent/page.rs"]
mod page;
#[path = "agent/postgres.rs"]
mod postgres;
#[path = "agent/recorded.rs"]
mod recorded;
#[path = "support/tree.rs"]
mod tree;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::time::Duration;

use exposition::Scrape;
use masthead::agent::{Agent, run};
use masthead::cli::AgentArgs;
use tokio_util::sync::CancellationToken;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn args() -> AgentArgs {
    AgentArgs {
        config: None,
        node_address: LOOPBACK,
        containers_address: LOOPBACK,
        postgres_address: LOOPBACK,
        admin_address: LOOPBACK,
        proc: "/proc".into(),
        sys: "/sys".into(),
        rootfs: "/".into(),
        node_name: None,
        loki: None,
        state: None,
    }
}

/// An agent on a thread of its own, stopped when dropped.
struct Running {
    node: SocketAddr,
    containers: SocketAddr,
    postgres: SocketAddr,
    admin: SocketAddr,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(args: AgentArgs) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let agent = Agent::bind(args).await.unwrap();
                let unbound = || SocketAddr::new(LOOPBACK.ip(), 0);
                let node = agent.node_address().unwrap_or_else(unbound);
                let postgres = agent.postgres_address().unwrap_or_else(unbound);
                sender
                    .send((
                        node,
                        agent.containers_address().unwrap_or(LOOPBACK),
                        postgres,
                        agent.admin_address(),
                    ))
                    .unwrap();
                agent.serve(stopped).await.unwrap();
            });
        });
        let (node, containers, postgres, admin) = receiver.recv().unwrap();
        Self {
            node,
            containers,
            postgres,
            admin,
            stop,
            thread: Some(thread),
        }
    }

    fn scrape(&self) -> Scrape {
        Scrape::parse(&body(self.node, "/metrics"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

/// A process that ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: agent\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

fn body(address: SocketAddr, path: &str) -> String {
    let response = get(address, path).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}

#[test]
fn every_endpoint_answers() {
    let agent = Running::start(args());
    let response = get(agent.node, "/metrics").unwrap().to_ascii_lowercase();
    assert!(response.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(body(agent.node, "/").contains("href=\"/metrics\""));
    assert_eq!(body(agent.admin, "/livez"), "ok\n");
    assert_eq!(body(agent.admin, "/readyz"), "ready\n");
    let own = Scrape::parse(&body(agent.admin, "/metrics"));
    assert_eq!(own.value("masthead_agent_scrapes_total"), Some(1.0));
    assert!(own.value("process_resident_memory_bytes").unwrap() > 0.0);
    assert!(own.families.contains_key("masthead_build_info"));
}

#[test]
fn families_are_sorted_by_name_and_each_comes_once() {
    let agent = Running::start(args());
    let text = body(agent.node, "/metrics");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(names.len() > 80, "{names:?}");
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[test]
fn a_disabled_collector_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agent.yaml");
    std::fs::write(&config, "node:\n  disable: [vmstat]\n").unwrap();
    let scrape = Running::start(AgentArgs {
        config: Some(config),
        ..args()
    })
    .scrape();
    assert!(!scrape.series.keys().any(|series| series.contains("vmstat")));
    assert_eq!(
        scrape.value("node_scrape_collector_success{collector=\"cpu\"}"),
        Some(1.0)
    );
}

#[test]
fn a_changed_configuration_is_followed_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agent.yaml");
    let write = |text: &str| {
        let next = folder.path().join("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &config).unwrap();
    };
    write("node: {disable: [vmstat]}");
    let agent = Running::start(AgentArgs {
        config: Some(config.clone()),
        ..args()
    });
    let success = |name: &str| {
        let series = format!("node_scrape_collector_success{{collector=\"{name}\"}}");
        agent.scrape().value(&series)
    };
    let right = || {
        let own = Scrape::parse(&body(agent.admin, "/metrics"));
        own.value("masthead_agent_config_last_reload_successful")
    };
    assert_eq!((success("vmstat"), success("tcpstat")), (None, None));
    write("node: {enable: [tcpstat], netdev: {devices: {include: ^lo$}}}");
    assert_eq!(
        (success("vmstat"), success("tcpstat")),
        (Some(1.0), Some(1.0))
    );
    let received = "node_network_receive_bytes_total{";
    let scrape = agent.scrape();
    let devices = scrape
        .series
        .keys()
        .filter(|series| series.starts_with(received));
    assert_eq!(
        devices.collect::<Vec<_>>(),
        ["node_network_receive_bytes_total{device=\"lo\"}"]
    );
    assert_eq!(right(), Some(1.0));
    write("node: {enable: [tcpstats]}");
    assert_eq!(
        (success("vmstat"), success("tcpstat")),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(right(), Some(0.0));
}

#[test]
fn scrapers_beyond_the_limit_wait_or_are_refused_and_the_agent_goes_on() {
    let agent = Running::start(args());
    let idle: Vec<TcpStream> = (0..120)
        .map(|_| TcpStream::connect(agent.node).unwrap())
        .collect();
    let begin = std::time::Instant::now();
    let scrapers: Vec<_> = (0..100)
        .map(|_| {
            let address = agent.node;
            std::thread::spawn(move || get(address, "/metrics").unwrap())
        })
        .collect();
    for scraper in scrapers {
        let response = scraper.join().unwrap();
        let well = response.starts_with("HTTP/1.0 200") || response.starts_with("HTTP/1.0 503");
        assert!(well, "{response}");
    }
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    drop(idle);
    assert!(!agent.scrape().series.is_empty());
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_flag() {
    let taken = TcpListener::bind(LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap();
    let args = AgentArgs {
        node_address: address,
        ..args()
    };
    let error = format!(
        "{:#}",
        run(args, CancellationToken::new()).await.unwrap_err()
    );
    assert!(
        error.starts_with(&format!("--node-address {address}: ")),
        "{error}"
    );
}

#[test]
fn a_missing_file_fails_its_collector_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("loadavg"), "0.1 0.2 0.3 1/1 1\n").unwrap();
    let scrape = Running::start(AgentArgs {
        proc: folder.path().into(),
        rootfs: folder.path().into(),
        ..args()
    })
    .scrape();
    assert_eq!(scrape.value("node_load5"), Some(0.2));
    let success = |name| {
        scrape.value(&format!(
            "node_scrape_collector_success{{collector=\"{name}\"}}"
        ))
    };
    assert_eq!(success("loadavg"), Some(1.0));
    for name in [
        "cpu",
        "diskstats",
        "filesystem",
        "meminfo",
        "netdev",
        "stat",
        "vmstat",
    ] {
        assert_eq!(success(name), Some(0.0), "{name}");
    }
}
