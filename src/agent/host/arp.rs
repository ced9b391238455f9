//! `node_arp_entries`: neighbours of each device.
//!
//! `<proc>/1/net/arp` rather than netlink, which would answer for the reader's own network
//! namespace. It lists what `node_exporter` counts: all but the entries that need no ARP.

use std::collections::BTreeMap;

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// The neighbours of each device.
pub struct Arp;

impl Collector for Arp {
    fn name(&self) -> &'static str {
        "arp"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots.read_proc_of_init("net/arp")?;
        let mut family = out.gauge("node_arp_entries", "ARP entries by device");
        for (device, count) in parse(&text) {
            family.sample(&[("device", device)], f64::from(count));
        }
        Ok(())
    }
}

/// Lines by their last column, the device; the first line is the header.
fn parse(text: &str) -> BTreeMap<&str, u32> {
    let mut counts = BTreeMap::new();
    for line in text.lines().skip(1) {
        // An entry has six columns (`arp_format_neigh_entry` in net/ipv4/arp.c).
        if let Some(device) = line.split_ascii_whitespace().nth(5) {
            *counts.entry(device).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_are_counted_by_device() {
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
            192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n\
            192.0.2.7        0x1         0x0         00:00:00:00:00:00     *        eth0\n\
            10.0.0.6         0x1         0x2         2a:52:7c:bd:b1:6e     *        br0\n";
        assert_eq!(parse(text), BTreeMap::from([("br0", 1), ("eth0", 2)]));
        assert_eq!(parse(""), BTreeMap::new());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text);
            parse(&format!("\n{text}"));
        }
    }
}
