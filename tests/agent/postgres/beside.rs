//! Our figures beside those of `postgres_exporter`, on a primary and on its standby.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::exposition::{Scrape, family};
use super::super::{Killed, LOOPBACK, body, get};
use super::server::Server;
use super::{Agent, sorted};

/// A figure may lie outside the two readings around it by a tenth, and by this much.
const SLACK_SHARE: f64 = 0.1;
const SLACK: f64 = 200.0;

/// What may differ, and why.
const ALLOWED: [(&str, &str); 7] = [
    ("pg_exporter_", "about the exporter itself"),
    (
        "pg_scrape_collector_",
        "about the exporter itself; its collector replication_slot is replication_slots since 0.20, and settings, activity, archiver and standbys are collectors then",
    ),
    ("pg_up", "compared by the test itself"),
    (
        "pg_stat_activity_count",
        "each sees its own session as active and the other's as idle",
    ),
    (
        "pg_stat_activity_max_tx_duration",
        "each sees its own session as active and the other's as idle",
    ),
    (
        "pg_settings_extra_float_digits",
        "its client sets 2 for its own session; here it is the server's",
    ),
    (
        "pg_stat_replication_reply_time",
        "moves with each message of the standby",
    ),
];

fn postgres_exporter() -> Option<PathBuf> {
    let found = std::env::var_os("MASTHEAD_POSTGRES_EXPORTER").map(PathBuf::from);
    let found = found.or_else(|| {
        let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
        ["postgres_exporter", "prometheus-postgres-exporter"]
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|path| path.is_file())
    });
    if found.is_none() {
        eprintln!(
            "SKIPPED: no postgres_exporter in PATH and MASTHEAD_POSTGRES_EXPORTER is not set"
        );
    }
    found
}

struct Exporter {
    _child: Killed,
    address: std::net::SocketAddr,
}

impl Exporter {
    fn start(binary: &Path, server: &Server, major: u32) -> Self {
        let address = TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
        let mut command = Command::new(binary);
        command
            .arg(format!("--web.listen-address={address}"))
            .arg("--collector.postmaster");
        if major >= 17 {
            command.arg("--collector.stat_checkpointer");
        }
        let source = format!(
            "postgresql://monitor@127.0.0.1:{}/postgres?sslmode=disable",
            server.port()
        );
        let child = command
            .env("DATA_SOURCE_NAME", source)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let exporter = Self {
            _child: Killed(child),
            address,
        };
        let begin = Instant::now();
        while get(address, "/").is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{}",
                binary.display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        exporter
    }

    fn scrape(&self) -> Scrape {
        let text = body(self.address, "/metrics");
        let lines = text.lines().filter(|line| {
            let name = line
                .trim_start_matches("# HELP ")
                .trim_start_matches("# TYPE ");
            name.starts_with("pg_")
        });
        sorted(&lines.fold(String::new(), |text, line| text + line + "\n"))
    }
}

/// Two databases with tables, rows that came and went, and slots of both kinds.
fn fill(server: &Server) {
    server.sql(
        "postgres",
        "create database shop; create database \"odd \"\"name\"",
    );
    server.sql(
        "postgres",
        "create table accounts (id int primary key, balance int, note text);
         insert into accounts select g, 0, repeat('x', 50) from generate_series(1, 2000) g;
         update accounts set balance = balance + 1 where id % 3 = 0;
         delete from accounts where id % 7 = 0; create index on accounts (balance);
         vacuum accounts; analyze accounts; select count(*) from accounts;
         create table without_index (v text)",
    );
    server.sql(
        "shop",
        "create table orders (id int); insert into orders values (1)",
    );
    let sessions: Vec<_> = (0..3).map(|_| server.connect("postgres")).collect();
    for (index, session) in sessions.iter().enumerate() {
        for step in 0..20 {
            session.run(&format!(
                "update accounts set balance = {step} where id = {}",
                index + 1
            ));
        }
    }
}

