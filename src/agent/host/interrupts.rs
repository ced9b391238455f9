//! `node_interrupts_total`: interrupts by type and processor. Off unless enabled: its series are
//! the product of both numbers.

use super::filter::{Filter, nothing};
use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;
use crate::api::agent_config::InterruptsConfig;

const FILE: &str = "interrupts";

/// Interrupts by type and processor.
#[derive(Debug)]
pub struct Interrupts {
    names: Filter,
}

impl Interrupts {
    /// Shows the interrupts that the configuration leaves.
    ///
    /// # Errors
    /// When a filter is wrong.
    pub fn new(config: &InterruptsConfig) -> anyhow::Result<Self> {
        let names = Filter::new(&config.names, "interrupts.names", nothing)?;
        Ok(Self { names })
    }
}

impl Collector for Interrupts {
    fn name(&self) -> &'static str {
        "interrupts"
    }

    fn opt_in(&self) -> bool {
        true
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots.read_proc(FILE)?;
        let (processors, interrupts) =
            parse(&text).ok_or_else(|| CollectError::malformed(FILE, "no header"))?;
        let mut family = out.counter("node_interrupts_total", "Interrupt details.");
        let mut filtered = String::new();
        for Interrupt {
            kind,
            info,
            devices,
            counts,
        } in interrupts
        {
            filtered.clear();
            filtered.extend([kind, ";", &info, ";", &devices]);
            if self.names.ignores(&filtered) {
                continue;
            }
            for (cpu, count) in processors.iter().zip(counts) {
                let labels = [
                    ("cpu", cpu.as_str()),
                    ("devices", &devices),
                    ("info", &info),
                    ("type", kind),
                ];
                family.sample(&labels, count as f64);
            }
        }
        Ok(())
    }
}

struct Interrupt<'a> {
    kind: &'a str,
    info: String,
    devices: String,
    counts: Vec<u64>,
}

/// The processors' columns, numbered as `node_exporter` does it, and the lines below. Lines with
/// fewer numbers than processors (`ERR`, `MIS`) are left out, as there.
fn parse(text: &str) -> Option<(Vec<String>, Vec<Interrupt<'_>>)> {
    let mut lines = text.lines();
    let columns = lines.next()?.split_ascii_whitespace().count();
    let processors = (0..columns).map(|column| column.to_string()).collect();
    let mut interrupts: Vec<_> = lines.filter_map(|line| parse_line(line, columns)).collect();
    interrupts.sort_by_key(|interrupt| interrupt.kind);
    interrupts.dedup_by_key(|interrupt| interrupt.kind);
    Some((processors, interrupts))
}

fn parse_line(line: &str, columns: usize) -> Option<Interrupt<'_>> {
    // On arm64 no space need follow the colon.
    let (kind, rest) = line.split_once(':')?;
    let kind = kind.trim();
    let mut words = rest.split_ascii_whitespace();
    let counts = (0..columns).map(|_| words.next()?.parse().ok());
    let counts = counts.collect::<Option<Vec<u64>>>()?;
    let mut words = words.peekable();
    words.peek()?;
    // Numbered ones have a controller and then the devices; the others just a description.
    let info = if kind.parse::<u32>().is_ok() {
        words.next()?.to_owned()
    } else {
        join(&mut words)
    };
    Some(Interrupt {
        kind,
        info,
        devices: join(&mut words),
        counts,
    })
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbered_interrupts_have_devices_and_the_others_a_description() {
        let text = "           CPU0       CPU1\n  1:      17960        105   IO-APIC   1-edge      i8042\n\
                    NMI:         47       5031   Non-maskable interrupts\nERR:          0\n";
        let (processors, interrupts) = parse(text).unwrap();
        assert_eq!(processors, ["0", "1"]);
        let [first, second] = &interrupts[..] else {
            panic!("{} interrupts", interrupts.len());
        };
        assert_eq!((first.kind, first.info.as_str()), ("1", "IO-APIC"));
        assert_eq!(
            (first.devices.as_str(), &first.counts[..]),
            ("1-edge i8042", &[17960, 105][..])
        );
        assert_eq!(
            (second.kind, second.info.as_str()),
            ("NMI", "Non-maskable interrupts")
        );
        assert_eq!(second.devices, "");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            drop(parse(&text));
            drop(parse(&format!("CPU0\n{text}")));
            parse_line(&format!("1: 5 {text}"), 1);
        }
    }
}
