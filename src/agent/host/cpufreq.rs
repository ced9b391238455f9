//! `node_cpu_frequency_*`, `node_cpu_scaling_*`: how fast each processor may run and runs.

use std::collections::BTreeSet;

use super::cpu::parse_list;
use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Frequencies and governor of each processor. Virtual machines have none.
pub struct Cpufreq;

/// File, name, help.
const FREQUENCIES: [(&str, &str, &str); 6] = [
    (
        "cpuinfo_cur_freq",
        "node_cpu_frequency_hertz",
        "Current CPU thread frequency in hertz.",
    ),
    (
        "cpuinfo_min_freq",
        "node_cpu_frequency_min_hertz",
        "Minimum CPU thread frequency in hertz.",
    ),
    (
        "cpuinfo_max_freq",
        "node_cpu_frequency_max_hertz",
        "Maximum CPU thread frequency in hertz.",
    ),
    (
        "scaling_cur_freq",
        "node_cpu_scaling_frequency_hertz",
        "Current scaled CPU thread frequency in hertz.",
    ),
    (
        "scaling_min_freq",
        "node_cpu_scaling_frequency_min_hertz",
        "Minimum scaled CPU thread frequency in hertz.",
    ),
    (
        "scaling_max_freq",
        "node_cpu_scaling_frequency_max_hertz",
        "Maximum scaled CPU thread frequency in hertz.",
    ),
];
/// The unit of these files (Documentation/admin-guide/pm/cpufreq.rst).
const HERTZ_PER_KILOHERTZ: f64 = 1000.0;

struct Processor {
    number: String,
    frequencies: [Option<i64>; FREQUENCIES.len()],
    governor: String,
    governors: String,
}

impl Collector for Cpufreq {
    fn name(&self) -> &'static str {
        "cpufreq"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let processors = read(roots).map_err(CollectError::or_absent)?;
        for (column, (_, name, help)) in FREQUENCIES.iter().enumerate() {
            let mut family = out.gauge(name, help);
            for cpu in &processors {
                if let Some(Some(kilohertz)) = cpu.frequencies.get(column) {
                    let hertz = *kilohertz as f64 * HERTZ_PER_KILOHERTZ;
                    family.sample(&[("cpu", &cpu.number)], hertz);
                }
            }
        }
        let help = "Current enabled CPU frequency governor.";
        let mut family = out.gauge("node_cpu_scaling_governor", help);
        for cpu in processors.iter().filter(|cpu| !cpu.governor.is_empty()) {
            let governors: BTreeSet<&str> = cpu.governors.split_ascii_whitespace().collect();
            for governor in governors {
                let labels = [("cpu", cpu.number.as_str()), ("governor", governor)];
                family.sample(&labels, f64::from(governor == cpu.governor));
            }
        }
        Ok(())
    }
}

/// The processors that are online and have a folder `cpufreq`.
fn read(roots: &Roots) -> Result<Vec<Processor>, CollectError> {
    let system = roots.sys_folder("devices/system/cpu")?;
    let offline = system.text("offline").unwrap_or_default();
    let offline = parse_list(&offline);
    let processors = system.names()?.into_iter().filter_map(|name| {
        let number: u32 = name.strip_prefix("cpu")?.parse().ok()?;
        if offline.contains(&number) {
            return None;
        }
        let folder = system.folder(&format!("{name}/cpufreq"))?;
        Some(Processor {
            number: number.to_string(),
            frequencies: FREQUENCIES.map(|(file, ..)| folder.number(file)),
            governor: folder.text("scaling_governor").unwrap_or_default(),
            governors: folder
                .text("scaling_available_governors")
                .unwrap_or_default(),
        })
    });
    Ok(processors.collect())
}
