//! `node_disk_*`: the work of every block device.

use super::disk_info;
use super::filter::Filter;
use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::{Exposition, Kind};
use crate::agent::roots::Roots;
use crate::api::agent_config::DevicesConfig;

const FILE: &str = "diskstats";
/// The unit of `/proc/diskstats`, whatever the device's own sectors are
/// (Documentation/admin-guide/iostats.rst).
const SECTOR_BYTES: f64 = 512.0;
/// Written as `node_exporter` does it, so that the last digit rounds the same way.
const SECONDS_PER_TICK: f64 = 1.0 / 1000.0;

/// The columns after the name: name, help, type, unit.
const COLUMNS: [(&str, &str, Kind, f64); 17] = [
    (
        "node_disk_reads_completed_total",
        "The total number of reads completed successfully.",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_reads_merged_total",
        "The total number of reads merged.",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_read_bytes_total",
        "The total number of bytes read successfully.",
        Kind::Counter,
        SECTOR_BYTES,
    ),
    (
        "node_disk_read_time_seconds_total",
        "The total number of seconds spent by all reads.",
        Kind::Counter,
        SECONDS_PER_TICK,
    ),
    (
        "node_disk_writes_completed_total",
        "The total number of writes completed successfully.",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_writes_merged_total",
        "The number of writes merged.",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_written_bytes_total",
        "The total number of bytes written successfully.",
        Kind::Counter,
        SECTOR_BYTES,
    ),
    (
        "node_disk_write_time_seconds_total",
        "This is the total number of seconds spent by all writes.",
        Kind::Counter,
        SECONDS_PER_TICK,
    ),
    (
        "node_disk_io_now",
        "The number of I/Os currently in progress.",
        Kind::Gauge,
        1.0,
    ),
    (
        "node_disk_io_time_seconds_total",
        "Total seconds spent doing I/Os.",
        Kind::Counter,
        SECONDS_PER_TICK,
    ),
    (
        "node_disk_io_time_weighted_seconds_total",
        "The weighted # of seconds spent doing I/Os.",
        Kind::Counter,
        SECONDS_PER_TICK,
    ),
    (
        "node_disk_discards_completed_total",
        "The total number of discards completed successfully.",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_discards_merged_total",
        "The total number of discards merged.",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_discarded_sectors_total",
        "The total number of sectors discarded successfully.",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_discard_time_seconds_total",
        "This is the total number of seconds spent by all discards.",
        Kind::Counter,
        SECONDS_PER_TICK,
    ),
    (
        "node_disk_flush_requests_total",
        "The total number of flush requests completed successfully",
        Kind::Counter,
        1.0,
    ),
    (
        "node_disk_flush_requests_time_seconds_total",
        "This is the total number of seconds spent by all flush requests.",
        Kind::Counter,
        SECONDS_PER_TICK,
    ),
];

/// The work of every block device.
#[derive(Debug)]
pub struct Diskstats {
    devices: Filter,
}

impl Diskstats {
    /// Shows the devices that the configuration leaves.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub fn new(config: &DevicesConfig) -> anyhow::Result<Self> {
        let devices = Filter::new(&config.devices, "diskstats.devices", ignored)?;
        Ok(Self { devices })
    }
}

impl Collector for Diskstats {
    fn name(&self) -> &'static str {
        "diskstats"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots.read_proc(FILE)?;
        let disks = parse(&text, |name| self.devices.ignores(name))
            .map_err(|line| CollectError::malformed(FILE, format!("cannot read {line:?}")))?;
        for (column, (name, help, kind, unit)) in COLUMNS.iter().enumerate() {
            let mut family = out.family(name, help, *kind);
            for disk in &disks {
                // Kernels before 4.18 have no discards, those before 5.5 no flushes.
                if let Some(value) = disk.columns.get(column) {
                    family.sample(&[("device", disk.name)], *value as f64 * unit);
                }
            }
        }
        disk_info::write(roots, &disks, out);
        Ok(())
    }
}

/// One line of `/proc/diskstats`.
#[derive(Debug, PartialEq)]
pub struct Disk<'a> {
    /// The device number's two halves.
    pub major: u32,
    /// See `major`.
    pub minor: u32,
    /// The kernel's name, such as `sda`.
    pub name: &'a str,
    columns: Vec<u64>,
}

/// The disks sorted by name without those to ignore, or the line that cannot be read.
fn parse(text: &str, ignored: impl Fn(&str) -> bool) -> Result<Vec<Disk<'_>>, &str> {
    let disks: Result<Vec<_>, _> = text
        .lines()
        .map(|line| parse_line(line).ok_or(line))
        .collect();
    disks.map(|mut disks| {
        disks.retain(|disk| !ignored(disk.name));
        disks.sort_by_key(|disk| disk.name);
        disks.dedup_by_key(|disk| disk.name);
        disks
    })
}

fn parse_line(line: &str) -> Option<Disk<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let name = words
        .next()
        .filter(|name| !name.contains('/') && !name.starts_with('.'))?;
    let columns: Result<Vec<u64>, _> = words.map(str::parse).collect();
    let columns = columns.ok().filter(|columns| columns.len() >= 11)?;
    Some(Disk {
        major,
        minor,
        name,
        columns,
    })
}

/// `node_exporter`'s default `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`: memory disks,
/// loops, floppies and partitions.
fn ignored(name: &str) -> bool {
    let stem = name.trim_end_matches(|character: char| character.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    let disk_letter = ["hd", "sd", "vd", "xvd"].iter().any(|prefix| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| matches!(rest.as_bytes(), [b'a'..=b'z']))
    });
    let nvme_partition = stem
        .strip_prefix("nvme")
        .and_then(|rest| rest.strip_suffix('p')?.split_once('n'))
        .is_some_and(|(controller, namespace)| digits(controller) && digits(namespace));
    matches!(stem, "ram" | "zram" | "loop" | "fd") || disk_letter || nvme_partition
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_has_numbers_a_name_and_at_least_eleven_columns() {
        let disks = parse(
            " 254 16 vdb 1 0 8 5 0 0 0 0 0 0 5 0 0 0 0 0 0\n 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n",
            ignored,
        );
        let disks = disks.unwrap();
        assert_eq!(
            (disks[0].name, disks[0].major, disks[0].minor),
            ("sda", 8, 0)
        );
        assert_eq!(disks[0].columns, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(disks[1].columns.len(), 17);
        assert_eq!(parse("8 0 sda 1 2", ignored), Err("8 0 sda 1 2"));
    }

    #[test]
    fn partitions_and_memory_disks_are_left_out() {
        for name in [
            "ram0",
            "zram1",
            "loop12",
            "fd0",
            "sda1",
            "xvda12",
            "vdb3",
            "hdc1",
            "nvme0n1p2",
        ] {
            assert!(ignored(name), "{name}");
        }
        for name in [
            "sda",
            "vdb",
            "xvda",
            "nvme0n1",
            "dm-0",
            "md127",
            "sdaa1",
            "sr0",
            "mmcblk0p1",
            "nvmep1",
        ] {
            assert!(!ignored(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), name in "[a-z0-9]{0,12}") {
            drop(parse(&text, ignored));
            drop(parse(&format!("8 0 {text}"), ignored));
            ignored(&text);
            ignored(&name);
        }
    }
}
