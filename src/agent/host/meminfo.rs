//! `node_memory_*`: every field of `/proc/meminfo`.
//!
//! Generic, as `node_exporter` was up to 1.8: its later fixed list lacks what newer kernels add.
//! Every name of that list is written the same way here.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

const FILE: &str = "meminfo";

/// The fields of `/proc/meminfo`.
pub struct Meminfo;

impl Collector for Meminfo {
    fn name(&self) -> &'static str {
        "meminfo"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots.read_proc(FILE)?;
        let (mut name, mut help) = (String::new(), String::new());
        for line in text.lines() {
            name.clear();
            name.push_str("node_memory_");
            let value = parse_line(line, &mut name)
                .ok_or_else(|| CollectError::malformed(FILE, format!("cannot read {line:?}")))?;
            help.clear();
            help.push_str("Memory information field ");
            help.push_str(name.trim_start_matches("node_memory_"));
            help.push('.');
            out.gauge(&name, &help).sample(&[], value);
        }
        Ok(())
    }
}

/// Reads `Active(anon):  11268 kB` as 11538432 and appends `Active_anon_bytes` to the name. Fields
/// without a unit are counts and keep their name.
fn parse_line(line: &str, name: &mut String) -> Option<f64> {
    let (field, rest) = line.split_once(':')?;
    for character in field.trim_end_matches(')').chars() {
        name.push(if character.is_ascii_alphanumeric() {
            character
        } else {
            '_'
        });
    }
    let mut words = rest.split_ascii_whitespace();
    let value: f64 = words.next()?.parse::<u64>().ok()? as f64;
    match words.next() {
        None => Some(value),
        Some("kB") => {
            name.push_str("_bytes");
            Some(value * 1024.0)
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Option<(String, f64)> {
        let mut name = String::new();
        parse_line(line, &mut name).map(|value| (name, value))
    }

    #[test]
    fn kibibytes_become_bytes_and_counts_stay() {
        let named = |name: &str, value| Some((name.to_owned(), value));
        assert_eq!(
            parse("MemTotal:  2020500 kB"),
            named("MemTotal_bytes", 2_068_992_000.0)
        );
        assert_eq!(
            parse("Active(anon):  1 kB"),
            named("Active_anon_bytes", 1024.0)
        );
        assert_eq!(parse("HugePages_Total:  3"), named("HugePages_Total", 3.0));
        assert_eq!(parse("DirectMap4k: 0 kB"), named("DirectMap4k_bytes", 0.0));
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "MemTotal",
            "MemTotal: x kB",
            "MemTotal: 1 MB",
            "MemTotal: -1 kB",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_gives_a_valid_name_or_nothing(line in any::<String>()) {
            if let Some((name, _)) = parse(&line) {
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            }
        }
    }
}
