//! Numbers where text is meant: YAML makes one of `cpu: 2`, and of `for: 0`.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// Reads text, or a number as the text it was written as.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(Unquoted)
}

struct Unquoted;

impl Visitor<'_> for Unquoted {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Quantity;

    #[test]
    fn a_number_reads_as_the_text_it_was_written_as() {
        for (written, read) in [
            ("2", "2"),
            ("'2'", "2"),
            ("0.5", "0.5"),
            ("500m", "500m"),
            ("-1", "-1"),
        ] {
            let Quantity(text) = serde_saphyr::from_str(written).unwrap();
            assert_eq!(text, read);
        }
        assert!(serde_saphyr::from_str::<Quantity>("[2]").is_err());
        assert!(serde_saphyr::from_str::<Quantity>("true").is_err());
    }
}
