//! `node_hwmon_*`: temperatures, fans, voltages and power, as sensors(1) shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::grouped::Grouped;
use super::hwmon_names::{Sensor, clean};
use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::{Exposition, Kind};
use crate::agent::roots::Folder;
use crate::agent::roots::Roots;

/// What the sensors of the board and the devices tell.
pub struct Hwmon;

const CHIPS: &str = "class/hwmon";

impl Collector for Hwmon {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let chips = roots.sys_folder(CHIPS).map_err(CollectError::or_absent)?;
        let mut grouped = Grouped::default();
        for name in chips.names()? {
            if let Some(folder) = chips.folder(&name) {
                add_chip(&folder, &roots.sys.join(CHIPS).join(&name), &mut grouped);
            }
        }
        grouped.write(out);
        Ok(())
    }
}

fn add_chip(folder: &Folder, path: &Path, grouped: &mut Grouped) {
    let human = folder.text("name").map(|name| clean(&name));
    let human = human.filter(|name| !name.is_empty());
    let Some(chip) = chip_name(path, human.as_deref()) else {
        return;
    };
    if let Some(human) = human {
        let help = "Annotation metric for human-readable chip names".to_owned();
        let family = ("node_hwmon_chip_names".to_owned(), help, Kind::Gauge);
        grouped.add(
            family,
            vec![("chip", chip.clone()), ("chip_name", human)],
            1.0,
        );
    }
    let mut files = BTreeMap::new();
    read(folder, &mut files);
    // Drivers from before Linux 2.6.24 have their files at the device.
    if let Some(device) = folder.folder("device") {
        read(&device, &mut files);
    }
    add_sensors(&chip, &files, grouped);
}

fn read(folder: &Folder, files: &mut BTreeMap<String, String>) {
    for name in folder.names().unwrap_or_default() {
        if Sensor::parse(&name).is_some()
            && let Some(text) = folder.text(&name)
        {
            files.insert(name, text);
        }
    }
}

/// A name that is the same after each boot, unlike `hwmon3`: the device's place, or else what the
/// driver calls it.
fn chip_name(path: &Path, human: Option<&str>) -> Option<String> {
    let last = |path: &Path| clean(&path.file_name().unwrap_or_default().to_string_lossy());
    if let Ok(device) = path.join("device").canonicalize() {
        let (name, parent) = (last(&device), device.parent().map(last).unwrap_or_default());
        if !name.is_empty() && !parent.is_empty() {
            return Some(format!("{parent}_{name}"));
        }
        if !name.is_empty() {
            return Some(name);
        }
    }
    if let Some(human) = human {
        return Some(human.to_owned());
    }
    Some(last(&path.canonicalize().ok()?)).filter(|name| !name.is_empty())
}

fn add_sensors(chip: &str, files: &BTreeMap<String, String>, grouped: &mut Grouped) {
    let sensors = || {
        files
            .iter()
            .filter_map(|(file, text)| Some((Sensor::parse(file)?, text)))
    };
    let plain: BTreeSet<(&str, u32)> = sensors()
        .filter(|(sensor, _)| sensor.property.is_empty())
        .map(|(sensor, _)| (sensor.kind, sensor.number))
        .collect();
    for (sensor, text) in sensors() {
        let mut name = format!("{}{}", sensor.kind, sensor.number);
        if sensor.property == "label" {
            let help = "Label for given chip and sensor".to_owned();
            let family = ("node_hwmon_sensor_label".to_owned(), help, Kind::Gauge);
            let labels = vec![
                ("chip", chip.to_owned()),
                ("label", text.clone()),
                ("sensor", name),
            ];
            grouped.add(family, labels, 1.0);
            continue;
        }
        if sensor.kind == "freq" && sensor.property == "input" {
            // Of a graphics card's clocks only those that have a label are shown, under it.
            match files.get(&format!("{name}_label")) {
                Some(label) => name = clean(label),
                None => continue,
            }
        }
        if let Ok(value) = text.parse::<f64>() {
            let has_plain = plain.contains(&(sensor.kind, sensor.number));
            let (family, value) = sensor.family(has_plain, value);
            let labels = vec![("chip", chip.to_owned()), ("sensor", name)];
            grouped.add(family, labels, value);
        }
    }
}
