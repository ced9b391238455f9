//! Metric queries: aggregations over ranges and vectors, and what stands between them.

use super::{Kind, Parser, patterns};
use crate::resolve::rules::position::Fault;

/// What an aggregation over a range may be given.
struct RangeOp {
    name: &'static str,
    /// Whether it counts lines.
    lines: bool,
    /// Whether it reads a number out of them with `unwrap`.
    values: bool,
    /// Whether it may be grouped.
    grouped: bool,
}

const fn op(name: &'static str, lines: bool, values: bool, grouped: bool) -> RangeOp {
    RangeOp {
        name,
        lines,
        values,
        grouped,
    }
}

const RANGE_OPS: [RangeOp; 15] = [
    op("count_over_time", true, false, false),
    op("rate", true, true, false),
    op("rate_counter", false, true, false),
    op("bytes_over_time", true, false, false),
    op("bytes_rate", true, false, false),
    op("avg_over_time", false, true, true),
    op("sum_over_time", false, true, false),
    op("min_over_time", false, true, true),
    op("max_over_time", false, true, true),
    op("stdvar_over_time", false, true, true),
    op("stddev_over_time", false, true, true),
    op("quantile_over_time", false, true, true),
    op("first_over_time", false, true, true),
    op("last_over_time", false, true, true),
    op("absent_over_time", true, true, false),
];

const VECTOR_OPS: [&str; 11] = [
    "sum",
    "avg",
    "max",
    "min",
    "count",
    "stddev",
    "stdvar",
    "bottomk",
    "topk",
    "sort",
    "sort_desc",
];

/// Binary operators, the binding ones last.
const BINARY: [&[&str]; 6] = [
    &["or"],
    &["and", "unless"],
    &["==", "!=", "<", "<=", ">", ">="],
    &["+", "-"],
    &["*", "/", "%"],
    &["^"],
];

/// What a part of a query is.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Number,
    Vector,
}

