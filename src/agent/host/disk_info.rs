//! `node_disk_info` and its kin: what the block devices are, as sysfs and udev tell it.

use super::diskstats::Disk;
use super::udev::Properties;
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Writes what is known about each disk.
pub fn write(roots: &Roots, disks: &[Disk<'_>], out: &mut Exposition) {
    let known: Vec<(&Disk<'_>, Properties)> = disks
        .iter()
        .map(|disk| (disk, Properties::read(roots, disk.major, disk.minor)))
        .collect();
    let mut family = out.gauge("node_disk_info", "Info of /sys/block/<block_device>.");
    for (disk, udev) in &known {
        let rotational = roots.read_sys(format!("block/{}/queue/rotational", disk.name));
        let labels = [
            ("device", disk.name),
            ("major", &disk.major.to_string()),
            ("minor", &disk.minor.to_string()),
            ("model", udev.get("ID_MODEL")),
            ("path", udev.get("ID_PATH")),
            ("revision", udev.get("ID_REVISION")),
            ("rotational", rotational.as_deref().map_or("0", str::trim)),
            (
                "serial",
                udev.first(&["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"]),
            ),
            ("wwn", udev.get("ID_WWN")),
        ];
        family.sample(&labels, 1.0);
    }
    let mut family = out.gauge("node_disk_filesystem_info", "Info about disk filesystem.");
    for (disk, udev) in known
        .iter()
        .filter(|(_, udev)| !udev.get("ID_FS_TYPE").is_empty())
    {
        let labels = [
            ("device", disk.name),
            ("type", udev.get("ID_FS_TYPE")),
            ("usage", udev.get("ID_FS_USAGE")),
            ("uuid", udev.get("ID_FS_UUID")),
            ("version", udev.get("ID_FS_VERSION")),
        ];
        family.sample(&labels, 1.0);
    }
    let mut family = out.gauge(
        "node_disk_device_mapper_info",
        "Info about disk device mapper.",
    );
    for (disk, udev) in known
        .iter()
        .filter(|(_, udev)| !udev.get("DM_NAME").is_empty())
    {
        let labels = [
            ("device", disk.name),
            ("lv_layer", udev.get("DM_LV_LAYER")),
            ("lv_name", udev.get("DM_LV_NAME")),
            ("name", udev.get("DM_NAME")),
            ("uuid", udev.get("DM_UUID")),
            ("vg_name", udev.get("DM_VG_NAME")),
        ];
        family.sample(&labels, 1.0);
    }
    write_ata(&known, out);
}

fn write_ata(known: &[(&Disk<'_>, Properties)], out: &mut Exposition) {
    for (property, name, help) in [
        (
            "ID_ATA_WRITE_CACHE",
            "node_disk_ata_write_cache",
            "ATA disk has a write cache.",
        ),
        (
            "ID_ATA_WRITE_CACHE_ENABLED",
            "node_disk_ata_write_cache_enabled",
            "ATA disk has its write cache enabled.",
        ),
        (
            "ID_ATA_ROTATION_RATE_RPM",
            "node_disk_ata_rotation_rate_rpm",
            "ATA disk rotation rate in RPMs (0 for SSDs).",
        ),
    ] {
        let mut family = out.gauge(name, help);
        for (disk, udev) in known
            .iter()
            .filter(|(_, udev)| !udev.get("ID_ATA").is_empty())
        {
            if let Ok(value) = udev.get(property).parse() {
                family.sample(&[("device", disk.name)], value);
            }
        }
    }
}
