//! The templates in labels and annotations: what Go's `text/template` parses, and a little less.
//!
//! Prometheus parses them when it loads a rule file and refuses the whole file over one mistake.
//! Left out though Go takes it: numbers in other bases, complex or with `_`, letters beyond ASCII
//! in names, declarations within parentheses, an assignment to what is not declared, `else with`,
//! a pipe without a command after it, and one template's name given to two.

mod lexer;

use std::collections::BTreeSet;

use self::lexer::{Kind, Token};
use super::{functions, position::Fault};

/// What a program that runs templates gives them.
pub struct Dialect {
    /// The variables that are declared before the text.
    variables: &'static [&'static str],
    /// Why a function may not be called; none when it may.
    function: fn(&str) -> Option<String>,
}

/// The labels and annotations of alerts, which Prometheus runs; Loki's ruler runs them likewise.
pub const ALERTS: Dialect = Dialect {
    variables: &["$", "$labels", "$externalLabels", "$externalURL", "$value"],
    function: functions::template_problem,
};
/// `line_format` and `label_format` of LogQL.
pub const LOG_LINES: Dialect = Dialect {
    variables: &["$"],
    function: functions::log_template_problem,
};
/// Deeper than any person writes, and no danger to the stack.
const DEEPEST: usize = 50;
/// How Prometheus names the text itself.
const OWN_NAME: &str = "__alert_";

/// What is wrong with a template, with its line and column.
pub fn problem(dialect: &Dialect, text: &str) -> Option<String> {
    if !text.contains("{{") {
        return None;
    }
    let chars: Vec<char> = text.chars().collect();
    check(dialect, &chars)
        .err()
        .map(|fault| fault.describe(&chars))
}

fn check(dialect: &Dialect, chars: &[char]) -> Result<(), Fault> {
    let mut parser = Parser {
        tokens: lexer::lex(chars)?,
        at: 0,
        end: chars.len(),
        dialect,
        variables: dialect.variables.iter().map(ToString::to_string).collect(),
        ranges: 0,
        depth: 0,
        names: BTreeSet::new(),
    };
    parser.list(true).map(|_| ())
}

/// How a list of texts and actions came to its end.
enum Stop {
    Text,
    End,
    Else,
    /// `{{else if`: the `if` is still to be read.
    ElseIf,
}

#[derive(Clone, Copy, PartialEq)]
enum Declares {
    Nothing,
    One,
    Two,
}

struct Parser<'a> {
    dialect: &'a Dialect,
    tokens: Vec<Token>,
    at: usize,
    end: usize,
    variables: Vec<String>,
    ranges: usize,
    depth: usize,
    names: BTreeSet<String>,
}

