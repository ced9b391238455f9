//! cAdvisor's families: names, types, meaning. One table, so that a family is one line.

use super::disk::Disk;
use super::figures::{DeviceIo, Figures};
use super::identity::Identity;
use super::network::Interface;
use super::text::Kind::{self, Counter, Gauge};
use super::text::{Labels, Text};

/// One group's samples: the root's, a pod's, a container's.
#[derive(Debug, Default)]
pub struct Row {
    /// The group's labels.
    pub labels: Labels,
    /// What its files say; none for a pod's sandbox, of which only the network counts.
    pub figures: Option<Figures>,
    /// Its devices' names, in the order of the figures.
    pub devices: Vec<String>,
    /// Its network's interfaces.
    pub network: Vec<Interface>,
    /// When it was started, seconds since 1970.
    pub started: f64,
    /// Whose it is.
    pub identity: Identity,
    /// Whether it is a container of Docker that was told.
    pub docker: bool,
    /// The file system it writes to.
    pub disk: Option<Disk>,
    /// Bytes it uses there.
    pub written: Option<f64>,
}

type Value<T> = fn(&T) -> Option<f64>;
type Family<T> = (&'static str, Kind, &'static str, Value<T>);
type Both<T> = (&'static str, Kind, &'static str, fn(&T) -> f64);

/// Families whose samples have no label but the group's.
#[rustfmt::skip]
const PLAIN: &[Family<Figures>] = &[
    ("container_cpu_user_seconds_total", Counter, "Cumulative user cpu time consumed in seconds.", |it| it.cpu.user),
    ("container_cpu_system_seconds_total", Counter, "Cumulative system cpu time consumed in seconds.", |it| it.cpu.system),
    ("container_cpu_cfs_periods_total", Counter, "Number of elapsed enforcement period intervals.", |it| limited(it, it.cpu.periods)),
    ("container_cpu_cfs_throttled_periods_total", Counter, "Number of throttled period intervals.", |it| limited(it, it.cpu.throttled_periods)),
    ("container_cpu_cfs_throttled_seconds_total", Counter, "Total time duration the container has been throttled.", |it| limited(it, it.cpu.throttled)),
    ("container_cpu_cfs_burst_periods_total", Counter, "Number of periods when burst occurs.", |it| limited(it, it.cpu.bursts)),
    ("container_cpu_cfs_burst_seconds_total", Counter, "Total time duration the container has been bursted.", |it| limited(it, it.cpu.burst)),
    ("container_memory_usage_bytes", Gauge, "Current memory usage in bytes, including all memory regardless of when it was accessed", |it| it.memory.usage),
    ("container_memory_working_set_bytes", Gauge, "Current working set in bytes.", |it| it.memory.working_set()),
    ("container_memory_max_usage_bytes", Gauge, "Maximum memory usage recorded in bytes", |it| it.memory.most),
    ("container_memory_rss", Gauge, "Size of RSS in bytes.", |it| it.memory.rss),
    ("container_memory_cache", Gauge, "Number of bytes of page cache memory.", |it| it.memory.cache),
    ("container_memory_swap", Gauge, "Container swap usage in bytes.", |it| it.memory.swap),
    ("container_memory_mapped_file", Gauge, "Size of memory mapped files in bytes.", |it| it.memory.mapped_file),
    ("container_memory_kernel_usage", Gauge, "Size of kernel memory allocated in bytes.", |it| it.memory.kernel),
    ("container_memory_total_active_file_bytes", Gauge, "Current total active file in bytes.", |it| it.memory.active_file),
    ("container_memory_total_inactive_file_bytes", Gauge, "Current total inactive file in bytes.", |it| it.memory.inactive_file),
    ("container_memory_file_dirty_bytes", Gauge, "Cached file data not yet written back in bytes.", |it| it.memory.dirty),
    ("container_memory_file_writeback_bytes", Gauge, "Cached file data being written back in bytes.", |it| it.memory.writeback),
    ("container_memory_failcnt", Counter, "Number of memory usage hits limits", |it| it.memory.failcnt),
    ("container_memory_events_high_total", Counter, "Number of times the group was throttled above memory.high.", |it| it.memory.high_events),
    ("container_memory_events_max_total", Counter, "Number of times usage was about to pass memory.max.", |it| it.memory.max_events),
    ("container_memory_pgscan_total", Counter, "Number of pages scanned by reclaim.", |it| it.memory.scanned),
    ("container_memory_pgsteal_total", Counter, "Number of pages reclaimed.", |it| it.memory.stolen),
    ("container_memory_workingset_refault_anon_total", Counter, "Number of anonymous pages faulted back soon after eviction.", |it| it.memory.refault_anon),
    ("container_memory_workingset_refault_file_total", Counter, "Number of file pages faulted back soon after eviction.", |it| it.memory.refault_file),
    ("container_processes", Gauge, "Number of processes running inside the container.", |it| it.processes),
    ("container_threads", Gauge, "Number of threads running inside the container", |it| it.threads),
    ("container_threads_max", Gauge, "Maximum number of threads allowed inside the container, infinity if value is zero", |it| it.limits.threads),
    ("container_spec_cpu_shares", Gauge, "CPU share of the container.", |it| it.limits.shares),
    ("container_spec_cpu_period", Gauge, "CPU period of the container.", |it| it.limits.period),
    ("container_spec_cpu_quota", Gauge, "CPU quota of the container.", |it| it.limits.quota),
    ("container_spec_memory_limit_bytes", Gauge, "Memory limit for the container.", |it| it.limits.memory),
    ("container_spec_memory_reservation_limit_bytes", Gauge, "Memory reservation limit for the container.", |it| it.limits.reservation),
    ("container_spec_memory_swap_limit_bytes", Gauge, "Memory swap limit for the container.", |it| it.limits.swap),
    ("container_pressure_cpu_waiting_seconds_total", Counter, "Total time duration tasks in the container have waited due to CPU congestion.", |it| it.pressure.cpu.some),
    ("container_pressure_cpu_stalled_seconds_total", Counter, "Total time duration no tasks in the container could make progress due to CPU congestion.", |it| it.pressure.cpu.full),
    ("container_pressure_memory_waiting_seconds_total", Counter, "Total time duration tasks in the container have waited due to memory congestion.", |it| it.pressure.memory.some),
    ("container_pressure_memory_stalled_seconds_total", Counter, "Total time duration no tasks in the container could make progress due to memory congestion.", |it| it.pressure.memory.full),
    ("container_pressure_io_waiting_seconds_total", Counter, "Total time duration tasks in the container have waited due to IO congestion.", |it| it.pressure.io.some),
    ("container_pressure_io_stalled_seconds_total", Counter, "Total time duration no tasks in the container could make progress due to IO congestion.", |it| it.pressure.io.full),
];

