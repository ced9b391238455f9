//! The checks that a server makes by a definition's schema: types, bounds, patterns, and fields
//! that do not exist. Made here so that a mistake shows before anything is applied.

use regex::Regex;
use serde_json::Value;

use crate::{api, resolve::problem::Problem};

/// What a pattern asks for, in words.
const WORDS: &[(&str, &str)] = &[
    (r"^[A-Za-z0-9._-]+$", "the name of a host"),
    (r"^[-A-Za-z0-9.:_]+$", "the name of a host, or an address"),
    (
        r"^[a-zA-Z_][a-zA-Z0-9_]*$",
        "the name of a label: letters, digits and _, no digit first",
    ),
    (
        r"^/[-A-Za-z0-9._/]+$",
        "the path of a socket, with the / in front: letters, digits and - . _ /",
    ),
    (r"^[^,{}\s]+$", "a tag: no spaces, commas or braces"),
    (
        r"^([a-zA-Z_][a-zA-Z0-9_]*|\.\.\.)$",
        "the name of a label, or ... for all",
    ),
    (
        r"^-?[0-9]{1,2}(:-?[0-9]{1,2})?$",
        "days of a month, such as 1:7, or -1 for the last",
    ),
    (r"^[A-Za-z0-9_+/-]+$", "a time zone, such as Europe/Berlin"),
    (
        r"^[a-z0-9]+(:[a-z0-9]+)?$",
        "months, such as december, 6 or may:august",
    ),
    (
        r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        "a minute of the day, such as 08:00",
    ),
    (
        r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        "a minute of the day, such as 18:00, or 24:00",
    ),
    (
        r"^[a-z]+(:[a-z]+)?$",
        "days of the week, such as saturday or monday:friday",
    ),
    (
        r"^[0-9]{4}(:[0-9]{4})?$",
        "years, such as 2027 or 2027:2029",
    ),
    (
        r"^/.+$",
        "the absolute path of a file, such as /var/log/app.log",
    ),
    (
        r"^[-a-zA-Z0-9!_.*'()]+$",
        "a tenant's name: letters, digits and ! - _ . * ' ( )",
    ),
    (
        r"^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        "a duration, such as 30s, 5m, 1h30m or 30d",
    ),
    (
        r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
        "an amount, such as 500m, 256Mi or 20Gi",
    ),
    (
        r"^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
        "a duration, such as 5m, 1h30m or 0s",
    ),
    (
        r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$",
        "three numbers, such as 3.14.0",
    ),
    (
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "an object's name: small letters, digits, dashes and dots, a letter or digit at both ends",
    ),
    (
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "small letters, digits and dashes, a letter or digit at both ends",
    ),
    (
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        "a label's value: letters, digits, dashes, dots and underscores, a letter or digit at both ends",
    ),
    (
        r"^[-._a-zA-Z0-9]+$",
        "a Secret's key: letters, digits, dashes, dots and underscores",
    ),
    (r"^/", "a path from / on"),
    (
        r"^https?://[^\s]+$",
        "an address that starts with http:// or https://",
    ),
    (
        r"^[^\s:]+:[0-9]{1,5}$",
        "a host and a port, such as smtp.example.org:587",
    ),
    (
        r"^[a-zA-Z_:][a-zA-Z0-9_:]*$",
        "a metric's name: letters, digits, underscores and colons, no digit at the start",
    ),
];

/// Our word for the type that such a schema leaves out.
const INT_OR_STRING: &str = "int-or-string";

/// What a server would refuse, or drop without a word, in the specification of one of our kinds.
pub fn problems(kind: &str, object: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    for crd in api::crds().iter().filter(|crd| crd.spec.names.kind == kind) {
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref().map(serde_json::to_value);
            if let Some(Ok(schema)) = schema {
                let schema = &schema["openAPIV3Schema"]["properties"]["spec"];
                match object.get("spec") {
                    Some(spec) => walk(&mut found, "spec", schema, spec),
                    None => found.push(Problem::new("spec", "is missing")),
                }
            }
        }
    }
    found
}

