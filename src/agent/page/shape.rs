//! What a table of the page is, apart from what is in it: its names and its columns.

use serde::Serialize;

/// What a column's numbers are.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// CPU cores.
    Cores,
    /// Bytes.
    Bytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// How many in a second.
    PerSecond,
    /// A share of one.
    Ratio,
    /// Seconds.
    Seconds,
    /// A number.
    Count,
}

/// A column of figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its heading; one without is not shown for itself.
    pub title: &'static str,
    /// What its numbers are.
    pub unit: Unit,
    /// Whether it is recorded as a count that grows and shown as its rate.
    #[serde(skip)]
    pub counter: bool,
    /// Whether the last minutes are drawn.
    pub chart: bool,
    /// The column with the most that this one may reach.
    pub of: Option<&'static str>,
}

impl Column {
    /// A figure that is shown as it is.
    pub const fn gauge(name: &'static str, title: &'static str, unit: Unit) -> Self {
        Self {
            name,
            title,
            unit,
            counter: false,
            chart: true,
            of: None,
        }
    }

    /// A count that is shown as its rate.
    pub const fn rate(name: &'static str, title: &'static str, unit: Unit) -> Self {
        Self {
            counter: true,
            ..Self::gauge(name, title, unit)
        }
    }

    /// A figure that others are measured by, and that is not shown for itself.
    pub const fn most(name: &'static str, unit: Unit) -> Self {
        Self::gauge(name, "", unit).plain()
    }

    /// The same without a drawing.
    #[must_use]
    pub const fn plain(self) -> Self {
        Self {
            chart: false,
            ..self
        }
    }

    /// The same, measured by another column.
    #[must_use]
    pub const fn of(self, most: &'static str) -> Self {
        Self {
            of: Some(most),
            ..self
        }
    }
}

/// What a table is, apart from what is in it.
#[derive(Debug, Serialize)]
pub struct Shape {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The labels that name a row: the first that a row has.
    pub heads: &'static [&'static str],
    /// The labels that tell more of it.
    pub details: &'static [&'static str],
    /// Its columns.
    pub columns: &'static [Column],
}
