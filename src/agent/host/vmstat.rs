//! `node_vmstat_*`: paging, swapping, faults and out-of-memory kills from `/proc/vmstat`.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::{Exposition, Kind};
use crate::agent::roots::Roots;

const FILE: &str = "vmstat";

/// The fields of `/proc/vmstat` that `node_exporter` takes by default.
pub struct Vmstat;

impl Collector for Vmstat {
    fn name(&self) -> &'static str {
        "vmstat"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        for (field, value) in parse(&roots.read_proc(FILE)?) {
            let name = format!("node_vmstat_{field}");
            let help = format!("/proc/vmstat information field {field}.");
            out.family(&name, &help, Kind::Untyped).sample(&[], value);
        }
        Ok(())
    }
}

/// The wanted fields and their values; lines of another shape are not ours to judge.
fn parse(text: &str) -> impl Iterator<Item = (&str, f64)> {
    text.lines().filter_map(|line| {
        let (field, value) = line.split_once(' ')?;
        (wanted(field)).then_some((field, value.trim().parse::<u64>().ok()? as f64))
    })
}

/// `node_exporter`'s default `^(oom_kill|pgpg|pswp|pg.*fault).*`, for names that are valid.
fn wanted(field: &str) -> bool {
    let valid = field
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let starts = ["oom_kill", "pgpg", "pswp"]
        .iter()
        .any(|prefix| field.starts_with(prefix));
    let faults = field
        .strip_prefix("pg")
        .is_some_and(|rest| rest.contains("fault"));
    valid && (starts || faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_default_fields_are_taken() {
        let text = "nr_free_pages 5\npgpgin 1\npswpout 2\npgfault 3\npgmajfault 4\noom_kill 0\n\
                    pgalloc_dma 6\nthp_fault_alloc 7\npgpgout x\n";
        let fields: Vec<_> = parse(text).collect();
        let expected = [
            ("pgpgin", 1.0),
            ("pswpout", 2.0),
            ("pgfault", 3.0),
            ("pgmajfault", 4.0),
            ("oom_kill", 0.0),
        ];
        assert_eq!(fields, expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), value in any::<String>()) {
            parse(&text).for_each(drop);
            parse(&format!("pgpg{text} {value}")).for_each(drop);
        }
    }
}
