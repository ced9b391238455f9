//! One panel: what it asks, what it answers, and how that is drawn.

use serde_json::{Map, Value, json};

use super::{
    source::Source,
    style::{Color, Limit, Unit},
};

/// A panel of a dashboard. Its description says which question it answers.
#[derive(Clone, Debug)]
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

    /// The panel as Grafana stores it.
    pub fn json(&self, id: usize, grid: &Value) -> Value {
        let mut panel = json!({
            "id": id,
            "type": self.type_(),
            "title": self.title,
            "gridPos": grid,
            "options": self.options(),
        });
        if let Kind::Text(_) = self.kind {
            return panel;
        }
        let source = self.targets.first().map(|target| target.source.reference());
        panel["description"] = self.description.clone().into();
        panel["datasource"] = source.unwrap_or_default();
        panel["fieldConfig"] = json!({
            "defaults": self.field_defaults(),
            "overrides": self.overrides(),
        });
        panel["targets"] = self
            .targets
            .iter()
            .enumerate()
            .map(|(index, target)| self.target_json(index, target))
            .collect();
        if self.kind == Kind::Table {
            panel["transformations"] = self.transformations();
        }
        panel
    }

    const fn type_(&self) -> &'static str {
        match self.kind {
            Kind::TimeSeries => "timeseries",
            Kind::Stat => "stat",
            Kind::Gauge => "gauge",
            Kind::Table => "table",
            Kind::Logs => "logs",
            Kind::Text(_) => "text",
        }
    }

    fn options(&self) -> Value {
        let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        match &self.kind {
            Kind::TimeSeries => json!({
                "legend": {
                    "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [],
                },
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Stat => json!({
                "colorMode": if self.limit.is_some() { "background" } else { "none" },
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": last,
                "textMode": "auto",
            }),
            Kind::Gauge => json!({
                "orientation": "auto",
                "reduceOptions": last,
                "showThresholdLabels": false,
                "showThresholdMarkers": true,
            }),
            Kind::Table => json!({"showHeader": true, "cellHeight": "sm"}),
            Kind::Logs => json!({
                "dedupStrategy": "none",
                "enableLogDetails": true,
                "prettifyLogMessage": false,
                "showCommonLabels": false,
                "showLabels": false,
                "showTime": true,
                "sortOrder": "Descending",
                "wrapLogMessage": true,
            }),
            Kind::Text(markdown) => json!({"mode": "markdown", "content": markdown}),
        }
    }

    fn field_defaults(&self) -> Value {
        let mut defaults = Map::new();
        defaults.insert("unit".into(), self.unit.id().into());
        let (least, greatest) = self.range;
        if let Some(least) = least {
            defaults.insert("min".into(), least.into());
        }
        if let Some(greatest) = greatest {
            defaults.insert("max".into(), greatest.into());
        }
        if let Some(words) = self.empty {
            defaults.insert("noValue".into(), words.into());
        }
        let by_limit = self.limit.is_some() && self.kind != Kind::TimeSeries;
        let color = match self.kind {
            Kind::TimeSeries => json!({"mode": "palette-classic"}),
            _ if by_limit => json!({"mode": "thresholds"}),
            _ => json!({"mode": "fixed", "fixedColor": Color::Text.name()}),
        };
        defaults.insert("color".into(), color);
        let limit = self.limit.map_or_else(Limit::none, Limit::thresholds);
        defaults.insert("thresholds".into(), limit);
        if self.kind == Kind::TimeSeries {
            defaults.insert("custom".into(), self.lines());
        }
        defaults.into()
    }

    /// How lines are drawn: filled where they are parts of a whole, with a dashed line where it
    /// begins to be bad.
    fn lines(&self) -> Value {
        json!({
            "drawStyle": "line",
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "fillOpacity": if self.stacked { 30 } else { 0 },
            "showPoints": "never",
            "spanNulls": false,
            "stacking": {"group": "A", "mode": if self.stacked { "normal" } else { "none" }},
            "thresholdsStyle": {"mode": if self.limit.is_some() { "dashed" } else { "off" }},
        })
    }

    fn overrides(&self) -> Value {
        let series = self.series.iter().map(Series::json);
        series
            .chain(self.columns.iter().map(Column::json))
            .collect()
    }

    fn target_json(&self, index: usize, target: &Target) -> Value {
        let mut json = json!({
            "refId": letter(index),
            "datasource": target.source.reference(),
            "editorMode": "code",
            "expr": target.expr,
            "legendFormat": target.legend,
        });
        let now = matches!(self.kind, Kind::Stat | Kind::Gauge | Kind::Table);
        match target.source {
            Source::Prometheus => {
                json["instant"] = now.into();
                json["range"] = (!now).into();
                let format = if self.kind == Kind::Table {
                    "table"
                } else {
                    "time_series"
                };
                json["format"] = format.into();
            }
            Source::Loki => {
                json["queryType"] = if now { "instant" } else { "range" }.into();
            }
        }
        json
    }

    /// One row for each set of labels; only the columns that were named, in their order.
    fn transformations(&self) -> Value {
        let names: Vec<&str> = self.columns.iter().map(|it| it.field.as_str()).collect();
        let order: Map<String, Value> = names
            .iter()
            .enumerate()
            .map(|(index, name)| ((*name).to_owned(), index.into()))
            .collect();
        let titles: Map<String, Value> = self
            .columns
            .iter()
            .map(|column| (column.field.clone(), column.title.into()))
            .collect();
        // With a single query Grafana calls its value only `Value`.
        let rename_single = json!({
            "id": "renameByRegex", "options": {"regex": "^Value$", "renamePattern": "Value #A"},
        });
        json!([
            {"id": "merge", "options": {}},
            rename_single,
            {"id": "filterFieldsByName", "options": {"include": {"names": names}}},
            {"id": "organize", "options": {
                "excludeByName": {}, "indexByName": order, "renameByName": titles,
            }},
        ])
    }
}

impl Column {
    fn json(&self) -> Value {
        let mut properties = vec![json!({"id": "unit", "value": self.unit.id()})];
        if let Some(limit) = self.limit {
            properties.extend([
                json!({"id": "thresholds", "value": limit.thresholds()}),
                json!({"id": "color", "value": {"mode": "thresholds"}}),
                json!({"id": "custom.cellOptions", "value": {"type": "color-text"}}),
            ]);
        }
        if let Some(url) = self.link {
            let link = json!({"title": "Show", "url": url, "targetBlank": false});
            properties.push(json!({"id": "links", "value": [link]}));
        }
        json!({
            "matcher": {"id": "byName", "options": self.title},
            "properties": properties,
        })
    }
}

impl Series {
    fn json(&self) -> Value {
        if self.mirrored {
            return json!({
                "matcher": {"id": "byRegexp", "options": format!("/^{}/", self.legend)},
                "properties": [{"id": "custom.transform", "value": "negative-Y"}],
            });
        }
        let color = json!({"mode": "fixed", "fixedColor": self.color.name()});
        json!({
            "matcher": {"id": "byName", "options": self.legend},
            "properties": [{"id": "color", "value": color}],
        })
    }
}

/// The name of a query: A, B, C.
fn letter(index: usize) -> char {
    let index = u8::try_from(index % 26).unwrap_or_default();
    char::from(b'A' + index)
}