impl Parser<'_> {
    /// Texts and actions up to the `end` or `else` that belongs to someone outside.
    fn list(&mut self, top: bool) -> Result<Stop, Fault> {
        loop {
            match self.next() {
                None if top => return Ok(Stop::Text),
                None => return Err(self.fault("an {{end}} is missing")),
                Some(Kind::Open) => {}
                Some(_) => continue,
            }
            self.spaces();
            match self.keyword() {
                Some("end") => {
                    self.at += 1;
                    self.close()?;
                    return if top {
                        Err(self.stray())
                    } else {
                        Ok(Stop::End)
                    };
                }
                Some("else") if top => return Err(self.stray()),
                Some("else") => {
                    self.at += 1;
                    self.spaces();
                    if self.keyword() == Some("if") {
                        return Ok(Stop::ElseIf);
                    }
                    self.close()?;
                    return Ok(Stop::Else);
                }
                Some("define") if top => {
                    self.at += 1;
                    let name = self.name()?;
                    self.close()?;
                    self.body(name)?;
                }
                _ => self.action()?,
            }
        }
    }

    fn stray(&self) -> Fault {
        self.fault("nothing is open that {{end}} or {{else}} could belong to")
    }

    fn action(&mut self) -> Result<(), Fault> {
        match self.keyword() {
            Some("if") => self.control(Declares::One, true),
            Some("with") => self.control(Declares::One, false),
            Some("range") => self.control(Declares::Two, false),
            Some("break" | "continue") => {
                if self.ranges == 0 {
                    return Err(self.fault("break and continue belong into a {{range}}"));
                }
                self.at += 1;
                self.close()
            }
            Some("template") => {
                self.at += 1;
                self.name()?;
                self.spaces();
                if self.peek() == Some(&Kind::Close) {
                    return self.close();
                }
                self.pipeline(&Kind::Close, Declares::One)
            }
            Some("block") => {
                self.at += 1;
                let name = self.name()?;
                self.pipeline(&Kind::Close, Declares::One)?;
                self.body(name)
            }
            Some("define") => Err(self.fault("{{define}} belongs outside of other actions")),
            _ => self.pipeline(&Kind::Close, Declares::One),
        }
    }

    /// `if`, `with` and `range`, up to their `end`.
    fn control(&mut self, declares: Declares, is_if: bool) -> Result<(), Fault> {
        self.at += 1;
        self.deeper()?;
        let outside = self.variables.len();
        self.pipeline(&Kind::Close, declares)?;
        let inside = self.variables.len();
        let is_range = usize::from(declares == Declares::Two);
        self.ranges += is_range;
        let stop = self.list(false)?;
        self.ranges -= is_range;
        self.variables.truncate(inside);
        match stop {
            Stop::ElseIf if is_if => self.control(Declares::One, true)?,
            Stop::ElseIf => return Err(self.fault("{{else if}} belongs to an {{if}}")),
            Stop::Else => match self.list(false)? {
                Stop::Else | Stop::ElseIf => return Err(self.fault("a second {{else}}")),
                Stop::End | Stop::Text => {}
            },
            Stop::End | Stop::Text => {}
        }
        self.variables.truncate(outside);
        self.depth -= 1;
        Ok(())
    }

    /// The body of a named template: it sees no variable but `$`.
    fn body(&mut self, name: String) -> Result<(), Fault> {
        if name.starts_with(OWN_NAME) || !self.names.insert(name) {
            return Err(self.fault("a template of this name is there already"));
        }
        self.deeper()?;
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        match self.list(false)? {
            Stop::Else | Stop::ElseIf => {
                return Err(self.fault("{{else}} belongs to {{if}}, {{with}} or {{range}}"));
            }
            Stop::End | Stop::Text => {}
        }
        self.variables = variables;
        self.ranges = ranges;
        self.depth -= 1;
        Ok(())
    }

    fn pipeline(&mut self, end: &Kind, declares: Declares) -> Result<(), Fault> {
        let names = self.declarations(declares)?;
        let mut stage = 0;
        let mut piped = false;
        loop {
            self.spaces();
            if self.peek() == Some(end) {
                break;
            }
            if !self.peek().is_some_and(Kind::is_operand) {
                return Err(self.unexpected());
            }
            piped = self.command(stage)?;
            stage += 1;
        }
        if stage == 0 || piped {
            return Err(self.fault("a value is missing: write such as {{ $value }}"));
        }
        self.at += 1;
        self.variables.extend(names);
        Ok(())
    }

    /// `$x :=`, `$x =` and, in a range, `$i, $x :=`; the names that are new.
    fn declarations(&mut self, declares: Declares) -> Result<Vec<String>, Fault> {
        self.spaces();
        let start = self.at;
        let mut names = Vec::new();
        while let Some(Kind::Variable(name)) = self.peek() {
            names.push((self.place(), name.clone()));
            self.at += 1;
            self.spaces();
            match self.peek() {
                _ if declares == Declares::Nothing => break,
                Some(Kind::Declare) => {
                    self.at += 1;
                    return Ok(names.into_iter().map(|(_, name)| name).collect());
                }
                Some(Kind::Assign) => {
                    self.at += 1;
                    return match names.iter().find(|(_, name)| !self.knows(name)) {
                        Some((place, name)) => Err(undefined(*place, name)),
                        None => Ok(Vec::new()),
                    };
                }
                Some(Kind::Comma) if declares == Declares::Two && names.len() == 1 => {
                    self.at += 1;
                    self.spaces();
                }
                Some(Kind::Comma) => return Err(self.fault("too many variables")),
                _ => break,
            }
        }
        if names.len() > 1 {
            return Err(self.fault("expected := after the variables of a range"));
        }
        self.at = start;
        Ok(Vec::new())
    }

    /// One stage of a pipeline; whether a pipe follows it.
    fn command(&mut self, stage: usize) -> Result<bool, Fault> {
        let mut first = true;
        loop {
            self.spaces();
            if self.peek().is_some_and(Kind::is_operand) {
                if first && stage > 0 && self.peek().is_some_and(Kind::is_constant) {
                    return Err(self.fault("expected a function after the |"));
                }
                self.operand()?;
                first = false;
            }
            match self.peek() {
                Some(Kind::Space) => {}
                Some(Kind::Close | Kind::RightParen) => return Ok(false),
                Some(Kind::Pipe) => {
                    self.at += 1;
                    return Ok(true);
                }
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn operand(&mut self) -> Result<(), Fault> {
        let place = self.place();
        let Some(kind) = self.peek().cloned() else {
            return Err(self.unexpected());
        };
        self.at += 1;
        match &kind {
            Kind::Word(name) => {
                if let Some(message) = (self.dialect.function)(name) {
                    return Err(Fault::new(place, message));
                }
            }
            Kind::Variable(name) if !self.knows(name) => return Err(undefined(place, name)),
            Kind::LeftParen => {
                self.deeper()?;
                self.pipeline(&Kind::RightParen, Declares::Nothing)?;
                self.depth -= 1;
            }
            _ => {}
        }
        while self.peek() == Some(&Kind::Field) {
            if kind.is_constant() {
                return Err(self.fault("this value has no fields"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn name(&mut self) -> Result<String, Fault> {
        self.spaces();
        match self.peek().cloned() {
            Some(Kind::Quoted(name)) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.fault("expected the template's name in quotes")),
        }
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.spaces();
        if self.peek() == Some(&Kind::Close) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.fault("nested too deeply"));
        }
        Ok(())
    }

    fn knows(&self, name: &str) -> bool {
        self.variables.iter().any(|known| known == name)
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn keyword(&self) -> Option<&'static str> {
        match self.peek() {
            Some(Kind::Keyword(word)) => Some(word),
            _ => None,
        }
    }

    fn next(&mut self) -> Option<&Kind> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(&token.kind)
    }

    fn spaces(&mut self) {
        while self.peek() == Some(&Kind::Space) {
            self.at += 1;
        }
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |token| token.at)
    }

    fn fault(&self, message: &str) -> Fault {
        Fault::new(self.place(), message)
    }

    fn unexpected(&self) -> Fault {
        self.fault("not expected here: a function, a field, a variable or }} would be")
    }
}

fn undefined(place: usize, name: &str) -> Fault {
    Fault::new(
        place,
        format!(
            "{name} is not defined: there are $labels, $value, $externalLabels and $externalURL"
        ),
    )
}

#[cfg(test)]
mod tests;
