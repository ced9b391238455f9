//! The Prometheus text format 0.0.4, written straight into one buffer per collector.
//!
//! ```text
//! collector ─► Family::sample ─► Exposition (text + where each family lies)
//!                                     │  merge: families of all collectors, sorted by name
//!                                     ▼
//!                                one response body
//! ```

use std::ops::Range;

use super::float;

/// The value of the `Content-Type` header for this format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type of a family, as its `# TYPE` line tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, but for restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Of no declared type; `node_exporter` does so for `node_vmstat_*`.
    Untyped,
    /// Counts by upper bound; only in what others wrote.
    Histogram,
    /// Quantiles; only in what others wrote.
    Summary,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Counter,
        Self::Gauge,
        Self::Untyped,
        Self::Histogram,
        Self::Summary,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Untyped => "untyped",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }

    /// The type of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Metric families as text, in the order they were written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    families: Vec<Span>,
    scratch: String,
}

/// Where one family lies in the text.
#[derive(Clone, Debug)]
struct Span {
    name: Range<usize>,
    whole: Range<usize>,
    /// Where the samples begin.
    samples: usize,
}

impl Exposition {
    /// Forgets the families and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.families.clear();
    }

    /// Adds the families of another.
    pub fn extend(&mut self, other: &Self) {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        let moved = |range: &Range<usize>| range.start + offset..range.end + offset;
        self.families.extend(other.families.iter().map(|span| Span {
            name: moved(&span.name),
            whole: moved(&span.whole),
            samples: span.samples + offset,
        }));
    }

    /// The samples of a family: what stands between the braces, and the value.
    pub fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let spans = self.families.iter();
        let spans = spans.filter(move |it| self.text.get(it.name.clone()) == Some(name));
        let texts = spans.filter_map(|it| self.text.get(it.samples..it.whole.end));
        texts.flat_map(str::lines).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.split_once('{').map_or("", |(_, labels)| labels);
            Some((
                labels.strip_suffix('}').unwrap_or(labels),
                value.parse().ok()?,
            ))
        })
    }

    /// Starts a family of counters.
    pub fn counter<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        self.family(name, help, Kind::Counter)
    }

    /// Starts a family of gauges.
    pub fn gauge<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        self.family(name, help, Kind::Gauge)
    }

    /// Starts a family. Nothing is written before its first sample, so that an empty family
    /// leaves no header, as in `node_exporter`'s registry.
    pub fn family<'a>(&'a mut self, name: &'a str, help: &'a str, kind: Kind) -> Family<'a> {
        Family {
            out: self,
            name,
            help,
            kind,
            started: false,
        }
    }
}

/// The families of several expositions, sorted by name as `node_exporter`'s registry does.
///
/// A family that two expositions hold is taken from the first: a scrape with the same family
/// twice would be refused as a whole.
pub fn merge<'a>(parts: impl IntoIterator<Item = &'a Exposition>) -> String {
    let mut families = Vec::new();
    let mut total = 0;
    for part in parts {
        total += part.text.len();
        families.extend(part.families.iter().filter_map(|span| {
            Some((
                part.text.get(span.name.clone())?,
                part.text.get(span.whole.clone())?,
            ))
        }));
    }
    families.sort_by_key(|(name, _)| *name);
    families.dedup_by_key(|(name, _)| *name);
    let mut merged = String::with_capacity(total);
    for (_, text) in families {
        merged.push_str(text);
    }
    merged
}

/// The families of several expositions, sorted by name; a family that several hold has the samples
/// of all: each exposition's labels must differ from the others'.
pub fn union<'a>(parts: impl IntoIterator<Item = &'a Exposition>) -> String {
    let mut families = Vec::new();
    let mut total = 0;
    for part in parts {
        total += part.text.len();
        families.extend(part.families.iter().filter_map(|span| {
            Some((
                part.text.get(span.name.clone())?,
                part.text.get(span.whole.start..span.samples)?,
                part.text.get(span.samples..span.whole.end)?,
            ))
        }));
    }
    families.sort_by_key(|(name, ..)| *name);
    let mut whole = String::with_capacity(total);
    let mut last = "";
    for (name, header, samples) in families {
        if std::mem::replace(&mut last, name) != name {
            whole.push_str(header);
        }
        whole.push_str(samples);
    }
    whole
}

/// One family under construction.
#[derive(Debug)]
pub struct Family<'a> {
    out: &'a mut Exposition,
    name: &'a str,
    help: &'a str,
    kind: Kind,
    started: bool,
}

