//! The machine as a whole, in cAdvisor's words.

use super::figures::{Figures, number};
use super::files::Folder;
use super::text::Kind::Gauge;
use super::text::{Labels, Text};
use crate::agent::roots::Roots;

/// What does not change while the machine runs.
#[derive(Debug)]
pub struct Machine {
    labels: Labels,
    cores: f64,
    /// Bytes, as is swap.
    memory: f64,
    swap: f64,
}

impl Machine {
    /// Reads the machine's facts.
    pub fn read(roots: &Roots) -> Self {
        let id = |text: Option<String>| text.unwrap_or_default().trim().to_owned();
        let boot = id(roots.read_proc("sys/kernel/random/boot_id").ok());
        let machine = id(roots.read_rootfs("/etc/machine-id").ok());
        // Virtual machines without one show the other, as in cAdvisor.
        let system = id(roots.read_sys("class/dmi/id/product_uuid").ok());
        let system = if system.is_empty() {
            machine.clone()
        } else {
            system
        };
        let meminfo = roots.read_proc("meminfo").unwrap_or_default();
        let cores = roots.read_proc("stat").map_or(0, |stat| {
            let is_core = |line: &&str| {
                let rest = line.strip_prefix("cpu").unwrap_or_default();
                rest.starts_with(|c: char| c.is_ascii_digit())
            };
            stat.lines().filter(is_core).count()
        });
        Self {
            labels: Labels::default()
                .with("boot_id", &boot)
                .with("machine_id", &machine)
                .with("system_uuid", &system),
            cores: cores as f64,
            memory: parse_meminfo(&meminfo, "MemTotal").unwrap_or(0.0),
            swap: parse_meminfo(&meminfo, "SwapTotal").unwrap_or(0.0),
        }
    }

    /// Completes the root's figures: it has no limit but the machine's, and in version 2 no usage
    /// of its own. What is not free is used, as in runc.
    pub fn complete(&self, root: &mut Figures, proc: &Folder, buffer: &mut Vec<u8>) {
        root.limits.memory = Some(self.memory);
        if root.memory.usage.is_none() {
            let text = proc.read("meminfo", buffer);
            let free = text.and_then(|text| parse_meminfo(text, "MemFree"));
            root.memory.usage = free.map(|free| self.memory - free);
        }
    }

    /// Writes the machine's families.
    pub fn write(&self, out: &mut Text) {
        for (name, help, value) in [
            (
                "machine_cpu_cores",
                "Number of logical CPU cores.",
                self.cores,
            ),
            (
                "machine_memory_bytes",
                "Amount of memory installed on the machine.",
                self.memory,
            ),
            (
                "machine_swap_bytes",
                "Amount of swap memory available on the machine.",
                self.swap,
            ),
        ] {
            out.family(name, Gauge, help)
                .sample(&self.labels, &[], value);
        }
    }
}

/// A line `MemTotal:  16 kB`, in bytes.
fn parse_meminfo(text: &str, name: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(number(line.trim_end_matches("kB"))? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let text = "MemTotalX:  1 kB\nMemTotal:       2020500 kB\nMemFree: 1 kB\n";
        assert_eq!(parse_meminfo(text, "MemTotal"), Some(2_068_992_000.0));
        assert_eq!(parse_meminfo(text, "SwapTotal"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse_meminfo(&text, "MemTotal");
        }
    }
}
