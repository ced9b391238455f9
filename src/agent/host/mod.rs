//! The collectors of the host, one per file, under `node_exporter`'s names.
//!
//! Each has pure `parse` functions, which never panic whatever the text holds.

pub mod arp;
pub mod bonding;
pub mod conntrack;
pub mod cpu;
pub mod cpufreq;
mod disk_info;
pub mod diskstats;
pub mod dmi;
pub mod edac;
pub mod entropy;
pub mod filefd;
pub mod filesystem;
mod filter;
mod grouped;
pub mod hwmon;
mod hwmon_names;
pub mod interrupts;
pub mod kernel_hung;
pub mod loadavg;
pub mod mdadm;
pub mod meminfo;
mod mounts;
pub mod netclass;
pub mod netdev;
pub mod netstat;
pub mod os;
pub mod powersupplyclass;
pub mod pressure;
pub mod processes;
pub mod prom_text;
pub mod schedstat;
pub mod sockstat;
pub mod softnet;
pub mod stat;
pub mod tcpstat;
pub mod textfile;
pub mod thermal_zone;
pub mod time;
pub mod timex;
mod udev;
pub mod udp_queues;
pub mod uname;
pub mod vmstat;