fn walk(found: &mut Vec<Problem>, path: &str, schema: &Value, value: &Value) {
    // A server takes a null for a field that was left out.
    if value.is_null() {
        return;
    }
    let wanted = match schema["x-kubernetes-int-or-string"].as_bool() {
        Some(true) => INT_OR_STRING,
        _ => schema["type"].as_str().unwrap_or_default(),
    };
    match (wanted, value) {
        ("object", Value::Object(fields)) => object(found, path, schema, fields),
        ("array", Value::Array(items)) => list(found, path, schema, items),
        ("string" | INT_OR_STRING, Value::String(text)) => string(found, path, schema, text),
        ("integer", Value::Number(number)) if !number.is_f64() => {
            range(found, path, schema, number.as_f64().unwrap_or_default());
        }
        // `for: 5` lacks its unit, which its pattern tells better than its bounds.
        (INT_OR_STRING, Value::Number(number)) if !number.is_f64() => {
            string(found, path, schema, &number.to_string());
        }
        ("boolean", Value::Bool(_)) => {}
        _ => {
            // `scrapeInterval: 15` lacks its unit; quotes alone would not help.
            let unfit = value
                .is_number()
                .then(|| misfit(schema, &value.to_string()));
            let message = unfit.flatten().unwrap_or_else(|| {
                format!("{} is needed, not {}", noun(wanted), told(wanted, value))
            });
            found.push(Problem::new(path, message));
        }
    }
}

fn object(
    found: &mut Vec<Problem>,
    path: &str,
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
) {
    count(found, path, schema, "Properties", "entry", fields.len());
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if !fields.contains_key(name) {
            found.push(Problem::new(format!("{path}.{name}"), "is missing"));
        }
    }
    let known = schema["properties"].as_object();
    for (name, value) in fields {
        if let Some(schema) = known.and_then(|known| known.get(name)) {
            walk(found, &format!("{path}.{name}"), schema, value);
        } else if let Some(schema) = schema.get("additionalProperties") {
            walk(found, &format!("{path}[{name}]"), schema, value);
        } else if let Some(known) = known {
            let names: Vec<_> = known.keys().map(String::as_str).collect();
            let message = format!("there is no such field; there are {}", names.join(", "));
            found.push(Problem::new(format!("{path}.{name}"), message));
        }
    }
}

/// Items go by their name where the list is a map by it, as everywhere in our messages.
fn list(found: &mut Vec<Problem>, path: &str, schema: &Value, items: &[Value]) {
    count(found, path, schema, "Items", "item", items.len());
    let key = schema["x-kubernetes-list-map-keys"][0].as_str();
    let names: Vec<_> = items
        .iter()
        .map(|item| item.get(key?)?.as_str().filter(|name| !name.is_empty()))
        .collect();
    for (index, (item, name)) in items.iter().zip(&names).enumerate() {
        let path = match name {
            Some(own) if names.iter().filter(|it| *it == name).count() == 1 => {
                format!("{path}[{own}]")
            }
            _ => format!("{path}[{index}]"),
        };
        walk(found, &path, &schema["items"], item);
    }
}

fn string(found: &mut Vec<Problem>, path: &str, schema: &Value, text: &str) {
    match misfit(schema, text) {
        Some(message) => found.push(Problem::new(path, message)),
        None => count(
            found,
            path,
            schema,
            "Length",
            "character",
            text.chars().count(),
        ),
    }
}

/// Why a text is none of the choices, or not of the pattern.
fn misfit(schema: &Value, text: &str) -> Option<String> {
    if let Some(choices) = schema["enum"].as_array() {
        let choices: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
        let unknown = !choices.contains(&text);
        return unknown.then(|| format!("{text:?} is not one of {}", choices.join(", ")));
    }
    let pattern = schema["pattern"].as_str()?;
    if Regex::new(pattern).ok()?.is_match(text) {
        return None;
    }
    let words = WORDS.iter().find(|(known, _)| *known == pattern);
    Some(match words {
        Some((_, words)) => format!("{text:?} is not {words}"),
        None => format!("{text:?} does not match {pattern}"),
    })
}

