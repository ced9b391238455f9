//! The configuration files of the components: serde types and their text.

// The fields are called as in the files.
#![allow(clippy::struct_field_names)]

pub mod agent;
pub mod alertmanager;
pub mod annotated;
mod foreign;
pub mod grafana;
mod http;
pub mod loki;
pub mod prometheus;
pub mod scrape;

pub use crate::resolve::yaml::to_yaml;