impl Family<'_> {
    /// Writes one sample. Labels appear in the order given: keep it alphabetical.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.start();
        let text = &mut self.out.text;
        text.push_str(self.name);
        for (index, (label, content)) in labels.iter().enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            text.push_str(label);
            text.push_str("=\"");
            escape(text, content);
            text.push('"');
        }
        text.push_str(if labels.is_empty() { " " } else { "} " });
        float::push(text, &mut self.out.scratch, value);
        self.end_line();
    }

    /// Writes one sample whose labels are text already, with their braces, or nothing.
    pub fn labelled(&mut self, labels: &str, value: f64) {
        self.start();
        let text = &mut self.out.text;
        text.push_str(self.name);
        text.push_str(labels);
        text.push(' ');
        float::push(text, &mut self.out.scratch, value);
        self.end_line();
    }

    /// Writes one sample that is text already: name, labels and value.
    pub fn line(&mut self, line: &str) {
        self.start();
        self.out.text.push_str(line);
        self.end_line();
    }

    fn end_line(&mut self) {
        self.out.text.push('\n');
        let end = self.out.text.len();
        if let Some(span) = self.out.families.last_mut() {
            span.whole.end = end;
        }
    }

    fn start(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let text = &mut self.out.text;
        let begin = text.len();
        text.push_str("# HELP ");
        let name = text.len()..text.len() + self.name.len();
        text.push_str(self.name);
        text.push(' ');
        for character in self.help.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push_str("\n# TYPE ");
        text.push_str(self.name);
        text.push(' ');
        text.push_str(self.kind.word());
        text.push('\n');
        self.out.families.push(Span {
            name,
            whole: begin..text.len(),
            samples: text.len(),
        });
    }
}

/// Writes a label's content with backslash, quote and line feed escaped.
pub fn escape(text: &mut String, content: &str) {
    if !content.contains(['\\', '"', '\n']) {
        text.push_str(content);
        return;
    }
    for character in content.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_without_samples_leaves_no_trace() {
        let mut out = Exposition::default();
        out.gauge("node_nothing", "Nothing.");
        assert_eq!(merge([&out]), "");
    }

    #[test]
    fn help_and_type_come_once_and_labels_are_escaped() {
        let mut out = Exposition::default();
        let mut family = out.gauge("node_x", "A \\ and\na line.");
        family.sample(&[("device", "a\"b\\c\nd"), ("mode", "rw")], 1.0);
        family.sample(&[("device", "e"), ("mode", "")], 2.5);
        let expected = concat!(
            "# HELP node_x A \\\\ and\\na line.\n",
            "# TYPE node_x gauge\n",
            "node_x{device=\"a\\\"b\\\\c\\nd\",mode=\"rw\"} 1\n",
            "node_x{device=\"e\",mode=\"\"} 2.5\n",
        );
        assert_eq!(merge([&out]), expected);
    }

    #[test]
    fn a_union_has_one_header_and_the_samples_of_all() {
        let (mut first, mut second) = (Exposition::default(), Exposition::default());
        first.gauge("pg_b", "B.").labelled("{a=\"1\"}", 1.0);
        second.gauge("pg_a", "A.").labelled("", 2.0);
        second.gauge("pg_b", "B.").labelled("{a=\"2\"}", 3.0);
        second.gauge("pg_b", "B.").labelled("{a=\"3\"}", 4.0);
        let expected = concat!(
            "# HELP pg_a A.\n# TYPE pg_a gauge\npg_a 2\n",
            "# HELP pg_b B.\n# TYPE pg_b gauge\n",
            "pg_b{a=\"1\"} 1\npg_b{a=\"2\"} 3\npg_b{a=\"3\"} 4\n",
        );
        assert_eq!(union([&first, &second]), expected);
    }

    #[test]
    fn families_of_all_parts_are_sorted_by_name_and_the_first_of_a_name_wins() {
        let (mut first, mut second) = (Exposition::default(), Exposition::default());
        first.counter("node_c", "C.").sample(&[], 1.0);
        first.counter("node_a", "A.").sample(&[], 1.0);
        second
            .family("node_b", "B.", Kind::Untyped)
            .sample(&[], 1.0);
        second.counter("node_a", "Again.").sample(&[], 2.0);
        let text = merge([&first, &second]);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples, ["node_a 1", "node_b 1", "node_c 1"]);
        assert!(text.contains("# TYPE node_b untyped\n"));
    }
}
