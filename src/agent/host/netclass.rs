//! `node_network_*`: what each network device is and whether its link is up.
//!
//! The host's sysfs shows the host's devices, whatever network namespace the reader is in.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::filter::{Filter, nothing};
use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::{Exposition, Kind};
use crate::agent::roots::{Folder, Gone, Kept, Roots};
use crate::api::agent_config::DevicesConfig;

/// Devices whose files stay open: those of a plain host. Of a host with hundreds of containers the
/// others' are opened each time, as every open file takes a page of the kernel's memory.
const MOST_KEPT: usize = 16;

/// What each network device is.
#[derive(Debug)]
pub struct Netclass {
    devices: Filter,
    kept: Mutex<BTreeMap<String, Files>>,
}

impl Netclass {
    /// Shows the devices that the configuration leaves.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub fn new(config: &DevicesConfig) -> anyhow::Result<Self> {
        let devices = Filter::new(&config.devices, "netclass.devices", nothing)?;
        let kept = Mutex::default();
        Ok(Self { devices, kept })
    }

    fn read(&self, roots: &Roots) -> Result<Vec<Device>, CollectError> {
        let net = roots.sys_folder("class/net")?;
        let mut names = net.names()?;
        names.retain(|name| !self.devices.ignores(name));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|name, _| names.contains(name));
        let mut devices = Vec::with_capacity(names.len());
        for name in names {
            let known = kept.remove(&name).map(|files| (files.read(&name), files));
            let (device, files) = match known {
                Some((Ok(device), files)) => (device, files),
                // New, or another device under a known name.
                Some((Err(Gone), _)) | None => {
                    let Some(files) = net.folder(&name).map(|folder| Files::open(&folder)) else {
                        continue;
                    };
                    let Ok(device) = files.read(&name) else {
                        continue;
                    };
                    (device, files)
                }
            };
            devices.push(device);
            if kept.len() < MOST_KEPT {
                kept.insert(name, files);
            }
        }
        Ok(devices)
    }
}

/// File, name, help, type (Documentation/ABI/testing/sysfs-class-net).
const NUMBERS: [(&str, &str, &str, Kind); 18] = [
    (
        "addr_assign_type",
        "node_network_address_assign_type",
        "Network device property: address_assign_type",
        Kind::Gauge,
    ),
    (
        "carrier",
        "node_network_carrier",
        "Network device property: carrier",
        Kind::Gauge,
    ),
    (
        "carrier_changes",
        "node_network_carrier_changes_total",
        "Network device property: carrier_changes_total",
        Kind::Counter,
    ),
    (
        "carrier_down_count",
        "node_network_carrier_down_changes_total",
        "Network device property: carrier_down_changes_total",
        Kind::Counter,
    ),
    (
        "carrier_up_count",
        "node_network_carrier_up_changes_total",
        "Network device property: carrier_up_changes_total",
        Kind::Counter,
    ),
    (
        "dev_id",
        "node_network_device_id",
        "Network device property: device_id",
        Kind::Gauge,
    ),
    (
        "dormant",
        "node_network_dormant",
        "Network device property: dormant",
        Kind::Gauge,
    ),
    (
        "flags",
        "node_network_flags",
        "Network device property: flags",
        Kind::Gauge,
    ),
    (
        "ifindex",
        "node_network_iface_id",
        "Network device property: iface_id",
        Kind::Gauge,
    ),
    (
        "iflink",
        "node_network_iface_link",
        "Network device property: iface_link",
        Kind::Gauge,
    ),
    (
        "link_mode",
        "node_network_iface_link_mode",
        "Network device property: iface_link_mode",
        Kind::Gauge,
    ),
    (
        "mtu",
        "node_network_mtu_bytes",
        "Network device property: mtu_bytes",
        Kind::Gauge,
    ),
    (
        "name_assign_type",
        "node_network_name_assign_type",
        "Network device property: name_assign_type",
        Kind::Gauge,
    ),
    (
        "netdev_group",
        "node_network_net_dev_group",
        "Network device property: net_dev_group",
        Kind::Gauge,
    ),
    (
        "speed",
        "node_network_speed_bytes",
        "Network device property: speed_bytes",
        Kind::Gauge,
    ),
    (
        "tx_queue_len",
        "node_network_transmit_queue_length",
        "Network device property: transmit_queue_length",
        Kind::Gauge,
    ),
    (
        "type",
        "node_network_protocol_type",
        "Network device property: protocol_type",
        Kind::Gauge,
    ),
    (
        "up",
        "node_network_up",
        "Value is 1 if operstate is 'up', 0 otherwise.",
        Kind::Gauge,
    ),
];
const FLAGS: usize = 7;
const SPEED: usize = 14;
const UP: usize = 17;
/// `IFF_UP` in include/uapi/linux/if.h: an administrator wants the device up.
const ADMIN_UP: i64 = 1;
/// `speed` is in megabits a second.
const BYTES_PER_MEGABIT: i64 = 1_000_000 / 8;

