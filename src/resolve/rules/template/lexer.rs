//! A template's tokens, as Go's `text/template/parse` cuts them.

use super::super::{position::Fault, quoted::unquote};

/// Words that are not functions.
const KEYWORDS: [&str; 10] = [
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
];
/// So many digits always fit 64 bits.
const MOST_DIGITS: usize = 18;

/// What a token is; what the parser never looks into has no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Open,
    Close,
    Space,
    Assign,
    Declare,
    Pipe,
    Comma,
    LeftParen,
    RightParen,
    Keyword(&'static str),
    Word(String),
    Variable(String),
    Field,
    /// `.`, nil, a boolean, a number or a character.
    Constant,
    Quoted(String),
}

impl Kind {
    pub fn is_operand(&self) -> bool {
        matches!(
            self,
            Self::LeftParen | Self::Word(_) | Self::Variable(_) | Self::Field
        ) || self.is_constant()
    }

    /// Nothing that could be called or have fields.
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Constant | Self::Quoted(_))
    }
}

#[derive(Clone, Debug)]
pub struct Token {
    /// Its first character.
    pub at: usize,
    pub kind: Kind,
}

pub fn lex(chars: &[char]) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer {
        chars,
        at: 0,
        tokens: Vec::new(),
    };
    lexer.document()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        while self.at < self.chars.len() {
            if !self.follows(self.at, "{{") {
                self.at += 1;
                continue;
            }
            let open = self.at;
            self.at += 2;
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(is_space) {
                self.at += 2;
            }
            if self.follows(self.at, "/*") {
                self.comment(open)?;
            } else {
                self.push(open, Kind::Open);
                self.action(open)?;
            }
        }
        Ok(())
    }

    fn comment(&mut self, open: usize) -> Result<(), Fault> {
        self.at += 2;
        while !self.follows(self.at, "*/") {
            if self.at >= self.chars.len() {
                return Err(Fault::new(open, "the comment is not closed"));
            }
            self.at += 1;
        }
        self.at += 2;
        let length = self
            .closing()
            .ok_or_else(|| Fault::new(self.at, "expected }} right after the comment"))?;
        self.at += length;
        Ok(())
    }

    /// Everything between `{{` and `}}`.
    fn action(&mut self, open: usize) -> Result<(), Fault> {
        let mut parens = 0_usize;
        loop {
            let start = self.at;
            if let Some(length) = self.closing() {
                if parens > 0 {
                    return Err(Fault::new(start, "a ( is not closed"));
                }
                self.push(start, Kind::Close);
                self.at += length;
                return Ok(());
            }
            let Some(c) = self.peek(0) else {
                return Err(Fault::new(open, "{{ is not closed: }} is missing"));
            };
            let kind = match c {
                _ if is_space(c) => {
                    while self.peek(0).is_some_and(is_space) && self.closing().is_none() {
                        self.at += 1;
                    }
                    Kind::Space
                }
                '=' => self.take(1, Kind::Assign),
                ':' if self.peek(1) == Some('=') => self.take(2, Kind::Declare),
                '|' => self.take(1, Kind::Pipe),
                ',' => self.take(1, Kind::Comma),
                '(' => {
                    parens += 1;
                    self.take(1, Kind::LeftParen)
                }
                ')' => {
                    parens = parens
                        .checked_sub(1)
                        .ok_or_else(|| Fault::new(start, "this ) closes nothing"))?;
                    self.take(1, Kind::RightParen)
                }
                '"' => self.quoted()?,
                '`' => self.raw()?,
                '\'' => self.character()?,
                '$' => self.variable()?,
                '.' if !self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.field()?,
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                'a'..='z' | 'A'..='Z' | '_' => self.word()?,
                _ => return Err(Fault::new(start, format!("{c:?} is not expected here"))),
            };
            self.push(start, kind);
        }
    }

    fn quoted(&mut self) -> Result<Kind, Fault> {
        let start = self.at + 1;
        unquote(self.body('"')?, '"')
            .map(Kind::Quoted)
            .map_err(|(at, message)| Fault::new(start + at, message))
    }

    fn raw(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        let rest = self.chars.get(start + 1..).unwrap_or(&[]);
        let length = rest
            .iter()
            .position(|&c| c == '`')
            .ok_or_else(|| Fault::new(start, "the ` is not closed"))?;
        self.at += length + 2;
        let text = rest.iter().take(length).filter(|&&c| c != '\r').collect();
        Ok(Kind::Quoted(text))
    }

    fn character(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        let one = unquote(self.body('\'')?, '\'').is_ok_and(|text| text.chars().count() == 1);
        if !one {
            return Err(Fault::new(
                start,
                "single quotes hold one character: write text in \"",
            ));
        }
        Ok(Kind::Constant)
    }

    /// What stands up to the closing quote, which is passed.
    fn body(&mut self, quote: char) -> Result<&[char], Fault> {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        while let Some(c) = self.peek(0) {
            if c == quote {
                self.at += 1;
                return Ok(self.chars.get(start..self.at - 1).unwrap_or(&[]));
            }
            if c == '\n' {
                break;
            }
            self.at += if c == '\\' { 2 } else { 1 };
        }
        Err(Fault::new(open, "the quotes are not closed"))
    }

    fn variable(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        self.at += 1;
        Ok(Kind::Variable(self.name(start)?))
    }

    fn field(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        self.at += 1;
        let name = self.name(start)?;
        Ok(if name == "." {
            Kind::Constant
        } else {
            Kind::Field
        })
    }

    fn word(&mut self) -> Result<Kind, Fault> {
        let name = self.name(self.at)?;
        if let Some(&keyword) = KEYWORDS.iter().find(|&&keyword| keyword == name) {
            return Ok(Kind::Keyword(keyword));
        }
        Ok(match name.as_str() {
            "true" | "false" | "nil" => Kind::Constant,
            _ => Kind::Word(name),
        })
    }

    /// Letters and digits up to something that may follow them.
    fn name(&mut self, start: usize) -> Result<String, Fault> {
        while self
            .peek(0)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            self.at += 1;
        }
        let ends = self.closing().is_some()
            || self
                .peek(0)
                .is_none_or(|c| is_space(c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '('));
        if !ends {
            return Err(Fault::new(
                self.at,
                "this character cannot follow a name: leave a space",
            ));
        }
        Ok(self.text(start))
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        if matches!(self.peek(0), Some('+' | '-')) {
            self.at += 1;
        }
        let whole = self.digits();
        let leading_zero = whole > 1 && self.chars.get(self.at - whole) == Some(&'0');
        let mut is_float = false;
        let mut fraction = 0;
        if self.peek(0) == Some('.') {
            is_float = true;
            self.at += 1;
            fraction = self.digits();
        }
        let mut digits = whole + fraction;
        if digits > 0 && matches!(self.peek(0), Some('e' | 'E')) {
            is_float = true;
            self.at += 1;
            if matches!(self.peek(0), Some('+' | '-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                digits = 0;
            }
        }
        let follows = self
            .peek(0)
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '+' | '-'));
        let fits = if is_float {
            self.text(start).parse::<f64>().is_ok_and(f64::is_finite)
        } else {
            digits <= MOST_DIGITS && !leading_zero
        };
        if digits == 0 || follows || !fits {
            return Err(Fault::new(start, "not a number: write such as 15 or 0.5"));
        }
        Ok(Kind::Constant)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    /// The length of `}}` or ` -}}` where one is next.
    fn closing(&self) -> Option<usize> {
        if self.follows(self.at, "}}") {
            return Some(2);
        }
        (self.peek(0).is_some_and(is_space) && self.follows(self.at + 1, "-}}")).then_some(4)
    }

    fn follows(&self, at: usize, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(index, c)| self.chars.get(at + index) == Some(&c))
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn take(&mut self, length: usize, kind: Kind) -> Kind {
        self.at += length;
        kind
    }

    fn text(&self, start: usize) -> String {
        self.chars
            .get(start..self.at)
            .unwrap_or(&[])
            .iter()
            .collect()
    }

    fn push(&mut self, at: usize, kind: Kind) {
        self.tokens.push(Token { at, kind });
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
