//! `node_power_supply_*`: batteries and mains.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Batteries and mains.
pub struct PowerSupply;

/// Files, their names as series where they differ, and what one of their units is
/// (Documentation/power/power_supply_class.rst): a thing, a millionth, a tenth of a degree.
const NUMBERS: [(f64, &[(&str, &str)]); 3] = [
    (
        1.0,
        &[
            ("authentic", "authentic"),
            ("calibrate", "calibrate"),
            ("capacity", "capacity"),
            ("capacity_alert_max", "capacity_alert_max"),
            ("capacity_alert_min", "capacity_alert_min"),
            ("cycle_count", "cyclecount"),
            ("online", "online"),
            ("present", "present"),
            ("time_to_empty_now", "time_to_empty_seconds"),
            ("time_to_full_now", "time_to_full_seconds"),
        ],
    ),
    (
        1e6,
        &[
            ("charge_control_limit", "charge_control_limit"),
            ("charge_control_limit_max", "charge_control_limit_max"),
            ("charge_counter", "charge_counter"),
            ("charge_empty", "charge_empty"),
            ("charge_empty_design", "charge_empty_design"),
            ("charge_full", "charge_full"),
            ("charge_full_design", "charge_full_design"),
            ("charge_now", "charge_ampere"),
            ("charge_term_current", "charge_term_current"),
            ("constant_charge_current", "constant_charge_current"),
            ("constant_charge_current_max", "constant_charge_current_max"),
            ("constant_charge_voltage", "constant_charge_voltage"),
            ("constant_charge_voltage_max", "constant_charge_voltage_max"),
            ("current_boot", "current_boot"),
            ("current_max", "current_max"),
            ("current_now", "current_ampere"),
            ("energy_empty", "energy_empty"),
            ("energy_empty_design", "energy_empty_design"),
            ("energy_full", "energy_full"),
            ("energy_full_design", "energy_full_design"),
            ("energy_now", "energy_watthour"),
            ("input_current_limit", "input_current_limit"),
            ("power_now", "power_watt"),
            ("precharge_current", "precharge_current"),
            ("voltage_boot", "voltage_boot"),
            ("voltage_max", "voltage_max"),
            ("voltage_max_design", "voltage_max_design"),
            ("voltage_min", "voltage_min"),
            ("voltage_min_design", "voltage_min_design"),
            ("voltage_now", "voltage_volt"),
            ("voltage_ocv", "voltage_ocv"),
        ],
    ),
    (
        10.0,
        &[
            ("temp", "temp_celsius"),
            ("temp_alert_max", "temp_alert_max_celsius"),
            ("temp_alert_min", "temp_alert_min_celsius"),
            ("temp_ambient", "temp_ambient_celsius"),
            ("temp_ambient_max", "temp_ambient_max_celsius"),
            ("temp_ambient_min", "temp_ambient_min_celsius"),
            ("temp_max", "temp_max_celsius"),
            ("temp_min", "temp_min_celsius"),
        ],
    ),
];
/// The labels of the information series, but for `power_supply`: the files of the same name.
const TEXTS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

impl Collector for PowerSupply {
    fn name(&self) -> &'static str {
        "powersupplyclass"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let all = roots
            .sys_folder("class/power_supply")
            .map_err(CollectError::or_absent)?;
        let supplies: Vec<_> = all
            .names()?
            .into_iter()
            .filter_map(|name| Some((all.folder(&name)?, name)))
            .collect();
        // Most hosts have none: not a lookup for each of the figures then.
        if supplies.is_empty() {
            return Ok(());
        }
        for (unit, files) in NUMBERS {
            for (file, name) in files {
                let help = format!("{name} value of /sys/class/power_supply/<power_supply>.");
                let name = format!("node_power_supply_{name}");
                let mut family = out.gauge(&name, &help);
                for (folder, supply) in &supplies {
                    if let Some(number) = folder.number(file) {
                        family.sample(&[("power_supply", supply)], number as f64 / unit);
                    }
                }
            }
        }
        let help = "info of /sys/class/power_supply/<power_supply>.";
        let mut family = out.gauge("node_power_supply_info", help);
        for (folder, supply) in supplies {
            let texts = TEXTS.map(|file| folder.text(file).unwrap_or_default());
            let mut labels: Vec<(&str, &str)> = TEXTS
                .into_iter()
                .zip(texts.iter().map(String::as_str))
                .filter(|(_, text)| !text.is_empty())
                .chain([("power_supply", supply.as_str())])
                .collect();
            labels.sort_unstable();
            family.sample(&labels, 1.0);
        }
        Ok(())
    }
}
