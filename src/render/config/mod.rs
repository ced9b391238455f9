//! The configuration files of the components: serde types and their text.

// The fields are called as in the files.
#![allow(clippy::struct_field_names)]

pub mod alertmanager;
pub mod grafana;
pub mod loki;
pub mod prometheus;
pub mod rule_group;
pub mod scrape;

use serde::Serialize;

/// The YAML text of a configuration file. Every string is quoted, and none is folded over lines:
/// what a string means then depends on no parser's rules for plain words, which differ between
/// YAML 1.1, YAML 1.2 and Go's parsers.
#[must_use]
pub fn to_yaml(config: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! {
        quote_all: true,
    };
    // Structs, lists, maps, strings and numbers: nothing in them can fail to serialise.
    serde_saphyr::to_string_with_options(config, options).unwrap_or_default()
}
