//! One dashboard's JSON.

use serde_json::Value;

/// Grafana's bound on a uid.
const UID_CHARS: usize = 40;
/// The dashboards that come with the stack have uids that start so.
const OURS: &str = "masthead-";
/// Data sources that every stack has, under uids that are their types.
const SOURCES: [&str; 3] = ["prometheus", "loki", "alertmanager"];

/// What there is to know of a dashboard.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// Its uid, given or generated.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// The whole text, as it was written where nothing had to be put in.
    pub text: String,
}

/// Reads a dashboard; the error says what is wrong and what would be right.
pub fn read(text: &str, generated_uid: impl FnOnce() -> String) -> Result<Document, String> {
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let Value::Object(fields) = &mut value else {
        return Err("is not a JSON object: write the dashboard's JSON model".into());
    };
    if fields.get("dashboard").is_some_and(Value::is_object) && !fields.contains_key("title") {
        return Err("is an answer of Grafana's API: write what is below its \"dashboard\"".into());
    }
    let title = fields
        .get("title")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim()
        .to_owned();
    if title.is_empty() {
        return Err("has no title, which Grafana needs".into());
    }
    let uid = match fields.get("uid") {
        None | Some(Value::Null) => None,
        Some(Value::String(uid)) if uid.is_empty() => None,
        Some(Value::String(uid)) => Some(checked(uid)?.to_owned()),
        Some(_) => return Err("its uid is not a text".into()),
    };
    let is_new = uid.is_none();
    let uid = uid.unwrap_or_else(|| {
        let uid = generated_uid();
        fields.insert("uid".into(), uid.clone().into());
        uid
    });
    let text = if is_new {
        value.to_string()
    } else {
        text.to_owned()
    };
    Ok(Document {
        uid,
        title,
        text: with_sources(text, &value),
    })
}

fn checked(uid: &str) -> Result<&str, String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if uid.len() > UID_CHARS || !uid.chars().all(is_good) {
        return Err(format!(
            "its uid {uid:?} is not one: letters, digits, dashes and underscores, {UID_CHARS} at most"
        ));
    }
    if uid.starts_with(OURS) {
        return Err(format!(
            "its uid {uid:?} starts with {OURS}, as those of the stack's own dashboards do: give it another one"
        ));
    }
    Ok(uid)
}

/// A dashboard that was exported to be shared has names in place of its data sources, such as
/// `${DS_PROMETHEUS}`: whoever imports it by hand is asked for them, a file is not.
fn with_sources(mut text: String, value: &Value) -> String {
    let inputs = value.get("__inputs").and_then(Value::as_array);
    for input in inputs.into_iter().flatten() {
        let word = |field: &str| input.get(field).and_then(Value::as_str);
        let (Some(name), Some(plugin)) = (word("name"), word("pluginId")) else {
            continue;
        };
        if SOURCES.contains(&plugin) {
            text = text.replace(&format!("${{{name}}}"), plugin);
        }
    }
    text
}
