//! Standbys, slots and the write-ahead log.

use super::super::table::{Query, Scope, gauge, untyped};

pub const QUERIES: &[Query] = &[
    Query {
        collector: "replication",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select case when not pg_is_in_recovery() \
                 or pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0 else \
                 greatest(0, extract(epoch from now() - pg_last_xact_replay_timestamp())) \
                 end::float8, pg_is_in_recovery()::int::float8, \
                 greatest(0, extract(epoch from now() - pg_last_xact_replay_timestamp()))::float8",
            )
        },
        server_label: false,
        labels: &[],
        values: &[
            gauge(
                "pg_replication_lag_seconds",
                "Seconds that this standby is behind its primary",
            )
            .also("pg_replication_lag"),
            gauge("pg_replication_is_replica", "1 on a standby"),
            gauge(
                "pg_replication_last_replay_seconds",
                "Seconds since the last transaction was replayed",
            ),
        ],
    },
    Query {
        collector: "replication_slots",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select coalesce(database::text, ''), slot_name::text, active::int::float8, \
                 pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() \
                 else pg_current_wal_lsn() end, restart_lsn)::float8 from pg_replication_slots",
            )
        },
        server_label: true,
        labels: &["database", "slot_name"],
        values: &[
            gauge("pg_replication_slots_active", "1 while the slot is in use"),
            gauge(
                "pg_replication_slots_pg_wal_lsn_diff",
                "Bytes of write-ahead log that the slot holds back",
            ),
        ],
    },
    Query {
        collector: "replication_slots",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select slot_name::text, slot_type, (case when pg_is_in_recovery() then \
                 pg_last_wal_receive_lsn() else pg_current_wal_lsn() end - '0/0'::pg_lsn)::float8, \
                 case when active then (coalesce(confirmed_flush_lsn, '0/0'::pg_lsn) \
                 - '0/0'::pg_lsn)::float8 end, \
                 active::int::float8, safe_wal_size::float8 from pg_replication_slots",
            )
        },
        server_label: false,
        labels: &["slot_name", "slot_type"],
        values: &[
            gauge(
                "pg_replication_slots_slot_current_wal_lsn",
                "Position of the write-ahead log now, as bytes",
            )
            .also("pg_replication_slot_slot_current_wal_lsn"),
            gauge(
                "pg_replication_slots_slot_confirmed_flush_lsn",
                "Position that the subscriber has confirmed, as bytes",
            )
            .also("pg_replication_slot_slot_confirmed_flush_lsn"),
            gauge(
                "pg_replication_slots_slot_is_active",
                "1 while the slot is in use",
            )
            .also("pg_replication_slot_slot_is_active"),
            gauge(
                "pg_replication_slots_safe_wal_size_bytes",
                "Bytes of write-ahead log that may still be written before the slot is lost",
            )
            .also("pg_replication_slot_safe_wal_size_bytes"),
        ],
    },
    Query {
        collector: "replication_slots",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select slot_name::text, slot_type, wal_status, 1::float8 \
                 from pg_replication_slots where wal_status is not null",
            )
        },
        server_label: false,
        labels: &["slot_name", "slot_type", "wal_status"],
        values: &[gauge(
            "pg_replication_slots_wal_status",
            "1, with the state of the write-ahead log that the slot needs",
        )
        .also("pg_replication_slot_wal_status")],
    },
    Query {
        collector: "stat_replication",
        scope: Scope::Server,
        // The label slot_name holds the sender's process, as it does in postgres_exporter.
        sql: |_| {
            Some(
                "select coalesce(application_name, ''), coalesce(host(client_addr), ''), \
                 pid::text, coalesce(state, ''), (here - '0/0'::pg_lsn)::float8, \
                 coalesce((here - replay_lsn)::float8, 'NaN'), \
                 coalesce(floor(extract(epoch from reply_time))::float8, 'NaN') \
                 from pg_stat_replication cross join (select case when pg_is_in_recovery() then \
                 pg_last_wal_receive_lsn() else pg_current_wal_lsn() end as here) h",
            )
        },
        server_label: true,
        labels: &["application_name", "client_addr", "slot_name", "state"],
        values: &[
            gauge(
                "pg_stat_replication_pg_current_wal_lsn_bytes",
                "Position of the sender's write-ahead log, as bytes",
            ),
            gauge(
                "pg_stat_replication_pg_wal_lsn_diff",
                "Bytes that the standby is behind",
            ),
            untyped(
                "pg_stat_replication_reply_time",
                "Unix time of the last message from the standby",
            ),
        ],
    },
    Query {
        collector: "wal",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select count(*)::float8, coalesce(sum(size), 0)::float8 from pg_ls_waldir() \
                 where name ~ '^[0-9A-F]{24}$'",
            )
        },
        server_label: false,
        labels: &[],
        values: &[
            gauge("pg_wal_segments", "Files of the write-ahead log"),
            gauge(
                "pg_wal_size_bytes",
                "Size of the files of the write-ahead log",
            ),
        ],
    },
];
