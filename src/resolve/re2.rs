//! Regular expressions of Go's `regexp` (RE2), which Prometheus and Alertmanager use.
//!
//! A pattern is taken when it means the same here and there: read by Rust's parser, which is close
//! to Go's, less what only Rust knows. What only Go knows (`\Q…\E`, `\C`) is refused as well.

use regex_syntax::ast::{self, Ast, Visitor, parse::Parser, visit};

/// Go refuses a repetition of more, nested ones multiplied.
const MAX_REPEAT: u32 = 1_000;

/// Why a pattern is refused; none when Go takes it.
#[must_use]
pub fn problem(pattern: &str) -> Option<String> {
    let tree = match Parser::new().parse(pattern) {
        Ok(tree) => tree,
        Err(error) => {
            let place = error.span().start.column;
            return Some(format!("{} at character {place}", error.kind()));
        }
    };
    visit(&tree, Check { repeats: vec![1] }).err()
}

/// Looks for what Go does not know.
struct Check {
    /// For each repetition that is open, how often its inside stands at most.
    repeats: Vec<u32>,
}

fn refuse(what: &str, span: &ast::Span) -> Result<(), String> {
    Err(format!(
        "{what} is not known to RE2, at character {}",
        span.start.column
    ))
}

impl Visitor for Check {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::Flags(flags) => flags_are_known(&flags.flags),
            Ast::Literal(literal) => literal_is_known(literal),
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::StartLine
                | ast::AssertionKind::EndLine
                | ast::AssertionKind::StartText
                | ast::AssertionKind::EndText
                | ast::AssertionKind::WordBoundary
                | ast::AssertionKind::NotWordBoundary => Ok(()),
                _ => refuse("this kind of boundary", &assertion.span),
            },
            Ast::ClassUnicode(class) => class_is_known(class),
            Ast::Repetition(repetition) => self.open(repetition),
            Ast::Group(group) => match &group.kind {
                ast::GroupKind::CaptureName { .. } => refuse("a named group", &group.span),
                ast::GroupKind::NonCapturing(flags) => flags_are_known(flags),
                ast::GroupKind::CaptureIndex(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), String> {
        if matches!(ast, Ast::Repetition(_)) {
            self.repeats.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), String> {
        match item {
            ast::ClassSetItem::Literal(literal) => literal_is_known(literal),
            ast::ClassSetItem::Range(range) => {
                literal_is_known(&range.start)?;
                literal_is_known(&range.end)
            }
            ast::ClassSetItem::Unicode(class) => class_is_known(class),
            ast::ClassSetItem::Bracketed(class) => refuse("a class in a class", &class.span),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(
        &mut self,
        operation: &ast::ClassSetBinaryOp,
    ) -> Result<(), String> {
        refuse("an operation on classes", &operation.span)
    }
}

impl Check {
    fn open(&mut self, repetition: &ast::Repetition) -> Result<(), String> {
        if matches!(*repetition.ast, Ast::Repetition(_)) {
            return refuse("a repetition of a repetition", &repetition.op.span);
        }
        let most = match &repetition.op.kind {
            ast::RepetitionKind::Range(range) => match range {
                // `{,n}` is text to Go.
                ast::RepetitionRange::Bounded(0, most) if is_open(repetition, *most) => {
                    return refuse("{,n}", &repetition.op.span);
                }
                ast::RepetitionRange::Exactly(n)
                | ast::RepetitionRange::AtLeast(n)
                | ast::RepetitionRange::Bounded(_, n) => *n,
            },
            _ => 1,
        };
        let outer = self.repeats.last().copied().unwrap_or(1);
        let all = outer.saturating_mul(most.max(1));
        if all > MAX_REPEAT {
            return refuse("a repetition of more than 1000", &repetition.op.span);
        }
        self.repeats.push(all);
        Ok(())
    }
}

/// Whether a bounded repetition is written `{,n}` and not `{0,n}`: it is one character shorter.
fn is_open(repetition: &ast::Repetition, most: u32) -> bool {
    let digits = most.checked_ilog10().unwrap_or(0) as usize + 1;
    let lazy = usize::from(!repetition.greedy);
    let span = repetition.op.span;
    span.end.offset - span.start.offset < digits + lazy + "{0,}".len()
}

fn flags_are_known(flags: &ast::Flags) -> Result<(), String> {
    let known = |item: &ast::FlagsItem| match item.kind {
        ast::FlagsItemKind::Negation => true,
        ast::FlagsItemKind::Flag(flag) => matches!(
            flag,
            ast::Flag::CaseInsensitive
                | ast::Flag::MultiLine
                | ast::Flag::DotMatchesNewLine
                | ast::Flag::SwapGreed
        ),
    };
    match flags.items.iter().find(|item| !known(item)) {
        Some(item) => refuse("this flag", &item.span),
        None => Ok(()),
    }
}

fn literal_is_known(literal: &ast::Literal) -> Result<(), String> {
    use ast::{HexLiteralKind, LiteralKind};
    match literal.kind {
        LiteralKind::HexFixed(HexLiteralKind::X) | LiteralKind::HexBrace(HexLiteralKind::X) => {
            Ok(())
        }
        LiteralKind::HexFixed(_) | LiteralKind::HexBrace(_) => refuse("\\u", &literal.span),
        _ => Ok(()),
    }
}

/// Names that both know, in the spelling that Go wants.
const CLASSES: &[&str] = &[
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp",
    "Latin", "Greek", "Cyrillic", "Arabic", "Hebrew", "Han", "Hiragana", "Katakana", "Hangul",
    "Thai",
];

fn class_is_known(class: &ast::ClassUnicode) -> Result<(), String> {
    let known = match &class.kind {
        ast::ClassUnicodeKind::OneLetter(letter) => {
            CLASSES.contains(&&*letter.encode_utf8(&mut [0; 4]))
        }
        ast::ClassUnicodeKind::Named(name) => CLASSES.contains(&name.as_str()),
        ast::ClassUnicodeKind::NamedValue { .. } => false,
    };
    if known {
        Ok(())
    } else {
        refuse("this class", &class.span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::problem;

    #[test]
    fn what_both_take_is_taken() {
        for pattern in [
            "",
            "shop|billing",
            "shop-.*",
            "(?i)prod",
            "a{2,5}",
            "a{0,5}",
            "a{0,12}?",
            "(a{10}){100}",
            "[[:alpha:]_-]+",
            "[^]a]",
            "\\d+\\.\\x41\\x{41}\\-\\/",
            "\\pL\\p{Greek}",
            "^a$|\\Aa\\z",
            "(?:a*)*",
        ] {
            assert_eq!(problem(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_go_does_not_take_is_refused() {
        for pattern in [
            "(",
            "*",
            "a**",
            "a{2}{3}",
            "a{1001}",
            "(a{101}){10}",
            "a{,5}",
            "a{,5}?",
            "(?=a)",
            "(?<name>a)",
            "(?x)a",
            "[a&&b]",
            "[[a]b]",
            "\\u0041",
            "\\b{start}a",
            "\\<a",
            "\\p{sc=Greek}",
            "\\p{letter}",
        ] {
            assert!(problem(pattern).is_some(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "[\\PC]{0,64}", meta in "[(){}\\[\\]|*+?^$\\\\,0-9a-z:<>=&!-]{0,48}") {
            let _first = problem(&pattern);
            let _second = problem(&meta);
        }
    }
}