impl Parser {
    /// The whole expression.
    pub(super) fn query(&mut self) -> Result<(), Fault> {
        self.binary(0)?;
        match self.peek() {
            Kind::End => Ok(()),
            Kind::Range(_) => Err(Fault::new(
                self.place(),
                "a range stands inside of an aggregation over it, such as rate({app=\"a\"}[5m])",
            )),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    /// Operators of this level and of those that bind more.
    fn binary(&mut self, level: usize) -> Result<Value, Fault> {
        let Some(operators) = BINARY.get(level) else {
            return self.unary();
        };
        let left = self.place();
        let mut value = self.binary(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            let is_set = level < 2;
            let is_comparison = level == 2;
            self.modifiers(is_set, is_comparison)?;
            let right = self.place();
            // `^` binds to the right.
            let next = if operator == "^" { level } else { level + 1 };
            let other = self.nested(|it| it.binary(next))?;
            for (at, side) in [(left, value), (right, other)] {
                if is_set && side == Value::Number {
                    let message = format!("{operator} has a number beside it: it takes series");
                    return Err(Fault::new(at, message));
                }
            }
            if other == Value::Vector {
                value = Value::Vector;
            }
        }
        Ok(value)
    }

    fn operator(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        let found = operators
            .iter()
            .copied()
            .find(|operator| self.is_sign(operator) || self.is_word(operator))?;
        self.skip();
        Some(found)
    }

    /// `bool`, `on (…)`, `group_left (…)`.
    fn modifiers(&mut self, is_set: bool, is_comparison: bool) -> Result<(), Fault> {
        if self.is_word("bool") && !is_comparison {
            return Err(Fault::new(self.place(), "bool belongs to a comparison"));
        }
        self.takes_word("bool");
        if !(self.takes_word("on") || self.takes_word("ignoring")) {
            return Ok(());
        }
        self.labels()?;
        let group = self.is_word("group_left") || self.is_word("group_right");
        if !group {
            return Ok(());
        }
        if is_set {
            return Err(Fault::new(self.place(), "no grouping with and, or, unless"));
        }
        self.skip();
        // What stands in parentheses may be labels or the right side.
        let labels = self.is_sign("(")
            && matches!(
                (self.nth(1), self.nth(2)),
                (Kind::Sign(")"), _) | (Kind::Word(_), Kind::Sign(")" | ","))
            );
        if labels { self.labels() } else { Ok(()) }
    }

    fn unary(&mut self) -> Result<Value, Fault> {
        let at = self.place();
        match self.peek().clone() {
            Kind::Number(_) => {
                self.skip();
                Ok(Value::Number)
            }
            Kind::Sign("+" | "-") if matches!(self.nth(1), Kind::Number(_)) => {
                self.at += 2;
                Ok(Value::Number)
            }
            Kind::Sign("+" | "-") => Err(Fault::new(
                at,
                "a sign stands before a number only: write 0 - … or -1 * …",
            )),
            Kind::Sign("(") => self.nested(|it| {
                it.skip();
                let value = it.binary(0)?;
                it.expect(")", "after what is in parentheses")?;
                Ok(value)
            }),
            Kind::Sign("{") => Err(Fault::new(
                at,
                "log lines are no value: count them, such as in count_over_time({app=\"a\"}[5m])",
            )),
            Kind::Word(word) => self.nested(|it| it.function(&word.to_lowercase())),
            Kind::Duration(_) | Kind::Bytes => Err(Fault::new(
                at,
                "expected a metric query, found a number with a unit",
            )),
            _ => Err(self.unexpected("a metric query")),
        }
    }

    fn function(&mut self, name: &str) -> Result<Value, Fault> {
        let at = self.place();
        if let Some(op) = RANGE_OPS.iter().find(|op| op.name == name) {
            self.skip();
            return self.range_aggregation(op);
        }
        if VECTOR_OPS.contains(&name) {
            self.skip();
            return self.vector_aggregation(name);
        }
        match name {
            "vector" => {
                self.skip();
                self.expect("(", "after vector")?;
                if !matches!(self.peek(), Kind::Number(_)) {
                    return Err(self.unexpected("a number"));
                }
                self.skip();
                self.expect(")", "after the number")?;
                Ok(Value::Vector)
            }
            "label_replace" => {
                self.skip();
                self.label_replace()
            }
            "approx_topk" | "variants" => Err(Fault::new(
                at,
                format!(
                    "{name} is not in every Loki from 3.0 on, or off by default: rules cannot use it"
                ),
            )),
            _ => Err(Fault::new(at, format!("{name:?} is no function of LogQL"))),
        }
    }

    fn label_replace(&mut self) -> Result<Value, Fault> {
        self.expect("(", "after label_replace")?;
        let at = self.place();
        if self.binary(0)? == Value::Number {
            return Err(Fault::new(at, "label_replace takes series, not a number"));
        }
        self.expect(",", "and the label to write")?;
        let (at, label) = self.text("a label")?;
        if !patterns::is_label(&label) {
            return Err(Fault::new(
                at,
                format!("{label:?} is not the name of a label"),
            ));
        }
        self.expect(",", "and the replacement")?;
        self.text("the replacement")?;
        self.expect(",", "and the label to read")?;
        self.text("a label")?;
        self.expect(",", "and the regular expression")?;
        let (at, pattern) = self.text("a regular expression")?;
        patterns::regex(&pattern).map_err(|message| Fault::new(at, message))?;
        self.expect(")", "after the regular expression")?;
        Ok(Value::Vector)
    }

    fn vector_aggregation(&mut self, name: &str) -> Result<Value, Fault> {
        let at = self.place();
        let before = self.grouping()?;
        self.expect("(", &format!("after {name}"))?;
        let takes_number = matches!(name, "topk" | "bottomk");
        if takes_number {
            let number = self.place();
            match self.peek() {
                Kind::Number(count) if *count >= 1.0 && count.fract() == 0.0 && *count < 1e9 => {}
                _ => {
                    let message = format!("{name} needs how many first, such as {name}(3, …)");
                    return Err(Fault::new(number, message));
                }
            }
            self.skip();
            self.expect(",", "after how many")?;
        }
        let inner = self.place();
        if self.binary(0)? == Value::Number {
            return Err(Fault::new(
                inner,
                format!("{name} takes series, not a number"),
            ));
        }
        self.expect(")", &format!("to close {name}"))?;
        let after = !before && self.grouping()?;
        if (before || after) && name.starts_with("sort") {
            return Err(Fault::new(at, format!("{name} cannot be grouped")));
        }
        Ok(Value::Vector)
    }

    /// `by (…)` or `without (…)`, if it comes.
    fn grouping(&mut self) -> Result<bool, Fault> {
        if !(self.takes_word("by") || self.takes_word("without")) {
            return Ok(false);
        }
        self.labels()?;
        Ok(true)
    }

    fn range_aggregation(&mut self, op: &RangeOp) -> Result<Value, Fault> {
        let name = op.name;
        if self.is_word("by") || self.is_word("without") {
            let message = format!("the grouping of {name} stands after its parentheses");
            return Err(Fault::new(self.place(), message));
        }
        self.expect("(", &format!("after {name}"))?;
        let quantile = name == "quantile_over_time";
        if quantile != matches!(self.peek(), Kind::Number(_)) {
            let message = if quantile {
                "quantile_over_time needs the quantile first, such as quantile_over_time(0.99, …)"
            } else {
                "no number is expected here"
            };
            return Err(Fault::new(self.place(), message));
        }
        if quantile {
            self.skip();
            self.expect(",", "after the quantile")?;
        }
        let at = self.place();
        let unwraps = self.nested(Self::log_range)?;
        if unwraps && !op.values {
            return Err(Fault::new(
                at,
                format!("{name} counts lines: leave out the unwrap"),
            ));
        }
        if !unwraps && !op.lines {
            return Err(Fault::new(
                at,
                format!("{name} needs a number: add | unwrap and a label"),
            ));
        }
        self.expect(")", &format!("to close {name}"))?;
        let at = self.place();
        if self.grouping()? && !op.grouped {
            let message = format!("{name} cannot be grouped: put it in sum by (…) (…)");
            return Err(Fault::new(at, message));
        }
        Ok(Value::Vector)
    }
}
