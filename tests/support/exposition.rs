//! Reads the Prometheus text format, for comparing.

use std::collections::BTreeMap;

/// A scrape, taken apart.
#[derive(Debug, Default)]
pub struct Scrape {
    /// Value as written by `name{labels}`.
    pub series: BTreeMap<String, String>,
    /// Type and help by family.
    pub families: BTreeMap<String, (String, String)>,
}

impl Scrape {
    /// Panics on a line that is no sample and no comment, and on a series told twice.
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                scrape.family(name).1.push_str(help);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                scrape.family(name).0.push_str(kind);
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let known = scrape.series.insert(series.to_owned(), value.to_owned());
                assert!(known.is_none(), "{series} is told twice");
            }
        }
        scrape
    }

    fn family(&mut self, name: &str) -> &mut (String, String) {
        self.families.entry(name.to_owned()).or_default()
    }

    pub fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series)?.parse().ok()
    }

    pub fn kind(&self, series: &str) -> &str {
        self.families
            .get(family(series))
            .map_or("", |(kind, _)| kind)
    }

    /// Drops the series that the predicate refuses.
    pub fn retain(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.series.retain(|series, _| keep(series));
        self.families.retain(|name, _| keep(name));
        self
    }

    /// Rewrites the series' names and labels.
    pub fn map_series(mut self, rewrite: impl Fn(&str) -> String) -> Self {
        self.series = self
            .series
            .into_iter()
            .map(|(series, value)| (rewrite(&series), value))
            .collect();
        self
    }
}

/// The name of a series.
pub fn family(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}
