//! Servers that misbehave: scrapes end in time, no connection is leaked, what is missing is said.

use std::time::{Duration, Instant};

use super::super::exposition::Scrape;
use super::Agent;
use super::server::Server;

/// No scrape takes longer, whatever the server does; Prometheus waits for ten seconds.
const LONGEST: Duration = Duration::from_secs(12);

fn up(scrape: &Scrape) -> bool {
    scrape.value("pg_up") == Some(1.0)
}

fn success(scrape: &Scrape, collector: &str) -> Option<f64> {
    scrape.value(&format!(
        "pg_scrape_collector_success{{collector=\"{collector}\"}}"
    ))
}

fn in_time(agent: &Agent) -> Scrape {
    let begin = Instant::now();
    let scrape = agent.probe("a");
    assert!(begin.elapsed() < LONGEST, "{:?}", begin.elapsed());
    scrape
}

#[test]
fn a_server_that_is_restarted_is_found_again() {
    let Some(mut server) = Server::start(17, &[]) else {
        return;
    };
    let agent = Agent::of(&server, "");
    assert!(up(&in_time(&agent)));
    server.stop();
    let down = in_time(&agent);
    assert_eq!(down.value("pg_up"), Some(0.0));
    assert_eq!(down.value("pg_exporter_last_scrape_error"), Some(1.0));
    server.run();
    assert!(up(&in_time(&agent)));
    assert!(up(&in_time(&agent)));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_server_without_free_slots_goes_on_to_be_told_by_who_is_in() {
    let Some(server) = Server::start(
        16,
        &[
            "max_connections=8",
            "superuser_reserved_connections=3",
            "max_wal_senders=1",
        ],
    ) else {
        return;
    };
    let agent = Agent::of(&server, "");
    assert!(up(&in_time(&agent)));
    let taken: Vec<_> = std::iter::from_fn(|| server.connect_as("monitor", "postgres")).collect();
    assert!(!taken.is_empty());
    assert!(up(&in_time(&agent)));
    let late = Agent::of(&server, "");
    assert!(!up(&in_time(&late)));
    drop(taken);
    let begin = Instant::now();
    while !up(&in_time(&late)) {
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_locked_catalog_costs_what_needs_it_and_no_connection() {
    let Some(server) = Server::start(15, &[]) else {
        return;
    };
    server.sql("postgres", "create table t (id int)");
    let agent = Agent::of(&server, "");
    assert!(up(&in_time(&agent)));
    let holder = server.connect("postgres");
    holder.run("begin; lock table pg_catalog.pg_class in access exclusive mode");
    for _ in 0..2 {
        let scrape = in_time(&agent);
        assert_eq!(success(&scrape, "stat_user_tables"), Some(0.0));
        assert_eq!(scrape.value("pg_exporter_last_scrape_error"), Some(1.0));
    }
    holder.run("rollback");
    let begin = Instant::now();
    while success(&in_time(&agent), "stat_user_tables") != Some(1.0) {
        assert!(begin.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_table_under_change_costs_its_size_only() {
    let Some(server) = Server::start(18, &[]) else {
        return;
    };
    server.sql(
        "postgres",
        "create table t (id int); create table u (id int)",
    );
    let agent = Agent::of(&server, "");
    let holder = server.connect("postgres");
    holder.run("begin; lock table t in access exclusive mode");
    let scrape = in_time(&agent);
    let size = |table: &str| {
        scrape.value(&format!(
            "pg_stat_user_tables_table_size_bytes{{datname=\"postgres\",relname=\"{table}\",schemaname=\"public\"}}"
        ))
    };
    assert_eq!((size("t"), size("u")), (None, Some(0.0)));
    assert_eq!(success(&scrape, "stat_user_tables"), Some(1.0));
    holder.run("rollback");
}

#[test]
fn five_thousand_tables_are_told_and_what_is_above_the_limit_is_counted() {
    let Some(server) = Server::start(17, &["autovacuum=off"]) else {
        return;
    };
    server.connect("postgres").statement(
        "do 'begin for i in 1..5000 loop execute format(''create table t%s (id int)'', i); \
         if i % 200 = 0 then commit; end if; end loop; end'",
    );
    let agent = Agent::of(&server, "");
    let tables = |scrape: &Scrape| {
        let series = scrape.series.keys();
        series
            .filter(|it| it.starts_with("pg_stat_user_tables_seq_scan{"))
            .count()
    };
    let scrape = in_time(&agent);
    assert_eq!(tables(&scrape), 5_000);
    assert_eq!(
        scrape.value("masthead_agent_postgres_tables_left_out"),
        Some(0.0)
    );
    let limited = Agent::of(&server, ", maxTables: 1000");
    let scrape = in_time(&limited);
    assert_eq!(tables(&scrape), 1_000);
    assert_eq!(
        scrape.value("masthead_agent_postgres_tables_left_out"),
        Some(4_000.0)
    );
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_role_without_rights_gets_what_it_may_see_and_the_rest_is_said() {
    let Some(server) = Server::start(14, &[]) else {
        return;
    };
    server.sql(
        "postgres",
        "create role plain login; create database closed",
    );
    server.sql("postgres", "revoke connect on database closed from public");
    let agent = Agent::start(&format!(
        "{{targets: [{{name: a, host: 127.0.0.1, port: {}, login: {{user: plain}}}}]}}",
        server.port()
    ));
    let scrape = in_time(&agent);
    assert!(up(&scrape));
    assert_eq!(
        scrape.value("masthead_agent_postgres_restricted"),
        Some(1.0)
    );
    assert_eq!(
        (success(&scrape, "wal"), success(&scrape, "database")),
        (Some(0.0), Some(1.0))
    );
    let size = |name: &str| scrape.value(&format!("pg_database_size_bytes{{datname=\"{name}\"}}"));
    assert!(size("postgres").is_some() && size("closed").is_none());
}

#[test]
fn more_databases_than_the_limit_are_counted() {
    let Some(server) = Server::start(18, &[]) else {
        return;
    };
    server.sql(
        "postgres",
        "create database a; create database b; create database c",
    );
    let agent = Agent::of(&server, ", maxDatabases: 2");
    let scrape = in_time(&agent);
    assert_eq!(
        scrape.value("masthead_agent_postgres_databases_left_out"),
        Some(2.0)
    );
    assert_eq!(
        scrape.value("masthead_agent_postgres_connections"),
        Some(2.0)
    );
    assert_eq!(server.connections(), 2);
}
