//! Durations of rules: zero is fine for some, and Prometheus holds them as nanoseconds.

use crate::resolve::duration;

pub use crate::resolve::duration::LONGEST_MILLIS;

/// The milliseconds of a duration that may be zero; none when it is too long or not one.
pub fn parse(text: &str) -> Option<u64> {
    if text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        return duration::parse_millis(text);
    }
    // Without a digit but 0 it is zero, if it is written like a duration at all.
    duration::parse_millis(&text.replace('0', "1")).map(|_| 0)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn zero_is_taken_and_centuries_are_not() {
        assert_eq!(parse("0s"), Some(0));
        assert_eq!(parse("0h0m"), Some(0));
        assert_eq!(parse("1m30s"), Some(90_000));
        assert!(parse("292y").is_some());
        for wrong in [
            "293y",
            "300000y",
            "99999999999999999999y",
            "",
            "0",
            "0x",
            "s",
            "0m0h",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
