//! The collectors of the host, one per file, under `node_exporter`'s names.
//!
//! Each has pure `parse` functions, which never panic whatever the text holds.

pub mod cpu;
mod disk_info;
pub mod diskstats;
pub mod filesystem;
pub mod loadavg;
pub mod meminfo;
mod mounts;
pub mod netdev;
pub mod stat;
pub mod time;
mod udev;
pub mod uname;
pub mod vmstat;
