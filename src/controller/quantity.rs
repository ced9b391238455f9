//! Kubernetes quantities by value: `1024Mi` is `1Gi`, `0.5` is `500m`.

use serde_json::Value;

/// What is left of the decimal point once every suffix down to `n` is applied.
const NANO: i128 = 1_000_000_000;

/// A quantity in units of 10⁻⁹, so that comparing is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

/// The amount of a JSON string or number.
#[must_use]
pub fn of(value: &Value) -> Option<Amount> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        _ => None,
    }
}

/// Reads a quantity as Kubernetes does; fractions below 10⁻⁹ round up.
#[must_use]
pub fn parse(text: &str) -> Option<Amount> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (factor, divisor) = scale(suffix)?;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let places = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = digits.checked_mul(factor)?.checked_mul(NANO)?;
    let divisor = places.checked_mul(divisor)?;
    let amount = scaled / divisor + i128::from(scaled % divisor != 0);
    Some(Amount(if negative { -amount } else { amount }))
}

/// What a suffix multiplies with and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    if let Some(exponent) = suffix.strip_prefix(['e', 'E'])
        && !exponent.is_empty()
    {
        let exponent: i32 = exponent.parse().ok()?;
        let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
        return Some(if exponent < 0 { (1, power) } else { (power, 1) });
    }
    let factor = match suffix {
        "n" => return Some((1, NANO)),
        "u" => return Some((1, 1_000_000)),
        "m" => return Some((1, 1_000)),
        "" => 1,
        "k" => 10_i128.pow(3),
        "M" => 10_i128.pow(6),
        "G" => 10_i128.pow(9),
        "T" => 10_i128.pow(12),
        "P" => 10_i128.pow(15),
        "E" => 10_i128.pow(18),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        "Ei" => 1 << 60,
        _ => return None,
    };
    Some((factor, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_written_in_different_ways_are_the_same_amount() {
        for (a, b) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1", "1000m"),
            ("1e3", "1k"),
            ("1E3", "1000"),
            (".5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("100n", "0.1u"),
            ("-1", "-1000m"),
        ] {
            assert!(parse(a).is_some(), "{a}");
            assert_eq!(parse(a), parse(b), "{a} {b}");
        }
    }

    #[test]
    fn quantities_compare_by_value() {
        assert!(parse("1Gi") > parse("1G"));
        assert!(parse("20Gi") < parse("21Gi"));
        assert!(parse("2E") > parse("2Pi"));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "Gi", "1 Gi", "1gb", "abc", "1.2.3", "1e", "--1", "."] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
