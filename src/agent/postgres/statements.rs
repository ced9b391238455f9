//! `pg_stat_statements_*`: the statements that took most time, and all others as one.

use tokio_postgres::Row;

use super::rows::Labels;
use super::version::Version;
use crate::agent::exposition::Exposition;

/// The name in `pg_scrape_collector_success{collector="…"}`.
pub const COLLECTOR: &str = "stat_statements";
/// The schema that the extension lives in; no row: it is not installed.
pub const SCHEMA: &str = "select quote_ident(n.nspname) from pg_extension e \
    join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'";

/// The families after the labels, in the order of the columns.
const FAMILIES: [(&str, &str); 5] = [
    (
        "pg_stat_statements_calls_total",
        "Executions of the statement",
    ),
    (
        "pg_stat_statements_seconds_total",
        "Seconds spent in the statement",
    ),
    (
        "pg_stat_statements_rows_total",
        "Rows that the statement returned or changed",
    ),
    (
        "pg_stat_statements_block_read_seconds_total",
        "Seconds that the statement spent reading blocks",
    ),
    (
        "pg_stat_statements_block_write_seconds_total",
        "Seconds that the statement spent writing blocks",
    ),
];

/// The statement that tells them, for an extension in `schema`.
pub fn sql(version: Version, schema: &str) -> String {
    let (read, write) = if version.major() >= 17 {
        ("shared_blk_read_time", "shared_blk_write_time")
    } else {
        ("blk_read_time", "blk_write_time")
    };
    format!(
        "with s as (select d.datname::text as datname, s.queryid::text as queryid, \
         pg_get_userbyid(s.userid)::text as usr, sum(s.calls)::float8 as calls, \
         sum(s.total_exec_time) / 1000 as seconds, sum(s.rows)::float8 as rows, \
         sum(s.{read}) / 1000 as reading, sum(s.{write}) / 1000 as writing \
         from {schema}.pg_stat_statements(false) s join pg_database d on d.oid = s.dbid \
         where s.queryid is not null group by 1, 2, 3), \
         r as (select *, row_number() over (order by seconds desc, queryid, usr) as place from s) \
         select datname, queryid, usr, calls, seconds, rows, reading, writing from r \
         where place <= $1::bigint union all \
         select '', 'other', '', sum(calls), sum(seconds), sum(rows), sum(reading), sum(writing) \
         from r where place > $1::bigint having count(*) > 0"
    )
}

/// Writes the families; `fixed` is on each series.
pub fn write(out: &mut Exposition, labels: &mut Labels, rows: &[Row], fixed: &str) {
    const LABELS: [&str; 3] = ["datname", "queryid", "user"];
    labels.read(rows, fixed, &LABELS);
    for (index, (name, help)) in FAMILIES.into_iter().enumerate() {
        labels.write(out.counter(name, help), rows, LABELS.len() + index);
    }
}
