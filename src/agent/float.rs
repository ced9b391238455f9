//! Floats as client libraries in Go print them.

use std::fmt::Write;

/// Writes a float as Go's `strconv.FormatFloat(v, 'g', -1, 64)`, which prints the samples of
/// `node_exporter`: the shortest digits that read back, as `1.5e+06` where the exponent is below
/// -4 or above 5. `scratch` is memory to reuse.
pub fn push(text: &mut String, scratch: &mut String, value: f64) {
    if value.is_nan() {
        return text.push_str("NaN");
    }
    if value.is_infinite() {
        return text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
    if value == 0.0 {
        return text.push('0');
    }
    if let Some(whole) = small_integer(value) {
        return push_whole(text, value.is_sign_negative(), whole);
    }
    scratch.clear();
    // Writing to a String cannot fail; the parse cannot either, as `{:e}` always has an exponent.
    if write!(scratch, "{value:e}").is_ok()
        && let Some((mantissa, exponent)) = scratch.split_once('e')
        && let Ok(exponent) = exponent.parse::<i32>()
    {
        push_scientific(text, mantissa, exponent);
    }
}

/// The amount of a whole number below 2^53, which most figures are: its digits are those of the
/// integer, with no need to search for the shortest that read back.
fn small_integer(value: f64) -> Option<u64> {
    const MOST: f64 = (1_u64 << 53) as f64;
    let amount = value.abs();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::float_cmp,
        reason = "it is whole and in range"
    )]
    (amount < MOST && amount.trunc() == amount).then_some(amount as u64)
}

fn push_whole(text: &mut String, negative: bool, mut whole: u64) {
    if negative {
        text.push('-');
    }
    if whole < 1_000_000 {
        return push_integer(text, whole);
    }
    let mut exponent = 0;
    let mut power = 1;
    while whole / power >= 10 {
        power *= 10;
        exponent += 1;
    }
    while whole.is_multiple_of(10) {
        whole /= 10;
        power /= 10;
    }
    push_integer(text, whole / power);
    if power > 1 {
        text.push('.');
        let rest = whole % power;
        // The zeros between the point and the first digit that is none.
        while power >= 10 && rest < power / 10 {
            text.push('0');
            power /= 10;
        }
        push_integer(text, rest);
    }
    text.push_str(if exponent < 10 { "e+0" } else { "e+" });
    push_integer(text, exponent);
}

fn push_scientific(text: &mut String, mantissa: &str, exponent: i32) {
    let digits = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (first, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let zeros = |text: &mut String, count: i32| (0..count).for_each(|_| text.push('0'));
    match exponent {
        -4..0 => {
            text.push_str(if mantissa.starts_with('-') {
                "-0."
            } else {
                "0."
            });
            zeros(text, -exponent - 1);
            text.push_str(first);
            text.push_str(rest);
        }
        0..6 => {
            text.push_str(mantissa.split('.').next().unwrap_or_default());
            let mut before_point = exponent;
            for digit in rest.chars() {
                if before_point == 0 {
                    text.push('.');
                }
                before_point -= 1;
                text.push(digit);
            }
            zeros(text, before_point);
        }
        _ => {
            text.push_str(mantissa);
            text.push_str(if exponent < 0 { "e-" } else { "e+" });
            let exponent = exponent.unsigned_abs();
            if exponent < 10 {
                text.push('0');
            }
            push_integer(text, exponent.into());
        }
    }
}

fn push_integer(text: &mut String, value: u64) {
    if value >= 10 {
        push_integer(text, value / 10);
    }
    let digit = u8::try_from(value % 10).unwrap_or_default();
    text.push(char::from(b'0' + digit));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn go(value: f64) -> String {
        let mut text = String::new();
        push(&mut text, &mut String::new(), value);
        text
    }

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        // The right column is what Go printed for strconv.FormatFloat(v, 'g', -1, 64).
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (85.25, "85.25"),
            (-12.5, "-12.5"),
            (4096.0, "4096"),
            (100_000.0, "100000"),
            (281_893.0, "281893"),
            (281_893.5, "281893.5"),
            (1e6, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (1_795_391_527.0, "1.795391527e+09"),
            (7544.0 * 0.001, "7.5440000000000005"),
            (14_073_748_835_531_776.0, "1.4073748835531776e+16"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (0.1, "0.1"),
            (-0.25, "-0.25"),
            (0.0001, "0.0001"),
            (0.000_123, "0.000123"),
            (0.000_067_98, "6.798e-05"),
            (1e-9, "1e-09"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(go(value), expected);
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_are_written_as_the_general_way_writes_them(
            whole in prop_oneof![0_u64..10_000_000, 0_u64..1 << 53],
            zeros in 0_u32..6,
            negative in any::<bool>(),
        ) {
            let whole = whole / 10_u64.pow(zeros) * 10_u64.pow(zeros);
            prop_assume!(whole > 0);
            let value = if negative { -(whole as f64) } else { whole as f64 };
            let (mut general, scientific) = (String::new(), format!("{value:e}"));
            let (mantissa, exponent) = scientific.split_once('e').unwrap();
            push_scientific(&mut general, mantissa, exponent.parse().unwrap());
            prop_assert_eq!(go(value), general);
        }

        #[test]
        fn every_float_reads_back_as_itself(value in any::<f64>()) {
            let read: f64 = go(value).parse().unwrap();
            // Both zeros are written alike.
            prop_assert_eq!((read + 0.0).to_bits(), (value + 0.0).to_bits());
        }
    }
}
