//! Interrupts, context switches, forks, boot time and process counts from `/proc/stat`.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::{Exposition, Kind};
use crate::agent::roots::Roots;

const FILE: &str = "stat";

/// What `/proc/stat` tells about the machine as a whole.
pub struct Stat;

/// Key in the file, name, help, type.
const FIELDS: [(&str, &str, &str, Kind); 6] = [
    (
        "intr",
        "node_intr_total",
        "Total number of interrupts serviced.",
        Kind::Counter,
    ),
    (
        "ctxt",
        "node_context_switches_total",
        "Total number of context switches.",
        Kind::Counter,
    ),
    (
        "btime",
        "node_boot_time_seconds",
        "Node boot time, in unixtime.",
        Kind::Gauge,
    ),
    (
        "processes",
        "node_forks_total",
        "Total number of forks.",
        Kind::Counter,
    ),
    (
        "procs_running",
        "node_procs_running",
        "Number of processes in runnable state.",
        Kind::Gauge,
    ),
    (
        "procs_blocked",
        "node_procs_blocked",
        "Number of processes blocked waiting for I/O to complete.",
        Kind::Gauge,
    ),
];

impl Collector for Stat {
    fn name(&self) -> &'static str {
        "stat"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots.read_proc(FILE)?;
        for (key, name, help, kind) in FIELDS {
            let value = parse(&text, key)
                .ok_or_else(|| CollectError::malformed(FILE, format!("no number after {key}")))?;
            out.family(name, help, kind).sample(&[], value);
        }
        Ok(())
    }
}

/// The first number after a key; `intr` is followed by one more for every interrupt there is.
fn parse(text: &str, key: &str) -> Option<f64> {
    let rest = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    Some(rest.split_ascii_whitespace().next()?.parse::<u64>().ok()? as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "cpu  1 2\nintr 226734 154 9\nctxt 5\nprocesses 1663\nprocs_running 3\n";

    #[test]
    fn the_number_after_a_key_is_found() {
        assert_eq!(parse(TEXT, "intr"), Some(226_734.0));
        assert_eq!(parse(TEXT, "processes"), Some(1663.0));
        assert_eq!(parse(TEXT, "procs_running"), Some(3.0));
        assert_eq!(parse(TEXT, "procs_blocked"), None);
        assert_eq!(parse("ctxt x", "ctxt"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text, "intr");
            parse(&format!("intr {text}"), "intr");
        }
    }
}
