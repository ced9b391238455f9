//! The Prometheus text format for many groups: the labels of a group are written once and copied.

use crate::agent::exposition::escape;
use crate::agent::float;

/// Labels as they stand between the braces: `a="b",c="d"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(String);

impl Labels {
    /// Adds a label. An empty one is left out: to Prometheus that is the same, and shorter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        escape(&mut self.0, value);
        self.0.push('"');
        self
    }

    /// The labels as they stand between the braces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, but for restarts.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A scrape's text under construction.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    scratch: String,
}

impl Text {
    /// Room for as much as the last scrape took.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            text: String::with_capacity(capacity),
            scratch: String::new(),
        }
    }

    /// Starts a family; without samples it leaves no header.
    pub fn family<'a>(
        &'a mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
    ) -> Family<'a> {
        Family {
            out: self,
            name,
            kind,
            help,
            started: false,
        }
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.text
    }
}

/// A family under construction.
#[derive(Debug)]
pub struct Family<'a> {
    out: &'a mut Text,
    name: &'static str,
    kind: Kind,
    help: &'static str,
    started: bool,
}

impl Family<'_> {
    /// Writes a sample. `more` are labels that stand after the group's.
    pub fn sample(&mut self, labels: &Labels, more: &[(&str, &str)], value: f64) {
        let text = &mut self.out.text;
        if !std::mem::replace(&mut self.started, true) {
            let kind = match self.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            text.extend([
                "# HELP ",
                self.name,
                " ",
                self.help,
                "\n# TYPE ",
                self.name,
                " ",
                kind,
                "\n",
            ]);
        }
        text.push_str(self.name);
        let mut separator = '{';
        if !labels.0.is_empty() {
            text.push('{');
            text.push_str(&labels.0);
            separator = ',';
        }
        for (name, value) in more {
            text.push(separator);
            text.extend([name, "=\""]);
            escape(text, value);
            text.push('"');
            separator = ',';
        }
        text.push_str(if separator == '{' { " " } else { "} " });
        float::push(text, &mut self.out.scratch, value);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_header_once_and_none_without_samples() {
        let mut text = Text::default();
        let group = Labels::default()
            .with("id", "/a")
            .with("name", "")
            .with("pod", "x\"\\\n");
        let mut family = text.family("container_a_total", Kind::Counter, "A.");
        family.sample(&group, &[("cpu", "total")], 1.5);
        family.sample(&Labels::default(), &[("cpu", "to\"tal")], 2.0);
        family.sample(&Labels::default(), &[], 3.0);
        text.family("container_b", Kind::Gauge, "B.");
        let expected = "# HELP container_a_total A.\n# TYPE container_a_total counter\n\
            container_a_total{id=\"/a\",pod=\"x\\\"\\\\\\n\",cpu=\"total\"} 1.5\n\
            container_a_total{cpu=\"to\\\"tal\"} 2\ncontainer_a_total 3\n";
        assert_eq!(text.finish(), expected);
    }
}
