//! The PostgreSQL servers on the page.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::seen::Seen;
use super::target::{IDLE, Target};
use crate::agent::page::host::label;
use crate::agent::page::shape::{Column, Shape, Unit};
use crate::agent::page::table::{Record, Table};

/// Between two gathers for those who look: each costs the servers as much as a scrape.
const PACE: Duration = Duration::from_secs(10);

const SERVERS: &[Column] = &[
    Column::gauge("connections", "Connections", Unit::Count).of("mostConnections"),
    Column::most("mostConnections", Unit::Count),
    Column::gauge("transactions", "Transactions", Unit::PerSecond),
    Column::gauge("cached", "Cache hits", Unit::Ratio),
    Column::gauge("size", "Size", Unit::Bytes),
    Column::gauge("lag", "Lag", Unit::Seconds),
];

const COLLECTORS: &[Column] = &[Column::gauge("took", "Took", Unit::Seconds)];

/// What is shown.
#[derive(Debug)]
pub struct Shown {
    servers: Arc<Table>,
    collectors: Arc<Table>,
    /// When the servers were asked last, by whomever.
    asked: Mutex<Option<Instant>>,
}

impl Default for Shown {
    fn default() -> Self {
        let servers = Table::new(Shape {
            name: "postgres",
            title: "PostgreSQL",
            heads: &["name"],
            details: &["version", "server", "namespace", "reason"],
            columns: SERVERS,
        });
        let collectors = Table::new(Shape {
            name: "postgres-collectors",
            title: "PostgreSQL collectors",
            heads: &["collector"],
            details: &["name", "reason"],
            columns: COLLECTORS,
        });
        Self {
            servers: servers.into(),
            collectors: collectors.into(),
            asked: Mutex::default(),
        }
    }
}

/// A row of a table, as it is recorded.
struct Line<const COLUMNS: usize> {
    key: String,
    labels: String,
    values: [f64; COLUMNS],
}

impl Shown {
    /// The tables, in the page's order.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        vec![self.servers.clone(), self.collectors.clone()]
    }

    /// The servers are asked now.
    pub fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether they are to be asked again for those who look.
    pub fn is_due(&self) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_none_or(|asked| asked.elapsed() >= PACE)
    }

    /// Records what these told last. Those that nobody has asked for long are another agent's.
    pub fn record(&self, targets: &[Arc<Target>]) {
        let now = now();
        let (mut servers, mut collectors) = (Vec::new(), Vec::new());
        for target in targets {
            target.with_seen(|seen| {
                if now - seen.at <= IDLE.as_secs_f64() {
                    servers.push(server(target, seen));
                    collectors.extend(fares(target, seen));
                }
            });
        }
        record(&self.servers, now, &servers);
        record(&self.collectors, now, &collectors);
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1e3
}

fn record<const COLUMNS: usize>(table: &Table, now: f64, lines: &[Line<COLUMNS>]) {
    let records = lines.iter().map(|line| Record {
        key: &line.key,
        labels: &line.labels,
        values: &line.values,
    });
    table.record(now, records);
}

fn server(target: &Target, seen: &Seen) -> Line<{ SERVERS.len() }> {
    let mut labels = String::new();
    let version = match seen.version.as_str() {
        "" => String::new(),
        version => format!("PostgreSQL {version}"),
    };
    for (name, content) in [
        ("name", target.name().as_str()),
        ("server", &target.server()),
        ("namespace", &target.namespace),
        ("version", &version),
        ("state", seen.state),
        ("reason", &seen.reason),
    ] {
        label(&mut labels, name, content);
    }
    let figures = &seen.figures;
    Line {
        key: target.key(),
        labels,
        values: [
            figures.connections,
            figures.most_connections,
            figures.transactions,
            figures.cached,
            figures.size,
            figures.lag,
        ],
    }
}

fn fares(target: &Target, seen: &Seen) -> impl Iterator<Item = Line<1>> {
    seen.collectors.iter().map(|fare| {
        let mut labels = String::new();
        let state = if fare.problem.is_some() {
            "fails"
        } else {
            "works"
        };
        for (name, content) in [
            ("collector", fare.collector.as_str()),
            ("name", &target.name()),
            ("state", state),
            ("reason", fare.problem.as_deref().unwrap_or_default()),
        ] {
            label(&mut labels, name, content);
        }
        Line {
            key: format!("{}/{}", target.key(), fare.collector),
            labels,
            values: [fare.took],
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::exposition::Exposition;
    use crate::agent::page::table::Frame;
    use crate::api::agent_config::PostgresTarget;
    use serde_json::Value;

    fn target(name: &str) -> Arc<Target> {
        let config = PostgresTarget {
            name: name.to_owned(),
            host: "db.example.org".to_owned(),
            ..PostgresTarget::default()
        };
        Arc::new(Target::new(config, &[("namespace", "shop")]))
    }

    fn rows(table: &Table) -> Value {
        let rows = table.frame(&Frame::default()).rows;
        serde_json::from_slice::<Value>(&rows).unwrap()["rows"].clone()
    }

    #[test]
    fn a_server_is_shown_with_its_collectors_once_it_was_asked() {
        let shown = Shown::default();
        assert!(shown.is_due());
        shown.ask();
        assert!(!shown.is_due());

        let (asked, other) = (target("billing"), target("other"));
        let mut out = Exposition::default();
        out.gauge("pg_up", "h").labelled("", 1.0);
        for name in [
            "pg_scrape_collector_duration_seconds",
            "pg_scrape_collector_success",
        ] {
            out.gauge(name, "h").labelled("{collector=\"wal\"}", 1.0);
        }
        asked.see(&out, &std::collections::BTreeMap::new());
        shown.record(&[asked, other]);
        let servers = rows(&shown.servers);
        assert_eq!(servers.as_array().unwrap().len(), 1);
        let labels = &servers[0][1];
        assert_eq!(
            (&labels["name"], &labels["state"]),
            (&"billing".into(), &"up".into())
        );
        assert_eq!(labels["namespace"], "shop");
        let collectors = rows(&shown.collectors);
        assert_eq!(collectors[0][1]["collector"], "wal");
        assert_eq!(collectors[0][1]["state"], "works");
    }
}
