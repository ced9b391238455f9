//! The containers on the page: those with a group, and those that should have one.

use std::collections::HashMap;

use super::metrics::Row;
use super::network::Interface;
use super::oom::Key;
use super::pod::{Container, Pod};
use super::state::has_prepared;
use super::text::Labels;
use super::told::{DockerContainer, Told};
use crate::agent::page::shape::{Column, Shape, Unit};
use crate::agent::page::table::{Record, Table};

const COLUMNS: &[Column] = &[
    Column::rate("cpu", "CPU", Unit::Cores).of("cpuLimit"),
    Column::most("cpuLimit", Unit::Cores),
    Column::gauge("memory", "Memory", Unit::Bytes).of("memoryLimit"),
    Column::most("memoryLimit", Unit::Bytes),
    Column::rate("received", "Received", Unit::BytesPerSecond),
    Column::rate("sent", "Sent", Unit::BytesPerSecond),
    Column::rate("read", "Read", Unit::BytesPerSecond),
    Column::rate("written", "Written", Unit::BytesPerSecond),
    Column::gauge("restarts", "Restarts", Unit::Count).plain(),
    Column::gauge("kills", "OOM", Unit::Count).plain(),
];

/// The table of containers.
pub fn table() -> Table {
    Table::new(Shape {
        name: "containers",
        title: "Containers",
        heads: &["container", "name", "id"],
        details: &["pod", "namespace", "image"],
        columns: COLUMNS,
    })
}

/// A line of the table.
struct Line {
    key: String,
    labels: Labels,
    values: [f64; COLUMNS.len()],
}

/// Records the containers, `now` in seconds since 1970.
pub fn record(table: &Table, now: f64, rows: &[Row], told: &Told) {
    let lines = lines(rows, told);
    let records = lines.iter().map(|line| Record {
        key: &line.key,
        labels: line.labels.as_str(),
        values: &line.values,
    });
    table.record(now, records);
}

fn lines(rows: &[Row], told: &Told) -> Vec<Line> {
    let networks = networks(rows);
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        // A pod's own group, the root's, or a sandbox.
        let (Some(id), Some(_)) = (&row.identity.container, &row.figures) else {
            continue;
        };
        let pod = row.identity.pod.as_ref().and_then(|uid| told.pod(uid));
        let container = pod.and_then(|pod| pod.containers.iter().find(|it| it.id == *id));
        let of_pod = row.identity.pod.as_deref();
        let network = of_pod.and_then(|uid| networks.get(uid).copied());
        let network = network.unwrap_or(&row.network);
        lines.push(match (pod, container, told.docker.get(id)) {
            (Some(pod), Some(container), _) => {
                let line = of_container(pod, container, row.labels.clone(), told);
                line.with(row, network)
            }
            (_, _, Some(docker)) => {
                of_docker(id, docker, row.labels.clone(), told).with(row, network)
            }
            _ => Line::new(id.clone(), row.labels.clone()).with(row, network),
        });
    }
    // The table takes the first of a key: those that run come before what is told of them.
    for pod in told.all_pods() {
        let containers = pod.containers.iter().filter(|it| !has_prepared(it));
        lines.extend(containers.map(|container| {
            let labels = Labels::default()
                .with("namespace", &pod.namespace)
                .with("pod", &pod.name)
                .with("container", &container.name)
                .with("image", &container.image);
            of_container(pod, container, labels, told)
        }));
    }
    lines.extend(told.docker.iter().map(|(id, docker)| {
        let labels = Labels::default()
            .with("name", &docker.name)
            .with("image", &docker.image);
        of_docker(id, docker, labels, told)
    }));
    lines
}

fn of_container(pod: &Pod, container: &Container, labels: Labels, told: &Told) -> Line {
    let key: Key = (pod.uid.clone(), container.name.clone());
    let kills = told.kills.total(&key);
    Line::new(format!("{}/{}", key.0, key.1), labels).told(
        &container.state,
        container.restarts,
        kills,
    )
}

fn of_docker(id: &str, docker: &DockerContainer, labels: Labels, told: &Told) -> Line {
    let kills = told.kills.total(&(String::new(), id.to_owned()));
    Line::new(id.to_owned(), labels).told(&docker.state, docker.restarts, kills)
}

