//! Amounts as Kubernetes writes them: `500m`, `256Mi`, `20Gi`.

/// The suffixes, each with its factor in thousandths.
const SUFFIXES: [(&str, u128); 14] = [
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1_000),
];

/// Reads an amount as thousandths, rounded up as Kubernetes does; none when it is not one.
#[must_use]
pub fn parse_milli(text: &str) -> Option<u128> {
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let number = text.strip_suffix(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || whole.len() + fraction.len() > 20 {
        return None;
    }
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits = whole
        .parse::<u128>()
        .ok()?
        .checked_mul(scale)?
        .checked_add(fraction.parse::<u128>().ok()?)?;
    Some(digits.checked_mul(*factor)?.div_ceil(scale))
}

/// Reads an amount as whole bytes.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    u64::try_from(parse_milli(text)?.div_ceil(1_000)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{parse_bytes, parse_milli};

    #[test]
    fn the_same_amount_reads_the_same_however_it_is_written() {
        assert_eq!(parse_milli("0.5"), parse_milli("500m"));
        assert_eq!(parse_bytes("1024Mi"), parse_bytes("1Gi"));
        assert_eq!(parse_bytes("1.5Gi"), Some(1_610_612_736));
        assert_eq!(parse_bytes("1k"), Some(1_000));
    }

    #[test]
    fn what_kubernetes_refuses_is_none() {
        for text in [
            "",
            "Gi",
            "-1",
            "1.",
            ".5",
            "1e3x",
            "1 Gi",
            "1gi",
            "99999999999999999999Ei9",
        ] {
            assert_eq!(parse_milli(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _read = parse_bytes(&text);
        }

        #[test]
        fn any_number_with_any_suffix_reads_without_overflow(number in "[0-9]{1,20}(\\.[0-9]{1,9})?", suffix in "m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei") {
            let _read = parse_bytes(&format!("{number}{suffix}"));
        }
    }
}
