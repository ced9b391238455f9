//! `node_dmi_info`: what the firmware says the machine is.

use std::sync::OnceLock;

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Label and file below `class/dmi/id`, in the order of the labels.
const FIELDS: [(&str, &str); 20] = [
    ("bios_date", "bios_date"),
    ("bios_release", "bios_release"),
    ("bios_vendor", "bios_vendor"),
    ("bios_version", "bios_version"),
    ("board_asset_tag", "board_asset_tag"),
    ("board_name", "board_name"),
    ("board_serial", "board_serial"),
    ("board_vendor", "board_vendor"),
    ("board_version", "board_version"),
    ("chassis_asset_tag", "chassis_asset_tag"),
    ("chassis_serial", "chassis_serial"),
    ("chassis_vendor", "chassis_vendor"),
    ("chassis_version", "chassis_version"),
    ("product_family", "product_family"),
    ("product_name", "product_name"),
    ("product_serial", "product_serial"),
    ("product_sku", "product_sku"),
    ("product_uuid", "product_uuid"),
    ("product_version", "product_version"),
    ("system_vendor", "sys_vendor"),
];
const HELP: &str = "A metric with a constant '1' value labeled by bios_date, bios_release, \
    bios_vendor, bios_version, board_asset_tag, board_name, board_serial, board_vendor, \
    board_version, chassis_asset_tag, chassis_serial, chassis_vendor, chassis_version, \
    product_family, product_name, product_serial, product_sku, product_uuid, product_version, \
    system_vendor if provided by DMI.";

/// What the firmware says; read once, as it cannot change before the next boot.
#[derive(Debug, Default)]
pub struct Dmi {
    known: OnceLock<Vec<(&'static str, String)>>,
}

impl Collector for Dmi {
    fn name(&self) -> &'static str {
        "dmi"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let known = if let Some(known) = self.known.get() {
            known
        } else {
            let read = read(roots).map_err(CollectError::or_absent)?;
            self.known.get_or_init(|| read)
        };
        let labels: Vec<(&str, &str)> = known
            .iter()
            .map(|(label, value)| (*label, value.as_str()))
            .collect();
        out.gauge("node_dmi_info", HELP).sample(&labels, 1.0);
        Ok(())
    }
}

fn read(roots: &Roots) -> Result<Vec<(&'static str, String)>, CollectError> {
    let folder = roots.sys_folder("class/dmi/id")?;
    let fields = FIELDS
        .iter()
        .filter_map(|(label, file)| Some((*label, folder.text(file)?)));
    Ok(fields.collect())
}
