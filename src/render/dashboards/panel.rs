//! One panel: what it asks, what it answers, and how that is drawn.

mod drawn;

use super::{
    source::Source,
    style::{Color, Limit, Unit},
};

/// A panel of a dashboard. Its description says which question it answers.
#[derive(Clone, Debug)]
#[must_use]
pub struct Panel {
    kind: Kind,
    title: &'static str,
    description: String,
    width: u8,
    unit: Unit,
    limit: Option<Limit>,
    range: (Option<f64>, Option<f64>),
    targets: Vec<Target>,
    stacked: bool,
    columns: Vec<Column>,
    series: Vec<Series>,
    empty: Option<&'static str>,
}

/// How the answer is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    TimeSeries,
    Stat,
    Gauge,
    Table,
    Logs,
    Text(String),
}

/// One query.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who is asked.
    pub source: Source,
    /// PromQL or LogQL, with Grafana's variables.
    pub expr: String,
    legend: String,
}

/// A column of a table.
#[derive(Clone, Debug)]
struct Column {
    /// A label, or `Value #A` for the first query's value.
    field: String,
    title: &'static str,
    unit: Unit,
    limit: Option<Limit>,
    link: Option<&'static str>,
}

/// A series that has a colour of its own, by its legend.
#[derive(Clone, Debug)]
struct Series {
    legend: &'static str,
    color: Color,
    mirrored: bool,
}

impl Panel {
    fn new(kind: Kind, title: &'static str, description: impl Into<String>) -> Self {
        Self {
            kind,
            title,
            description: description.into(),
            width: 12,
            unit: Unit::Short,
            limit: None,
            range: (None, None),
            targets: Vec::new(),
            stacked: false,
            columns: Vec::new(),
            series: Vec::new(),
            empty: None,
        }
    }

    /// Lines over time.
    pub fn time_series(title: &'static str, description: impl Into<String>) -> Self {
        Self::new(Kind::TimeSeries, title, description)
    }

    /// One number now.
    pub fn stat(title: &'static str, description: impl Into<String>) -> Self {
        Self::new(Kind::Stat, title, description).width(3)
    }

    /// One number now, between bounds.
    pub fn gauge(title: &'static str, description: impl Into<String>) -> Self {
        Self::new(Kind::Gauge, title, description)
            .width(3)
            .unit(Unit::Percent)
            .between(0.0, 100.0)
    }

    /// Rows of labels and numbers now.
    pub fn table(title: &'static str, description: impl Into<String>) -> Self {
        Self::new(Kind::Table, title, description)
    }

    /// Log lines.
    pub fn logs(title: &'static str, description: impl Into<String>) -> Self {
        Self::new(Kind::Logs, title, description).width(24)
    }

    /// Words, in Markdown.
    pub fn text(title: &'static str, markdown: impl Into<String>) -> Self {
        let markdown = markdown.into();
        Self::new(Kind::Text(markdown.clone()), title, markdown).width(24)
    }

    /// Columns of 24.
    pub const fn width(mut self, width: u8) -> Self {
        self.width = width;
        self
    }

    /// The unit of all values.
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// The least and the greatest value of the axis.
    pub const fn between(mut self, least: f64, greatest: f64) -> Self {
        self.range = (Some(least), Some(greatest));
        self
    }

    /// Zero is the least value of the axis.
    pub const fn from_zero(mut self) -> Self {
        self.range.0 = Some(0.0);
        self
    }

    /// From where on a value is bad.
    pub const fn limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The series are parts of a whole.
    pub const fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    /// Asks Prometheus; the legend may hold labels: `{{node}}`.
    pub fn metric(self, expr: impl Into<String>, legend: impl Into<String>) -> Self {
        self.target(Source::Prometheus, expr.into(), legend.into())
    }

    /// Asks Loki.
    pub fn log(self, expr: impl Into<String>, legend: impl Into<String>) -> Self {
        self.target(Source::Loki, expr.into(), legend.into())
    }

    fn target(mut self, source: Source, expr: String, legend: String) -> Self {
        self.targets.push(Target {
            source,
            expr,
            legend,
        });
        self
    }

    /// A column with a label.
    pub fn label(self, name: &'static str, title: &'static str) -> Self {
        self.column(name.into(), title, Unit::Short, None)
    }

    /// A column with a label that leads to another dashboard.
    pub fn label_to(self, name: &'static str, title: &'static str, link: &'static str) -> Self {
        let mut panel = self.label(name, title);
        if let Some(column) = panel.columns.last_mut() {
            column.link = Some(link);
        }
        panel
    }

    /// A column with the value of the query asked last.
    pub fn value(self, title: &'static str, unit: Unit, limit: Option<Limit>) -> Self {
        let last = self.targets.len().saturating_sub(1);
        let field = format!("Value #{}", letter(last));
        self.column(field, title, unit, limit)
    }

    fn column(
        mut self,
        field: String,
        title: &'static str,
        unit: Unit,
        limit: Option<Limit>,
    ) -> Self {
        self.columns.push(Column {
            field,
            title,
            unit,
            limit,
            link: None,
        });
        self
    }

    /// Gives a series a colour of its own.
    pub fn color(mut self, legend: &'static str, color: Color) -> Self {
        self.series.push(Series {
            legend,
            color,
            mirrored: false,
        });
        self
    }

    /// Draws the series whose legends start so below zero: what goes out beside what comes in.
    pub fn mirrored(mut self, legend: &'static str) -> Self {
        self.series.push(Series {
            legend,
            color: Color::Blue,
            mirrored: true,
        });
        self
    }

    /// No data is good news, or usual, and these words say so.
    pub const fn empty_is(mut self, words: &'static str) -> Self {
        self.empty = Some(words);
        self
    }

    /// Its title.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Which question it answers.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What it asks.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Whether an answer without data is no fault.
    #[must_use]
    pub fn may_be_empty(&self) -> bool {
        self.empty.is_some()
    }

    /// Its columns of 24.
    #[must_use]
    pub const fn columns_wide(&self) -> u8 {
        self.width
    }
}

/// The name of a query: A, B, C.
fn letter(index: usize) -> char {
    let index = u8::try_from(index % 26).unwrap_or_default();
    char::from(b'A' + index)
}
