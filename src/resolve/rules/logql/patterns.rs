//! The small languages inside of the texts of LogQL.

use std::{collections::BTreeSet, net::IpAddr};

use regex::Regex;

use crate::resolve::rules::pattern;

/// A regular expression that Go and Rust read alike.
pub fn regex(text: &str) -> Result<Regex, String> {
    let compiled = Regex::new(&format!("^(?s:{text})$")).map_err(|error| {
        // Its last line says what is wrong, those before draw it.
        let words = error.to_string();
        let last = words.lines().last().unwrap_or_default();
        format!(
            "not a regular expression: {}",
            last.trim_start_matches("error: ")
        )
    })?;
    match pattern::problem(text) {
        Some(message) => Err(format!("the regular expression {text:?}: {message}")),
        None => Ok(compiled),
    }
}

/// One of `| regexp`: its named groups become labels.
pub fn named_regex(text: &str) -> Result<(), String> {
    let compiled = regex(text)?;
    let names: Vec<_> = compiled.capture_names().flatten().collect();
    if names.is_empty() {
        return Err("no named group: write (?P<label>…) around what becomes a label".into());
    }
    match names.iter().find(|name| !is_label(name)) {
        Some(name) => Err(format!("{name:?} is not the name of a label")),
        None => Ok(()),
    }
}

/// Whether a text can be the name of a label.
pub fn is_label(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What a pattern is made of: captures with their names, and whether text stands between.
fn captures(text: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut touches = false;
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|after| {
            let (name, next) = after.split_once('>')?;
            is_label(name).then_some((name, next))
        });
        if let Some((name, next)) = name {
            if touches {
                return Err(format!(
                    "two captures touch at <{name}>: put text between them"
                ));
            }
            found.push(name);
            (rest, touches) = (next, true);
        } else {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            touches = false;
        }
    }
    Ok(found)
}

/// A pattern of `| pattern`.
pub fn pattern(text: &str) -> Result<(), String> {
    let captures = captures(text)?;
    let mut seen = BTreeSet::new();
    let mut named = captures.iter().filter(|name| **name != "_").peekable();
    if named.peek().is_none() {
        return Err("no named capture: write <label> for what becomes a label".into());
    }
    match named.find(|name| !seen.insert(**name)) {
        Some(name) => Err(format!("<{name}> stands twice")),
        None => Ok(()),
    }
}

/// A pattern of `|>`.
pub fn line_pattern(text: &str) -> Result<(), String> {
    match captures(text)?.iter().find(|name| **name != "_") {
        Some(name) => Err(format!("<{name}> is named: a line filter has <_> only")),
        None => Ok(()),
    }
}

/// An address, a network or a range of addresses.
pub fn ip(text: &str) -> Result<(), String> {
    let address = |text: &str| text.trim().parse::<IpAddr>().ok();
    let valid = if let Some((network, bits)) = text.split_once('/') {
        let most = address(network).map(|address| if address.is_ipv4() { 32 } else { 128 });
        let bits = bits.parse::<u8>().ok().filter(|_| !bits.starts_with('+'));
        most.zip(bits).is_some_and(|(most, bits)| bits <= most)
    } else if let Some((from, to)) = text.split_once('-') {
        let ends = address(from).zip(address(to));
        ends.is_some_and(|(from, to)| from.is_ipv4() == to.is_ipv4() && from <= to)
    } else {
        address(text).is_some()
    };
    if valid {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no address: write such as 192.168.4.5, 192.168.4.5-192.168.4.20 or 192.168.4.0/24"
    ))
}

/// Where `| json` finds a value: `a.b[0]["c"]`.
pub fn json_path(text: &str) -> Result<(), String> {
    let wrong =
        || format!("{text:?} is no path in JSON: write such as request.headers[0][\"User-Agent\"]");
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[\"") {
            let (name, next) = after.split_once("\"]").ok_or_else(wrong)?;
            if name.contains(['"', '\\']) {
                return Err(wrong());
            }
            rest = next;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (index, next) = after.split_once(']').ok_or_else(wrong)?;
            if index.is_empty()
                || index.len() > 9
                || !index.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Err(wrong());
            }
            rest = next;
        } else {
            let after = if first {
                Some(rest)
            } else {
                rest.strip_prefix('.')
            };
            let after = after.ok_or_else(wrong)?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, next) = after.split_at_checked(end).ok_or_else(wrong)?;
            if !is_label(name) {
                return Err(wrong());
            }
            rest = next;
        }
        first = false;
    }
    if first { Err(wrong()) } else { Ok(()) }
}

/// A key of `| logfmt`.
pub fn logfmt_key(text: &str) -> Result<(), String> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '=' | '"');
    if text.is_empty() || text.contains(bad) {
        return Err(format!("{text:?} is no key of logfmt"));
    }
    Ok(())
}
