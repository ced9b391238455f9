//! PostgreSQL: does it answer, is it short of connections, is it slow, does it grow.

use super::{
    board::{Dashboard, Row, Variable},
    panel::Panel,
    style::{
        Limit::{BadBelow, BadFrom, NoticeFrom},
        Unit,
    },
};
use crate::api::defaults::POSTGRES_CONNECTIONS;

/// The chosen servers.
const HERE: &str = r#"instance=~"$instance""#;
/// The chosen databases of them.
const DATABASES: &str = r#"instance=~"$instance", datname=~"$datname", datname!~"template.*""#;
const RATE: &str = "[$__rate_interval]";
/// Below this share of hits the cache is too small for what is asked, or the queries read too much.
const CACHE_HIT_PERCENT: f64 = 90.0;

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "postgres",
        title: "PostgreSQL",
        description: "Does the database answer, is it short of connections, is it slow, does it grow?",
        variables: vec![
            Variable::of_metric("instance", "Server", "pg_up"),
            Variable::of_metric(
                "datname",
                "Database",
                r#"pg_stat_database_xact_commit{instance=~"$instance"}"#,
            ),
        ],
        rows: vec![
            Row::low("Now", now()),
            Row::new("Connections", connections()),
            Row::new("Queries", queries()),
            Row::new("Cache and disk", cache()),
        ],
    }
}

fn rate(name: &str) -> String {
    format!("sum by (instance, datname) (rate(pg_stat_database_{name}{{{DATABASES}}}{RATE}))")
}

fn now() -> Vec<Panel> {
    let rate = |name: &str| format!("sum(rate(pg_stat_database_{name}{{{DATABASES}}}[5m]))");
    vec![
        Panel::stat("Servers that answer", "Does the agent reach every server?")
            .width(4)
            .limit(BadBelow(1.0))
            .metric(format!("min(pg_up{{{HERE}}})"), ""),
        Panel::stat(
            "Connections",
            "How many connections are open on the fullest server?",
        )
        .width(4)
        .limit(BadFrom(POSTGRES_CONNECTIONS))
        .metric(
            format!("max(sum by (instance) (pg_stat_activity_count{{{HERE}}}))"),
            "",
        ),
        Panel::stat("Transactions", "How many transactions end in a second?")
            .width(4)
            .unit(Unit::PerSecond)
            .metric(
                format!("{} + {}", rate("xact_commit"), rate("xact_rollback")),
                "",
            ),
        Panel::stat("Cache hits", "What share of pages is found in memory?")
            .width(4)
            .unit(Unit::Percent)
            .limit(BadBelow(CACHE_HIT_PERCENT))
            .metric(
                format!(
                    "100 * {hit} / ({hit} + {read})",
                    hit = rate("blks_hit"),
                    read = rate("blks_read")
                ),
                "",
            ),
        Panel::stat(
            "Longest transaction",
            "For how long is the oldest transaction open?",
        )
        .width(4)
        .unit(Unit::Seconds)
        .limit(NoticeFrom(300.0))
        .metric(
            format!("max(pg_stat_activity_max_tx_duration{{{HERE}}})"),
            "",
        ),
        Panel::stat("Size", "How large are the databases?")
            .width(4)
            .unit(Unit::Bytes)
            .metric(format!("sum(pg_database_size_bytes{{{DATABASES}}})"), ""),
    ]
}

fn connections() -> Vec<Panel> {
    vec![
        Panel::time_series("Connections", "Do the connections come near to the limit?")
            .width(8)
            .from_zero()
            .limit(BadFrom(POSTGRES_CONNECTIONS))
            .metric(
                format!("sum by (instance) (pg_stat_activity_count{{{HERE}}})"),
                "{{instance}}",
            )
            .metric(
                format!("max by (instance) (pg_settings_max_connections{{{HERE}}})"),
                "most {{instance}}",
            ),
        Panel::time_series("Connections by state", "What do the connections do?")
            .width(8)
            .stacked()
            .from_zero()
            .metric(
                format!("sum by (state) (pg_stat_activity_count{{{DATABASES}}})"),
                "{{state}}",
            ),
        Panel::time_series("Locks", "What is locked, in which mode?")
            .width(8)
            .stacked()
            .from_zero()
            .metric(
                format!("sum by (mode) (pg_locks_count{{{DATABASES}}})"),
                "{{mode}}",
            ),
    ]
}

fn queries() -> Vec<Panel> {
    vec![
        Panel::time_series(
            "Transactions",
            "How many are committed and how many rolled back?",
        )
        .width(8)
        .unit(Unit::PerSecond)
        .from_zero()
        .metric(rate("xact_commit"), "committed {{datname}}")
        .metric(rate("xact_rollback"), "rolled back {{datname}}"),
        Panel::time_series("Rows", "What do the queries read and write?")
            .width(8)
            .unit(Unit::PerSecond)
            .from_zero()
            .metric(rate("tup_returned"), "read {{datname}}")
            .metric(rate("tup_inserted"), "inserted {{datname}}")
            .metric(rate("tup_updated"), "updated {{datname}}")
            .metric(rate("tup_deleted"), "deleted {{datname}}"),
        Panel::time_series(
            "Deadlocks and conflicts",
            "Do transactions stop each other?",
        )
        .width(8)
        .unit(Unit::PerSecond)
        .from_zero()
        .metric(rate("deadlocks"), "deadlocks {{datname}}")
        .metric(rate("conflicts"), "conflicts {{datname}}"),
    ]
}

fn cache() -> Vec<Panel> {
    vec![
        Panel::time_series("Cache hits", "What share of pages is found in memory?")
            .width(6)
            .unit(Unit::Percent)
            .between(0.0, 100.0)
            .metric(
                format!(
                    "100 * {hit} / ({hit} + {read} > 0)",
                    hit = rate("blks_hit"),
                    read = rate("blks_read")
                ),
                "{{datname}}",
            ),
        Panel::time_series(
            "Temporary files",
            "Do queries need more memory than they may use?",
        )
        .width(6)
        .unit(Unit::BytesPerSecond)
        .from_zero()
        .metric(rate("temp_bytes"), "{{datname}}"),
        Panel::time_series("Size", "How do the databases grow?")
            .width(6)
            .unit(Unit::Bytes)
            .from_zero()
            .metric(
                format!("sum by (instance, datname) (pg_database_size_bytes{{{DATABASES}}})"),
                "{{datname}}",
            ),
        Panel::time_series("Replication lag", "By how much is a replica behind?")
            .width(6)
            .unit(Unit::Seconds)
            .from_zero()
            .empty_is("No replica")
            .metric(
                format!("max by (instance) (pg_replication_lag_seconds{{{HERE}}})"),
                "{{instance}}",
            ),
    ]
}
