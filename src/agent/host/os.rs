//! `node_os_*`: the host's distribution, from os-release(5).

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::agent::collector::{CollectError, Collector};
use crate::agent::exposition::Exposition;
use crate::agent::roots::Roots;

/// The host's distribution.
pub struct Os;

/// Label and variable, in the order of the labels.
const LABELS: [(&str, &str); 12] = [
    ("build_id", "BUILD_ID"),
    ("id", "ID"),
    ("id_like", "ID_LIKE"),
    ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"),
    ("name", "NAME"),
    ("pretty_name", "PRETTY_NAME"),
    ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"),
    ("version", "VERSION"),
    ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];

impl Collector for Os {
    fn name(&self) -> &'static str {
        "os"
    }

    fn collect(&self, roots: &Roots, out: &mut Exposition) -> Result<(), CollectError> {
        let text = roots
            .read_rootfs("/etc/os-release")
            .or_else(|_| roots.read_rootfs("/usr/lib/os-release"))
            .map_err(CollectError::or_absent)?;
        let values = LABELS.map(|(_, variable)| parse(&text, variable).unwrap_or_default());
        let mut labels = LABELS;
        for (label, value) in labels.iter_mut().zip(&values) {
            label.1 = value;
        }
        let help = "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, \
                    image_version, name, pretty_name, variant, variant_id, version, \
                    version_codename, version_id.";
        out.gauge("node_os_info", help).sample(&labels, 1.0);
        let [_, id, id_like, _, _, name, .., version_id] = labels;
        if let Some(version) = major_minor(version_id.1) {
            let help = "Metric containing the major.minor part of the OS version.";
            out.gauge("node_os_version", help)
                .sample(&[id, id_like, name], version);
        }
        if let Some(end) = parse(&text, "SUPPORT_END").as_deref().and_then(seconds) {
            let help = "Metric containing the end-of-life date timestamp of the OS.";
            out.gauge("node_os_support_end_timestamp_seconds", help)
                .sample(&[], end);
        }
        Ok(())
    }
}

/// A variable's value. The file is made for shells: quotes around, backslashes within.
fn parse(text: &str, variable: &str) -> Option<String> {
    let value = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(variable)?.strip_prefix('='))
        .next_back()?
        .trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(literal) = quoted('\'') {
        return Some(literal.to_owned());
    }
    let value = quoted('"').unwrap_or(value);
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        plain.extend(match character {
            '\\' => characters.next(),
            other => Some(other),
        });
    }
    Some(plain)
}

/// `12` or `24.04` as a number; `24.04.1` counts as `24.04`.
fn major_minor(version: &str) -> Option<f64> {
    let mut dots = 0;
    let end = version.find(|character: char| {
        dots += u32::from(character == '.');
        !character.is_ascii_digit() && (character != '.' || dots > 1)
    });
    let number: f64 = version.get(..end.unwrap_or(version.len()))?.parse().ok()?;
    (number > 0.0).then_some(number)
}

/// The beginning of a day such as `2027-05-17`.
fn seconds(date: &str) -> Option<f64> {
    let date: Date = date.parse().ok()?;
    let begin = date.to_zoned(TimeZone::UTC).ok()?;
    Some(begin.timestamp().as_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_unquoted_as_a_shell_does() {
        let text = "NAME=\"Debian \\\"X\\\"\"\nID=debian\n# ID=no\nVERSION='1 \\2'\n";
        assert_eq!(parse(text, "NAME").as_deref(), Some("Debian \"X\""));
        assert_eq!(parse(text, "ID").as_deref(), Some("debian"));
        assert_eq!(parse(text, "VERSION").as_deref(), Some("1 \\2"));
        assert_eq!(parse(text, "VERSION_ID"), None);
    }

    #[test]
    fn versions_and_dates_become_numbers() {
        assert_eq!(major_minor("12"), Some(12.0));
        assert_eq!(major_minor("24.04.1"), Some(24.04));
        assert_eq!(major_minor("rolling"), None);
        assert_eq!(seconds("2027-05-17"), Some(1_810_512_000.0));
        assert_eq!(seconds("soon"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse(&text, "ID");
            parse(&format!("ID={text}"), "ID");
            major_minor(&text);
            seconds(&text);
        }
    }
}
