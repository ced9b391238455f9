//! Where each field of a YAML document stands, for messages with a line and a column.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A YAML document with the places of its fields.
#[derive(Debug)]
pub enum Located {
    /// A map; each key with its place.
    Map(Vec<(Spanned<String>, Located)>),
    /// A list; each item with its place.
    List(Vec<Spanned<Located>>),
    /// Text, which may be an item's name.
    Text(String),
    /// Any other value: nothing is below it.
    Other,
}

impl Located {
    /// The place of a field such as `spec.alerting.receivers[oncall].email.to[0]`; of the nearest
    /// one around it that is there, when it is not.
    pub fn find(&self, path: &str) -> Option<Location> {
        let mut place = None;
        let mut node = self;
        for step in steps(path) {
            let Some((at, below)) = node.step(step) else {
                break;
            };
            (place, node) = (Some(at), below);
        }
        place
    }

    /// One step down: a key, an index, or the name of an item.
    fn step(&self, step: &str) -> Option<(Location, &Self)> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.value == step)
                .map(|(key, value)| (key.referenced, value)),
            Self::List(items) => {
                let item = match step.parse::<usize>() {
                    Ok(index) => items.get(index),
                    Err(_) => items.iter().find(|item| item.value.is_named(step)),
                }?;
                Some((item.referenced, &item.value))
            }
            Self::Text(_) | Self::Other => None,
        }
    }

    fn is_named(&self, name: &str) -> bool {
        matches!(self.step("name"), Some((_, Self::Text(text))) if text == name)
    }
}

/// The steps of a path: `a.b[c.d].e` has `a`, `b`, `c.d` and `e`.
fn steps(path: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in path.char_indices() {
        let ends = match c {
            '.' => !inside,
            '[' => !std::mem::replace(&mut inside, true),
            ']' => std::mem::replace(&mut inside, false),
            _ => false,
        };
        if ends {
            found.extend(path.get(start..at));
            start = at + c.len_utf8();
        }
    }
    found.extend(path.get(start..));
    found.retain(|step| !step.is_empty());
    found
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Located;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Located, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Located::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Located, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Located::List(items))
    }

    fn visit_str<E>(self, text: &str) -> Result<Located, E> {
        Ok(Located::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_unit<E>(self) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_none<E>(self) -> Result<Located, E> {
        Ok(Located::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Located, D::Error> {
        Located::deserialize(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Located, D::Error> {
        IgnoredAny::deserialize(inner).map(|_| Located::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::{Located, steps};

    const TEXT: &str = "\
spec:
  metrics:
    externalLabels: {a.b: c, d: 1}
  alerting:
    receivers:
      - name: oncall
        email:
          to:
            - ops
      - {name: mail, webhook: null}
";

    fn place(path: &str) -> Option<(u64, u64)> {
        let located: Located = serde_saphyr::from_str(TEXT).unwrap();
        located.find(path).map(|at| (at.line(), at.column()))
    }

    #[test]
    fn a_path_is_taken_apart() {
        assert_eq!(steps("a.b[c.d].e[0][1]"), ["a", "b", "c.d", "e", "0", "1"]);
        assert_eq!(steps(""), [""; 0]);
    }

    #[test]
    fn a_field_is_found_by_key_index_and_name() {
        assert_eq!(place("spec"), Some((1, 1)));
        assert_eq!(place("spec.metrics.externalLabels[a.b]"), Some((3, 22)));
        assert_eq!(place("spec.alerting.receivers[oncall].email"), Some((7, 9)));
        assert_eq!(
            place("spec.alerting.receivers[0].email.to[0]"),
            Some((9, 15))
        );
        assert_eq!(place("spec.alerting.receivers[mail]"), Some((10, 9)));
    }

    #[test]
    fn a_field_that_is_not_there_is_looked_for_around_it() {
        assert_eq!(place("spec.metrics.version"), Some((2, 3)));
        assert_eq!(
            place("spec.alerting.receivers[mail].name.x"),
            Some((10, 10))
        );
        assert_eq!(place("metadata.name"), None);
    }
}
