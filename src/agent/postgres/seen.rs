//! What a server told last, for people: taken from the text that Prometheus is told.

use std::collections::BTreeMap;

use crate::agent::exposition::Exposition;
use crate::agent::host::prom_text::parse_labels;

/// What a server told last.
#[derive(Debug)]
pub struct Seen {
    /// When, seconds since 1970.
    pub at: f64,
    /// `up`, `partly` when a collector fails, `down`.
    pub state: &'static str,
    /// Why it is not up, or what is missing.
    pub reason: String,
    /// Its version.
    pub version: String,
    /// Its figures.
    pub figures: Figures,
    /// Its collectors.
    pub collectors: Vec<Fare>,
    counts: Counts,
}

/// The figures of a server; not a number where it tells none.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Sessions connected to any database.
    pub connections: f64,
    /// How many it lets in.
    pub most_connections: f64,
    /// Transactions in a second since the gather before.
    pub transactions: f64,
    /// Share of the blocks that were in its cache since the gather before.
    pub cached: f64,
    /// Bytes of all databases.
    pub size: f64,
    /// Seconds that a standby is behind; none of a primary.
    pub lag: f64,
}

/// How a collector fared.
#[derive(Debug, PartialEq)]
pub struct Fare {
    /// Its name.
    pub collector: String,
    /// How long it took, seconds.
    pub took: f64,
    /// Why it failed, if it did.
    pub problem: Option<String>,
}

/// Counts that grow, of which the next gather makes rates.
#[derive(Clone, Copy, Debug)]
struct Counts {
    transactions: f64,
    hit: f64,
    read: f64,
}

impl Seen {
    /// What a gather told `at` that time; `said` is what the log was told of each subject. None
    /// where no server is.
    pub fn of(
        out: &Exposition,
        said: &BTreeMap<String, String>,
        before: Option<&Self>,
        at: f64,
    ) -> Option<Self> {
        let (_, up) = out.samples("pg_up").next()?;
        let counts = Counts::of(out);
        let collectors = fares(out, said);
        let (state, reason) = state(up > 0.0, &collectors, said);
        Some(Self {
            at,
            state,
            reason,
            version: version(out),
            figures: Figures::of(out, counts.since(before, at)),
            collectors,
            counts,
        })
    }
}

impl Figures {
    fn of(out: &Exposition, [transactions, cached]: [f64; 2]) -> Self {
        let standby = sum(out, "pg_replication_is_replica") > 0.0;
        let lag = sum(out, "pg_replication_lag_seconds");
        Self {
            connections: sum(out, "pg_stat_database_numbackends"),
            most_connections: sum(out, "pg_settings_max_connections"),
            transactions,
            cached,
            size: sum(out, "pg_database_size_bytes"),
            lag: if standby { lag } else { f64::NAN },
        }
    }
}

impl Counts {
    fn of(out: &Exposition) -> Self {
        let commits = sum(out, "pg_stat_database_xact_commit");
        Self {
            transactions: commits + sum(out, "pg_stat_database_xact_rollback"),
            hit: sum(out, "pg_stat_database_blks_hit"),
            read: sum(out, "pg_stat_database_blks_read"),
        }
    }

    /// Transactions in a second and the share of cached blocks; none over a reset of the counts.
    fn since(self, before: Option<&Seen>, at: f64) -> [f64; 2] {
        let Some(seen) = before else {
            return [f64::NAN; 2];
        };
        let grown = |now: f64, before: f64| {
            let grown = now - before;
            if grown < 0.0 { f64::NAN } else { grown }
        };
        let transactions = grown(self.transactions, seen.counts.transactions);
        let hit = grown(self.hit, seen.counts.hit);
        let read = grown(self.read, seen.counts.read);
        let passed = at - seen.at;
        let rate = if passed > 0.0 {
            transactions / passed
        } else {
            f64::NAN
        };
        [rate, hit / (hit + read)]
    }
}

/// The sum of a family; not a number when there is none.
fn sum(out: &Exposition, name: &str) -> f64 {
    let values = out.samples(name).map(|(_, value)| value);
    values.reduce(|sum, value| sum + value).unwrap_or(f64::NAN)
}

fn version(out: &Exposition) -> String {
    let label = |labels| label(labels, "short_version");
    let labels = out.samples("pg_static").next().map(|(labels, _)| labels);
    labels.and_then(label).unwrap_or_default()
}

