//! Log ranges: streams, the stages that lines go through, and the range.

use std::collections::BTreeSet;

use super::{Kind, Parser, patterns};
use crate::resolve::rules::{position::Fault, template};

const FILTERS: [&str; 6] = ["|=", "|~", "|>", "!=", "!~", "!>"];
const COMPARISONS: [&str; 7] = [">", ">=", "<", "<=", "!=", "=", "=="];

/// What stood around a range.
#[derive(Clone, Copy, Default)]
struct Stages {
    any: bool,
    unwraps: bool,
}

impl Parser {
    /// A log range; true when it unwraps a number.
    pub(super) fn log_range(&mut self) -> Result<bool, Fault> {
        if self.is_sign("(") {
            return self.nested(Self::range_in_parentheses);
        }
        self.selector()?;
        let before = self.stages()?;
        self.range_and_after(before)
    }

    /// `( {…} | … ) [5m]`, or a whole log range in parentheses.
    fn range_in_parentheses(&mut self) -> Result<bool, Fault> {
        self.skip();
        if self.is_sign("(") {
            let unwraps = self.nested(Self::range_in_parentheses)?;
            self.expect(")", "after the range in parentheses")?;
            return Ok(unwraps);
        }
        self.selector()?;
        let before = self.stages()?;
        if !self.takes(")") {
            let unwraps = self.range_and_after(before)?;
            self.expect(")", "after the range in parentheses")?;
            return Ok(unwraps);
        }
        self.range()?;
        self.offset()?;
        if before.any || !self.is_sign("|") {
            return Ok(before.unwraps);
        }
        let at = self.place();
        let after = self.stages()?;
        if after.any && !after.unwraps {
            return Err(Fault::new(at, "only unwrap may follow this range"));
        }
        Ok(after.unwraps)
    }

    fn range_and_after(&mut self, before: Stages) -> Result<bool, Fault> {
        self.range()?;
        self.offset()?;
        let follows = self.is_sign("|") || FILTERS.iter().any(|filter| self.is_sign(filter));
        if !follows {
            return Ok(before.unwraps);
        }
        if before.any {
            let message = "stages stand before the range, or all of them after it";
            return Err(Fault::new(self.place(), message));
        }
        Ok(self.stages()?.unwraps)
    }

