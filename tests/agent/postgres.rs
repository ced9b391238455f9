//! PostgreSQL's figures on real servers of each supported version, and beside `postgres_exporter`.

#[path = "postgres/beside.rs"]
mod beside;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/own.rs"]
mod own;
#[path = "postgres/server.rs"]
pub mod server;

use std::net::SocketAddr;
use std::path::PathBuf;

use masthead::cli::AgentArgs;

use super::exposition::Scrape;
use super::{Running, args, body};

/// An agent with this part `postgres` of its configuration.
struct Agent {
    running: Running,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Agent {
    fn start(postgres: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.yaml");
        std::fs::write(&path, format!("postgres: {postgres}\n")).unwrap();
        let running = Running::start(AgentArgs {
            config: Some(path.clone()),
            ..args()
        });
        Self {
            running,
            path,
            _folder: folder,
        }
    }

    /// An agent of one server, as the role `monitor`.
    fn of(server: &server::Server, more: &str) -> Self {
        Self::start(&format!(
            "{{targets: [{{name: a, host: 127.0.0.1, port: {}, login: {{user: monitor}}}}]{more}}}",
            server.port()
        ))
    }

    fn address(&self) -> SocketAddr {
        self.running.postgres
    }

    /// As the kubelet does it: the file is another one afterwards.
    fn configure(&self, postgres: &str) {
        let next = self.path.with_extension("next");
        std::fs::write(&next, format!("postgres: {postgres}\n")).unwrap();
        std::fs::rename(next, &self.path).unwrap();
    }

    fn probe(&self, target: &str) -> Scrape {
        sorted(&body(self.address(), &format!("/probe?target={target}")))
    }

    fn metrics(&self) -> Scrape {
        sorted(&body(self.address(), "/metrics"))
    }
}

/// A scrape with each series' labels in the order of their names.
fn sorted(text: &str) -> Scrape {
    Scrape::parse(text).map_series(|series| {
        let Some((name, labels)) = series.split_once('{') else {
            return series.to_owned();
        };
        let mut pairs = Vec::new();
        let mut rest = labels;
        while let Some((label, after)) = rest.split_once("=\"") {
            let mut escaped = false;
            let end = after.find(|c| {
                let end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                end
            });
            let (value, after) = after.split_at(end.unwrap());
            pairs.push(format!("{label}=\"{value}\""));
            rest = after.strip_prefix("\",").unwrap_or_default();
        }
        pairs.sort();
        format!("{name}{{{}}}", pairs.join(","))
    })
}

#[test]
fn labels_are_sorted_whatever_they_hold() {
    let scrape = sorted("a{b=\"x\\\"y,c=\",a=\"1\"} 1\n");
    let series: Vec<&String> = scrape.series.keys().collect();
    assert_eq!(series, ["a{a=\"1\",b=\"x\\\"y,c=\"}"]);
}
