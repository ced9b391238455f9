//! Lines as containerd and CRI-O write them: `<time> <stdout|stderr> <tags> <text>`
//! (kubernetes/cri-api, `kuberuntime/logs`). Nothing is copied.

use memchr::memchr;

use super::record::{Record, Stream};
use super::stamp::Clock;

/// Reads a line without its line end; none when it is not of this form.
pub fn parse<'a>(line: &'a [u8], clock: &mut Clock) -> Option<Record<'a>> {
    let (time, rest) = split(line)?;
    let (stream, rest) = match rest.split_at_checked(7)? {
        (b"stdout ", rest) => (Stream::Stdout, rest),
        (b"stderr ", rest) => (Stream::Stderr, rest),
        _ => return None,
    };
    // The text may be empty, and then some runtimes leave out the space before it.
    let (tags, text) = split(rest).unwrap_or((rest, &[]));
    // Tags to come are told apart by colons; the first stays what it is.
    let full = match tags {
        [b'F'] | [b'F', b':', ..] => true,
        [b'P'] | [b'P', b':', ..] => false,
        _ => return None,
    };
    Some(Record {
        time: clock.parse(time)?,
        stream,
        full,
        text,
    })
}

/// What is before the first space and what is after it.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    // No field is longer, so a long text without a space is not searched.
    let space = memchr(b' ', text.get(..40).unwrap_or(text))?;
    let (field, rest) = text.split_at_checked(space)?;
    Some((field, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: i64 = 1_795_341_600_123_456_789;

    fn read(line: &str) -> Option<Record<'_>> {
        parse(line.as_bytes(), &mut Clock::default())
    }

    #[test]
    fn the_fields_are_told_apart() {
        let record = read("2026-11-22T10:00:00.123456789Z stderr F a  b ").unwrap();
        assert_eq!(
            (record.time, record.stream, record.full),
            (TIME, Stream::Stderr, true)
        );
        assert_eq!(record.text, b"a  b ");
        let record = read("2026-11-22T11:00:00.123456789+01:00 stdout P:x ").unwrap();
        assert_eq!(
            (record.time, record.stream, record.full),
            (TIME, Stream::Stdout, false)
        );
        assert_eq!(record.text, b"");
        assert_eq!(read("2026-11-22T10:00:00Z stdout F").unwrap().text, b"");
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            " ",
            "plain",
            "2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00Z stdout",
            "2026-11-22T10:00:00Z stdin F x",
            "2026-11-22T10:00:00Z stdout X x",
            "2026-11-22 stdout F x",
            "2026-11-22T10:00:00Z  stdout F x",
        ] {
            assert_eq!(read(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "[^\n]{0,60}", full: bool, stderr: bool) {
            let (stream, name) = if stderr { (Stream::Stderr, "stderr") } else { (Stream::Stdout, "stdout") };
            let tag = if full { "F" } else { "P" };
            let line = format!("2026-11-22T10:00:00.123456789Z {name} {tag} {text}");
            let expected = Record { time: TIME, stream, full, text: text.as_bytes() };
            prop_assert_eq!(read(&line), Some(expected));
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<Vec<u8>>()) {
            parse(&line, &mut Clock::default());
        }
    }
}
