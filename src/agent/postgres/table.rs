//! What a collector is: a statement, and which families its columns become.
//!
//! A new family is a line in a table below `queries/`. A statement's first columns are labels and
//! of type text, the rest are values and of type float8; a value that is null has no sample.

use super::version::Version;
use crate::agent::exposition::Kind;

/// Where a statement is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Once for the whole server.
    Server,
    /// In each database.
    Database,
}

/// One statement and its families.
#[derive(Debug)]
pub struct Query {
    /// The name in `pg_scrape_collector_success{collector="…"}`.
    pub collector: &'static str,
    /// Where it is run.
    pub scope: Scope,
    /// The statement for a version; none: that version has nothing of it.
    pub sql: fn(Version) -> Option<&'static str>,
    /// Whether the series have the label `server`, as the older of `postgres_exporter`'s have.
    pub server_label: bool,
    /// The labels, which the first columns hold.
    pub labels: &'static [&'static str],
    /// The values, which the other columns hold.
    pub values: &'static [Value],
}

/// One column and its family.
#[derive(Debug)]
pub struct Value {
    /// The family's name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it tells.
    pub help: &'static str,
    /// How earlier releases called it, where dashboards still ask for that.
    pub alias: Option<&'static str>,
}

impl Value {
    /// The same under an earlier name as well.
    pub const fn also(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }
}

/// A gauge.
pub const fn gauge(name: &'static str, help: &'static str) -> Value {
    value(name, Kind::Gauge, help)
}

/// A counter.
pub const fn counter(name: &'static str, help: &'static str) -> Value {
    value(name, Kind::Counter, help)
}

/// Of no declared type, as it is in `postgres_exporter`.
pub const fn untyped(name: &'static str, help: &'static str) -> Value {
    value(name, Kind::Untyped, help)
}

const fn value(name: &'static str, kind: Kind, help: &'static str) -> Value {
    Value {
        name,
        kind,
        help,
        alias: None,
    }
}
