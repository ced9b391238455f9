//! `node_load*`: the load averages.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

const FILE: &str = "loadavg";

/// The load averages of one, five and fifteen minutes.
pub struct Loadavg;

impl Collector for Loadavg {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let [one, five, fifteen] = parse(&roots.read_proc(FILE)?)
            .ok_or_else(|| CollectError::malformed(FILE, "not three numbers"))?;
        out.gauge("node_load1", "1m load average.").sample(&[], one);
        out.gauge("node_load5", "5m load average.")
            .sample(&[], five);
        out.gauge("node_load15", "15m load average.")
            .sample(&[], fifteen);
        Ok(())
    }
}

/// The first three numbers of `/proc/loadavg`.
fn parse(text: &str) -> Option<[f64; 3]> {
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
    Some([words.next()??, words.next()??, words.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_averages_come_first() {
        assert_eq!(
            parse("0.58 0.45 1.30 1/112 1520\n"),
            Some([0.58, 0.45, 1.3])
        );
        assert_eq!(parse("0.58 0.45"), None);
        assert_eq!(parse("a b c"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text);
        }
    }
}
