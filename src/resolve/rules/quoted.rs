//! Quoted texts as Go reads them: the escapes of `strconv.Unquote`.

/// Reads what stands between two quotes; the error has its place in `body`.
pub fn unquote(body: &[char], quote: char) -> Result<String, (usize, &'static str)> {
    let mut text = String::new();
    let mut at = 0;
    while let Some(&c) = body.get(at) {
        if c == '\n' {
            return Err((at, "the quotes are not closed on their line"));
        }
        if c != '\\' {
            text.push(c);
            at += 1;
            continue;
        }
        let (meant, length) = escape(body.get(at + 1..).unwrap_or(&[]), quote)
            .ok_or((at, "not an escape: write \\\\ for a backslash"))?;
        text.push(meant);
        at += 1 + length;
    }
    Ok(text)
}

/// The character an escape means and the length of the escape; bytes above ASCII are not taken.
fn escape(after: &[char], quote: char) -> Option<(char, usize)> {
    let simple = match after.first()? {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        c if *c == quote => quote,
        'x' => return code(after, 1, 2, 16).filter(|(c, _)| c.is_ascii()),
        'u' => return code(after, 1, 4, 16),
        'U' => return code(after, 1, 8, 16),
        '0'..='7' => return code(after, 0, 3, 8).filter(|(c, _)| c.is_ascii()),
        _ => return None,
    };
    Some((simple, 1))
}

fn code(after: &[char], skip: usize, digits: usize, radix: u32) -> Option<(char, usize)> {
    let digits = after.get(skip..skip + digits)?;
    let number = digits.iter().try_fold(0_u32, |number, digit| {
        number
            .checked_mul(radix)?
            .checked_add(digit.to_digit(radix)?)
    })?;
    Some((char::from_u32(number)?, skip + digits.len()))
}

#[cfg(test)]
mod tests {
    use super::unquote;

    fn read(text: &str) -> Option<String> {
        unquote(&text.chars().collect::<Vec<_>>(), '"').ok()
    }

    #[test]
    fn escapes_are_those_of_go() {
        assert_eq!(read(r#"a\"b\\d\n"#).as_deref(), Some("a\"b\\d\n"));
        assert_eq!(
            read(r"\x41\101\u00e9\U0001F600").as_deref(),
            Some("AA\u{e9}\u{1F600}")
        );
        for wrong in [
            r"\d", r"\'", r"\x4", r"\ud800", r"\xff", r"\777", "\\", "a\nb",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
