//! YAML that reads the same everywhere.

use serde::Serialize;

/// The YAML text of a configuration file. Every string is quoted, and none is folded over lines:
/// what a string means then depends on no parser's rules for plain words, which differ between
/// YAML 1.1, YAML 1.2 and Go's parsers.
#[must_use]
pub fn to_yaml(config: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! {
        quote_all: true,
    };
    // Structs, lists, maps, strings and numbers: nothing in them can fail to serialise.
    serde_saphyr::to_string_with_options(config, options).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_string_reads_back_as_key_and_as_value(text in any::<String>()) {
            let map = BTreeMap::from([(text.clone(), vec![text])]);
            let read: BTreeMap<String, Vec<String>> =
                serde_saphyr::from_str(&to_yaml(&map)).unwrap();
            prop_assert_eq!(read, map);
        }
    }

    #[test]
    fn strings_are_quoted_and_never_folded() {
        let text = "no ".repeat(100);
        assert_eq!(to_yaml(&[&text]), format!("- '{text}'\n"));
    }
}
