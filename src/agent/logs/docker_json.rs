//! Lines as Docker's json-file driver writes them:
//! `{"log":"…\n","stream":"stdout","attrs":{…},"time":"…"}`. A `log` without a line end is a part
//! of a longer line. Text without escapes is not copied.

use memchr::{memchr, memchr2};

use super::record::{Record, Stream};
use super::stamp::Clock;

/// Reads a line without its line end; none when it is not of this form. Text with escapes is
/// written into `buffer`.
pub fn parse<'a>(line: &'a [u8], clock: &mut Clock, buffer: &'a mut Vec<u8>) -> Option<Record<'a>> {
    let mut rest = skip_space(line).strip_prefix(b"{")?;
    let (mut log, mut stream, mut time) = (None, Stream::Stdout, None);
    loop {
        rest = skip_space(rest);
        if rest.first() == Some(&b'}') {
            break;
        }
        let (key, after) = string(rest)?;
        let value = skip_space(skip_space(after).strip_prefix(b":")?);
        rest = if value.first() == Some(&b'"') {
            let (text, after) = string(value)?;
            match key {
                b"log" => log = Some(text),
                b"time" => time = Some(text),
                b"stream" if text == b"stderr" => stream = Stream::Stderr,
                _ => {}
            }
            after
        } else {
            skip_value(value)?
        };
        rest = skip_space(rest);
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b'}', _) => break,
            _ => return None,
        }
    }
    let (log, time) = (log?, clock.parse(time?)?);
    // Nearly every text ends with the escape of its line end and has no other.
    let (body, full) = match log.strip_suffix(b"\\n") {
        Some(body) if trailing_backslashes(body).is_multiple_of(2) => (body, true),
        _ => (log, false),
    };
    let text = if memchr(b'\\', body).is_some() {
        buffer.clear();
        unescape(body, buffer)?;
        buffer.as_slice()
    } else {
        body
    };
    // Docker escapes the carriage return as well; a terminal's lines end with both.
    Some(Record {
        time,
        stream,
        full,
        text,
    })
}

fn skip_space(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

fn trailing_backslashes(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// The inside of a string that stands at the beginning, escapes as they are, and what follows.
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

/// What follows a value that is no string.
fn skip_value(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut rest = text;
    loop {
        match rest.first()? {
            b'"' => {
                rest = string(rest)?.1;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(rest),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        rest = rest.get(1..)?;
    }
}

/// Writes a string's inside without its escapes; none when an escape is wrong.
pub fn unescape(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..at)?);
        let escaped = *rest.get(at + 1)?;
        rest = rest.get(at + 2..)?;
        out.push(match escaped {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => escaped,
            b'u' => {
                let (unit, after) = hex(rest)?;
                rest = after;
                let mut code = unit;
                if (0xd800..0xdc00).contains(&unit) {
                    let low = rest.strip_prefix(b"\\u").and_then(hex);
                    if let Some((low, after)) =
                        low.filter(|(low, _)| (0xdc00..0xe000).contains(low))
                    {
                        code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        rest = after;
                    }
                }
                // Half a pair stands for nothing.
                let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    out.extend_from_slice(rest);
    Some(())
}

fn hex(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let mut unit = 0;
    for digit in digits {
        unit = unit * 16 + char::from(*digit).to_digit(16)?;
    }
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: i64 = 1_795_341_600_123_456_789;

    fn read(line: &str) -> Option<(String, Stream, bool, i64)> {
        let mut buffer = Vec::new();
        let record = parse(line.as_bytes(), &mut Clock::default(), &mut buffer)?;
        let text = String::from_utf8(record.text.to_vec()).unwrap();
        Some((text, record.stream, record.full, record.time))
    }

    #[test]
    fn lines_and_parts_are_told_apart() {
        let time = r#""time":"2026-11-22T10:00:00.123456789Z"}"#;
        for (line, text, stream, full) in [
            (
                r#"{"log":"hello\n","stream":"stdout","#,
                "hello",
                Stream::Stdout,
                true,
            ),
            (
                r#"{"log":"part","stream":"stderr","#,
                "part",
                Stream::Stderr,
                false,
            ),
            (
                r#"{"log":"a \"b\" \u003c\ud83d\ude00\\\n","stream":"stderr","#,
                "a \"b\" <😀\\",
                Stream::Stderr,
                true,
            ),
            (
                r#"{"log":"not an end \\n","stream":"stdout","#,
                "not an end \\n",
                Stream::Stdout,
                false,
            ),
            (
                r#"{"log":"x\n","stream":"stdout","attrs":{"tag":"}\"","n":[1,{"a":2}]},"#,
                "x",
                Stream::Stdout,
                true,
            ),
            (
                r#"{ "log" : "\n" , "stream" : "stdout" , "#,
                "",
                Stream::Stdout,
                true,
            ),
        ] {
            let expected = (text.to_owned(), stream, full, TIME);
            assert_eq!(read(&format!("{line}{time}")), Some(expected), "{line}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "{",
            "{}",
            "plain",
            r#"{"log":"x\n"}"#,
            r#"{"log":"x\n","time":"soon"}"#,
            r#"{"log":"x\q\n","time":"2026-11-22T10:00:00Z"}"#,
            r#"{"log":"x"#,
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_library(text in any::<String>()) {
            let line = serde_json::json!({"log": format!("{text}\n"), "stream": "stdout", "time": "2026-11-22T10:00:00.123456789Z"});
            prop_assert_eq!(read(&line.to_string()), Some((text, Stream::Stdout, true, TIME)));
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<Vec<u8>>(), text in r#"\{["\\a-z:,{}\[\]]{0,40}"#) {
            parse(&line, &mut Clock::default(), &mut Vec::new());
            parse(text.as_bytes(), &mut Clock::default(), &mut Vec::new());
        }
    }
}
