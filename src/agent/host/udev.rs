//! What udev has found out about a block device: `/run/udev/data/b<major>:<minor>`.

use std::collections::BTreeMap;

use crate::agent::roots::Roots;

/// The properties of one device; empty where udev knows nothing.
#[derive(Debug, Default)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Reads what udev knows about a block device.
    pub fn read(roots: &Roots, major: u32, minor: u32) -> Self {
        let file = format!("/run/udev/data/b{major}:{minor}");
        roots
            .read_rootfs(&file)
            .map(|text| parse(&text))
            .unwrap_or_default()
    }

    /// A property, empty when it is not set.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The first of several properties that is set.
    pub fn first(&self, names: &[&str]) -> &str {
        names
            .iter()
            .map(|name| self.get(name))
            .find(|value| !value.is_empty())
            .unwrap_or("")
    }
}

/// Lines `E:NAME=value` are properties, see udevadm(8).
fn parse(text: &str) -> Properties {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("E:")?.split_once('='));
    Properties(
        lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn properties_are_the_lines_that_start_with_e() {
        let properties = parse("S:disk/by-id/x\nE:ID_MODEL=QEMU=1\nE:ID_SERIAL=\nE:broken\n");
        assert_eq!(properties.get("ID_MODEL"), "QEMU=1");
        assert_eq!(properties.get("broken"), "");
        assert_eq!(properties.first(&["ID_SERIAL", "ID_MODEL"]), "QEMU=1");
        assert_eq!(properties.first(&["ID_SERIAL"]), "");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text);
            parse(&format!("E:{text}"));
        }
    }
}
