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

/// Reads a duration as milliseconds; none when it is not one, is zero or overflows.
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
    (total > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse_millis;

    #[test]
    fn units_add_up_in_their_order() {
        assert_eq!(parse_millis("15s"), Some(15_000));
        assert_eq!(parse_millis("1h30m"), Some(5_400_000));
        assert_eq!(parse_millis("30d"), Some(2_592_000_000));
        assert_eq!(parse_millis("1s500ms"), Some(1_500));
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
