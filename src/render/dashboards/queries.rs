//! Expressions that several dashboards share.

/// How full each file system is, of a hundred. Those in memory and images are not disks.
pub const DISK_USED_PERCENT: &str = r#"100 * (1 - node_filesystem_avail_bytes{job="node-exporter", fstype!~"tmpfs|ramfs|squashfs|overlay|iso9660"} / node_filesystem_size_bytes{job="node-exporter", fstype!~"tmpfs|ramfs|squashfs|overlay|iso9660"})"#;

/// Containers that are kept from running; those that only start are not.
pub const CONTAINER_FAILING: &str = r#"masthead_container_state{state="waiting", reason!~"ContainerCreating|PodInitializing"} == 1"#;
