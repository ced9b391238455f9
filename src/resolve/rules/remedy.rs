//! What the PromQL parser says, with the place that it is about and what to do: it tells no place
//! itself, and of many mistakes nothing but that there is one.

use super::position::Fault;

/// What the parser says when it has nothing to say.
const NO_WORDS: &str = "invalid promql query";
/// Words that stand between others.
const KEYWORDS: [&str; 12] = [
    "and",
    "or",
    "unless",
    "atan2",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
];
/// Those that need labels.
const GROUPING: [&str; 4] = ["by", "without", "on", "ignoring"];

/// The parser's words on an expression, with the place and the remedy.
pub fn explain(expr: &str, message: &str) -> String {
    let chars: Vec<char> = expr.chars().collect();
    let tokens = tokens(&chars);
    let fault = if message == NO_WORDS {
        mistake(&tokens)
    } else {
        let about = message.split('\'').nth(1);
        let token = tokens.iter().find(|token| Some(&*token.text) == about);
        token.map(|token| Fault::new(token.at, with_remedy(message)))
    };
    match fault {
        Some(fault) => fault.describe(&chars),
        None if message == NO_WORDS => {
            "not PromQL: an operator, a name or a value is missing or in the wrong place".into()
        }
        None => with_remedy(message),
    }
}

fn with_remedy(message: &str) -> String {
    let remedy = if message.contains("expected type matrix") && message.ends_with("got vector") {
        "give it a range, such as up[5m]"
    } else if message.contains("expected type vector") && message.ends_with("got matrix") {
        "leave out the range, or wrap it, such as in rate(…)"
    } else if message.contains("in label matching, expected string") {
        "put the value in quotes"
    } else if message.ends_with("'|'") {
        "lines of logs are read with engine: loki"
    } else {
        return message.to_owned();
    };
    format!("{message}: {remedy}")
}

/// A word, a number or a sign outside of strings and comments.
struct Token {
    at: usize,
    text: String,
    /// Whether it stands in the braces of a selector.
    matches: bool,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(is_letter)
    }

    fn is_keyword(&self) -> bool {
        KEYWORDS.contains(&self.text.to_ascii_lowercase().as_str())
    }

    fn is_operator(&self) -> bool {
        self.text
            .starts_with(['+', '-', '*', '/', '%', '^', '=', '!', '<', '>'])
            || self.is_keyword() && !self.text.eq_ignore_ascii_case("bool")
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn tokens(chars: &[char]) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut matches = false;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let rest = chars.get(at..).unwrap_or(&[]);
        let length = match c {
            '"' | '\'' | '`' => string(rest),
            '#' => rest.iter().take_while(|c| **c != '\n').count(),
            c if is_letter(c) => rest.iter().take_while(|c| is_letter(**c)).count(),
            '=' | '!' | '<' | '>' => {
                let second = rest.get(1).filter(|c| matches!(c, '=' | '~'));
                1 + usize::from(second.is_some())
            }
            _ => 1,
        };
        matches = (matches || c == '{') && c != '}';
        if !c.is_whitespace() && c != '#' {
            let text = rest.get(..length).unwrap_or(rest).iter().collect();
            found.push(Token { at, text, matches });
        }
        at += length;
    }
    found
}

/// How long a string is, with its quotes.
fn string(rest: &[char]) -> usize {
    let Some((&quote, body)) = rest.split_first() else {
        return 1;
    };
    let mut escaped = false;
    let body = body.iter().take_while(|&&c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped && quote != '`';
        !ends
    });
    (body.count() + 2).min(rest.len())
}

/// A mistake that people make, and where.
fn mistake(tokens: &[Token]) -> Option<Fault> {
    for (index, token) in tokens.iter().enumerate() {
        let text = token.text.as_str();
        let next = tokens.get(index + 1);
        let fault = |message: String| Some(Fault::new(token.at, message));
        if text == "=" && !token.matches {
            return fault("= compares nothing: write ==".into());
        }
        if text == "=~" && !token.matches {
            return fault("=~ belongs between the braces of a selector".into());
        }
        let is_grouping = GROUPING.contains(&text.to_ascii_lowercase().as_str());
        if is_grouping && next.is_some_and(|next| next.text != "(") {
            return fault(format!(
                "{text} needs labels in parentheses, such as {text} (instance)"
            ));
        }
        let ends = next.is_none_or(|next| next.text == ")");
        if token.is_operator() && ends {
            return fault(format!("something is missing after {text}"));
        }
        if token.matches || token.is_keyword() {
            continue;
        }
        if let Some(next) = next.filter(|next| next.is_word() && !next.is_keyword())
            && (token.is_word() || text == ")" || text == "}")
            && !follows_labels(tokens, index)
        {
            let message = format!("an operator is missing before {}", next.text);
            return Some(Fault::new(next.at, message));
        }
    }
    None
}

/// Whether a token closes the labels of a grouping, after which an operand may follow.
fn follows_labels(tokens: &[Token], index: usize) -> bool {
    let before = tokens.get(..index).unwrap_or(&[]);
    let open = before.iter().rposition(|token| token.text == "(");
    let word = open.and_then(|open| before.get(open.checked_sub(1)?));
    word.is_some_and(Token::is_keyword)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::promql, *};

    fn said(expr: &str) -> String {
        promql::problem(expr).unwrap_or_default()
    }

    #[test]
    fn what_people_get_wrong_is_told_with_its_place_and_the_remedy() {
        let cases = [
            ("up = 0", "line 1, column 4: = compares nothing: write =="),
            (
                "sum(up) by instance > 0",
                "line 1, column 9: by needs labels in parentheses, such as by (instance)",
            ),
            ("up >", "line 1, column 4: something is missing after >"),
            (
                "sum(\n  up down\n)",
                "line 2, column 6: an operator is missing before down",
            ),
            (
                "up{job=node} == 0",
                "line 1, column 8: unexpected identifier 'node' in label matching, expected string: put the value in quotes",
            ),
            (
                "1 + rat(up[5m])",
                "line 1, column 5: unknown function with name 'rat'",
            ),
            (
                "rate(up) > 1",
                "line 1, column 1: expected type matrix in call to function 'rate', got vector: give it a range, such as up[5m]",
            ),
            (
                r#"rate({a="b"} |= "x" [5m])"#,
                "line 1, column 14: unexpected character: '|': lines of logs are read with engine: loki",
            ),
        ];
        for (expr, expected) in cases {
            assert_eq!(said(expr), expected, "{expr}");
        }
    }

    #[test]
    fn what_nobody_can_place_is_told_without_a_place() {
        assert!(explain("up", NO_WORDS).starts_with("not PromQL"));
        assert_eq!(explain("up", "it's odd"), "it's odd");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}", near in "[a-z(){}\\[\\]\"'=~!<>+ #\\\\`]{0,60}") {
            let _words = (explain(&text, NO_WORDS), explain(&near, NO_WORDS), explain(&near, "'a'"));
        }
    }
}