fn label(labels: &str, wanted: &str) -> Option<String> {
    let labels = parse_labels(labels).ok()?;
    let found = labels.into_iter().find(|(name, _)| name == wanted);
    found.map(|(_, content)| content)
}

fn fares(out: &Exposition, said: &BTreeMap<String, String>) -> Vec<Fare> {
    let took = out.samples("pg_scrape_collector_duration_seconds");
    let success = out.samples("pg_scrape_collector_success");
    let fares = took.zip(success).filter_map(|((labels, took), (_, fine))| {
        let collector = label(labels, "collector")?;
        let why = || said.get(&collector).cloned().unwrap_or_default();
        let problem = (fine == 0.0).then(why);
        Some(Fare {
            collector,
            took,
            problem,
        })
    });
    fares.collect()
}

fn state(up: bool, collectors: &[Fare], said: &BTreeMap<String, String>) -> (&'static str, String) {
    let told = |subject| said.get(subject).cloned();
    if !up {
        let why = told("connection").unwrap_or_else(|| "it did not answer in time".to_owned());
        return ("down", why);
    }
    let failed = collectors.iter().filter(|fare| fare.problem.is_some());
    let failed: Vec<&str> = failed.map(|fare| fare.collector.as_str()).collect();
    if !failed.is_empty() {
        return ("partly", format!("not told: {}", failed.join(", ")));
    }
    ("up", told("rights").or(told("version")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(commits: f64, hit: f64, read: f64) -> Exposition {
        let mut out = Exposition::default();
        out.gauge("pg_up", "h").labelled("{instance=\"a\"}", 1.0);
        let labels = "{instance=\"a\",server=\"h:5432\",short_version=\"15.3\",version=\"x\"}";
        out.gauge("pg_static", "h").labelled(labels, 1.0);
        let mut backends = out.gauge("pg_stat_database_numbackends", "h");
        backends.labelled("{datname=\"a b\"}", 3.0);
        backends.labelled("{datname=\"c\"}", 4.0);
        for (name, value) in [
            ("pg_settings_max_connections", 100.0),
            ("pg_stat_database_xact_commit", commits),
            ("pg_stat_database_xact_rollback", 1.0),
            ("pg_stat_database_blks_hit", hit),
            ("pg_stat_database_blks_read", read),
            ("pg_replication_is_replica", 0.0),
            ("pg_replication_lag_seconds", 0.0),
        ] {
            out.gauge(name, "h").labelled("", value);
        }
        for (name, value) in [
            ("pg_scrape_collector_duration_seconds", 0.5),
            ("pg_scrape_collector_success", 0.0),
        ] {
            out.gauge(name, "h").labelled("{collector=\"wal\"}", value);
        }
        out
    }

    #[test]
    fn figures_come_from_what_prometheus_is_told() {
        let said = BTreeMap::from([("wal".to_owned(), "no".to_owned())]);
        let first = Seen::of(&told(10.0, 100.0, 0.0), &said, None, 100.0).unwrap();
        assert_eq!((first.version.as_str(), first.state), ("15.3", "partly"));
        assert_eq!(first.reason, "not told: wal");
        assert_eq!(first.collectors[0].problem.as_deref(), Some("no"));
        let Figures {
            connections,
            most_connections,
            transactions,
            size,
            lag,
            ..
        } = first.figures;
        assert_eq!((connections, most_connections), (7.0, 100.0));
        assert!(transactions.is_nan() && size.is_nan() && lag.is_nan());

        let next = Seen::of(&told(30.0, 130.0, 10.0), &said, Some(&first), 110.0).unwrap();
        assert_eq!(
            (next.figures.transactions, next.figures.cached),
            (2.0, 0.75)
        );
        let reset = Seen::of(&told(0.0, 0.0, 0.0), &said, Some(&next), 120.0).unwrap();
        assert!(reset.figures.transactions.is_nan() && reset.figures.cached.is_nan());
    }

    #[test]
    fn what_does_not_answer_is_down_and_what_is_not_there_is_nothing() {
        let mut out = Exposition::default();
        let none = BTreeMap::new();
        assert!(Seen::of(&out, &none, None, 1.0).is_none());
        out.gauge("pg_up", "h").labelled("", 0.0);
        let said = BTreeMap::from([("connection".to_owned(), "refused".to_owned())]);
        let seen = Seen::of(&out, &said, None, 1.0).unwrap();
        assert_eq!((seen.state, seen.reason.as_str()), ("down", "refused"));
    }
}
