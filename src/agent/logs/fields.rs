//! Fields of lines that are written for machines: a JSON object, or `level=info msg="…"`.

use memchr::{memchr, memchr2};

use super::docker_json::unescape;

/// How a line's fields are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// `name=value`, with spaces between.
    Logfmt,
}

/// Appends a field's value to `out`; false when there is none. Of JSON only fields of the outermost
/// object are found, and a value that is no string is taken as it is written.
pub fn find(format: Format, line: &[u8], field: &str, out: &mut Vec<u8>) -> bool {
    let found = match format {
        Format::Json => json(line, field.as_bytes()),
        Format::Logfmt => logfmt(line, field.as_bytes()),
    };
    match found {
        Some(Value::Bare(text)) => {
            out.extend_from_slice(text);
            true
        }
        Some(Value::Quoted(text)) => unescape(text, out).is_some(),
        None => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Value<'a> {
    Bare(&'a [u8]),
    /// The inside of a string, with its escapes.
    Quoted(&'a [u8]),
}

fn json<'a>(line: &'a [u8], field: &[u8]) -> Option<Value<'a>> {
    let mut rest = line.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        let (key, after) = string(rest.trim_ascii_start())?;
        let value = after
            .trim_ascii_start()
            .strip_prefix(b":")?
            .trim_ascii_start();
        let (found, after) = if value.first() == Some(&b'"') {
            let (text, after) = string(value)?;
            (Value::Quoted(text), after)
        } else {
            let (text, after) = bare(value)?;
            (Value::Bare(text), after)
        };
        if key == field {
            return Some(found);
        }
        rest = after.trim_ascii_start().strip_prefix(b",")?;
    }
}

/// The inside of a string that stands at the beginning, and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', inside.get(at..)?)?;
        if inside.get(at) == Some(&b'"') {
            return Some((inside.get(..at)?, inside.get(at + 1..)?));
        }
        at += 2;
    }
}

/// A number, a word, an object or a list that stands at the beginning, and what follows it.
fn bare(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match text.get(at)? {
            b'"' => {
                let (_, after) = string(text.get(at..)?)?;
                at = text.len() - after.len();
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    let (value, after) = text.split_at_checked(at)?;
    Some((value.trim_ascii_end(), after))
}

fn logfmt<'a>(line: &'a [u8], field: &[u8]) -> Option<Value<'a>> {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        let end = memchr2(b'=', b' ', rest)?;
        let (key, after) = rest.split_at_checked(end)?;
        let Some(value) = after.strip_prefix(b"=") else {
            // A word without a value.
            rest = after;
            continue;
        };
        let (found, after) = if value.first() == Some(&b'"') {
            let (text, after) = string(value)?;
            (Value::Quoted(text), after)
        } else {
            let end = memchr(b' ', value).unwrap_or(value.len());
            let (text, after) = value.split_at_checked(end)?;
            (Value::Bare(text), after)
        };
        if key == field {
            return Some(found);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(format: Format, line: &str, field: &str) -> Option<String> {
        let mut out = Vec::new();
        find(format, line.as_bytes(), field, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn fields_of_an_object_are_found() {
        let line =
            r#" {"a": {"level": "no", "b": [1, "}"]}, "level":"in\"fo", "n": -1.5 , "t":true}"#;
        for (field, expected) in [
            ("level", Some("in\"fo")),
            ("n", Some("-1.5")),
            ("t", Some("true")),
            ("a", Some(r#"{"level": "no", "b": [1, "}"]}"#)),
            ("none", None),
        ] {
            assert_eq!(
                value(Format::Json, line, field).as_deref(),
                expected,
                "{field}"
            );
        }
        assert_eq!(value(Format::Json, "level=info", "level"), None);
    }

    #[test]
    fn fields_of_a_row_of_pairs_are_found() {
        let line = r#"word ts=1 level=info msg="a \"b\" c" empty= last=x"#;
        for (field, expected) in [
            ("level", Some("info")),
            ("msg", Some("a \"b\" c")),
            ("empty", Some("")),
            ("last", Some("x")),
            ("word", None),
            ("none", None),
        ] {
            assert_eq!(
                value(Format::Logfmt, line, field).as_deref(),
                expected,
                "{field}"
            );
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_library(key in "[a-z]{1,5}", text in any::<String>(), number: i64) {
            let line = serde_json::json!({"zz": {"x": [number]}, key.clone(): text, "zzz": number}).to_string();
            prop_assert_eq!(value(Format::Json, &line, &key), Some(text));
            prop_assert_eq!(value(Format::Json, &line, "zzz"), Some(number.to_string()));
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<Vec<u8>>(), text in r#"[{}"\\a=: ,\[\]]{0,40}"#) {
            for format in [Format::Json, Format::Logfmt] {
                find(format, &line, "a", &mut Vec::new());
                find(format, text.as_bytes(), "a", &mut Vec::new());
            }
        }
    }
}