/// The network of each pod, which one of its groups holds for all.
fn networks(rows: &[Row]) -> HashMap<&str, &Vec<Interface>> {
    let rows = rows.iter().filter(|row| !row.network.is_empty());
    rows.filter_map(|row| Some((row.identity.pod.as_deref()?, &row.network)))
        .collect()
}

impl Line {
    fn new(key: String, labels: Labels) -> Self {
        Self {
            key,
            labels,
            values: [f64::NAN; COLUMNS.len()],
        }
    }

    fn told(mut self, state: &(&str, String), restarts: f64, kills: Option<f64>) -> Self {
        self.labels = self.labels.with("state", state.0).with("reason", &state.1);
        self.values[8] = restarts;
        self.values[9] = kills.unwrap_or(0.0);
        self
    }

    fn with(mut self, row: &Row, network: &[Interface]) -> Self {
        let Some(figures) = &row.figures else {
            return self;
        };
        let limits = &figures.limits;
        let limit = |limit: Option<f64>| limit.filter(|limit| *limit > 0.0).unwrap_or(f64::NAN);
        let quota = limits.quota.zip(limits.period);
        let sum = |of: fn(&Interface) -> f64| match network {
            [] => f64::NAN,
            some => some.iter().map(of).sum(),
        };
        let io = |direction: usize| -> f64 {
            let bytes = figures.io.iter().filter_map(|io| io.bytes.get(direction));
            bytes.sum()
        };
        let values = [
            figures.cpu.usage.unwrap_or(f64::NAN),
            limit(quota.map(|(quota, period)| quota / period)),
            figures.memory.working_set().unwrap_or(f64::NAN),
            limit(limits.memory),
            sum(|it| it.bytes[0]),
            sum(|it| it.bytes[1]),
            io(0),
            io(1),
        ];
        for (place, value) in self.values.iter_mut().zip(values) {
            *place = value;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::container::figures::Figures;
    use crate::agent::container::identity::Identity;

    fn row(pod: Option<&str>, container: Option<&str>, usage: Option<f64>) -> Row {
        let mut figures = Figures::default();
        figures.cpu.usage = usage;
        Row {
            identity: Identity {
                pod: pod.map(str::to_owned),
                container: container.map(str::to_owned),
            },
            figures: usage.map(|_| figures),
            ..Row::default()
        }
    }

    #[test]
    fn containers_that_run_and_those_that_do_not_are_shown_once() {
        let container = |name: &str, id: &str, state: (&'static str, &str)| Container {
            name: name.into(),
            id: id.into(),
            state: (state.0, state.1.into()),
            restarts: 2.0,
            ..Container::default()
        };
        let mut told = Told::default();
        told.apply(Pod {
            uid: "u".into(),
            name: "web-1".into(),
            namespace: "shop".into(),
            containers: vec![
                container("web", "c1", ("running", "")),
                container("side", "", ("waiting", "CrashLoopBackOff")),
            ],
            ..Pod::default()
        });
        let mut sandbox = row(Some("u"), Some("c0"), None);
        sandbox.network = vec![Interface {
            bytes: [5.0, 6.0],
            ..Interface::default()
        }];
        let rows = [
            row(None, None, Some(9.0)),
            row(Some("u"), None, Some(8.0)),
            sandbox,
            row(Some("u"), Some("c1"), Some(7.0)),
            row(None, Some("lone"), Some(6.0)),
        ];
        let lines = lines(&rows, &told);
        let found: Vec<_> = lines
            .iter()
            .map(|line| (line.key.as_str(), line.values[0]))
            .collect();
        assert_eq!(found[..2], [("u/web", 7.0), ("lone", 6.0)]);
        assert_eq!(lines[0].values[4..6], [5.0, 6.0]);
        let waiting = lines.iter().find(|line| line.key == "u/side").unwrap();
        assert!(waiting.values[0].is_nan());
        assert_eq!(waiting.values[8..9], [2.0]);
        let labels = waiting.labels.as_str();
        assert!(
            labels.ends_with("state=\"waiting\",reason=\"CrashLoopBackOff\""),
            "{labels}"
        );
    }
}