fn range(found: &mut Vec<Problem>, path: &str, schema: &Value, number: f64) {
    if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
        found.push(Problem::new(
            path,
            format!("{number} is too small: {least} at least"),
        ));
    }
    if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
        found.push(Problem::new(
            path,
            format!("{number} is too large: {most} at most"),
        ));
    }
}

/// The bounds `min…` and `max…` of a length.
fn count(
    found: &mut Vec<Problem>,
    path: &str,
    schema: &Value,
    bound: &str,
    thing: &str,
    length: usize,
) {
    let limit = |which: &str| schema[format!("{which}{bound}")].as_u64();
    let things = match (length, thing) {
        (1, _) => thing,
        (_, "entry") => "entries",
        (_, "item") => "items",
        _ => "characters",
    };
    let length = length as u64;
    let message = if let Some(least) = limit("min").filter(|least| length < *least) {
        if length == 0 {
            "is empty".to_owned()
        } else {
            format!("has {length} {things}: {least} at least")
        }
    } else if let Some(most) = limit("max").filter(|most| length > *most) {
        format!("has {length} {things}: {most} at most")
    } else {
        return;
    };
    found.push(Problem::new(path, message));
}

fn noun(wanted: &str) -> &str {
    match wanted {
        "object" => "a map of fields",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        INT_OR_STRING => "text or a whole number",
        other => other,
    }
}

