//! Tables, database by database.

use super::super::table::{Query, Scope, counter, gauge};

/// The last column counts all tables, also those above the limit, which is the parameter.
pub const QUERIES: &[Query] = &[
    Query {
        collector: "stat_user_tables",
        scope: Scope::Database,
        // To ask the size of a table that is being changed would wait for its lock, and the whole
        // collector with it.
        sql: |_| {
            Some(
                "select current_database()::text, s.relname::text, s.schemaname::text, \
                 coalesce(s.seq_scan, 0)::float8, coalesce(s.seq_tup_read, 0)::float8, \
                 coalesce(s.idx_scan, 0)::float8, coalesce(s.idx_tup_fetch, 0)::float8, \
                 coalesce(s.n_tup_ins, 0)::float8, coalesce(s.n_tup_upd, 0)::float8, \
                 coalesce(s.n_tup_del, 0)::float8, coalesce(s.n_tup_hot_upd, 0)::float8, \
                 coalesce(s.n_live_tup, 0)::float8, coalesce(s.n_dead_tup, 0)::float8, \
                 coalesce(s.n_mod_since_analyze, 0)::float8, \
                 coalesce(floor(extract(epoch from s.last_vacuum)), 0)::float8, \
                 coalesce(floor(extract(epoch from s.last_autovacuum)), 0)::float8, \
                 coalesce(floor(extract(epoch from s.last_analyze)), 0)::float8, \
                 coalesce(floor(extract(epoch from s.last_autoanalyze)), 0)::float8, \
                 coalesce(s.vacuum_count, 0)::float8, \
                 coalesce(s.autovacuum_count, 0)::float8, \
                 coalesce(s.analyze_count, 0)::float8, \
                 coalesce(s.autoanalyze_count, 0)::float8, \
                 case when l.relation is null then pg_indexes_size(s.relid)::float8 end, \
                 case when l.relation is null then pg_table_size(s.relid)::float8 end, s.total::float8 \
                 from (select *, count(*) over () as total from pg_stat_user_tables order by relid \
                 limit $1::bigint) s left join (select distinct relation from pg_locks \
                 where mode = 'AccessExclusiveLock' and locktype = 'relation') l \
                 on l.relation = s.relid",
            )
        },
        server_label: false,
        labels: &["datname", "relname", "schemaname"],
        values: &[
            counter("pg_stat_user_tables_seq_scan", "Sequential scans"),
            counter(
                "pg_stat_user_tables_seq_tup_read",
                "Rows read by sequential scans",
            ),
            counter("pg_stat_user_tables_idx_scan", "Index scans"),
            counter(
                "pg_stat_user_tables_idx_tup_fetch",
                "Rows fetched by index scans",
            ),
            counter("pg_stat_user_tables_n_tup_ins", "Rows inserted"),
            counter("pg_stat_user_tables_n_tup_upd", "Rows updated"),
            counter("pg_stat_user_tables_n_tup_del", "Rows deleted"),
            counter(
                "pg_stat_user_tables_n_tup_hot_upd",
                "Rows updated in place, without a change of any index",
            ),
            gauge("pg_stat_user_tables_n_live_tup", "Live rows, estimated"),
            gauge("pg_stat_user_tables_n_dead_tup", "Dead rows, estimated"),
            gauge(
                "pg_stat_user_tables_n_mod_since_analyze",
                "Rows changed since the last analyze, estimated",
            ),
            gauge(
                "pg_stat_user_tables_last_vacuum",
                "Unix time of the last vacuum by hand, 0 for never",
            ),
            gauge(
                "pg_stat_user_tables_last_autovacuum",
                "Unix time of the last automatic vacuum, 0 for never",
            ),
            gauge(
                "pg_stat_user_tables_last_analyze",
                "Unix time of the last analyze by hand, 0 for never",
            ),
            gauge(
                "pg_stat_user_tables_last_autoanalyze",
                "Unix time of the last automatic analyze, 0 for never",
            ),
            counter("pg_stat_user_tables_vacuum_count", "Vacuums by hand"),
            counter("pg_stat_user_tables_autovacuum_count", "Automatic vacuums"),
            counter("pg_stat_user_tables_analyze_count", "Analyzes by hand"),
            counter(
                "pg_stat_user_tables_autoanalyze_count",
                "Automatic analyzes",
            ),
            gauge(
                "pg_stat_user_tables_index_size_bytes",
                "Disk space of the indexes; none while the table is locked for change",
            ),
            gauge(
                "pg_stat_user_tables_table_size_bytes",
                "Disk space of the table; none while it is locked for change",
            )
            .also("pg_stat_user_tables_size_bytes"),
        ],
    },
    Query {
        collector: "statio_user_tables",
        scope: Scope::Database,
        sql: |_| {
            Some(
                "select current_database()::text, relname::text, schemaname::text, \
                 coalesce(heap_blks_read, 0)::float8, coalesce(heap_blks_hit, 0)::float8, \
                 coalesce(idx_blks_read, 0)::float8, coalesce(idx_blks_hit, 0)::float8, \
                 coalesce(toast_blks_read, 0)::float8, coalesce(toast_blks_hit, 0)::float8, \
                 coalesce(tidx_blks_read, 0)::float8, coalesce(tidx_blks_hit, 0)::float8, \
                 (count(*) over ())::float8 \
                 from pg_statio_user_tables order by relid limit $1::bigint",
            )
        },
        server_label: false,
        labels: &["datname", "relname", "schemaname"],
        values: &[
            counter(
                "pg_statio_user_tables_heap_blocks_read",
                "Blocks of the table read from outside the buffer cache",
            ),
            counter(
                "pg_statio_user_tables_heap_blocks_hit",
                "Blocks of the table found in the buffer cache",
            ),
            counter(
                "pg_statio_user_tables_idx_blocks_read",
                "Blocks of the indexes read from outside the buffer cache",
            ),
            counter(
                "pg_statio_user_tables_idx_blocks_hit",
                "Blocks of the indexes found in the buffer cache",
            ),
            counter(
                "pg_statio_user_tables_toast_blocks_read",
                "Blocks of the TOAST table read from outside the buffer cache",
            ),
            counter(
                "pg_statio_user_tables_toast_blocks_hit",
                "Blocks of the TOAST table found in the buffer cache",
            ),
            counter(
                "pg_statio_user_tables_tidx_blocks_read",
                "Blocks of the TOAST table's indexes read from outside the buffer cache",
            ),
            counter(
                "pg_statio_user_tables_tidx_blocks_hit",
                "Blocks of the TOAST table's indexes found in the buffer cache",
            ),
        ],
    },
];
