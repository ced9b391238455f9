//! How `node_exporter` names the sensors of hwmon.

use crate::agent::exposition::Kind;

const TYPES: [&str; 14] = [
    "beep_enable",
    "cpu",
    "curr",
    "energy",
    "fan",
    "freq",
    "humidity",
    "in",
    "intrusion",
    "power",
    "pwm",
    "temp",
    "update_interval",
    "vrm",
];

/// A file of a sensor, such as `temp1_crit`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensor<'a> {
    /// Such as `temp`.
    pub kind: &'a str,
    /// Such as 1; 0 where there is none.
    pub number: u32,
    /// Such as `crit`; may be empty.
    pub property: &'a str,
}

impl<'a> Sensor<'a> {
    /// Splits `<type><number>_<property>`, of which number and property may be missing
    /// (Documentation/hwmon/sysfs-interface.rst).
    pub fn parse(file: &'a str) -> Option<Self> {
        let digit = |character: char| character.is_ascii_digit();
        let (kind, rest) = file.split_at(file.find(digit).unwrap_or(file.len()));
        let (number, rest) = rest.split_at(rest.find(|c| !digit(c)).unwrap_or(rest.len()));
        let property = match rest {
            "" => "",
            rest => rest.strip_prefix('_').filter(|rest| !rest.is_empty())?,
        };
        let number = match number {
            "" => 0,
            digits => digits.parse().ok()?,
        };
        TYPES.contains(&kind).then_some(Self {
            kind,
            number,
            property,
        })
    }

    /// Name, help, type of the family that shows this figure, and its value in the family's unit.
    /// `has_plain` says whether the sensor also has a file without property, whose name the
    /// reading itself would otherwise have.
    pub fn family(self, has_plain: bool, value: f64) -> ((String, String, Kind), f64) {
        let Self { kind, property, .. } = self;
        let mut name = format!("node_hwmon_{kind}");
        if property == "input" && has_plain || !matches!(property, "" | "input") {
            name.push('_');
            name.push_str(&clean(property));
        }
        let (unit, help, value) = match (kind, property) {
            ("beep_enable", _) => {
                let on = f64::from((value - 1.0).abs() < f64::EPSILON);
                return (
                    fixed("node_hwmon_beep_enabled", "Hardware beep enabled"),
                    on,
                );
            }
            ("vrm", _) => {
                let name = "node_hwmon_voltage_regulator_version";
                return (fixed(name, "Hardware voltage regulator"), value);
            }
            ("update_interval", _) => {
                let name = "node_hwmon_update_interval_seconds";
                let help = "Hardware monitor update interval";
                return (fixed(name, help), value * 0.001);
            }
            (_, "fault" | "alarm") => (
                "",
                format!("Hardware sensor {property} status ({kind})"),
                value,
            ),
            (_, "beep") => {
                // The property is part of the name already but not of node_exporter's.
                let help = "Hardware monitor sensor has beeping enabled";
                ("_enabled", help.to_owned(), value)
            }
            ("in" | "cpu", _) => (
                "_volts",
                format!("Hardware monitor for voltage ({property})"),
                value * 0.001,
            ),
            ("temp", property) if property != "type" => (
                "_celsius",
                format!("Hardware monitor for temperature ({property})"),
                value * 0.001,
            ),
            ("curr", _) => (
                "_amps",
                format!("Hardware monitor for current ({property})"),
                value * 0.001,
            ),
            ("energy", _) => {
                name.push_str("_joule_total");
                let help = format!("Hardware monitor for joules used so far ({property})");
                return ((name, help, Kind::Counter), value / 1e6);
            }
            ("power", "accuracy") => {
                let help = "Hardware monitor power meter accuracy, as a ratio";
                ("", help.to_owned(), value / 1e6)
            }
            ("power", "average_interval" | "average_interval_min" | "average_interval_max") => (
                "_seconds",
                format!("Hardware monitor power usage update interval ({property})"),
                value * 0.001,
            ),
            ("power", _) => (
                "_watt",
                format!("Hardware monitor for power usage in watts ({property})"),
                value / 1e6,
            ),
            ("humidity", _) => (
                "",
                format!(
                    "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the \
                     humidity as a percentage) ({property})"
                ),
                value / 1e6,
            ),
            ("fan", "input" | "min" | "max" | "target") => (
                "_rpm",
                format!("Hardware monitor for fan revolutions per minute ({property})"),
                value,
            ),
            ("freq", "input") => {
                let help = "Hardware monitor for GPU frequency in MHz";
                ("_freq_mhz", help.to_owned(), value / 1e6)
            }
            _ => (
                "",
                format!("Hardware monitor {kind} element {property}"),
                value,
            ),
        };
        name.push_str(unit);
        ((name, help, Kind::Gauge), value)
    }
}

fn fixed(name: &str, help: &str) -> (String, String, Kind) {
    (name.to_owned(), help.to_owned(), Kind::Gauge)
}

/// Lower case, with anything that no name may hold as an underscore, and none at the ends.
pub fn clean(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|character| match character.to_ascii_lowercase() {
            allowed @ ('a'..='z' | '0'..='9' | ':' | '_') => allowed,
            _ => '_',
        })
        .collect();
    clean.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_are_type_number_and_property() {
        let sensor = |kind, number, property| {
            Some(Sensor {
                kind,
                number,
                property,
            })
        };
        assert_eq!(
            Sensor::parse("temp12_crit_alarm"),
            sensor("temp", 12, "crit_alarm")
        );
        assert_eq!(Sensor::parse("pwm1"), sensor("pwm", 1, ""));
        assert_eq!(Sensor::parse("beep_enable"), sensor("beep_enable", 0, ""));
        for file in ["name", "temp1x", "temp1_", "temp99999999999_input", ""] {
            assert_eq!(Sensor::parse(file), None, "{file}");
        }
    }

    #[test]
    fn names_are_fit_for_series() {
        assert_eq!(clean("Package id 0\n"), "package_id_0");
        assert_eq!(clean("0000:00:1f.3"), "0000:00:1f_3");
        assert_eq!(clean("--"), "");
    }

    proptest! {
        #[test]
        fn whatever_the_file_is_called_the_family_has_a_valid_name(
            text in any::<String>(),
            kind in proptest::sample::select(&TYPES[..]),
        ) {
            let _sensor = Sensor::parse(&text);
            let file = format!("{kind}1_{text}");
            if let Some(sensor) = Sensor::parse(&file) {
                let ((name, ..), _) = sensor.family(true, 1.0);
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b)));
            }
        }
    }
}