/// Families with a sample for each block device.
#[rustfmt::skip]
const IO: &[Both<DeviceIo>] = &[
    ("container_fs_reads_bytes_total", Counter, "Cumulative count of bytes read", |it| it.bytes[0]),
    ("container_fs_writes_bytes_total", Counter, "Cumulative count of bytes written", |it| it.bytes[1]),
    ("container_fs_reads_total", Counter, "Cumulative count of reads completed", |it| it.operations[0]),
    ("container_fs_writes_total", Counter, "Cumulative count of writes completed", |it| it.operations[1]),
];

/// Families of the file system that a group writes to.
#[rustfmt::skip]
const DISK: &[Both<Disk>] = &[
    ("container_fs_limit_bytes", Gauge, "Number of bytes that can be consumed by the container on this filesystem.", |it| it.size),
    ("container_fs_inodes_total", Gauge, "Number of Inodes", |it| it.inodes),
    ("container_fs_inodes_free", Gauge, "Number of available Inodes", |it| it.inodes_free),
];

/// Families with a sample for each interface.
#[rustfmt::skip]
const NETWORK: &[Both<Interface>] = &[
    ("container_network_receive_bytes_total", Counter, "Cumulative count of bytes received", |it| it.bytes[0]),
    ("container_network_receive_errors_total", Counter, "Cumulative count of errors encountered while receiving", |it| it.errors[0]),
    ("container_network_receive_packets_dropped_total", Counter, "Cumulative count of packets dropped while receiving", |it| it.dropped[0]),
    ("container_network_receive_packets_total", Counter, "Cumulative count of packets received", |it| it.packets[0]),
    ("container_network_transmit_bytes_total", Counter, "Cumulative count of bytes transmitted", |it| it.bytes[1]),
    ("container_network_transmit_errors_total", Counter, "Cumulative count of errors encountered while transmitting", |it| it.errors[1]),
    ("container_network_transmit_packets_dropped_total", Counter, "Cumulative count of packets dropped while transmitting", |it| it.dropped[1]),
    ("container_network_transmit_packets_total", Counter, "Cumulative count of packets transmitted", |it| it.packets[1]),
];

/// Page faults: cAdvisor's two types by two scopes.
#[rustfmt::skip]
const FAILURES: &[(&str, &str, Value<Figures>)] = &[
    ("pgfault", "container", |it| it.memory.faults.all),
    ("pgfault", "hierarchy", |it| it.memory.faults_below.all),
    ("pgmajfault", "container", |it| it.memory.faults.major),
    ("pgmajfault", "hierarchy", |it| it.memory.faults_below.major),
];

