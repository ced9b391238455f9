//! Reads the text format in which others hand over metrics, strictly: one bad line spoils its file,
//! since half of a batch job's figures would mislead.

use std::collections::HashMap;

use crate::agent::exposition::{Kind, escape};
use crate::agent::float;

/// A family as a file tells it.
#[derive(Debug, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Its help, if the file has one.
    pub help: Option<String>,
    /// Its type.
    pub kind: Kind,
    /// Each sample's series and the whole line, written as we write them.
    pub samples: Vec<(String, String)>,
}

/// The families in the order of the file, or what is wrong in which line.
pub fn parse(text: &str) -> Result<Vec<Family>, String> {
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        parser
            .line(line.trim_end_matches('\r'))
            .map_err(|problem| format!("line {}: {problem}", index + 1))?;
    }
    parser.families.retain(|family| !family.samples.is_empty());
    Ok(parser.families)
}

#[derive(Default)]
struct Parser {
    families: Vec<Family>,
    by_name: HashMap<String, usize>,
    typed: HashMap<String, Kind>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() {
            return Ok(());
        }
        match line.strip_prefix('#') {
            Some(comment) => self.comment(comment),
            None => self.sample(line),
        }
    }

    fn comment(&mut self, comment: &str) -> Result<(), &'static str> {
        let (word, rest) = split_word(comment.trim_start());
        if !matches!(word, "HELP" | "TYPE") {
            return Ok(());
        }
        let (name, rest) = split_word(rest);
        if !valid_name(name) {
            return Err("no metric name after HELP or TYPE");
        }
        if word == "HELP" {
            let family = self.family(name, Kind::Untyped);
            if family.help.replace(unescape(rest, false)?).is_some() {
                return Err("a second HELP for the same metric");
            }
            return Ok(());
        }
        let kind = Kind::from_word(rest.trim()).ok_or("an unknown type")?;
        if self.typed.insert(name.to_owned(), kind).is_some() {
            return Err("a second TYPE for the same metric");
        }
        let family = self.family(name, kind);
        if !family.samples.is_empty() {
            return Err("TYPE after the metric's first sample");
        }
        family.kind = kind;
        Ok(())
    }

    fn family(&mut self, name: &str, kind: Kind) -> &mut Family {
        let next = self.families.len();
        let index = *self.by_name.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.families.push(Family {
                name: name.to_owned(),
                help: None,
                kind,
                samples: Vec::new(),
            });
        }
        &mut self.families[index]
    }

    fn sample(&mut self, line: &str) -> Result<(), &'static str> {
        let end = line.find([' ', '\t', '{']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if !valid_name(name) {
            return Err("not a metric name");
        }
        let rest = rest.trim_start();
        let (mut labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => parse_labels_until_brace(rest)?,
            None => (Vec::new(), rest),
        };
        let mut words = rest.split_ascii_whitespace();
        let value = parse_value(words.next().ok_or("no value")?)?;
        match (words.next(), words.next()) {
            (None, _) => {}
            (Some(_), None) => return Err("a timestamp, which is not supported"),
            (Some(_), Some(_)) => return Err("words after the value"),
        }
        // The bound stands last, as client libraries write it.
        labels.sort_by(|(a, _), (b, _)| {
            let bound = |name: &String| matches!(name.as_str(), "le" | "quantile");
            (bound(a), a).cmp(&(bound(b), b))
        });
        if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err("a label twice");
        }
        let series = write_series(name, &labels);
        let mut line = series.clone();
        line.push(' ');
        float::push(&mut line, &mut String::new(), value);
        let family_name = self.family_of(name);
        let family = self.family(&family_name, Kind::Untyped);
        family.samples.push((series, line));
        Ok(())
    }

    /// Samples of histograms and summaries carry suffixes.
    fn family_of(&self, name: &str) -> String {
        let base = |suffix| {
            let base = name.strip_suffix(suffix)?;
            Some((base, *self.typed.get(base)?))
        };
        let found = match (base("_bucket"), base("_sum").or_else(|| base("_count"))) {
            (Some((base, Kind::Histogram)), _)
            | (_, Some((base, Kind::Histogram | Kind::Summary))) => base,
            _ => name,
        };
        found.to_owned()
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    text.split_once([' ', '\t']).unwrap_or((text, ""))
}

fn valid_name(name: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    name.bytes().next().is_some_and(first)
        && name
            .bytes()
            .all(|byte| first(byte) || byte.is_ascii_digit())
}

fn parse_value(word: &str) -> Result<f64, &'static str> {
    word.parse().map_err(|_| "the value is not a number")
}

/// Names and contents.
pub type Labels = Vec<(String, String)>;

