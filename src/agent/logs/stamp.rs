//! Times as container runtimes write them: RFC 3339 with up to nine digits of a second.

/// Reads times. Lines of a file follow each other within a second, so the date is worked out once
/// for all lines that share it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// `2026-11-25T13:24:55`, as it was last read.
    seen: [u8; SECONDS],
    /// What that is in seconds since 1970.
    seconds: i64,
}

/// The length of a time down to its seconds.
const SECONDS: usize = 19;
const NANOS: i64 = 1_000_000_000;

impl Clock {
    /// Nanoseconds since 1970; none when the text is no time, or is outside the years 1678 to 2262.
    pub fn parse(&mut self, text: &[u8]) -> Option<i64> {
        let (head, rest) = text.split_first_chunk::<SECONDS>()?;
        if *head != self.seen {
            self.seconds = seconds(head)?;
            self.seen = *head;
        }
        let (nanos, zone) = fraction(rest)?;
        let seconds = self.seconds.checked_sub(offset(zone)?)?;
        seconds.checked_mul(NANOS)?.checked_add(nanos)
    }
}

/// The digits behind the dot, if there is one, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let (mut nanos, mut count) = (0_i64, 0_usize);
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        if count < 9 {
            nanos = nanos * 10 + i64::from(digit - b'0');
        }
        count += 1;
    }
    if count == 0 {
        return None;
    }
    for _ in count..9 {
        nanos *= 10;
    }
    Some((nanos, digits.get(count..)?))
}

/// How far a zone is ahead of UTC, in seconds.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m0] => {
            let [h1, h0] = hours else { return None };
            let (hours, minutes) = (two(*h1, *h0)?, two(*m1, *m0)?);
            let seconds = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn seconds(text: &[u8; SECONDS]) -> Option<i64> {
    let [
        y3,
        y2,
        y1,
        y0,
        b'-',
        o1,
        o0,
        b'-',
        d1,
        d0,
        b'T' | b't' | b' ',
        h1,
        h0,
        b':',
        m1,
        m0,
        b':',
        s1,
        s0,
    ] = *text
    else {
        return None;
    };
    let year = two(y3, y2)? * 100 + two(y1, y0)?;
    let (month, day) = (two(o1, o0)?, two(d1, d0)?);
    let (hour, minute, second) = (two(h1, h0)?, two(m1, m0)?, two(s1, s0)?);
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day);
    let fits = fits && hour < 24 && minute < 60 && second <= 60;
    fits.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 of a date in the Gregorian calendar: years begin in March, so that the leap day
/// is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    before + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_of_all_runtimes_are_read() {
        let mut clock = Clock::default();
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T10:00:00.123456789Z", 1_795_341_600_123_456_789),
            ("2026-11-22T10:00:00.5Z", 1_795_341_600_500_000_000),
            (
                "2026-11-22T11:30:00.000000001+01:30",
                1_795_341_600_000_000_001,
            ),
            ("2026-11-22T08:00:00-02:00", 1_795_341_600_000_000_000),
            ("2024-02-29T23:59:59.9999999999Z", 1_709_251_199_999_999_999),
        ] {
            assert_eq!(clock.parse(text.as_bytes()), Some(nanos), "{text}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T10:00:00",
            "2026-11-22T10:00:00.Z",
            "2026-13-22T10:00:00Z",
            "2026-11-22T10:00:00+1:00",
            "9999-11-22T10:00:00Z",
            "2026-11-22T10:00:00.5Zx",
        ] {
            assert_eq!(clock.parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_library(seconds in -9_000_000_000_i64..9_000_000_000, nanos in 0..1_000_000_000_i32) {
            let time = jiff::Timestamp::new(seconds, if seconds < 0 { 0 } else { nanos }).unwrap();
            let text = time.to_string();
            prop_assert_eq!(Clock::default().parse(text.as_bytes()).map(i128::from), Some(time.as_nanosecond()));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<Vec<u8>>(), tail in "[0-9.+:Z-]{0,20}") {
            Clock::default().parse(&text);
            Clock::default().parse(format!("2026-11-22T10:00:00{tail}").as_bytes());
        }
    }
}