/// The value as its author sees it, and what may have gone wrong with it.
fn told(wanted: &str, value: &Value) -> String {
    match value {
        Value::Object(_) => "a map of fields".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::String(text) if matches!(wanted, "integer" | "boolean") => {
            format!(
                "the text {value}{}",
                match (wanted, text.parse::<i64>()) {
                    ("integer", Ok(_)) => ": take the quotes off",
                    _ => "",
                }
            )
        }
        Value::String(_) => format!("the text {value}"),
        Value::Bool(_) if wanted == "string" => {
            format!(
                "{value}: put it in quotes; y, n, yes, no, on and off mean true and false without them"
            )
        }
        _ if matches!(wanted, "string" | INT_OR_STRING) => {
            format!("the number {value}: put it in quotes")
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{WORDS, problems};
    use crate::api;

    fn said(kind: &str, spec: &Value) -> Vec<String> {
        problems(kind, &json!({ "spec": spec }))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "so that json! can stand in the call"
    )]
    fn stack(spec: Value) -> Vec<String> {
        said("MonitoringStack", &spec)
    }

    #[test]
    fn what_the_server_takes_is_fine() {
        assert_eq!(stack(json!({})), [""; 0]);
        assert_eq!(stack(json!({"metrics": null})), [""; 0]);
        let metrics = json!({
            "enabled": true, "replicas": 5, "retention": "1h30m", "storage": {"size": "1.5Gi"},
            "externalLabels": {"any.thing": "goes"},
        });
        assert_eq!(stack(json!({ "metrics": metrics })), [""; 0]);
    }

    #[test]
    fn bounds_patterns_and_choices_are_told_with_their_fields() {
        let metrics = json!({
            "replicas": 9, "retention": "3 months", "image": "",
            "storage": {"size": "5 GB", "whenDeleted": "delete"},
        });
        assert_eq!(
            stack(json!({ "metrics": metrics })),
            [
                "spec.metrics.image: is empty",
                "spec.metrics.replicas: 9 is too large: 5 at most",
                "spec.metrics.retention: \"3 months\" is not a duration, such as 30s, 5m, 1h30m or 30d",
                "spec.metrics.storage.size: \"5 GB\" is not an amount, such as 500m, 256Mi or 20Gi",
                "spec.metrics.storage.whenDeleted: \"delete\" is not one of Retain, Delete",
            ]
        );
    }

    #[test]
    fn amounts_and_waits_may_be_numbers() {
        let metrics =
            |cpu: Value| stack(json!({"metrics": {"resources": {"limits": {"cpu": cpu}}}}));
        assert_eq!(metrics(json!(2)), [""; 0]);
        assert_eq!(metrics(json!("2")), [""; 0]);
        let field = "spec.metrics.resources.limits.cpu";
        assert_eq!(
            metrics(json!(0.5)),
            [format!(
                "{field}: text or a whole number is needed, not the number 0.5: put it in quotes"
            )]
        );
        assert_eq!(
            metrics(json!(-1)),
            [format!(
                "{field}: \"-1\" is not an amount, such as 500m, 256Mi or 20Gi"
            )]
        );
        let rule = |wait: Value| {
            let rules = json!([{"alert": "A", "expr": "up", "for": wait}]);
            said("AlertRule", &json!({ "rules": rules }))
        };
        for wait in [json!(0), json!("0"), json!("0s"), json!("5m")] {
            assert_eq!(rule(wait), [""; 0]);
        }
        assert_eq!(
            rule(json!(5)),
            ["spec.rules[0].for: \"5\" is not a duration, such as 5m, 1h30m or 0s"]
        );
    }

    #[test]
    fn types_are_told_all_at_once() {
        let metrics = json!({"replicas": "2", "retention": 30, "storage": "5Gi", "enabled": 1});
        assert_eq!(
            stack(json!({ "metrics": metrics, "logs": [] })),
            [
                "spec.logs: a map of fields is needed, not a list",
                "spec.metrics.enabled: true or false is needed, not 1",
                "spec.metrics.replicas: a whole number is needed, not the text \"2\": take the quotes off",
                "spec.metrics.retention: \"30\" is not a duration, such as 30s, 5m, 1h30m or 30d",
                "spec.metrics.storage: a map of fields is needed, not the text \"5Gi\"",
            ]
        );
    }

    #[test]
    fn missing_and_unknown_fields_of_items_go_by_the_items_name() {
        let receivers = json!([{"name": "mail", "email": {"to": [], "form": "a@b"}}]);
        let said = stack(json!({"alerting": {"receivers": receivers}}));
        for expected in [
            "spec.alerting.receivers[mail].email.to: is empty",
            "spec.alerting.receivers[mail].email.from: is missing",
            "spec.alerting.receivers[mail].email.form: there is no such field; there are from, ",
        ] {
            assert!(said.iter().any(|it| it.starts_with(expected)), "{said:?}");
        }
    }

    #[test]
    fn a_word_that_yaml_takes_for_a_boolean_says_so() {
        let said = said(
            "AlertRule",
            &json!({"rules": [{"record": true, "expr": "up"}]}),
        );
        assert!(
            said[0].starts_with("spec.rules[0].record: text is needed, not true: put it in quotes")
        );
    }

    #[test]
    fn a_rule_without_rules_is_told() {
        assert_eq!(
            said("AlertRule", &json!({"rules": []})),
            ["spec.rules: is empty"]
        );
        assert_eq!(said("AlertRule", &json!({})), ["spec.rules: is missing"]);
        let object = json!({"metadata": {}});
        assert_eq!(
            problems("AlertRule", &object)[0].to_string(),
            "spec: is missing"
        );
    }

    #[test]
    fn every_pattern_of_the_definitions_has_words() {
        fn walk(schema: &Value, found: &mut Vec<String>) {
            match schema {
                Value::Object(fields) => {
                    if let Some(Value::String(pattern)) = fields.get("pattern") {
                        found.push(pattern.clone());
                    }
                    fields.values().for_each(|it| walk(it, found));
                }
                Value::Array(items) => items.iter().for_each(|it| walk(it, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        walk(&serde_json::to_value(api::crds()).unwrap(), &mut found);
        assert!(!found.is_empty());
        found.retain(|pattern| WORDS.iter().all(|(known, _)| known != pattern));
        assert!(found.is_empty(), "without words in WORDS: {found:?}");
    }
}
