//! The tokens of LogQL.

use crate::resolve::{
    duration,
    rules::{length, position::Fault, quoted::unquote},
};

/// Where a token starts, in characters, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub at: usize,
    pub kind: Kind,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A name, a function or a word of the language.
    Word(String),
    /// What stands between quotes.
    Text(String),
    Number(f64),
    /// A duration outside of brackets, in seconds; may be negative.
    Duration(f64),
    /// An amount of bytes.
    Bytes,
    /// A range in brackets, in milliseconds.
    Range(u64),
    /// `--strict` or `--keep-empty`.
    Flag(&'static str),
    Sign(&'static str),
    End,
}

impl Kind {
    /// The token in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("{word:?}"),
            Self::Text(_) => "a text in quotes".into(),
            Self::Number(number) => format!("the number {number}"),
            Self::Duration(_) => "a duration".into(),
            Self::Bytes => "an amount of bytes".into(),
            Self::Range(_) => "a range in brackets".into(),
            Self::Flag(flag) | Self::Sign(flag) => format!("{flag:?}"),
            Self::End => "the end".into(),
        }
    }
}

const FLAGS: [&str; 2] = ["--strict", "--keep-empty"];
/// Longer ones first.
#[rustfmt::skip]
const SIGNS: [&str; 28] = [
    "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "|", "=", ">", "<", "{", "}", "(",
    ")", ",", "+", "-", "*", "/", "%", "^", "]", "[", ".",
];

/// All tokens of an expression.
pub fn lex(chars: &[char]) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer {
        chars,
        at: 0,
        tokens: Vec::new(),
    };
    while let Some(kind) = lexer.next()? {
        let (at, kind) = kind;
        lexer.tokens.push(Token { at, kind });
    }
    let end = Token {
        at: chars.len(),
        kind: Kind::End,
    };
    lexer.tokens.push(end);
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// The characters from here on that are of a kind.
    fn run(&self, of: impl Fn(char) -> bool) -> String {
        let rest = self.chars.get(self.at..).unwrap_or(&[]);
        rest.iter().copied().take_while(|&c| of(c)).collect()
    }

    fn next(&mut self) -> Result<Option<(usize, Kind)>, Fault> {
        loop {
            match self.peek(0) {
                None => return Ok(None),
                Some(' ' | '\t' | '\n' | '\r') => self.at += 1,
                Some('#') => self.at += self.run(|c| c != '\n').chars().count(),
                Some(_) => break,
            }
        }
        let at = self.at;
        let Some(c) = self.peek(0) else {
            return Ok(None);
        };
        let kind = match c {
            '"' | '`' => self.text(c)?,
            '0'..='9' => self.number()?,
            '.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            '[' => self.range()?,
            '-' if self.peek(1) == Some('-') => self.flag()?,
            '-' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.negative(),
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = self.run(|c| c.is_ascii_alphanumeric() || c == '_');
                self.at += word.len();
                Kind::Word(word)
            }
            _ => self.sign()?,
        };
        Ok(Some((at, kind)))
    }

    fn text(&mut self, quote: char) -> Result<Kind, Fault> {
        let start = self.at + 1;
        let mut end = start;
        loop {
            match self.chars.get(end) {
                None => {
                    return Err(Fault::new(
                        self.at,
                        format!("the quote {quote} is not closed"),
                    ));
                }
                Some('\\') if quote == '"' => end += 2,
                Some(c) if *c == quote => break,
                Some(_) => end += 1,
            }
        }
        let body = self.chars.get(start..end).unwrap_or(&[]);
        let text = if quote == '"' {
            unquote(body, quote).map_err(|(at, message)| Fault::new(start + at, message))?
        } else {
            // Go leaves carriage returns out of raw texts.
            body.iter().filter(|&&c| c != '\r').collect()
        };
        self.at = end + 1;
        Ok(Kind::Text(text))
    }

    /// A number, a duration or an amount of bytes.
    fn number(&mut self) -> Result<Kind, Fault> {
        let at = self.at;
        let duration = self.run(|c| c.is_ascii_digit() || "nuµmshdwy.".contains(c));
        if let Some(seconds) = seconds(&duration) {
            self.at += duration.chars().count();
            return self.ends(at, Kind::Duration(seconds));
        }
        let bytes = self.run(|c| c.is_ascii_digit() || "BikKMGTP.".contains(c));
        if is_bytes(&bytes) {
            self.at += bytes.len();
            return self.ends(at, Kind::Bytes);
        }
        let mut number = self.run(|c| c.is_ascii_digit() || c == '.');
        self.at += number.len();
        if matches!(self.peek(0), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            let exponent = self.chars.get(self.at..=self.at + sign).unwrap_or(&[]);
            number.extend(exponent);
            self.at += 1 + sign;
            let digits = self.run(|c| c.is_ascii_digit());
            self.at += digits.len();
            number.push_str(&digits);
        }
        // `0x1f`, `0b1`, `010` and `1_000` are not decimal.
        let octal = number.len() > 1
            && number.starts_with('0')
            && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() && !octal => self.ends(at, Kind::Number(value)),
            _ => Err(Fault::new(
                at,
                format!("{number:?} is not a decimal number"),
            )),
        }
    }

    /// A number is not followed by a letter.
    fn ends(&self, at: usize, kind: Kind) -> Result<Kind, Fault> {
        match self.peek(0) {
            Some(c) if c.is_alphanumeric() || c == '_' || c == '.' => Err(Fault::new(
                at,
                "neither a number nor a duration such as 5m nor an amount such as 20MB",
            )),
            _ => Ok(kind),
        }
    }

    /// A duration with a minus; else the minus alone.
    fn negative(&mut self) -> Kind {
        self.at += 1;
        let duration = self.run(|c| c.is_ascii_digit() || "nuµmshdwy.".contains(c));
        match seconds(&duration) {
            Some(seconds)
                if !duration
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.') =>
            {
                self.at += duration.chars().count();
                Kind::Duration(-seconds)
            }
            _ => Kind::Sign("-"),
        }
    }

    fn range(&mut self) -> Result<Kind, Fault> {
        let at = self.at;
        self.at += 1;
        let text = self.run(|c| c != ']');
        self.at += text.chars().count();
        if self.peek(0).is_none() {
            return Err(Fault::new(at, "the bracket [ is not closed"));
        }
        self.at += 1;
        match length::parse(&text) {
            Some(millis @ 1..) => Ok(Kind::Range(millis)),
            _ => Err(Fault::new(
                at + 1,
                format!("{text:?} is not a range: write such as [5m]"),
            )),
        }
    }

    fn flag(&mut self) -> Result<Kind, Fault> {
        let flag = self.run(|c| c.is_ascii_alphabetic() || c == '-');
        let known = FLAGS.into_iter().find(|known| *known == flag);
        let known = known.ok_or_else(|| {
            Fault::new(
                self.at,
                format!("{flag:?} is no flag: there are --strict and --keep-empty"),
            )
        })?;
        self.at += flag.len();
        Ok(Kind::Flag(known))
    }

    fn sign(&mut self) -> Result<Kind, Fault> {
        let comes = |sign: &&&str| {
            let mut wanted = sign.chars().enumerate();
            wanted.all(|(index, c)| self.peek(index) == Some(c))
        };
        let sign = SIGNS.iter().find(comes).copied();
        let sign = sign.ok_or_else(|| {
            let c = self.peek(0).unwrap_or_default();
            let hint = if c == '\'' {
                ": texts stand in \" or `"
            } else {
                ""
            };
            Fault::new(self.at, format!("{c:?} is no part of LogQL{hint}"))
        })?;
        self.at += sign.len();
        Ok(Kind::Sign(sign))
    }
}

/// Go's units of time, in seconds.
const UNITS: [(&str, f64); 7] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// The seconds of a duration as Prometheus or Go writes it: `1h30m`, `1d`, `1.5h`, `10ns`.
fn seconds(text: &str) -> Option<f64> {
    if let Some(millis) = duration::parse_millis(text).or_else(|| length::parse(text)) {
        return (millis <= length::LONGEST_MILLIS).then_some(millis as f64 / 1000.0);
    }
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, next) = after.split_at_checked(letters.unwrap_or(after.len()))?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if !number.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        total += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    // Nanoseconds in 64 bits.
    (!text.is_empty() && total < 9.2e9).then_some(total)
}

/// Bytes as `go-humanize` reads them, in the units that Loki lets stand.
fn is_bytes(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let Some((number, unit)) = end.and_then(|end| text.split_at_checked(end)) else {
        return false;
    };
    let units = [
        "B", "kB", "KB", "MB", "GB", "TB", "PB", "KiB", "MiB", "GiB", "TiB", "PiB",
    ];
    let short = ["k", "K", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"];
    (units.contains(&unit) || short.contains(&unit))
        && number
            .parse::<f64>()
            .is_ok_and(|number| number < 8000.0 || unit.len() < 3)
}
