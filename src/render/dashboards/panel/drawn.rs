//! A panel as Grafana stores it.

use serde_json::{Map, Value, json};

use super::{Column, Kind, Panel, Series, Target, letter};
use crate::render::dashboards::{
    source::Source,
    style::{Color, Limit},
};

impl Panel {
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
