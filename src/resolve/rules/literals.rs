//! The literals of an expression, read strictly before the parser sees them.
//!
//! The parser takes some that Prometheus refuses, and the other way round: durations and numbers
//! out of range, raw strings with a backslash, `1_000`.

use super::{length, position::Fault, quoted::unquote};

/// Nobody looks back further; far below what the parser's arithmetic can hold.
const MOST_SECONDS: f64 = 9e9;

/// The expression in the words that the parser knows, or the first literal that is wrong.
pub fn normalise(expr: &str) -> Result<String, String> {
    let chars: Vec<char> = expr.chars().collect();
    let mut reader = Reader {
        chars: &chars,
        at: 0,
        written: String::with_capacity(expr.len()),
        open: Vec::new(),
        after: After::Other,
    };
    match reader.read() {
        Ok(()) => Ok(reader.written),
        Err(fault) => Err(fault.describe(&chars)),
    }
}

/// What stands before a number says what it means.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// `offset` or `@`: seconds.
    Time,
    Other,
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    written: String,
    /// The brackets that are open, each with its place.
    open: Vec<(usize, char)>,
    after: After,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Fault> {
        while let Some(c) = self.peek(0) {
            match c {
                '#' => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                '"' | '\'' | '`' => self.string(c)?,
                '0'..='9' => self.number()?,
                '.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number()?,
                ':' if !self.within('[') => self.word()?,
                'a'..='z' | 'A'..='Z' | '_' => self.word()?,
                _ => self.sign(c)?,
            }
        }
        match self.open.last() {
            Some((at, c)) => Err(Fault::new(*at, format!("{c} is not closed"))),
            None => Ok(()),
        }
    }

    fn sign(&mut self, c: char) -> Result<(), Fault> {
        match c {
            '(' | '[' | '{' => self.open.push((self.at, c)),
            ')' | ']' | '}' => {
                let closed = self.open.pop().map(|(_, open)| open);
                if !matches!(
                    (closed, c),
                    (Some('('), ')') | (Some('['), ']') | (Some('{'), '}')
                ) {
                    return Err(Fault::new(self.at, format!("this {c} closes nothing")));
                }
            }
            _ => {}
        }
        if c == '@' {
            self.after = After::Time;
        } else if !(c.is_whitespace() || c == '-' || c == '+' || c == '(') {
            self.after = After::Other;
        }
        self.written.push(c);
        self.at += 1;
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), Fault> {
        let open = self.at;
        let mut end = open + 1;
        loop {
            match self.chars.get(end) {
                None => return Err(Fault::new(open, "the quotes are not closed")),
                Some(&c) if c == quote => break,
                Some('\\') if quote != '`' => end += 2,
                Some(_) => end += 1,
            }
        }
        let body = self.chars.get(open + 1..end).unwrap_or(&[]);
        if quote == '`' {
            self.written.push('"');
            for c in body {
                match c {
                    '"' => self.written.push_str("\\\""),
                    '\\' => self.written.push_str("\\\\"),
                    '\n' => self.written.push_str("\\n"),
                    other => self.written.push(*other),
                }
            }
            self.written.push('"');
        } else {
            unquote(body, quote).map_err(|(at, message)| Fault::new(open + 1 + at, message))?;
            self.written
                .extend(self.chars.get(open..=end).unwrap_or(&[]));
        }
        self.at = end + 1;
        self.after = After::Other;
        Ok(())
    }

    fn word(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += 1;
        while self
            .peek(0)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        {
            self.at += 1;
        }
        let word: String = self.slice(start);
        let lower = word.to_ascii_lowercase();
        let endless = lower == "inf" || lower == "nan";
        if endless && (self.after == After::Time || self.within('[')) {
            return Err(Fault::new(start, "expected a duration such as 5m"));
        }
        self.after = if lower == "offset" {
            After::Time
        } else {
            After::Other
        };
        self.written.push_str(&word);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut previous = ' ';
        let is_hex = self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X'));
        while let Some(c) = self.peek(0) {
            let exponent = !is_hex && matches!(previous, 'e' | 'E') && matches!(c, '+' | '-');
            if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || exponent) {
                break;
            }
            previous = c;
            self.at += 1;
        }
        let text: String = self.slice(start);
        let wrong = |message: &str| Fault::new(start, format!("{text}: {message}"));
        let digits: String = text.chars().filter(|&c| c != '_').collect();
        if is_hex {
            let hex = text.chars().skip(2);
            let count = hex.clone().count();
            if count == 0 || count > 15 || hex.clone().any(|c| !c.is_ascii_hexdigit()) {
                return Err(wrong("not a number"));
            }
        } else if text.contains('_') {
            let plain = digits.bytes().all(|c| c.is_ascii_digit()) && digits.len() <= 18;
            if !plain || text.starts_with('0') || text.ends_with('_') || text.contains("__") {
                return Err(wrong("not a number"));
            }
        } else if let Some(read) = decimal(&text) {
            if !read.is_finite() {
                return Err(wrong("the number is too large"));
            }
        } else if length::parse(&text).is_none() {
            return Err(wrong(
                "neither a number nor a duration such as 5m, of less than 292 years",
            ));
        }
        let is_seconds = self.after == After::Time || self.within('[');
        if is_seconds && digits.parse::<f64>().is_ok_and(|read| read > MOST_SECONDS) {
            return Err(wrong("too long: a duration has less than 292 years"));
        }
        self.after = After::Other;
        self.written.push_str(&digits);
        Ok(())
    }

    fn within(&self, bracket: char) -> bool {
        self.open.last().is_some_and(|(_, open)| *open == bracket)
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn slice(&self, start: usize) -> String {
        self.chars
            .get(start..self.at)
            .unwrap_or(&[])
            .iter()
            .collect()
    }
}

/// A number of digits, a point and an exponent; none for durations and anything else.
fn decimal(text: &str) -> Option<f64> {
    let known = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    text.chars().all(known).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn what_the_parser_does_not_know_is_put_in_its_words() {
        assert_eq!(
            normalise("up{a=`raw\\d\"`} > 1_000 # why").as_deref(),
            Ok("up{a=\"raw\\\\d\\\"\"} > 1000 ")
        );
        assert_eq!(
            normalise("rate(up[5m:1m]) @ 16 offset -5m").as_deref(),
            Ok("rate(up[5m:1m]) @ 16 offset -5m")
        );
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_its_place() {
        for (expr, message) in [
            ("up[300000y]", "line 1, column 4: 300000y: "),
            ("up offset 1e30", "line 1, column 11: 1e30: "),
            ("up[1e30]", "line 1, column 4: 1e30: "),
            ("up @ inf", "line 1, column 6: expected"),
            ("1e999", "line 1, column 1: 1e999: "),
            ("(up", "line 1, column 1: ( is not closed"),
            ("up\n]", "line 2, column 1: this ] closes nothing"),
            ("up{a=\"\\d\"}", "line 1, column 7: not an escape"),
        ] {
            let found = normalise(expr).err().unwrap_or_default();
            assert!(found.starts_with(message), "{expr}: {found}");
        }
    }
}
