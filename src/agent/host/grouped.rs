//! Families whose names come from the host, gathered before they are written: a family's samples
//! must stand together, while the host tells them device by device.

use std::collections::BTreeMap;

use crate::agent::exposition::{Exposition, Kind};

/// Families by name.
#[derive(Debug, Default)]
pub struct Grouped(BTreeMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    help: String,
    kind: Kind,
    rows: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Grouped {
    /// Adds a sample; help and type of the first count.
    pub fn add(
        &mut self,
        (name, help, kind): (String, String, Kind),
        labels: Vec<(&'static str, String)>,
        value: f64,
    ) {
        let entry = self.0.entry(name).or_insert_with(|| Entry {
            help,
            kind,
            rows: Vec::new(),
        });
        // Two sensors of the same chip may have the same label: one of them is shown.
        if !entry.rows.iter().any(|(known, _)| *known == labels) {
            entry.rows.push((labels, value));
        }
    }

    /// Writes all families.
    pub fn write(self, out: &mut Exposition) {
        for (name, entry) in self.0 {
            let mut family = out.family(&name, &entry.help, entry.kind);
            for (labels, value) in entry.rows {
                let labels: Vec<(&str, &str)> = labels
                    .iter()
                    .map(|(label, content)| (*label, content.as_str()))
                    .collect();
                family.sample(&labels, value);
            }
        }
    }
}