    fn range(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Kind::Range(_)) {
            return Err(self.unexpected("a range such as [5m]"));
        }
        self.skip();
        Ok(())
    }

    fn offset(&mut self) -> Result<(), Fault> {
        if !self.takes_word("offset") {
            return Ok(());
        }
        if !matches!(self.peek(), Kind::Duration(_)) {
            return Err(self.unexpected("a duration such as 5m"));
        }
        self.skip();
        Ok(())
    }

    /// `{app="a", level!="debug"}`.
    fn selector(&mut self) -> Result<(), Fault> {
        let at = self.place();
        self.expect("{", "and the streams to read")?;
        let mut narrows = false;
        if !self.is_sign("}") {
            loop {
                narrows |= self.stream_matcher()?;
                if !self.takes(",") {
                    break;
                }
            }
        }
        self.expect("}", "after the streams")?;
        if !narrows {
            return Err(Fault::new(
                at,
                "it would read every stream: one label at least needs = or =~ and a value that is not empty",
            ));
        }
        Ok(())
    }

    /// True when it needs a value that is not empty.
    fn stream_matcher(&mut self) -> Result<bool, Fault> {
        self.label()?;
        let sign = self
            .matcher_sign()
            .ok_or_else(|| self.unexpected("=, !=, =~ or !~"))?;
        let (at, text) = self.text("a value")?;
        let pattern = match sign {
            "=~" | "!~" => Some(patterns::regex(&text).map_err(|message| Fault::new(at, message))?),
            _ => None,
        };
        Ok(match sign {
            "=" => !text.is_empty(),
            "!=" => text.is_empty(),
            "=~" => pattern.is_some_and(|pattern| !pattern.is_match("")),
            _ => pattern.is_some_and(|pattern| pattern.is_match("")),
        })
    }

    fn matcher_sign(&mut self) -> Option<&'static str> {
        let signs = ["=~", "!~", "!=", "="];
        let found = signs.into_iter().find(|sign| self.is_sign(sign))?;
        self.skip();
        Some(found)
    }

    /// All stages that follow; unwrap is the last but for filters.
    fn stages(&mut self) -> Result<Stages, Fault> {
        let mut stages = Stages::default();
        loop {
            if FILTERS.iter().any(|filter| self.is_sign(filter)) {
                if stages.unwraps {
                    return Err(Fault::new(self.place(), "only label filters follow unwrap"));
                }
                self.line_filter()?;
            } else if self.takes("|") {
                let at = self.place();
                if self.is_word("unwrap") {
                    if stages.unwraps {
                        return Err(Fault::new(at, "a second unwrap"));
                    }
                    self.unwrap()?;
                    stages.unwraps = true;
                } else if stages.unwraps {
                    self.nested(Self::label_filters)?;
                } else {
                    self.stage()?;
                }
            } else {
                return Ok(stages);
            }
            stages.any = true;
        }
    }

    fn line_filter(&mut self) -> Result<(), Fault> {
        let Kind::Sign(filter) = *self.peek() else {
            return Err(self.unexpected("a line filter"));
        };
        self.skip();
        loop {
            let at = self.place();
            if self.is_word("ip") {
                if !matches!(filter, "|=" | "!=") {
                    return Err(Fault::new(at, "ip() goes with |= and != only"));
                }
                self.ip()?;
            } else {
                let (at, text) = self.text("what to look for")?;
                let problem = match filter {
                    "|~" | "!~" => patterns::regex(&text).err(),
                    "|>" | "!>" => patterns::line_pattern(&text).err(),
                    _ => None,
                };
                if let Some(message) = problem {
                    return Err(Fault::new(at, message));
                }
            }
            if !self.takes_word("or") {
                return Ok(());
            }
        }
    }

    /// `ip("192.168.0.0/16")`.
    fn ip(&mut self) -> Result<(), Fault> {
        self.skip();
        self.expect("(", "after ip")?;
        let (at, text) = self.text("an address, a range or a network")?;
        patterns::ip(&text).map_err(|message| Fault::new(at, message))?;
        self.expect(")", "after the address")
    }

    fn unwrap(&mut self) -> Result<(), Fault> {
        self.skip();
        let converts = matches!(self.peek(), Kind::Word(word) if ["bytes", "duration", "duration_seconds"].contains(&word.to_lowercase().as_str()));
        if converts && matches!(self.nth(1), Kind::Sign("(")) {
            self.skip();
            self.skip();
            self.label()?;
            return self.expect(")", "after the label");
        }
        self.label().map(|_| ())
    }

    /// What stands behind a bar.
    fn stage(&mut self) -> Result<(), Fault> {
        let Kind::Word(word) = self.peek() else {
            return self.nested(Self::label_filters);
        };
        match word.to_lowercase().as_str() {
            "json" => {
                self.skip();
                self.extractions(patterns::json_path)
            }
            "logfmt" => {
                self.skip();
                while matches!(self.peek(), Kind::Flag(_)) {
                    self.skip();
                }
                self.extractions(patterns::logfmt_key)
            }
            "unpack" | "decolorize" => {
                self.skip();
                Ok(())
            }
            "xml" => Err(Fault::new(
                self.place(),
                "xml is not in every Loki from 3.0 on: rules cannot use it",
            )),
            "regexp" => self.checked("a regular expression", patterns::named_regex),
            "pattern" => self.checked("a pattern", patterns::pattern),
            "line_format" => self.checked("a template", template_problem),
            "label_format" => self.label_format(),
            "drop" | "keep" => self.named_matchers(),
            _ => self.nested(Self::label_filters),
        }
    }

    /// A word and a text that a check takes.
    fn checked(&mut self, what: &str, check: fn(&str) -> Result<(), String>) -> Result<(), Fault> {
        self.skip();
        let (at, text) = self.text(what)?;
        check(&text).map_err(|message| Fault::new(at, message))
    }

    /// `a="b.c", d`, or nothing.
    fn extractions(&mut self, check: fn(&str) -> Result<(), String>) -> Result<(), Fault> {
        if !matches!(self.peek(), Kind::Word(word) if !word.eq_ignore_ascii_case("offset")) {
            return Ok(());
        }
        loop {
            self.label()?;
            if self.takes("=") {
                let (at, text) = self.text("where it is")?;
                check(&text).map_err(|message| Fault::new(at, message))?;
            }
            if !self.takes(",") {
                return Ok(());
            }
        }
    }

    fn label_format(&mut self) -> Result<(), Fault> {
        self.skip();
        let mut seen = BTreeSet::new();
        loop {
            let at = self.place();
            let label = self.label()?;
            if label == "__error__" {
                return Err(Fault::new(at, "__error__ cannot be formatted"));
            }
            if !seen.insert(label.clone()) {
                return Err(Fault::new(
                    at,
                    format!("{label} is formatted twice in one stage"),
                ));
            }
            self.expect("=", "after the label")?;
            if matches!(self.peek(), Kind::Text(_)) {
                let (at, text) = self.text("a template")?;
                template_problem(&text).map_err(|message| Fault::new(at, message))?;
            } else {
                self.label()?;
            }
            if !self.takes(",") {
                return Ok(());
            }
        }
    }

    /// `a, b="c"` of drop and keep.
    fn named_matchers(&mut self) -> Result<(), Fault> {
        self.skip();
        loop {
            self.label()?;
            if let Some(sign) = self.matcher_sign() {
                let (at, text) = self.text("a value")?;
                if matches!(sign, "=~" | "!~") {
                    patterns::regex(&text).map_err(|message| Fault::new(at, message))?;
                }
            }
            if !self.takes(",") {
                return Ok(());
            }
        }
    }

    /// `a > 5 and (b = "c" or d != ip("…"))`.
    fn label_filters(&mut self) -> Result<(), Fault> {
        loop {
            if self.is_sign("(") {
                self.nested(|it| {
                    it.skip();
                    it.label_filters()?;
                    it.expect(")", "after the filters")
                })?;
            } else {
                self.label_filter()?;
            }
            let joined = self.takes(",") || self.takes_word("and") || self.takes_word("or");
            let follows = match self.peek() {
                Kind::Sign("(") => true,
                Kind::Word(word) => !word.eq_ignore_ascii_case("offset"),
                _ => false,
            };
            if !joined && !follows {
                return Ok(());
            }
        }
    }

    fn label_filter(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Kind::Word(_)) {
            return Err(self.unexpected("a stage of the pipeline, such as json, or a label filter"));
        }
        self.label()?;
        let Kind::Sign(sign) = *self.peek() else {
            return Err(self.unexpected("a comparison such as = or >"));
        };
        if !COMPARISONS.contains(&sign) && !matches!(sign, "=~" | "!~") {
            return Err(self.unexpected("a comparison such as = or >"));
        }
        self.skip();
        let at = self.place();
        match self.peek() {
            Kind::Text(text) if matches!(sign, "=" | "!=" | "=~" | "!~") => {
                if matches!(sign, "=~" | "!~") {
                    patterns::regex(text).map_err(|message| Fault::new(at, message))?;
                }
                self.skip();
            }
            Kind::Text(_) => {
                let message = format!("{sign} compares numbers: a text has =, !=, =~ or !~");
                return Err(Fault::new(at, message));
            }
            _ if matches!(sign, "=~" | "!~") => {
                return Err(self.unexpected("a regular expression in quotes"));
            }
            Kind::Word(word) if word.eq_ignore_ascii_case("ip") && matches!(sign, "=" | "!=") => {
                self.ip()?;
            }
            Kind::Number(_) | Kind::Duration(_) | Kind::Bytes => self.skip(),
            Kind::Sign("+" | "-") if matches!(self.nth(1), Kind::Number(_)) => self.at += 2,
            _ => return Err(self.unexpected("a value")),
        }
        Ok(())
    }
}

fn template_problem(text: &str) -> Result<(), String> {
    template::problem(&template::LOG_LINES, text)
        .map_or(Ok(()), |message| Err(format!("in the template, {message}")))
}
