//! `node_pressure_*`: time lost waiting for processor, memory, disk and interrupts.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// Pressure stall information (Documentation/accounting/psi.rst).
pub struct Pressure;

/// File, line, name, help.
const TOTALS: [(&str, &str, &str, &str); 6] = [
    (
        "pressure/cpu",
        "some",
        "node_pressure_cpu_waiting_seconds_total",
        "Total time in seconds that processes have waited for CPU time",
    ),
    (
        "pressure/io",
        "some",
        "node_pressure_io_waiting_seconds_total",
        "Total time in seconds that processes have waited due to IO congestion",
    ),
    (
        "pressure/io",
        "full",
        "node_pressure_io_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IO congestion",
    ),
    (
        "pressure/memory",
        "some",
        "node_pressure_memory_waiting_seconds_total",
        "Total time in seconds that processes have waited for memory",
    ),
    (
        "pressure/memory",
        "full",
        "node_pressure_memory_stalled_seconds_total",
        "Total time in seconds no process could make progress due to memory congestion",
    ),
    (
        "pressure/irq",
        "full",
        "node_pressure_irq_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IRQ congestion",
    ),
];

impl Collector for Pressure {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let (mut file_read, mut text) = ("", String::new());
        for (file, line, name, help) in TOTALS {
            if file != file_read {
                text = match roots.read_proc(file) {
                    // Only kernels that account for interrupts have it (CONFIG_IRQ_TIME_ACCOUNTING).
                    Err(error) if file == "pressure/irq" && error.is_absent() => return Ok(()),
                    other => other.map_err(CollectError::or_absent)?,
                };
                file_read = file;
            }
            let seconds = parse(&text, line)
                .ok_or_else(|| CollectError::malformed(file, format!("no total of {line}")))?;
            out.counter(name, help).sample(&[], seconds);
        }
        Ok(())
    }
}

/// The total of the line `some` or `full`, in seconds.
fn parse(text: &str, line: &str) -> Option<f64> {
    let found = text
        .lines()
        .find_map(|found| found.strip_prefix(line)?.strip_prefix(' '))?;
    let total = found
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("total="))?;
    let microseconds: u64 = total.parse().ok()?;
    // In two steps as node_exporter does it, so that the last digit rounds the same way.
    Some(microseconds as f64 / 1000.0 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn totals_are_microseconds() {
        let text = "some avg10=0.18 avg60=0.34 avg300=0.10 total=159886802\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=25\n";
        assert_eq!(parse(text, "some"), Some(159.886_802));
        assert_eq!(parse(text, "full"), Some(2.5e-5));
        assert_eq!(parse("some total=x", "some"), None);
        assert_eq!(parse("somewhat total=1", "some"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text, "some");
            parse(&format!("some {text}"), "some");
        }
    }
}
