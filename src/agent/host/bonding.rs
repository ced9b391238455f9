//! `node_bonding_*`: how many links of a bonded device are up.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// The links of each bonded device.
pub struct Bonding;

struct Bond {
    master: String,
    slaves: u32,
    active: u32,
}

impl Collector for Bonding {
    fn name(&self) -> &'static str {
        "bonding"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let bonds = read(roots).map_err(CollectError::or_absent)?;
        let help = "Number of configured slaves per bonding interface.";
        let mut family = out.gauge("node_bonding_slaves", help);
        for bond in &bonds {
            family.sample(&[("master", &bond.master)], f64::from(bond.slaves));
        }
        let help = "Number of active slaves per bonding interface.";
        let mut family = out.gauge("node_bonding_active", help);
        for bond in &bonds {
            family.sample(&[("master", &bond.master)], f64::from(bond.active));
        }
        Ok(())
    }
}

/// `bonding_masters` exists where the driver is loaded (Documentation/networking/bonding.rst).
fn read(roots: &Roots) -> Result<Vec<Bond>, CollectError> {
    let masters = roots.read_sys("class/net/bonding_masters")?;
    let net = roots.sys_folder("class/net")?;
    let mut bonds = Vec::new();
    for master in names(&masters) {
        let Some(folder) = net.folder(master) else {
            continue;
        };
        let slaves = folder.text("bonding/slaves").unwrap_or_default();
        let up = |slave: &&str| {
            // Kernels before 3.13 name the link `slave_<device>`.
            let status =
                |prefix| folder.text(&format!("{prefix}_{slave}/bonding_slave/mii_status"));
            status("lower").or_else(|| status("slave")).as_deref() == Some("up")
        };
        bonds.push(Bond {
            master: master.to_owned(),
            slaves: names(&slaves).map(|_| 1).sum(),
            active: names(&slaves).filter(up).map(|_| 1).sum(),
        });
    }
    bonds.sort_by(|a, b| a.master.cmp(&b.master));
    bonds.dedup_by(|a, b| a.master == b.master);
    Ok(bonds)
}

/// Names that can be part of a path.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace()
        .filter(|name| !name.contains(['/', '\0']) && *name != "." && *name != "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_lead_elsewhere_are_left_out() {
        assert!(names("bond0 .. ../x dmz\n").eq(["bond0", "dmz"]));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            names(&text).for_each(drop);
        }
    }
}