/// What exists only for a group with a CPU limit, as in cAdvisor.
fn limited(figures: &Figures, value: Option<f64>) -> Option<f64> {
    figures.limits.quota.and(value)
}

impl Row {
    /// How many series it has, so that too many can be left out before they are written.
    pub fn series(&self) -> usize {
        let network = self.network.len() * NETWORK.len();
        let Some(figures) = &self.figures else {
            return network;
        };
        let plain = PLAIN
            .iter()
            .filter(|(.., value)| value(figures).is_some())
            .count();
        let failures = FAILURES
            .iter()
            .filter(|(.., value)| value(figures).is_some())
            .count();
        // A start, when it was last seen, and the CPU time.
        let disk = self.disk.as_ref().map_or(0, |_| DISK.len() + 1);
        network + plain + failures + disk + self.devices.len() * (IO.len() + 2) + 3
    }
}

/// Writes the families of all groups; `now` in seconds since 1970.
pub fn write(rows: &[Row], now: f64, out: &mut Text) {
    let read = || {
        rows.iter()
            .filter_map(|row| Some((row, row.figures.as_ref()?)))
    };
    let help = "Cumulative cpu time consumed in seconds.";
    let mut family = out.family("container_cpu_usage_seconds_total", Counter, help);
    for (row, figures) in read() {
        if let Some(usage) = figures.cpu.usage {
            family.sample(&row.labels, &[("cpu", "total")], usage);
        }
    }
    for (name, kind, help, value) in PLAIN {
        let mut family = out.family(name, *kind, help);
        for (row, figures) in read() {
            if let Some(value) = value(figures) {
                family.sample(&row.labels, &[], value);
            }
        }
    }
    let help = "Cumulative count of memory allocation failures.";
    let mut family = out.family("container_memory_failures_total", Counter, help);
    for (row, figures) in read() {
        for (kind, scope, value) in FAILURES {
            if let Some(value) = value(figures) {
                let more = [("failure_type", *kind), ("scope", *scope)];
                family.sample(&row.labels, &more, value);
            }
        }
    }
    write_io(rows, out);
    for (name, kind, help, value) in NETWORK {
        let mut family = out.family(name, *kind, help);
        for row in rows {
            for interface in &row.network {
                let more = [("interface", interface.name.as_str())];
                family.sample(&row.labels, &more, value(interface));
            }
        }
    }
    write_disks(rows, out);
    let help = "Last time a container was seen by the exporter";
    let mut family = out.family("container_last_seen", Gauge, help);
    read().for_each(|(row, _)| family.sample(&row.labels, &[], now));
    let help = "Start time of the container since unix epoch in seconds.";
    let mut family = out.family("container_start_time_seconds", Gauge, help);
    read().for_each(|(row, _)| family.sample(&row.labels, &[], row.started));
}

fn write_disks(rows: &[Row], out: &mut Text) {
    let all = || {
        rows.iter()
            .filter_map(|row| Some((row, row.disk.as_ref()?)))
    };
    let help = "Number of bytes that are consumed by the container on this filesystem.";
    let mut family = out.family("container_fs_usage_bytes", Gauge, help);
    for (row, disk) in all() {
        if let Some(written) = row.written {
            family.sample(&row.labels, &[("device", &disk.device)], written);
        }
    }
    for (name, kind, help, value) in DISK {
        let mut family = out.family(name, *kind, help);
        for (row, disk) in all() {
            family.sample(&row.labels, &[("device", &disk.device)], value(disk));
        }
    }
}

fn write_io(rows: &[Row], out: &mut Text) {
    let all = || {
        rows.iter().flat_map(|row| {
            let io = row.figures.iter().flat_map(|figures| &figures.io);
            io.zip(&row.devices)
                .map(|(io, device)| (&row.labels, io, device.as_str()))
        })
    };
    for (name, kind, help, value) in IO {
        let mut family = out.family(name, *kind, help);
        for (labels, io, device) in all() {
            family.sample(labels, &[("device", device)], value(io));
        }
    }
    let help = "Blkio Device bytes usage";
    let mut family = out.family("container_blkio_device_usage_total", Counter, help);
    for (labels, io, device) in all() {
        let (major, minor) = io.number.split_once(':').unwrap_or_default();
        for (operation, bytes) in [("Read", io.bytes[0]), ("Write", io.bytes[1])] {
            let more = [
                ("device", device),
                ("major", major),
                ("minor", minor),
                ("operation", operation),
            ];
            family.sample(labels, &more, bytes);
        }
    }
}