/// The labels as they stand between braces.
///
/// # Errors
/// What is wrong with them.
pub fn parse_labels(text: &str) -> Result<Labels, &'static str> {
    parse_labels_until_brace(&format!("{text}}}")).map(|(labels, _)| labels)
}

/// The labels after the opening brace, and what follows the closing one.
fn parse_labels_until_brace(mut rest: &str) -> Result<(Labels, &str), &'static str> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, after) = rest.split_once('=').ok_or("a label without a value")?;
        let name = name.trim_end();
        if !valid_name(name) || name.contains(':') {
            return Err("not a label name");
        }
        let quoted = after.trim_start().strip_prefix('"');
        let quoted = quoted.ok_or("a label's value without quotes")?;
        let end = closing_quote(quoted).ok_or("a label's value without a closing quote")?;
        let (content, after) = quoted.split_at(end);
        labels.push((name.to_owned(), unescape(content, true)?));
        rest = after.strip_prefix('"').unwrap_or(after).trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.starts_with('}') => {}
            None => return Err("neither a comma nor a brace after a label"),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str, quotes: bool) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                _ => return Err("an unknown escape"),
            },
            other => other,
        });
    }
    Ok(plain)
}

fn write_series(name: &str, labels: &Labels) -> String {
    let mut series = name.to_owned();
    for (index, (label, content)) in labels.iter().enumerate() {
        series.push(if index == 0 { '{' } else { ',' });
        series.push_str(label);
        series.push_str("=\"");
        escape(&mut series, content);
        series.push('"');
    }
    if !labels.is_empty() {
        series.push('}');
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<String> {
        let families = parse(text).unwrap();
        families
            .into_iter()
            .flat_map(|family| family.samples)
            .map(|(_, line)| line)
            .collect()
    }

    #[test]
    fn samples_are_written_as_we_write_them() {
        let text =
            "# a comment\n\n  up{ b = \"x \\\"\\\\\\n\" , a=\"1\",} 1e6\nplain\t+Inf\nlast NaN";
        let expected = [
            "up{a=\"1\",b=\"x \\\"\\\\\\n\"} 1e+06",
            "plain +Inf",
            "last NaN",
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn parts_of_histograms_and_summaries_are_one_family() {
        let text = "# TYPE h histogram\nh_bucket{le=\"1\",x=\"2\"} 1\nh_sum 3\nh_count 2\n\
                    # TYPE s summary\ns{quantile=\"0.5\"} 4\ns_sum 1\ns_bucket 1\n";
        let families = parse(text).unwrap();
        let names: Vec<(&str, Kind, usize)> = families
            .iter()
            .map(|family| (family.name.as_str(), family.kind, family.samples.len()))
            .collect();
        let expected = [
            ("h", Kind::Histogram, 3),
            ("s", Kind::Summary, 2),
            ("s_bucket", Kind::Untyped, 1),
        ];
        assert_eq!(names, expected);
        assert_eq!(families[0].samples[0].0, "h_bucket{x=\"2\",le=\"1\"}");
    }

    #[test]
    fn one_bad_line_is_named() {
        for (text, expected) in [
            ("ok 1\nbroken{ 3", "line 2: a label without a value"),
            (
                "x{a=\"1\" b=\"2\"} 3",
                "line 1: neither a comma nor a brace",
            ),
            (
                "x{a=\"1} 3",
                "line 1: a label's value without a closing quote",
            ),
            ("x{a=\"1\",a=\"2\"} 3", "line 1: a label twice"),
            ("x{a=\"\\q\"} 3", "line 1: an unknown escape"),
            ("1x 3", "line 1: not a metric name"),
            ("x", "line 1: no value"),
            ("x five", "line 1: the value is not a number"),
            ("x 5 1395066363000", "line 1: a timestamp"),
            ("x 5 6 7", "line 1: words after the value"),
            ("# TYPE x counter\n# TYPE x gauge", "line 2: a second TYPE"),
            ("# HELP x a\n# HELP x b", "line 2: a second HELP"),
            ("x 1\n# TYPE x gauge", "line 2: TYPE after"),
            ("# TYPE x thing", "line 1: an unknown type"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back_the_same(
            text in any::<String>(),
            tail in "[a-z_:{}=\"\\\\,# 0-9]{0,40}",
            content in any::<String>(),
        ) {
            drop(parse(&text));
            drop(parse(&format!("x{{a=\"{tail}")));
            let mut line = String::from("x{a=\"");
            escape(&mut line, &content);
            line.push_str("\"} 5");
            // A carriage return ends a line for std's `lines`, as for nobody else.
            if !content.contains('\r') {
                prop_assert_eq!(lines(&line), [line]);
            }
        }
    }
}
