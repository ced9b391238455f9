//! `node_network_*_total`: the traffic of every network device.
//!
//! `<proc>/net` leads to the reader's own network namespace; that of the host is the first
//! process's, `<proc>/1/net/dev`, which needs no right beyond reading.

use super::filter::{Filter, nothing};
use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;
use crate::api::agent_config::DevicesConfig;

const FILE: &str = "1/net/dev";

/// The columns of `/proc/net/dev`, receive before transmit. The kernel prints a fixed header
/// (`dev_seq_show` in net/core/net-procfs.c); `node_exporter` keeps these names although it asks
/// netlink for the numbers.
const COLUMNS: [(&str, &str); 16] = [
    (
        "node_network_receive_bytes_total",
        "Network device statistic receive_bytes.",
    ),
    (
        "node_network_receive_packets_total",
        "Network device statistic receive_packets.",
    ),
    (
        "node_network_receive_errs_total",
        "Network device statistic receive_errs.",
    ),
    (
        "node_network_receive_drop_total",
        "Network device statistic receive_drop.",
    ),
    (
        "node_network_receive_fifo_total",
        "Network device statistic receive_fifo.",
    ),
    (
        "node_network_receive_frame_total",
        "Network device statistic receive_frame.",
    ),
    (
        "node_network_receive_compressed_total",
        "Network device statistic receive_compressed.",
    ),
    (
        "node_network_receive_multicast_total",
        "Network device statistic receive_multicast.",
    ),
    (
        "node_network_transmit_bytes_total",
        "Network device statistic transmit_bytes.",
    ),
    (
        "node_network_transmit_packets_total",
        "Network device statistic transmit_packets.",
    ),
    (
        "node_network_transmit_errs_total",
        "Network device statistic transmit_errs.",
    ),
    (
        "node_network_transmit_drop_total",
        "Network device statistic transmit_drop.",
    ),
    (
        "node_network_transmit_fifo_total",
        "Network device statistic transmit_fifo.",
    ),
    (
        "node_network_transmit_colls_total",
        "Network device statistic transmit_colls.",
    ),
    (
        "node_network_transmit_carrier_total",
        "Network device statistic transmit_carrier.",
    ),
    (
        "node_network_transmit_compressed_total",
        "Network device statistic transmit_compressed.",
    ),
];

/// The traffic of every network device.
#[derive(Debug)]
pub struct Netdev {
    devices: Filter,
}

impl Netdev {
    /// Shows the devices that the configuration leaves.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub fn new(config: &DevicesConfig) -> anyhow::Result<Self> {
        let devices = Filter::new(&config.devices, "netdev.devices", nothing)?;
        Ok(Self { devices })
    }
}

impl Collector for Netdev {
    fn name(&self) -> &'static str {
        "netdev"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots.read_proc_of_init("net/dev")?;
        let mut devices = parse(&text)
            .map_err(|line| CollectError::malformed(FILE, format!("cannot read {line:?}")))?;
        devices.retain(|device| !self.devices.ignores(device.name));
        for (column, (name, help)) in COLUMNS.iter().enumerate() {
            let mut family = out.counter(name, help);
            for device in &devices {
                if let Some(value) = device.counters.get(column) {
                    family.sample(&[("device", device.name)], *value as f64);
                }
            }
        }
        write_nohandler(roots, &devices, out);
        Ok(())
    }
}

/// Packets that no protocol wanted: netlink has them, `/proc/net/dev` does not, sysfs does.
/// The host's sysfs shows the host's devices, whatever namespace the reader is in.
fn write_nohandler(roots: &Roots, devices: &[Device<'_>], out: &mut Exposition) {
    let help = "Network device statistic receive_nohandler.";
    let mut family = out.counter("node_network_receive_nohandler_total", help);
    let Ok(net) = roots.sys_folder("class/net") else {
        return;
    };
    for device in devices {
        if let Some(count) = net.number(&format!("{}/statistics/rx_nohandler", device.name)) {
            family.sample(&[("device", device.name)], count as f64);
        }
    }
}

/// One line of `/proc/net/dev`.
#[derive(Debug, PartialEq)]
struct Device<'a> {
    name: &'a str,
    counters: [u64; COLUMNS.len()],
}

/// The devices sorted by name, or the line that cannot be read.
fn parse(text: &str) -> Result<Vec<Device<'_>>, &str> {
    let lines = text.lines().skip(2).filter(|line| !line.is_empty());
    let devices: Result<Vec<_>, _> = lines.map(|line| parse_line(line).ok_or(line)).collect();
    devices.map(|mut devices| {
        devices.sort_by_key(|device| device.name);
        devices
    })
}

fn parse_line(line: &str) -> Option<Device<'_>> {
    // From the right, as an alias of old kernels has a colon in its name: `eth0:1: 5 …`.
    let (name, numbers) = line.rsplit_once(':')?;
    let mut numbers = numbers.split_ascii_whitespace();
    let mut counters = [0; COLUMNS.len()];
    for counter in &mut counters {
        *counter = numbers.next()?.parse().ok()?;
    }
    let name = name.trim();
    // The name becomes part of a path below sysfs.
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    plain.then_some(Device { name, counters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "Inter-|   Receive\n face |bytes\n";

    #[test]
    fn devices_come_sorted_with_receive_before_transmit() {
        let text = format!(
            "{HEADER}  eth0:     110 1 0 0 0 0 0 2 602 7 0 0 0 0 0 9\n    br0:1: 1 0 0 0 0 0 0 0 \
             0 0 0 0 0 0 0 0\n"
        );
        let devices = parse(&text).unwrap();
        assert_eq!(devices[0].name, "br0:1");
        assert_eq!(devices[1].name, "eth0");
        assert_eq!(
            devices[1].counters,
            [110, 1, 0, 0, 0, 0, 0, 2, 602, 7, 0, 0, 0, 0, 0, 9]
        );
    }

    #[test]
    fn a_line_of_another_shape_is_named() {
        let text = format!("{HEADER}eth0: 1 2 3\n");
        assert_eq!(parse(&text), Err("eth0: 1 2 3"));
        assert!(parse(&format!("{HEADER}../x: {}", "0 ".repeat(16))).is_err());
        assert_eq!(parse(HEADER), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            drop(parse(&text));
            parse_line(&text);
        }
    }
}
