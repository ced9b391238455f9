//! What is said to each field that prometheus-operator publishes of its kinds. `fields.txt` lists
//! them, and `hack/prometheus-operator/check` that the list is complete.

use std::{fs, path::Path, sync::Arc};

use masthead::resolve::prometheus_operator::objects::{Foreign, Kind};
use serde_json::{Map, Value, json};

use crate::prometheus_operator::{everything, notes, resolved};

const LIST: &str = "tests/fixtures/prometheus-operator/fields.txt";
/// What a field that must be there may hold, tried one after the other.
const FILLINGS: [&str; 5] = [r#""up""#, "{}", "[]", "1", "true"];

/// The object with `value` at `path`, such as `spec.endpoints[].port`.
fn put(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for part in path.split('.') {
        let (name, list) = match part.split_once('[') {
            Some((name, _)) => (name, true),
            None => (part, false),
        };
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name];
        if list {
            if !place.is_array() {
                *place = json!([null]);
            }
            place = &mut place[0];
        }
    }
    *place = value;
}

/// What is said of an object that has nothing but this field and those that it cannot do without.
fn word(kind: Kind, path: &str) -> &'static str {
    let mut object = json!({});
    put(&mut object, path, json!("up"));
    let place = path.replace("[]", "[0]");
    let mut filled = String::new();
    let mut fillings = FILLINGS.iter();
    loop {
        let said = said(kind, &object["spec"]);
        if said
            .iter()
            .any(|it| it.starts_with(&format!("{place}: not supported, ignored")))
        {
            return "ignored";
        }
        if said
            .iter()
            .any(|it| it.starts_with(&format!("{place}: Masthead does not support")))
        {
            return "refused";
        }
        let unread = said
            .iter()
            .find_map(|it| it.split_once(": cannot be read: "));
        let Some((at, error)) = unread.filter(|(at, _)| *at != place) else {
            return "read";
        };
        // It was not reached: something beside it is missing, or was filled in wrongly.
        if let Some(missing) = error.strip_prefix("missing field `") {
            let name = missing.split('`').next().unwrap();
            filled = format!("{at}.{name}").replace("[0]", "[]");
            fillings = FILLINGS.iter();
        }
        let filling = fillings
            .next()
            .unwrap_or_else(|| panic!("{path}: {said:?}"));
        put(&mut object, &filled, serde_json::from_str(filling).unwrap());
    }
}

/// What is said of an object, less its name.
fn said(kind: Kind, spec: &Value) -> Vec<String> {
    let object = Arc::new(Foreign {
        kind,
        api_version: String::new(),
        namespace: "shop".into(),
        name: "any".into(),
        uid: "uid".into(),
        generation: Some(1),
        labels: [].into(),
        spec: spec.clone(),
    });
    let title = format!("{}: ", object.title());
    let notes = notes(&resolved(&everything(), &[object]));
    let notes = notes.iter().map(|note| note.strip_prefix(&title).unwrap());
    notes.map(ToOwned::to_owned).collect()
}

fn is_below(field: &str, above: &str) -> bool {
    let rest = field.strip_prefix(above);
    rest.is_some_and(|rest| rest.starts_with(['.', '[']))
}

#[test]
fn every_published_field_is_read_or_ignored_or_refused_as_the_list_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST);
    let listed = fs::read_to_string(&path).unwrap();
    let mut found = Vec::new();
    let mut closed: Option<String> = None;
    for line in listed.lines() {
        let field = line.split(' ').next().unwrap();
        // Below a field that is not read there is nothing to say.
        if closed.as_ref().is_some_and(|above| is_below(field, above)) {
            continue;
        }
        let (kind, below) = field.split_once('.').unwrap();
        let kind = Kind::ALL.into_iter().find(|it| it.name() == kind).unwrap();
        let word = word(kind, below);
        closed = (word != "read").then(|| field.to_owned());
        found.push(format!("{field} {word}"));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found.join("\n") + "\n").unwrap();
    }
    let listed: Vec<_> = listed.lines().collect();
    assert!(
        listed == found,
        "fields.txt is not what is done: run UPDATE_GOLDEN=1 cargo test --test render, then read the diff"
    );
}
