//! Sessions, locks and vacuums that are under way.

use super::super::table::{Query, Scope, gauge};

pub const QUERIES: &[Query] = &[
    Query {
        collector: "locks",
        scope: Scope::Server,
        // Every mode of every database, so that a lock that goes leaves a zero.
        sql: |_| {
            Some(
                "select d.datname::text, m.mode, coalesce(l.held, 0)::float8 \
                 from pg_database d cross join unnest(array['accesssharelock', 'rowsharelock', \
                 'rowexclusivelock', 'shareupdateexclusivelock', 'sharelock', \
                 'sharerowexclusivelock', 'exclusivelock', 'accessexclusivelock', 'sireadlock']) \
                 m(mode) left join (select database, lower(mode) as mode, count(*) as held \
                 from pg_locks where database is not null group by 1, 2) l \
                 on l.database = d.oid and l.mode = m.mode",
            )
        },
        server_label: false,
        labels: &["datname", "mode"],
        values: &[gauge("pg_locks_count", "Locks by database and mode")],
    },
    Query {
        collector: "stat_activity",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select coalesce(a.application_name, ''), coalesce(a.backend_type, ''), \
                 d.datname::text, s.state, coalesce(a.usename::text, ''), \
                 coalesce(a.wait_event, ''), coalesce(a.wait_event_type, ''), \
                 coalesce(a.sessions, 0)::float8, coalesce(a.longest, 0)::float8 \
                 from pg_database d cross join unnest(array['active', 'idle', \
                 'idle in transaction', 'idle in transaction (aborted)', \
                 'fastpath function call', 'disabled']) s(state) left join (select datname, \
                 state, usename, application_name, backend_type, wait_event_type, wait_event, \
                 count(*) as sessions, max(extract(epoch from now() - xact_start)) as longest \
                 from pg_stat_activity group by 1, 2, 3, 4, 5, 6, 7) a \
                 on a.datname = d.datname and a.state = s.state",
            )
        },
        server_label: true,
        labels: &[
            "application_name",
            "backend_type",
            "datname",
            "state",
            "usename",
            "wait_event",
            "wait_event_type",
        ],
        values: &[
            gauge("pg_stat_activity_count", "Sessions in this state"),
            gauge(
                "pg_stat_activity_max_tx_duration",
                "Seconds that the longest transaction in this state has run",
            ),
        ],
    },
    Query {
        collector: "stat_progress_vacuum",
        scope: Scope::Server,
        sql: |version| {
            Some(if version.major() >= 17 {
                "select d.datname::text, coalesce(c.relname::text, v.relid::text), \
                 v.heap_blks_total::float8, v.heap_blks_scanned::float8, \
                 v.heap_blks_vacuumed::float8, v.index_vacuum_count::float8, \
                 v.max_dead_tuple_bytes::float8, v.dead_tuple_bytes::float8 \
                 from pg_stat_progress_vacuum v join pg_database d on d.oid = v.datid \
                 left join pg_class c on c.oid = v.relid and d.datname = current_database()"
            } else {
                "select d.datname::text, coalesce(c.relname::text, v.relid::text), \
                 v.heap_blks_total::float8, v.heap_blks_scanned::float8, \
                 v.heap_blks_vacuumed::float8, v.index_vacuum_count::float8, \
                 v.max_dead_tuples::float8, v.num_dead_tuples::float8 \
                 from pg_stat_progress_vacuum v join pg_database d on d.oid = v.datid \
                 left join pg_class c on c.oid = v.relid and d.datname = current_database()"
            })
        },
        server_label: false,
        labels: &["datname", "relname"],
        values: &[
            gauge(
                "pg_stat_progress_vacuum_heap_blks",
                "Blocks of the table under vacuum",
            ),
            gauge(
                "pg_stat_progress_vacuum_heap_blks_scanned",
                "Blocks scanned so far",
            ),
            gauge(
                "pg_stat_progress_vacuum_heap_blks_vacuumed",
                "Blocks cleaned so far",
            ),
            gauge(
                "pg_stat_progress_vacuum_index_vacuums",
                "Passes over the indexes so far",
            ),
            gauge(
                "pg_stat_progress_vacuum_max_dead_tuples",
                "Room for dead rows before the indexes are passed over (bytes since PostgreSQL 17)",
            ),
            gauge(
                "pg_stat_progress_vacuum_num_dead_tuples",
                "Dead rows gathered since then (bytes since PostgreSQL 17)",
            ),
        ],
    },
    Query {
        collector: "stat_progress_vacuum",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select d.datname::text, p.phase, coalesce(c.relname::text, v.relid::text), \
                 (v.phase = p.phase)::int::float8 \
                 from pg_stat_progress_vacuum v join pg_database d on d.oid = v.datid \
                 cross join unnest(array['initializing', 'scanning heap', 'vacuuming indexes', \
                 'vacuuming heap', 'cleaning up indexes', 'truncating heap', \
                 'performing final cleanup']) p(phase) \
                 left join pg_class c on c.oid = v.relid and d.datname = current_database()",
            )
        },
        server_label: false,
        labels: &["datname", "phase", "relname"],
        values: &[gauge(
            "pg_stat_progress_vacuum_phase",
            "1 for the phase that the vacuum is in",
        )],
    },
];
