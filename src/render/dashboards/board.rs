//! A dashboard: rows of panels, the variables they share, and the JSON that Grafana reads.

use serde_json::{Value, json};

use super::{panel::Panel, source::Source};

/// Dashboards lead to each other by this tag.
pub const TAG: &str = "masthead";
/// The columns of Grafana's grid.
const COLUMNS: u8 = 24;

/// A dashboard that comes with the stack.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// Its uid is `masthead-<name>`; so is its file's name.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it answers.
    pub description: &'static str,
    /// What its panels can be narrowed to.
    pub variables: Vec<Variable>,
    /// Its panels, from the first that a person sees.
    pub rows: Vec<Row>,
}

/// Panels under a heading.
#[derive(Clone, Debug)]
pub struct Row {
    title: &'static str,
    height: u8,
    /// The panels.
    pub panels: Vec<Panel>,
}

impl Row {
    /// Panels of the usual height.
    pub const fn new(title: &'static str, panels: Vec<Panel>) -> Self {
        Self {
            title,
            height: 8,
            panels,
        }
    }

    /// Numbers: a low row.
    pub fn low(title: &'static str, panels: Vec<Panel>) -> Self {
        Self {
            height: 4,
            ..Self::new(title, panels)
        }
    }

    /// Lines of text: a high row.
    pub fn high(title: &'static str, panels: Vec<Panel>) -> Self {
        Self {
            height: 18,
            ..Self::new(title, panels)
        }
    }
}

/// Something the panels can be narrowed to.
#[derive(Clone, Debug)]
pub struct Variable {
    name: &'static str,
    label: &'static str,
    kind: VariableKind,
}

#[derive(Clone, Debug)]
enum VariableKind {
    /// The values of a label of a metric.
    OfMetric(String),
    /// The values of a label of log streams.
    OfLogs(&'static str),
    /// What a person types.
    Text,
}

impl Variable {
    /// The values that a label of the selected series has.
    pub fn of_metric(name: &'static str, label: &'static str, selector: &str) -> Self {
        let kind = VariableKind::OfMetric(format!("label_values({selector}, {name})"));
        Self { name, label, kind }
    }

    /// The values that a label of log streams has.
    pub const fn of_logs(name: &'static str, label: &'static str) -> Self {
        let kind = VariableKind::OfLogs(name);
        Self { name, label, kind }
    }

    /// A text to look for.
    pub const fn text(name: &'static str, label: &'static str) -> Self {
        let kind = VariableKind::Text;
        Self { name, label, kind }
    }

    /// The name in queries, after a dollar sign.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn json(&self) -> Value {
        let (source, query) = match &self.kind {
            VariableKind::OfMetric(query) => (
                Source::Prometheus,
                json!({"query": query, "refId": self.name}),
            ),
            VariableKind::OfLogs(label) => (
                Source::Loki,
                // 1 asks for the values of a label.
                json!({"label": label, "refId": self.name, "stream": "", "type": 1}),
            ),
            VariableKind::Text => {
                return json!({
                    "type": "textbox", "name": self.name, "label": self.label, "query": "",
                    "current": {"text": "", "value": ""}, "options": [],
                });
            }
        };
        json!({
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": source.reference(),
            "query": query,
            // Whenever the time range changes: pods come and go.
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".+",
            "current": {"text": ["All"], "value": ["$__all"]},
            "options": [],
        })
    }
}

impl Dashboard {
    /// Grafana's uid, the same for ever: links and people's bookmarks hold it.
    #[must_use]
    pub fn uid(&self) -> String {
        format!("{TAG}-{}", self.name)
    }

    /// All panels.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// As Grafana stores it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "uid": self.uid(),
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            // What Grafana 11.0 writes; newer ones migrate it when they read it.
            "schemaVersion": 39,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [{
                "type": "dashboards", "title": "Masthead", "tags": [TAG], "asDropdown": true,
                "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link",
                "tooltip": "", "url": "",
            }],
            "templating": {"list": self.variables.iter().map(Variable::json).collect::<Value>()},
            "panels": self.panels_json(),
        })
    }

    /// The panels one after the other, each row's from left to right and then below.
    fn panels_json(&self) -> Value {
        let mut placed = Vec::new();
        let mut y = 0_u32;
        for row in &self.rows {
            let id = placed.len() + 1;
            placed.push(json!({
                "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            }));
            y += 1;
            let mut x = 0;
            for panel in &row.panels {
                let width = panel.columns_wide();
                if x + width > COLUMNS {
                    x = 0;
                    y += u32::from(row.height);
                }
                let grid = json!({"h": row.height, "w": width, "x": x, "y": y});
                placed.push(panel.json(placed.len() + 1, &grid));
                x += width;
            }
            y += u32::from(row.height);
        }
        placed.into()
    }
}
