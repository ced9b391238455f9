//! `node_softnet_*`: packets that each processor took from the network devices.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::{Exposition, Kind};
use crate::agent::roots::Roots;

const FILE: &str = "1/net/softnet_stat";

/// Packets that each processor took, dropped, or left for the next round.
pub struct Softnet;

/// Column of the file, name, help, type (`softnet_seq_show` in net/core/net-procfs.c).
const COLUMNS: [(usize, &str, &str, Kind); 7] = [
    (
        0,
        "node_softnet_processed_total",
        "Number of processed packets",
        Kind::Counter,
    ),
    (
        1,
        "node_softnet_dropped_total",
        "Number of dropped packets",
        Kind::Counter,
    ),
    (
        2,
        "node_softnet_times_squeezed_total",
        "Number of times processing packets ran out of quota",
        Kind::Counter,
    ),
    (
        8,
        "node_softnet_cpu_collision_total",
        "Number of collision occur while obtaining device lock while transmitting",
        Kind::Counter,
    ),
    (
        9,
        "node_softnet_received_rps_total",
        "Number of times cpu woken up received_rps",
        Kind::Counter,
    ),
    (
        10,
        "node_softnet_flow_limit_count_total",
        "Number of times flow limit has been reached",
        Kind::Counter,
    ),
    (
        11,
        "node_softnet_backlog_len",
        "Softnet backlog status",
        Kind::Gauge,
    ),
];
/// Since Linux 5.10 the line tells its processor; before, it is the line's number.
const PROCESSOR: usize = 12;
const FEWEST: usize = 9;

impl Collector for Softnet {
    fn name(&self) -> &'static str {
        "softnet"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let rows = parse(&roots.read_proc_of_init("net/softnet_stat")?)
            .ok_or_else(|| CollectError::malformed(FILE, "not lines of hexadecimal numbers"))?;
        for (column, name, help, kind) in COLUMNS {
            let mut family = out.family(name, help, kind);
            for (processor, numbers) in &rows {
                // A kernel that lacks a column counts nothing there.
                let value = numbers.get(column).copied().unwrap_or_default();
                family.sample(&[("cpu", processor)], f64::from(value));
            }
        }
        Ok(())
    }
}

/// The processor and the numbers of each line.
fn parse(text: &str) -> Option<Vec<(String, Vec<u32>)>> {
    let rows = text.lines().enumerate().map(|(line, words)| {
        let numbers: Option<Vec<u32>> = words
            .split_ascii_whitespace()
            .map(|word| u32::from_str_radix(word, 16).ok())
            .collect();
        let numbers = numbers.filter(|numbers| numbers.len() >= FEWEST)?;
        let processor = match numbers.get(PROCESSOR) {
            Some(processor) => processor.to_string(),
            None => line.to_string(),
        };
        Some((processor, numbers))
    });
    let mut rows = rows.collect::<Option<Vec<_>>>()?;
    rows.dedup_by(|a, b| a.0 == b.0);
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_hexadecimal_and_the_processor_is_told_or_counted() {
        let new = "00093dcc 0 1 0 0 0 0 0 2 3 4 5 00000007 0 0\n";
        let rows = parse(new).unwrap();
        assert_eq!(rows[0].0, "7");
        assert_eq!(rows[0].1[0], 0x93dcc);
        let old = "1 0 0 0 0 0 0 0 0\n2 0 0 0 0 0 0 0 0\n";
        let rows = parse(old).unwrap();
        assert_eq!((rows[1].0.as_str(), rows[1].1[0]), ("1", 2));
        assert_eq!(parse("1 2 3\n"), None);
        assert_eq!(parse("1 0 0 0 0 0 0 0 x\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), hex in "([0-9a-f]{1,9} ){0,16}") {
            drop(parse(&text));
            drop(parse(&hex));
        }
    }
}
