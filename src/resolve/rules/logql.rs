//! LogQL: the whole documented grammar of metric queries, read strictly.
//!
//! Loki's ruler reads a folder of rule files as one: a query that it cannot parse hides all others.
//! So what is not certain to be read by every Loki from 3.0 on is refused, and what its documents
//! give is taken. Refused though some Loki takes it: `approx_topk`, `variants` and `xml` (newer,
//! or switched off by default), set operators with `group_left`, `bool` without a comparison,
//! numbers that are not decimal, and label names beyond ASCII.

mod lexer;
mod patterns;
mod pipeline;
mod query;

use lexer::{Kind, Token};

use super::position::Fault;

/// What is wrong with a rule's expression, with its line and column.
pub fn problem(expr: &str) -> Option<String> {
    let chars: Vec<char> = expr.chars().collect();
    check(&chars).err().map(|fault| fault.describe(&chars))
}

fn check(chars: &[char]) -> Result<(), Fault> {
    let mut parser = Parser {
        tokens: lexer::lex(chars)?,
        at: 0,
        depth: 0,
    };
    parser.query()
}

/// The words of a query, sorted. Loki writes a query that it has read in a form of its own, with
/// other parentheses and groupings elsewhere, but in the same words.
pub fn words(expr: &str) -> Vec<String> {
    let chars: Vec<char> = expr.chars().collect();
    let tokens = lexer::lex(&chars).unwrap_or_default();
    let word = |token: Token| match token.kind {
        Kind::Word(word) => Some(word.to_lowercase()).filter(|word| word != "and"),
        Kind::Text(text) => Some(format!("{text:?}")),
        Kind::Number(number) => Some(number.to_string()),
        Kind::Duration(seconds) => Some(format!("{seconds}s")),
        Kind::Range(millis) => Some(format!("[{millis}]")),
        Kind::Flag(flag) => Some(flag.to_owned()),
        Kind::Sign(sign) => {
            let kept = !matches!(sign, "(" | ")" | "," | "|" | "==" | "=");
            kept.then(|| sign.to_owned())
        }
        // It is written in another unit.
        Kind::Bytes | Kind::End => None,
    };
    let mut words: Vec<_> = tokens.into_iter().filter_map(word).collect();
    words.sort_unstable();
    words
}

/// Deeper than any person writes, and no danger to the stack.
const DEEPEST: usize = 60;

/// Reads tokens one after the other.
struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// The token that comes, and where.
    fn peek(&self) -> &Kind {
        self.nth(0)
    }

    fn nth(&self, ahead: usize) -> &Kind {
        let token = self.tokens.get(self.at + ahead);
        token.map_or(&Kind::End, |token| &token.kind)
    }

    fn place(&self) -> usize {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(0, |token| token.at)
    }

    fn skip(&mut self) {
        self.at += 1;
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Kind::Sign(next) if *next == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Word(next) if next.eq_ignore_ascii_case(word))
    }

    /// Takes a sign if it comes.
    fn takes(&mut self, sign: &str) -> bool {
        let comes = self.is_sign(sign);
        self.at += usize::from(comes);
        comes
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let comes = self.is_word(word);
        self.at += usize::from(comes);
        comes
    }

    /// Takes a sign or says what stands in its place.
    fn expect(&mut self, sign: &str, why: &str) -> Result<(), Fault> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{sign:?} {why}")))
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        Fault::new(
            self.place(),
            format!("expected {wanted}, found {}", self.peek().describe()),
        )
    }

    /// A text in quotes.
    fn text(&mut self, what: &str) -> Result<(usize, String), Fault> {
        let at = self.place();
        let Kind::Text(text) = self.peek() else {
            return Err(self.unexpected(&format!("{what} in quotes")));
        };
        let text = text.clone();
        self.skip();
        Ok((at, text))
    }

    /// The name of a label.
    fn label(&mut self) -> Result<String, Fault> {
        let Kind::Word(word) = self.peek() else {
            return Err(self.unexpected("the name of a label"));
        };
        if RESERVED
            .iter()
            .any(|reserved| word.eq_ignore_ascii_case(reserved))
        {
            let message = format!("{word:?} is a word of LogQL and cannot be the name of a label");
            return Err(Fault::new(self.place(), message));
        }
        let word = word.clone();
        self.skip();
        Ok(word)
    }

    /// `(a, b)`, also without any.
    fn labels(&mut self) -> Result<(), Fault> {
        self.expect("(", "before labels")?;
        if self.takes(")") {
            return Ok(());
        }
        loop {
            self.label()?;
            if !self.takes(",") {
                return self.expect(")", "after labels");
            }
        }
    }

    /// Reads something that is nested.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= DEEPEST {
            return Err(Fault::new(self.place(), "nested too deeply"));
        }
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }
}

/// Words that Loki reads as themselves wherever they stand, in any version from 3.0 on.
#[rustfmt::skip]
const RESERVED: [&str; 27] = [
    "and", "bool", "by", "decolorize", "drop", "group_left", "group_right", "ignoring", "json",
    "keep", "label_format", "label_replace", "line_format", "logfmt", "of", "offset", "on", "or",
    "pattern", "regexp", "unless", "unpack", "unwrap", "variants", "vector", "without", "xml",
];

#[cfg(test)]
mod tests;
