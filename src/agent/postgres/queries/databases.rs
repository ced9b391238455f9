//! Databases, roles, and the server's start.

use super::super::table::{Query, Scope, counter, gauge, untyped};

pub const QUERIES: &[Query] = &[
    Query {
        collector: "database",
        scope: Scope::Server,
        // The size is refused, and with it the whole statement, for a database one may not enter.
        sql: |_| {
            Some(
                "select datname::text, datconnlimit::float8, case \
                 when has_database_privilege(oid, 'connect') \
                 or pg_has_role(current_user, 'pg_read_all_stats', 'usage') \
                 then pg_database_size(oid)::float8 end \
                 from pg_database where datconnlimit <> -2",
            )
        },
        server_label: false,
        labels: &["datname"],
        values: &[
            gauge(
                "pg_database_connection_limit",
                "Connections that the database may have at once, -1 for no limit",
            ),
            gauge(
                "pg_database_size_bytes",
                "Disk space that the database uses",
            ),
        ],
    },
    Query {
        collector: "postmaster",
        scope: Scope::Server,
        sql: |_| Some("select extract(epoch from pg_postmaster_start_time())::float8"),
        server_label: false,
        labels: &[],
        values: &[gauge(
            "pg_postmaster_start_time_seconds",
            "Unix time at which the server was started",
        )],
    },
    Query {
        collector: "roles",
        scope: Scope::Server,
        sql: |_| Some("select rolname::text, rolconnlimit::float8 from pg_roles"),
        server_label: false,
        labels: &["rolname"],
        values: &[gauge(
            "pg_roles_connection_limit",
            "Connections that the role may have at once, -1 for no limit",
        )],
    },
    Query {
        collector: "stat_database",
        scope: Scope::Server,
        sql: |version| {
            Some(if version.major() >= 14 {
                "select datid::text, datname::text, numbackends::float8, xact_commit::float8, \
                 xact_rollback::float8, blks_read::float8, blks_hit::float8, \
                 tup_returned::float8, tup_fetched::float8, tup_inserted::float8, \
                 tup_updated::float8, tup_deleted::float8, conflicts::float8, \
                 temp_files::float8, temp_bytes::float8, deadlocks::float8, blk_read_time, \
                 blk_write_time, coalesce(floor(extract(epoch from stats_reset)), 0)::float8, \
                 active_time / 1000 from pg_stat_database where datname is not null"
            } else {
                "select datid::text, datname::text, numbackends::float8, xact_commit::float8, \
                 xact_rollback::float8, blks_read::float8, blks_hit::float8, \
                 tup_returned::float8, tup_fetched::float8, tup_inserted::float8, \
                 tup_updated::float8, tup_deleted::float8, conflicts::float8, \
                 temp_files::float8, temp_bytes::float8, deadlocks::float8, blk_read_time, \
                 blk_write_time, coalesce(floor(extract(epoch from stats_reset)), 0)::float8, \
                 null::float8 from pg_stat_database where datname is not null"
            })
        },
        server_label: false,
        labels: &["datid", "datname"],
        values: &[
            gauge(
                "pg_stat_database_numbackends",
                "Sessions connected to the database now",
            ),
            counter("pg_stat_database_xact_commit", "Transactions committed"),
            counter("pg_stat_database_xact_rollback", "Transactions rolled back"),
            counter(
                "pg_stat_database_blks_read",
                "Blocks read from outside the buffer cache",
            ),
            counter(
                "pg_stat_database_blks_hit",
                "Blocks found in the buffer cache",
            ),
            counter("pg_stat_database_tup_returned", "Rows read by scans"),
            counter("pg_stat_database_tup_fetched", "Rows fetched for queries"),
            counter("pg_stat_database_tup_inserted", "Rows inserted"),
            counter("pg_stat_database_tup_updated", "Rows updated"),
            counter("pg_stat_database_tup_deleted", "Rows deleted"),
            counter(
                "pg_stat_database_conflicts",
                "Queries cancelled because of conflicts with recovery, on a standby only",
            ),
            counter(
                "pg_stat_database_temp_files",
                "Temporary files made by queries",
            ),
            counter(
                "pg_stat_database_temp_bytes",
                "Bytes that queries wrote to temporary files",
            ),
            counter("pg_stat_database_deadlocks", "Deadlocks found"),
            counter(
                "pg_stat_database_blk_read_time",
                "Milliseconds spent reading blocks",
            ),
            counter(
                "pg_stat_database_blk_write_time",
                "Milliseconds spent writing blocks",
            ),
            counter(
                "pg_stat_database_stats_reset",
                "Unix time at which these figures were last reset",
            ),
            counter(
                "pg_stat_database_active_time_seconds_total",
                "Seconds that sessions spent running statements",
            ),
        ],
    },
    Query {
        collector: "stat_database_conflicts",
        scope: Scope::Server,
        sql: |version| {
            Some(if version.major() >= 16 {
                "select datid::text, datname::text, confl_tablespace::float8, \
                 confl_lock::float8, confl_snapshot::float8, confl_bufferpin::float8, \
                 confl_deadlock::float8, confl_active_logicalslot::float8 \
                 from pg_stat_database_conflicts"
            } else {
                "select datid::text, datname::text, confl_tablespace::float8, \
                 confl_lock::float8, confl_snapshot::float8, confl_bufferpin::float8, \
                 confl_deadlock::float8, null::float8 from pg_stat_database_conflicts"
            })
        },
        server_label: true,
        labels: &["datid", "datname"],
        values: &[
            counter(
                "pg_stat_database_conflicts_confl_tablespace",
                "Queries cancelled on a standby because of dropped tablespaces",
            ),
            counter(
                "pg_stat_database_conflicts_confl_lock",
                "Queries cancelled on a standby because of lock timeouts",
            ),
            counter(
                "pg_stat_database_conflicts_confl_snapshot",
                "Queries cancelled on a standby because of old snapshots",
            ),
            counter(
                "pg_stat_database_conflicts_confl_bufferpin",
                "Queries cancelled on a standby because of pinned buffers",
            ),
            counter(
                "pg_stat_database_conflicts_confl_deadlock",
                "Queries cancelled on a standby because of deadlocks",
            ),
            untyped(
                "pg_stat_database_conflicts_confl_active_logicalslot",
                "Uses of logical slots cancelled on a standby",
            ),
        ],
    },
];
