//! The statements and their families, by subject. Names, types and labels are
//! `postgres_exporter`'s; where its releases differ, both spellings are there.

mod activity;
mod databases;
mod replication;
mod tables;
mod writer;

use super::table::Query;

/// Every statement, in the order they are run: a collector with several has them in a row.
pub fn all() -> impl Iterator<Item = &'static Query> {
    [
        databases::QUERIES,
        activity::QUERIES,
        replication::QUERIES,
        writer::QUERIES,
        tables::QUERIES,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::version::Version;
    use super::*;

    #[test]
    fn no_two_families_share_a_name_and_labels_are_sorted() {
        let mut names = BTreeSet::new();
        for query in all() {
            assert!(query.labels.is_sorted(), "{query:?}");
            for value in query.values {
                assert!(names.insert(value.name), "{}", value.name);
                assert!(value.alias.is_none_or(|alias| names.insert(alias)));
                assert!(!value.help.is_empty());
            }
        }
        assert!(names.len() > 90, "{}", names.len());
    }

    #[test]
    fn the_statements_of_a_collector_come_in_a_row() {
        let collectors: Vec<&str> = all().map(|query| query.collector).collect();
        let mut deduplicated = collectors.clone();
        deduplicated.dedup();
        let distinct: BTreeSet<&str> = collectors.into_iter().collect();
        assert_eq!(deduplicated.len(), distinct.len(), "{deduplicated:?}");
    }

    #[test]
    fn each_supported_version_has_its_statements() {
        let count = |version| {
            all()
                .filter(|query| (query.sql)(Version(version)).is_some())
                .count()
        };
        assert_eq!(count(170_000), count(180_000));
        assert!(count(130_000) < count(180_000));
    }
}
