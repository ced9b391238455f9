//! `node_schedstat_*`: how long tasks ran and waited on each processor.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// How long tasks ran and waited on each processor; needs a kernel with CONFIG_SCHEDSTATS.
pub struct Schedstat;

const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// Name, help, unit of the last three numbers of a `cpuN` line
/// (Documentation/scheduler/sched-stats.rst).
const COLUMNS: [(&str, &str, f64); 3] = [
    (
        "node_schedstat_running_seconds_total",
        "Number of seconds CPU spent running a process.",
        NANOSECONDS_PER_SECOND,
    ),
    (
        "node_schedstat_waiting_seconds_total",
        "Number of seconds spent by processing waiting for this CPU.",
        NANOSECONDS_PER_SECOND,
    ),
    (
        "node_schedstat_timeslices_total",
        "Number of timeslices executed by CPU.",
        1.0,
    ),
];

impl Collector for Schedstat {
    fn name(&self) -> &'static str {
        "schedstat"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots
            .read_proc("schedstat")
            .map_err(CollectError::or_absent)?;
        for (column, (name, help, unit)) in COLUMNS.iter().enumerate() {
            let mut family = out.counter(name, help);
            for (cpu, numbers) in parse(&text) {
                if let Some(number) = numbers.get(column) {
                    family.sample(&[("cpu", cpu)], *number as f64 / unit);
                }
            }
        }
        Ok(())
    }
}

/// `cpu<N>` and nine numbers, of which the last three count.
fn parse(text: &str) -> impl Iterator<Item = (&str, [u64; 3])> {
    text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("cpu")?.split_ascii_whitespace();
        let cpu = words.next()?;
        cpu.parse::<u32>().ok()?;
        let mut numbers = words.skip(6).map(|word| word.parse().ok());
        Some((cpu, [numbers.next()??, numbers.next()??, numbers.next()??]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_three_of_nine_numbers_count() {
        let text = "version 15\ntimestamp 5\ncpu0 1 0 3 4 5 6 700 800 9\ndomain0 03 2 1\ncpu1 1\n";
        assert!(parse(text).eq([("0", [700, 800, 9])]));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text).for_each(drop);
            parse(&format!("cpu0 {text}")).for_each(drop);
        }
    }
}
