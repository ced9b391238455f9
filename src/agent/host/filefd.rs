//! `node_filefd_*`: open files of all processes.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

const FILE: &str = "sys/fs/file-nr";

/// Open files of all processes.
pub struct Filefd;

impl Collector for Filefd {
    fn name(&self) -> &'static str {
        "filefd"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let (allocated, maximum) = parse(&roots.read_proc(FILE)?)
            .ok_or_else(|| CollectError::malformed(FILE, "not three numbers"))?;
        let help = "File descriptor statistics: allocated.";
        out.gauge("node_filefd_allocated", help)
            .sample(&[], allocated);
        let help = "File descriptor statistics: maximum.";
        out.gauge("node_filefd_maximum", help).sample(&[], maximum);
        Ok(())
    }
}

/// Allocated, allocated but unused (0 since 2.6), maximum.
fn parse(text: &str) -> Option<(f64, f64)> {
    let mut numbers = text
        .split_ascii_whitespace()
        .map(|word| Some(word.parse::<u64>().ok()? as f64));
    Some((numbers.next()??, numbers.nth(1)??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_and_third_number_count() {
        assert_eq!(parse("1854\t0\t2466177\n"), Some((1854.0, 2_466_177.0)));
        assert_eq!(parse("1854 0"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text);
        }
    }
}
