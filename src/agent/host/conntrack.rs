//! `node_nf_conntrack_*`: the table of tracked connections.
//!
//! `<proc>/sys/net` answers for the reader's network namespace, whoever's procfs it is
//! (`net_ctl_header_lookup` in net/sysctl_net.c), so the count comes from the first process's
//! `net/stat/nf_conntrack`. The limit is one for all namespaces.

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

const FILE: &str = "1/net/stat/nf_conntrack";

/// The table of tracked connections.
pub struct Conntrack;

/// Column, name, help.
const STATISTICS: [(&str, &str, &str); 8] = [
    (
        "found",
        "node_nf_conntrack_stat_found",
        "Number of searched entries which were successful.",
    ),
    (
        "invalid",
        "node_nf_conntrack_stat_invalid",
        "Number of packets seen which can not be tracked.",
    ),
    (
        "ignore",
        "node_nf_conntrack_stat_ignore",
        "Number of packets seen which are already connected to a conntrack entry.",
    ),
    (
        "insert",
        "node_nf_conntrack_stat_insert",
        "Number of entries inserted into the list.",
    ),
    (
        "insert_failed",
        "node_nf_conntrack_stat_insert_failed",
        "Number of entries for which list insertion was attempted but failed.",
    ),
    (
        "drop",
        "node_nf_conntrack_stat_drop",
        "Number of packets dropped due to conntrack failure.",
    ),
    (
        "early_drop",
        "node_nf_conntrack_stat_early_drop",
        "Number of dropped conntrack entries to make room for new ones, if maximum table size was \
         reached.",
    ),
    (
        "search_restart",
        "node_nf_conntrack_stat_search_restart",
        "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
    ),
];

impl Collector for Conntrack {
    fn name(&self) -> &'static str {
        "conntrack"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots
            .read_proc_of_init("net/stat/nf_conntrack")
            .map_err(CollectError::or_absent)?;
        let table = parse(&text).ok_or_else(|| CollectError::malformed(FILE, "not a table"))?;
        // Each processor's line has the same number of entries.
        let entries = table.column("entries").next();
        let entries = entries.ok_or_else(|| CollectError::malformed(FILE, "no entries"))?;
        let help = "Number of currently allocated flow entries for connection tracking.";
        out.gauge("node_nf_conntrack_entries", help)
            .sample(&[], entries as f64);
        for (column, name, help) in STATISTICS {
            // All, also those that a kernel has dropped, as in node_exporter.
            let sum = table.column(column).fold(0, u64::saturating_add);
            out.gauge(name, help).sample(&[], sum as f64);
        }
        let limit = roots.proc_number("sys/net/netfilter/nf_conntrack_max")?;
        let help = "Maximum size of connection tracking table.";
        out.gauge("node_nf_conntrack_entries_limit", help)
            .sample(&[], limit);
        Ok(())
    }
}

/// A header with names, and a line of hexadecimal numbers for each processor.
struct Table<'a> {
    names: Vec<&'a str>,
    rows: Vec<Vec<u64>>,
}

impl Table<'_> {
    fn column(&self, name: &str) -> impl Iterator<Item = u64> {
        let index = self.names.iter().position(|known| *known == name);
        self.rows
            .iter()
            .filter_map(move |row| row.get(index?).copied())
    }
}

fn parse(text: &str) -> Option<Table<'_>> {
    let mut lines = text.lines();
    let names = lines.next()?.split_ascii_whitespace().collect();
    let row = |line: &str| -> Option<Vec<u64>> {
        line.split_ascii_whitespace()
            .map(|word| u64::from_str_radix(word, 16).ok())
            .collect()
    };
    let rows: Option<Vec<_>> = lines.map(row).collect();
    Some(Table { names, rows: rows? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_are_found_by_name_and_summed_over_processors() {
        let table = parse("entries  found new\n00000021  0000000a 01\n00000021  00000001 02\n");
        let table = table.unwrap();
        assert!(table.column("entries").eq([0x21, 0x21]));
        assert!(table.column("found").eq([10, 1]));
        assert!(table.column("searched").eq([0; 0]));
        assert!(parse("").is_none() && parse("entries\nx\n").is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Some(table) = parse(&text) {
                table.column("entries").for_each(drop);
            }
            let _count = parse(&format!("entries found\n{text}")).map(|t| t.column("found").count());
        }
    }
}
