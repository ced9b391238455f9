//! The server's version, as it says it at the start of a connection.

/// A version as `server_version_num` has it: 140011 is 14.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// The oldest that is supported.
    pub const OLDEST: Self = Self(130_000);

    /// Reads `13.23`, `18beta1` or `16.2 (Debian 16.2-1)`; none when no number comes first.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_digit());
            let (digits, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
            Some((digits.parse::<u32>().ok()?, rest.to_owned()))
        };
        let (major, rest) = number(text)?;
        let minor = rest.strip_prefix('.').and_then(number);
        let minor = minor.map_or(0, |(minor, _)| minor.min(9_999));
        Some(Self(major.checked_mul(10_000)?.checked_add(minor)?))
    }

    /// The first number.
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// As `postgres_exporter` writes it: `13.23.0`.
    pub fn short(self) -> String {
        format!("{}.{}.0", self.major(), self.0 % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_servers_say_is_read() {
        for (text, version) in [
            ("13.23", 130_023),
            ("18beta1", 180_000),
            ("16.2 (Debian 16.2-1.pgdg120+2)", 160_002),
            ("17", 170_000),
        ] {
            assert_eq!(Version::parse(text), Some(Version(version)), "{text}");
        }
        for text in ["", "x", ".1", "99999999999", "4294967.1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert_eq!(Version(140_011).short(), "14.11.0");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", digits in "[0-9]{0,12}\\.?[0-9]{0,12}") {
            let _read = Version::parse(&text);
            let _read = Version::parse(&digits);
        }
    }
}
