//! The background writer, the checkpointer and the archiver.

use super::super::table::{Query, Scope, counter, gauge};

pub const QUERIES: &[Query] = &[
    Query {
        collector: "stat_archiver",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select archived_count::float8, failed_count::float8, \
                 coalesce(extract(epoch from now() - last_archived_time)::float8, 'NaN') \
                 from pg_stat_archiver",
            )
        },
        server_label: true,
        labels: &[],
        values: &[
            counter(
                "pg_stat_archiver_archived_count",
                "Files of the write-ahead log archived",
            ),
            counter(
                "pg_stat_archiver_failed_count",
                "Attempts to archive a file that failed",
            ),
            gauge(
                "pg_stat_archiver_last_archive_age",
                "Seconds since a file was last archived",
            ),
        ],
    },
    Query {
        collector: "stat_bgwriter",
        scope: Scope::Server,
        sql: |_| {
            Some(
                "select buffers_clean::float8, maxwritten_clean::float8, buffers_alloc::float8, \
                 coalesce(floor(extract(epoch from stats_reset)), 0)::float8 from pg_stat_bgwriter",
            )
        },
        server_label: false,
        labels: &[],
        values: &[
            counter(
                "pg_stat_bgwriter_buffers_clean_total",
                "Buffers written by the background writer",
            )
            .also("pg_stat_bgwriter_buffers_clean"),
            counter(
                "pg_stat_bgwriter_maxwritten_clean_total",
                "Times the background writer stopped since it had written too many buffers",
            )
            .also("pg_stat_bgwriter_maxwritten_clean"),
            counter("pg_stat_bgwriter_buffers_alloc_total", "Buffers allocated")
                .also("pg_stat_bgwriter_buffers_alloc"),
            counter(
                "pg_stat_bgwriter_stats_reset_total",
                "Unix time at which these figures were last reset",
            )
            .also("pg_stat_bgwriter_stats_reset"),
        ],
    },
    Query {
        collector: "stat_bgwriter",
        scope: Scope::Server,
        // PostgreSQL 17 moved these to the checkpointer, and those of sessions to pg_stat_io.
        // Dashboards go on asking for them here.
        sql: |version| {
            Some(if version.major() >= 17 {
                "select num_timed::float8, num_requested::float8, write_time, sync_time, \
                 buffers_written::float8, null::float8, null::float8 from pg_stat_checkpointer"
            } else {
                "select checkpoints_timed::float8, checkpoints_req::float8, \
                 checkpoint_write_time, checkpoint_sync_time, buffers_checkpoint::float8, \
                 buffers_backend::float8, buffers_backend_fsync::float8 from pg_stat_bgwriter"
            })
        },
        server_label: false,
        labels: &[],
        values: &[
            counter(
                "pg_stat_bgwriter_checkpoints_timed_total",
                "Checkpoints made by the timer",
            )
            .also("pg_stat_bgwriter_checkpoints_timed"),
            counter(
                "pg_stat_bgwriter_checkpoints_req_total",
                "Checkpoints made on demand",
            )
            .also("pg_stat_bgwriter_checkpoints_req"),
            counter(
                "pg_stat_bgwriter_checkpoint_write_time_total",
                "Milliseconds that checkpoints spent writing",
            )
            .also("pg_stat_bgwriter_checkpoint_write_time"),
            counter(
                "pg_stat_bgwriter_checkpoint_sync_time_total",
                "Milliseconds that checkpoints spent syncing",
            )
            .also("pg_stat_bgwriter_checkpoint_sync_time"),
            counter(
                "pg_stat_bgwriter_buffers_checkpoint_total",
                "Buffers written by checkpoints",
            )
            .also("pg_stat_bgwriter_buffers_checkpoint"),
            counter(
                "pg_stat_bgwriter_buffers_backend_total",
                "Buffers written by sessions",
            )
            .also("pg_stat_bgwriter_buffers_backend"),
            counter(
                "pg_stat_bgwriter_buffers_backend_fsync_total",
                "Syncs that sessions had to do themselves",
            )
            .also("pg_stat_bgwriter_buffers_backend_fsync"),
        ],
    },
    Query {
        collector: "stat_checkpointer",
        scope: Scope::Server,
        sql: |version| {
            (version.major() >= 17).then_some(
                "select num_timed::float8, num_requested::float8, restartpoints_timed::float8, \
                 restartpoints_req::float8, restartpoints_done::float8, write_time, sync_time, \
                 buffers_written::float8, \
                 coalesce(floor(extract(epoch from stats_reset)), 0)::float8 \
                 from pg_stat_checkpointer",
            )
        },
        server_label: false,
        labels: &[],
        values: &[
            counter(
                "pg_stat_checkpointer_num_timed_total",
                "Checkpoints due to the timer",
            ),
            counter(
                "pg_stat_checkpointer_num_requested_total",
                "Checkpoints on demand",
            ),
            counter(
                "pg_stat_checkpointer_restartpoints_timed_total",
                "Restartpoints due to the timer",
            ),
            counter(
                "pg_stat_checkpointer_restartpoints_req_total",
                "Restartpoints on demand",
            ),
            counter(
                "pg_stat_checkpointer_restartpoints_done_total",
                "Restartpoints finished",
            ),
            counter(
                "pg_stat_checkpointer_write_time_total",
                "Milliseconds that checkpoints and restartpoints spent writing",
            ),
            counter(
                "pg_stat_checkpointer_sync_time_total",
                "Milliseconds that checkpoints and restartpoints spent syncing",
            ),
            counter(
                "pg_stat_checkpointer_buffers_written_total",
                "Buffers written by checkpoints and restartpoints",
            ),
            counter(
                "pg_stat_checkpointer_stats_reset_total",
                "Unix time at which these figures were last reset",
            ),
        ],
    },
];
