//! From a statement's rows to samples.

use std::borrow::Cow;

use tokio_postgres::Row;

use super::session::{number, text};
use super::table::Query;
use crate::agent::exposition::{Exposition, Family, escape};

/// The labels of each row as text, made once and written for each of its families.
#[derive(Debug, Default)]
pub struct Labels {
    text: String,
    ends: Vec<usize>,
}

impl Labels {
    /// Reads the first columns of each row as the labels of these names. `fixed` comes before them:
    /// `instance="a"`, or nothing.
    pub fn read(&mut self, rows: &[Row], fixed: &str, names: &[impl AsRef<str>]) {
        self.text.clear();
        self.ends.clear();
        for row in rows {
            let columns = names.iter().enumerate();
            self.row(
                fixed,
                columns.map(|(column, name)| (name.as_ref(), text(row, column))),
            );
        }
    }

    /// Adds the labels of a row.
    pub fn row<'a>(&mut self, fixed: &str, labels: impl Iterator<Item = (&'a str, Cow<'a, str>)>) {
        let begin = self.text.len();
        push_fixed(&mut self.text, fixed);
        for (name, content) in labels {
            self.text
                .push(if self.text.len() == begin { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(&mut self.text, &content);
            self.text.push('"');
        }
        if self.text.len() > begin {
            self.text.push('}');
        }
        self.ends.push(self.text.len());
    }

    /// The labels, row by row.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = begins.zip(&self.ends);
        spans.map(|(begin, end)| self.text.get(begin..*end).unwrap_or_default())
    }

    /// Writes one column of each row as one family.
    pub fn write(&self, mut family: Family<'_>, rows: &[Row], column: usize) {
        for (row, labels) in rows.iter().zip(self.iter()) {
            if let Some(value) = number(row, column) {
                family.labelled(labels, value);
            }
        }
    }
}

fn push_fixed(text: &mut String, fixed: &str) {
    if !fixed.is_empty() {
        text.push('{');
        text.push_str(fixed);
    }
}

/// Writes the families of a statement.
pub fn write(out: &mut Exposition, labels: &mut Labels, query: &Query, rows: &[Row], fixed: &str) {
    labels.read(rows, fixed, query.labels);
    for (index, value) in query.values.iter().enumerate() {
        for name in std::iter::once(value.name).chain(value.alias) {
            let family = out.family(name, value.help, value.kind);
            labels.write(family, rows, query.labels.len() + index);
        }
    }
}
