//! Whether what the server has still covers what was rendered: pure.
//!
//! The server adds defaults and others add fields of their own, so equality is the wrong
//! question. What was rendered must be there; what else is there belongs to others, as in
//! server-side apply. Only lists that server-side apply treats as one value must be as long as
//! rendered.

use serde_json::{Map, Value};

use crate::resolve::quantity;

/// The lists that server-side apply merges by key, and the fields that make the key.
const ASSOCIATIVE: [(&str, &[&str]); 13] = [
    ("containers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("resourceClaims", &["name"]),
    ("secrets", &["name"]),
    (
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
    ),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Fields whose values, or the values below them, are amounts: `500m` is `0.5`.
const AMOUNTS: [&str; 5] = ["requests", "limits", "sizeLimit", "storage", "divisor"];

/// The paths where `live` lacks what `desired` has or has something else; empty when nothing
/// has to be written.
#[must_use]
pub fn covers(live: &Value, desired: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(&Path::default(), Some(live), desired, &mut found);
    found
}

/// Where in the object the comparison is.
#[derive(Clone, Default)]
struct Path {
    text: String,
    /// Below a field of [`AMOUNTS`].
    amount: bool,
    /// Inside a `NetworkPolicy`'s rules: one field too many there opens or closes a door, and
    /// since the lists are one value to server-side apply, it can be put back.
    exact: bool,
}

impl Path {
    fn field(&self, name: &str) -> Self {
        let text = if self.text.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.text)
        };
        Self {
            amount: self.amount || AMOUNTS.contains(&name),
            exact: self.exact || text == "spec.ingress" || text == "spec.egress",
            text,
        }
    }

    fn element(&self, name: &str) -> Self {
        Self {
            text: format!("{}[{name}]", self.text),
            ..*self
        }
    }
}

fn compare(path: &Path, live: Option<&Value>, desired: &Value, found: &mut Vec<String>) {
    match (live, desired) {
        (_, Value::Null) => {}
        (Some(Value::Object(live)), Value::Object(desired)) => {
            compare_fields(path, live, desired, found);
        }
        // The server leaves empty lists out.
        (None | Some(Value::Null), Value::Array(desired)) if desired.is_empty() => {}
        (Some(Value::Array(live)), Value::Array(desired)) => match keys(path, desired) {
            Some(keys) => compare_by_key(path, keys, live, desired, found),
            None => compare_in_order(path, live, desired, found),
        },
        (Some(live), desired) if same(path, live, desired) => {}
        _ => found.push(path.text.clone()),
    }
}

fn compare_fields(
    path: &Path,
    live: &Map<String, Value>,
    desired: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    for (name, value) in desired {
        compare(&path.field(name), live.get(name), value, found);
    }
    if path.exact {
        let extra = live
            .iter()
            .filter(|(name, value)| !desired.contains_key(*name) && !is_default(name, value));
        found.extend(extra.map(|(name, _)| path.field(name).text));
    }
}

/// What the server itself adds to a `NetworkPolicy`'s rules.
fn is_default(name: &str, value: &Value) -> bool {
    name == "protocol" && value == "TCP" || value.as_array().is_some_and(Vec::is_empty)
}

fn compare_in_order(path: &Path, live: &[Value], desired: &[Value], found: &mut Vec<String>) {
    if live.len() != desired.len() {
        found.push(path.text.clone());
        return;
    }
    for (index, (live, desired)) in live.iter().zip(desired).enumerate() {
        compare(
            &path.element(&index.to_string()),
            Some(live),
            desired,
            found,
        );
    }
}

fn compare_by_key(
    path: &Path,
    keys: &[&str],
    live: &[Value],
    desired: &[Value],
    found: &mut Vec<String>,
) {
    for element in desired {
        let key = key_of(keys, element);
        let twin = live.iter().find(|live| key_of(keys, live) == key);
        let path = path.element(&format!("{}={}", keys.join(","), key.join(",")));
        compare(&path, twin, element, found);
    }
}

/// The fields that identify the elements of this list; none when the list is one value.
fn keys(path: &Path, desired: &[Value]) -> Option<&'static [&'static str]> {
    let name = path.text.rsplit('.').next().unwrap_or_default();
    if name == "ports" {
        let in_container = desired
            .iter()
            .all(|port| port.get("containerPort").is_some());
        return match path.text.as_str() {
            _ if in_container => Some(&["containerPort", "protocol"]),
            "spec.ports" => Some(&["port", "protocol"]),
            _ => None,
        };
    }
    ASSOCIATIVE
        .iter()
        .find(|(list, _)| *list == name)
        .map(|(_, keys)| *keys)
}

fn key_of(keys: &[&str], element: &Value) -> Vec<String> {
    keys.iter()
        .map(|key| match element.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None if *key == "protocol" => "TCP".to_owned(),
            None => String::new(),
        })
        .collect()
}

fn same(path: &Path, live: &Value, desired: &Value) -> bool {
    if live == desired {
        return true;
    }
    if !path.amount {
        return false;
    }
    match (amount(live), amount(desired)) {
        (Some(live), Some(desired)) => live == desired,
        _ => false,
    }
}

fn amount(value: &Value) -> Option<u128> {
    match value {
        Value::String(text) => quantity::parse_milli(text),
        Value::Number(number) => quantity::parse_milli(&number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
