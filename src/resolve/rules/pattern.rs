//! Regular expressions: what Rust's parser takes and Go's does not.
//!
//! The PromQL parser has compiled a pattern already when it comes here, so only what the two
//! languages do not share is looked for. In doubt it is refused.

/// The most that Go repeats, counted through nested groups.
const MOST_REPEATS: u32 = 1000;
/// Go's general categories of characters; names of scripts are not taken.
const CATEGORIES: &str = " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cs ";

/// What Go would not take.
pub fn problem(pattern: &str) -> Option<&'static str> {
    let chars: Vec<char> = pattern.chars().collect();
    check(&chars).err()
}

fn check(chars: &[char]) -> Result<(), &'static str> {
    // The repeats of each open group; what the last item has; whether it was repeated.
    let mut groups = vec![1_u32];
    let mut item = 1;
    let mut repeated = false;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let rest = chars.get(at + 1..).unwrap_or(&[]);
        let mut length = 1;
        let repeat = match c {
            '*' | '+' | '?' => Some(1),
            '{' => {
                let (most, taken) = counted(rest)?;
                length += taken;
                Some(most)
            }
            _ => None,
        };
        if let Some(most) = repeat {
            if repeated {
                return Err("a repetition of a repetition: put the inner one in (…)");
            }
            item = most.max(1).saturating_mul(item);
            if item > MOST_REPEATS {
                return Err("repeated more than 1000 times");
            }
            if let Some(most) = groups.last_mut() {
                *most = item.max(*most);
            }
            repeated = true;
            if chars.get(at + length) == Some(&'?') {
                length += 1;
            }
            at += length;
            continue;
        }
        repeated = false;
        item = 1;
        match c {
            '(' => {
                length += group(rest)?;
                groups.push(1);
                if groups.len() > 100 {
                    return Err("nested too deeply");
                }
            }
            ')' => {
                item = groups.pop().unwrap_or(1);
                if let Some(most) = groups.last_mut() {
                    *most = item.max(*most);
                }
            }
            '[' => length += class(rest)?,
            '\\' => length += escape(rest)?,
            _ => {}
        }
        at += length;
    }
    Ok(())
}

/// `3}`, `3,}` or `3,5}`: the most repeats and the length.
fn counted(rest: &[char]) -> Result<(u32, usize), &'static str> {
    let length = rest
        .iter()
        .position(|&c| c == '}')
        .ok_or("write \\{ for a brace")?;
    let text: String = rest.iter().take(length).collect();
    let (least, most) = text.split_once(',').unwrap_or((&text, &text));
    let read = |text: &str| {
        text.bytes()
            .all(|c| c.is_ascii_digit())
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    let least = read(least).ok_or("write \\{ for a brace")?;
    let most = if most.is_empty() {
        least
    } else {
        read(most).ok_or("write \\{ for a brace")?
    };
    if least.max(most) > MOST_REPEATS {
        return Err("repeated more than 1000 times");
    }
    Ok((most, length + 1))
}

/// The length of what follows the `(` of a group: `?:`, `?i:`, `?P<name>`.
fn group(rest: &[char]) -> Result<usize, &'static str> {
    if rest.first() != Some(&'?') {
        return Ok(0);
    }
    if rest.get(1..3) == Some(&['P', '<']) {
        return Ok(3);
    }
    let flags = rest
        .iter()
        .skip(1)
        .take_while(|c| matches!(c, 'i' | 'm' | 's' | 'U'))
        .count();
    match rest.get(1 + flags) {
        Some(':') => Ok(flags + 2),
        Some(')') if flags > 0 => Ok(flags + 1),
        _ => Err("of the groups with (? only (?:…), (?i), (?m), (?s), (?U) and (?P<name>…)"),
    }
}

fn is_set(c: char) -> bool {
    matches!(c, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P')
}

/// The length of a class after its `[`.
fn class(rest: &[char]) -> Result<usize, &'static str> {
    const RANGE: &str = "a range with a class in it: escape the -";
    let mut at = usize::from(rest.first() == Some(&'^'));
    let first = at;
    let mut after_set = false;
    while let Some(&c) = rest.get(at) {
        let next = rest.get(at + 1);
        match c {
            ']' if at > first => return Ok(at + 1),
            ']' => return Err("write \\] for a bracket at the start of a class"),
            '[' => return Err("write \\[ for a bracket within a class"),
            '&' | '~' | '-' if next == Some(&c) => {
                return Err("a doubled &, - or ~ within a class: escape it");
            }
            '-' if after_set && next != Some(&']') => return Err(RANGE),
            '-' if next == Some(&'\\') && rest.get(at + 2).copied().is_some_and(is_set) => {
                return Err(RANGE);
            }
            '\\' => {
                after_set = next.copied().is_some_and(is_set);
                at += 1 + escape(rest.get(at + 1..).unwrap_or(&[]))?;
                continue;
            }
            _ => {}
        }
        after_set = false;
        at += 1;
    }
    Err("a class is not closed")
}

/// The length of an escape after its backslash.
fn escape(rest: &[char]) -> Result<usize, &'static str> {
    const UNKNOWN: &str = "an escape that Prometheus' patterns do not have";
    match rest.first().ok_or(UNKNOWN)? {
        'A' | 'b' | 'B' | 'z' if rest.get(1) != Some(&'{') => Ok(1),
        'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' => Ok(1),
        'x' if rest.len() > 2 && rest.iter().skip(1).take(2).all(char::is_ascii_hexdigit) => Ok(3),
        'p' | 'P' => {
            let name: String = match rest.get(1) {
                Some('{') => rest.iter().skip(2).take_while(|&&c| c != '}').collect(),
                Some(c) => c.to_string(),
                None => return Err(UNKNOWN),
            };
            let known = !name.contains(' ') && CATEGORIES.contains(&format!(" {name} "));
            let braces = if rest.get(1) == Some(&'{') { 2 } else { 0 };
            known.then_some(1 + name.len() + braces).ok_or(UNKNOWN)
        }
        c if c.is_ascii_punctuation() && !matches!(c, '<' | '>') => Ok(1),
        _ => Err(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::problem;

    #[test]
    fn what_both_languages_have_is_taken() {
        for pattern in [
            "a|b.*",
            "(?i)x+?[^a-z0-9_.-]{2,5}",
            "(?P<n>a)(?:b)",
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}",
            r"\d+\.\w[\d\-]\x41\pL\p{Lu}\/",
            "[-a]",
        ] {
            assert_eq!(problem(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "a**",
            "a+?*",
            "a{1001}",
            "(a{100}){11}",
            r"\u0041",
            r"(?x)a",
            "(?R)a",
            "(?u)a",
            "[a[b]]",
            r"\Z",
            r"\p{Greek}}",
            "(?-u:a)",
            "[a--b]",
            r"[\d-z]",
            "a{,5}",
        ] {
            assert!(problem(pattern).is_some(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\\\\\[\\](){}?*+^$a-z0-9,|<>-]{0,40}") {
            let _answer = problem(&text);
        }
    }
}
