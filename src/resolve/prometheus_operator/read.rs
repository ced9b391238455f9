//! From JSON to what is honoured, with the fields that are not.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::resolve::problem::Problem;

/// Fields that change nothing of what is scraped or evaluated when they are not followed. Whatever
/// else is not known is refused: to ignore it might mean something else than its author wants.
const HARMLESS: [&str; 10] = [
    "convertClassicHistogramsToNHCB",
    "fallbackScrapeProtocol",
    "nativeHistogramBucketLimit",
    "nativeHistogramMinBucketFactor",
    "partial_response_strategy",
    "scrapeClassicHistograms",
    "scrapeNativeHistograms",
    "scrapeProtocols",
    "nameEscapingScheme",
    "nameValidationScheme",
];

/// What was read, and the fields that are ignored.
pub struct Read<T> {
    /// What is honoured.
    pub value: T,
    /// Each with why it is not followed.
    pub ignored: Vec<Problem>,
}

/// Reads a part of an object; `path` is where it stands.
///
/// # Errors
/// When it cannot be read, or holds a field that may not be ignored.
pub fn read<T: DeserializeOwned>(path: &str, value: &Value) -> Result<Read<T>, Problem> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let located = serde_path_to_error::Deserializer::new(value, &mut track);
    let decoded = serde_ignored::deserialize(located, |field: serde_ignored::Path<'_>| {
        unknown.push(field.to_string());
    });
    let value = decoded.map_err(|error| {
        let place = track.path().to_string();
        let place = if place == "." {
            String::new()
        } else {
            format!(".{place}")
        };
        Problem::new(format!("{path}{place}"), format!("cannot be read: {error}"))
    })?;
    let mut ignored = Vec::new();
    for field in unknown {
        let field = format!("{path}.{}", bracketed(&field));
        let name = field.rsplit('.').next().unwrap_or_default();
        if !HARMLESS.contains(&name) {
            let message = "Masthead does not support this field, and without it the object would mean something else";
            return Err(Problem::new(field, message));
        }
        ignored.push(Problem::new(field, "not supported, ignored"));
    }
    Ok(Read { value, ignored })
}

/// `endpoints.0.?.path` as people write it: `endpoints[0].path`.
fn bracketed(path: &str) -> String {
    let mut text = String::new();
    for part in path.split('.').filter(|part| *part != "?") {
        if !text.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push('[');
            text.push_str(part);
            text.push(']');
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::spec::Probe, *};

    fn told(spec: &Value) -> Result<Vec<String>, String> {
        let told = |problem: &Problem| problem.to_string();
        match read::<Probe>("spec", spec) {
            Ok(read) => Ok(read.ignored.iter().map(told).collect()),
            Err(problem) => Err(problem.to_string()),
        }
    }

    #[test]
    fn a_field_that_changes_nothing_is_ignored_with_a_word_and_any_other_is_refused() {
        assert_eq!(told(&json!({"module": "http"})), Ok(vec![]));
        assert_eq!(
            told(&json!({"scrapeProtocols": ["PrometheusProto"]})),
            Ok(vec!["spec.scrapeProtocols: not supported, ignored".into()])
        );
        let params = json!([{"name": "a"}, {"name": "b", "when": {"a": 1}}]);
        let refused = told(&json!({"params": params})).unwrap_err();
        assert!(
            refused.starts_with("spec.params[1].when: Masthead does not"),
            "{refused}"
        );
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let said = told(&json!({"params": [{"name": 7}]})).unwrap_err();
        assert!(
            said.starts_with("spec.params[0].name: cannot be read: "),
            "{said}"
        );
    }
}