fn differences(ours: &Scrape, before: &Scrape, after: &Scrape) -> Vec<String> {
    let mut found = Vec::new();
    for (name, (kind, _)) in &after.families {
        match ours.families.get(name) {
            Some((own, _)) if own == kind => {}
            other => found.push(format!("{name}: type {kind} there, {other:?} here")),
        }
    }
    for (series, value) in &after.series {
        let after: f64 = value.parse().unwrap();
        let before = before.value(series).unwrap_or(after);
        let Some(own) = ours.value(series) else {
            found.push(format!("{series}: {after} there, missing here"));
            continue;
        };
        let slack = SLACK + SLACK_SHARE * after.abs();
        let fits = own >= before.min(after) - slack && own <= before.max(after) + slack;
        let gauge_is_small = after.abs() < SLACK && ours.kind(series) == "gauge";
        let exact = gauge_is_small && series.starts_with("pg_settings_");
        if own.is_nan() != after.is_nan()
            || !own.is_nan() && (!fits || exact && (own - after).abs() > 1e-9)
        {
            found.push(format!("{series}: {after} there, {own} here"));
        }
    }
    // Label sets are equal: nothing here that they lack, but the tables of other databases.
    for series in ours.series.keys() {
        let known = after.families.contains_key(family(series));
        let of_other = series.contains("datname=\"shop\"") || series.contains("datname=\"odd");
        let of_table = series.starts_with("pg_stat_user_tables") || series.starts_with("pg_statio");
        if known && !after.series.contains_key(series) && !(of_table && of_other) {
            found.push(format!("{series}: missing there"));
        }
    }
    found
}

fn compare(major: u32) {
    let (Some(binary), Some(mut primary)) = (postgres_exporter(), Server::start(major, &[])) else {
        return;
    };
    fill(&primary);
    let standby = primary.standby();
    for server in [&primary, &standby] {
        server.sql(
            "postgres",
            "select pg_create_physical_replication_slot('idle', true)",
        );
    }
    let slot = "select pg_create_logical_replication_slot('changes', 'test_decoding')";
    primary.sql("postgres", slot);
    let mut names = BTreeSet::new();
    for server in [&primary, &standby] {
        let exporter = Exporter::start(&binary, server, major);
        let agent = Agent::of(server, "");
        exporter.scrape();
        let mut wrong: Option<Vec<String>> = None;
        // The server moves between two scrapes: a figure is wrong that is so at each of some.
        for _ in 0..5 {
            let before = exporter.scrape();
            let ours = agent.probe("a");
            let after = exporter.scrape();
            assert_eq!(
                (ours.value("pg_up"), after.value("pg_up")),
                (Some(1.0), Some(1.0))
            );
            names.extend(after.families.keys().cloned());
            let (allowed, mut found): (Vec<String>, Vec<String>) =
                differences(&ours, &before, &after)
                    .into_iter()
                    .partition(|text| ALLOWED.iter().any(|(prefix, _)| text.starts_with(prefix)));
            if let Some(wrong) = &wrong {
                let subject = |text: &str| text.split(": ").next().unwrap_or_default().to_owned();
                found.retain(|text| wrong.iter().any(|other| subject(other) == subject(text)));
            }
            for (prefix, reason) in ALLOWED {
                let count = allowed
                    .iter()
                    .filter(|text| text.starts_with(prefix))
                    .count();
                if count > 0 {
                    eprintln!(
                        "PostgreSQL {major}: {count} allowed differences of {prefix}*: {reason}"
                    );
                }
            }
            let done = found.is_empty();
            wrong = Some(found);
            if done {
                break;
            }
        }
        assert_eq!(wrong.unwrap(), Vec::<String>::new(), "PostgreSQL {major}");
        let scrape = agent.probe("a");
        assert_eq!(
            scrape.value("pg_exporter_last_scrape_error"),
            Some(0.0),
            "{major}"
        );
        // One for each database, however often it is scraped.
        assert_eq!(server.connections(), 3, "PostgreSQL {major}");
        every_name_of_the_dashboards(&agent, &names);
    }
}

/// Every name that dashboards query and `postgres_exporter` exports here, we export.
fn every_name_of_the_dashboards(agent: &Agent, theirs: &BTreeSet<String>) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dashboard-names-postgres.txt");
    let text = std::fs::read_to_string(file).unwrap();
    let ours = agent.probe("a");
    let names = text
        .lines()
        .filter(|line| !line.starts_with('#') && theirs.contains(*line));
    let names: Vec<&str> = names.collect();
    let missing: Vec<&&str> = names
        .iter()
        .filter(|name| !ours.families.contains_key(**name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(names.len() > 35, "{names:?}");
}

macro_rules! versions {
    ($($test:ident $major:literal)*) => {$(
        #[test]
        fn $test() {
            compare($major);
        }
    )*};
}

versions! {
    figures_of_13_are_those_of_postgres_exporter 13
    figures_of_14_are_those_of_postgres_exporter 14
    figures_of_15_are_those_of_postgres_exporter 15
    figures_of_16_are_those_of_postgres_exporter 16
    figures_of_17_are_those_of_postgres_exporter 17
    figures_of_18_are_those_of_postgres_exporter 18
}
