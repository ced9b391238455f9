//! Durations as Prometheus writes them: `1h30m`, `30d`.

/// The units in the order Prometheus demands, each with its milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// What 64 bits of nanoseconds hold, in whole years: Prometheus and Alertmanager keep durations so.
const LONGEST_YEARS: u64 = 292;

/// The longest duration there can be.
pub const LONGEST_MILLIS: u64 = LONGEST_YEARS * 365 * 24 * 3_600_000;

/// What to tell the author of a text that [`parse_millis`] does not read.
#[must_use]
pub fn refusal(text: &str, example: &str) -> String {
    format!(
        "{text:?} is not a duration above zero and up to {LONGEST_YEARS}y: write such as {example}"
    )
}

/// Reads a duration as milliseconds; none when it is not one, is zero, or longer than
/// [`LONGEST_MILLIS`].
#[must_use]
pub fn parse_millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(letters)?;
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        rest = next;
    }
    (1..=LONGEST_MILLIS).contains(&total).then_some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST_MILLIS, parse_millis};

    #[test]
    fn units_add_up_in_their_order() {
        assert_eq!(parse_millis("15s"), Some(15_000));
        assert_eq!(parse_millis("1h30m"), Some(5_400_000));
        assert_eq!(parse_millis("30d"), Some(2_592_000_000));
        assert_eq!(parse_millis("1s500ms"), Some(1_500));
        assert_eq!(parse_millis("292y"), Some(LONGEST_MILLIS));
    }

    #[test]
    fn what_prometheus_refuses_is_none() {
        for text in [
            "",
            "0s",
            "30",
            "s",
            "1m1h",
            "1s1s",
            "-1s",
            "1.5h",
            "1 h",
            "99999999999y",
            "293y",
            "292y1ms",
        ] {
            assert_eq!(parse_millis(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _read = parse_millis(&text);
        }
    }
}