struct Device {
    name: String,
    numbers: [Option<i64>; NUMBERS.len()],
    address: String,
    broadcast: String,
    duplex: String,
    alias: String,
    state: String,
}

impl Collector for Netclass {
    fn name(&self) -> &'static str {
        "netclass"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let devices = self.read(roots)?;
        for (column, (_, name, help, kind)) in NUMBERS.iter().enumerate() {
            let mut family = out.family(name, help, *kind);
            for device in &devices {
                if let Some(Some(number)) = device.numbers.get(column) {
                    family.sample(&[("device", &device.name)], *number as f64);
                }
            }
        }
        let help = "Non-numeric data from /sys/class/net/<iface>, value is always 1.";
        let mut family = out.gauge("node_network_info", help);
        for device in &devices {
            let adminstate = match device.numbers[FLAGS] {
                Some(flags) if flags & ADMIN_UP == ADMIN_UP => "up",
                Some(_) => "down",
                None => "unknown",
            };
            let labels = [
                ("address", device.address.as_str()),
                ("adminstate", adminstate),
                ("broadcast", &device.broadcast),
                ("device", &device.name),
                ("duplex", &device.duplex),
                ("ifalias", &device.alias),
                ("operstate", &device.state),
            ];
            family.sample(&labels, 1.0);
        }
        Ok(())
    }
}

/// The files behind the labels of the information series.
const TEXTS: [&str; 5] = ["address", "broadcast", "duplex", "ifalias", "operstate"];

/// The open files of one device; none for those that it lacks.
#[derive(Debug)]
struct Files {
    numbers: [Option<Kept>; NUMBERS.len()],
    texts: [Option<Kept>; TEXTS.len()],
}

impl Files {
    fn open(folder: &Folder) -> Self {
        Self {
            numbers: NUMBERS.map(|(file, ..)| folder.keep(file)),
            texts: TEXTS.map(|file| folder.keep(file)),
        }
    }

    /// A device refuses what makes no sense for it, such as the speed of the loopback device: then
    /// that series is missing.
    fn read(&self, name: &str) -> Result<Device, Gone> {
        let text = |file: &Option<Kept>| match file {
            Some(file) => file.parse(|text| Some(text.to_owned())),
            None => Ok(None),
        };
        let [address, broadcast, duplex, alias, state] = self
            .texts
            .each_ref()
            .map(|file| Ok(text(file)?.unwrap_or_default()));
        let state: String = state?;
        let mut numbers = [None; NUMBERS.len()];
        for (number, file) in numbers.iter_mut().zip(&self.numbers) {
            if let Some(file) = file {
                *number = file.parse(parse)?;
            }
        }
        numbers[UP] = Some(i64::from(state == "up"));
        numbers[SPEED] = numbers[SPEED].map(|speed: i64| speed.saturating_mul(BYTES_PER_MEGABIT));
        Ok(Device {
            name: name.to_owned(),
            numbers,
            address: address?,
            broadcast: broadcast?,
            duplex: duplex?,
            alias: alias?,
            state,
        })
    }
}

/// A whole number, in hexadecimal after `0x`.
fn parse(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(parse("0x1003"), Some(4099));
        assert_eq!(parse("-1"), Some(-1));
        assert_eq!(parse("0x"), None);
        assert_eq!(NUMBERS[FLAGS].0, "flags");
        assert_eq!(NUMBERS[SPEED].0, "speed");
        assert_eq!(NUMBERS[UP].0, "up");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text);
            parse(&format!("0x{text}"));
        }
    }
}
