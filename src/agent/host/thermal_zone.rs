//! `node_thermal_zone_temp`, `node_cooling_device_*`: what the kernel cools, and how hard.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Temperatures that the kernel acts upon, and what it acts with.
pub struct ThermalZone;

struct Zone {
    number: String,
    kind: String,
    millidegrees: i64,
}

struct Cooler {
    number: String,
    kind: String,
    current: i64,
    most: i64,
}

impl Collector for ThermalZone {
    fn name(&self) -> &'static str {
        "thermal_zone"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let (zones, coolers) = match read(roots) {
            Ok(read) => read,
            // Many hosts have neither: no series and no failure, as in node_exporter.
            Err(error) if error.is_absent() => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut family = out.gauge("node_thermal_zone_temp", "Zone temperature in Celsius");
        for zone in &zones {
            let labels = [("type", zone.kind.as_str()), ("zone", &zone.number)];
            family.sample(&labels, zone.millidegrees as f64 / 1000.0);
        }
        let help = "Current throttle state of the cooling device";
        let mut family = out.gauge("node_cooling_device_cur_state", help);
        for cooler in &coolers {
            let labels = [("name", cooler.number.as_str()), ("type", &cooler.kind)];
            family.sample(&labels, cooler.current as f64);
        }
        let help = "Maximum throttle state of the cooling device";
        let mut family = out.gauge("node_cooling_device_max_state", help);
        for cooler in &coolers {
            let labels = [("name", cooler.number.as_str()), ("type", &cooler.kind)];
            family.sample(&labels, cooler.most as f64);
        }
        Ok(())
    }
}

/// Documentation/driver-api/thermal/sysfs-api.rst. What a driver refuses to tell now is left out.
fn read(roots: &Roots) -> Result<(Vec<Zone>, Vec<Cooler>), CollectError> {
    let all = roots.sys_folder("class/thermal")?;
    let (mut zones, mut coolers) = (Vec::new(), Vec::new());
    for name in all.names()? {
        let Some(folder) = all.folder(&name) else {
            continue;
        };
        if let Some(number) = name.strip_prefix("thermal_zone") {
            zones.extend(folder.text("type").zip(folder.number("temp")).map(
                |(kind, millidegrees)| Zone {
                    number: number.to_owned(),
                    kind,
                    millidegrees,
                },
            ));
        } else if let Some(number) = name.strip_prefix("cooling_device") {
            let states = folder.number("cur_state").zip(folder.number("max_state"));
            coolers.extend(
                folder
                    .text("type")
                    .zip(states)
                    .map(|(kind, (current, most))| Cooler {
                        number: number.to_owned(),
                        kind,
                        current,
                        most,
                    }),
            );
        }
    }
    Ok((zones, coolers))
}
