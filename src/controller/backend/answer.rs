//! Reading what the back ends answer. Whatever they send, nothing here panics.

use std::collections::BTreeSet;

use serde::{Deserialize, de::DeserializeOwned};

use super::BackendError;
use crate::{
    api::status::Targets,
    controller::{
        conditions::clip,
        observe::services::{Name, Target},
    },
};

/// How many characters of a failed scrape's words are kept.
const ERROR: usize = 200;

/// What Alertmanager's metrics tell of its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AlertmanagerState {
    /// `alertmanager_config_hash`: the first six bytes of the loaded file's MD5, little endian.
    pub config_hash: Option<f64>,
    /// Whether the last reload worked.
    pub last_reload_successful: Option<bool>,
}

/// The envelope of Prometheus' API.
#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

pub(super) fn data<T: DeserializeOwned>(body: &[u8]) -> Result<T, BackendError> {
    serde_json::from_slice::<Envelope<T>>(body)
        .map(|envelope| envelope.data)
        .map_err(|error| BackendError::Unreadable(error.to_string()))
}

/// `GET /api/v1/status/config`.
pub fn prometheus_config(body: &[u8]) -> Result<String, BackendError> {
    #[derive(Deserialize)]
    struct Config {
        yaml: String,
    }
    data::<Config>(body).map(|config| config.yaml)
}

/// `GET /api/v1/status/runtimeinfo`.
pub fn prometheus_reload_succeeded(body: &[u8]) -> Result<bool, BackendError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RuntimeInfo {
        reload_config_success: bool,
    }
    data::<RuntimeInfo>(body).map(|info| info.reload_config_success)
}

/// `GET /api/v1/query` of `count_values("up", up)`: one sample for each value of `up`.
pub fn prometheus_targets(body: &[u8]) -> Result<Targets, BackendError> {
    #[derive(Deserialize)]
    struct Answer {
        result: Vec<Sample>,
    }
    #[derive(Deserialize)]
    struct Sample {
        metric: Labels,
        value: (f64, String),
    }
    #[derive(Deserialize)]
    struct Labels {
        up: String,
    }
    let mut targets = Targets::default();
    for sample in data::<Answer>(body)?.result {
        let count: i32 = sample.value.1.parse().unwrap_or_default();
        let side = match sample.metric.up.as_str() {
            "1" => &mut targets.up,
            _ => &mut targets.down,
        };
        *side = side.saturating_add(count);
    }
    Ok(targets)
}

/// `GET /api/v1/query` of a vector with the labels `namespace` and `service`.
pub fn prometheus_services(body: &[u8]) -> Result<BTreeSet<Name>, BackendError> {
    #[derive(Deserialize)]
    struct Answer {
        result: Vec<Sample>,
    }
    #[derive(Deserialize)]
    struct Sample {
        metric: ServiceLabels,
    }
    let answer = data::<Answer>(body)?;
    let samples = answer.result.into_iter();
    Ok(samples.map(|sample| sample.metric.name()).collect())
}

/// `GET /api/v1/targets`: the active ones.
pub fn prometheus_service_targets(body: &[u8]) -> Result<Vec<Target>, BackendError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        active_targets: Vec<Active>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Active {
        labels: ServiceLabels,
        health: String,
        #[serde(default)]
        last_error: String,
    }
    let answer = data::<Answer>(body)?;
    let targets = answer.active_targets.into_iter();
    Ok(targets
        .map(|target| Target {
            service: target.labels.name(),
            down: target.health == "down",
            error: words(target.last_error.as_bytes(), ERROR),
        })
        .collect())
}

/// The labels that tell whose a series or target is.
#[derive(Deserialize)]
struct ServiceLabels {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    service: String,
}

impl ServiceLabels {
    fn name(self) -> Name {
        (self.namespace, self.service)
    }
}

/// `GET /metrics` of Alertmanager.
#[must_use]
pub fn alertmanager_metrics(body: &[u8]) -> AlertmanagerState {
    let text = String::from_utf8_lossy(body);
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .and_then(|value| value.split_ascii_whitespace().next()?.parse::<f64>().ok())
    };
    AlertmanagerState {
        config_hash: value("alertmanager_config_hash"),
        last_reload_successful: value("alertmanager_config_last_reload_successful")
            .map(|value| value > 0.0),
    }
}

/// A refusal as one line a person can read, cut after so many characters.
#[must_use]
pub fn words(body: &[u8], chars: usize) -> String {
    let text = String::from_utf8_lossy(body);
    let printable = text.replace(|c: char| c.is_control(), " ");
    let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    clip(&line, chars)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn targets_are_counted_by_the_value_of_up() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"up":"1"},"value":[1767225600.123,"41"]},
            {"metric":{"up":"0"},"value":[1767225600.123,"1"]}]}}"#;
        let expected = Targets { up: 41, down: 1 };
        assert_eq!(prometheus_targets(body).unwrap(), expected);
        let none = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        assert_eq!(prometheus_targets(none).unwrap(), Targets::default());
    }

    #[test]
    fn targets_of_services_tell_what_failed() {
        let body = br#"{"status":"success","data":{"activeTargets":[
            {"labels":{"namespace":"shop","service":"web"},"health":"down","lastError":"Get \"http://10.0.0.1:81/\":\n connection refused"},
            {"labels":{"namespace":"shop","service":"db"},"health":"unknown","lastError":""}]}}"#;
        let target = |service: &str, down, error: &str| Target {
            service: ("shop".to_owned(), service.to_owned()),
            down,
            error: error.to_owned(),
        };
        let refused = "Get \"http://10.0.0.1:81/\": connection refused";
        let expected = [target("web", true, refused), target("db", false, "")];
        assert_eq!(prometheus_service_targets(body).unwrap(), expected);
        let body = br#"{"data":{"result":[{"metric":{"namespace":"shop","service":"web"},"value":[1,"1"]}]}}"#;
        let services = prometheus_services(body).unwrap();
        assert_eq!(services, [("shop".to_owned(), "web".to_owned())].into());
    }

    #[test]
    fn the_hash_of_alertmanager_is_read_in_any_notation() {
        let body = b"# HELP alertmanager_config_hash Hash.\n# TYPE alertmanager_config_hash gauge\nalertmanager_config_hash 2.8012739493245e+13\nalertmanager_config_hash_other 1\nalertmanager_config_last_reload_successful 1\n";
        let state = alertmanager_metrics(body);
        assert_eq!(state.config_hash, Some(28_012_739_493_245.0));
        assert_eq!(state.last_reload_successful, Some(true));
        assert_eq!(alertmanager_metrics(b""), AlertmanagerState::default());
    }

    #[test]
    fn an_answer_of_another_shape_is_an_error_that_says_so() {
        let error = prometheus_config(b"<html>login</html>").unwrap_err();
        assert!(
            error.to_string().starts_with("unexpected answer: "),
            "{error}"
        );
    }

    #[test]
    fn a_refusal_becomes_one_line() {
        assert_eq!(
            words(b" failed to reload:\n\tyaml\x00: line 3 \n", 80),
            "failed to reload: yaml : line 3"
        );
        assert_eq!(words(&[0xff, b'x'], 80), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn no_answer_whatsoever_panics(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            read_every_way(&body);
        }

        #[test]
        fn no_answer_of_almost_the_right_shape_panics(
            value in "[-+.0-9eEinfa]{0,24}",
            text in "[ -~\\n/]{0,40}",
        ) {
            let text = serde_json::to_string(&text).unwrap();
            let number = serde_json::to_string(&value).unwrap();
            read_every_way(format!(r#"{{"data":{{"yaml":{text},"groups":[{{"file":{text}}}],"result":[{{"metric":{{"up":{text}}},"value":[0,{number}]}}]}}}}"#).as_bytes());
            read_every_way(format!("alertmanager_config_hash {value}\n").as_bytes());
        }
    }

    /// Answers may be errors; a test passes when no parser panics.
    fn read_every_way(body: &[u8]) {
        let read = (
            prometheus_config(body).is_ok(),
            prometheus_reload_succeeded(body).is_ok(),
            prometheus_targets(body).is_ok(),
            prometheus_services(body).is_ok(),
            prometheus_service_targets(body).is_ok(),
            alertmanager_metrics(body).config_hash.is_some(),
            words(body, 40).is_empty(),
        );
        assert!(std::mem::size_of_val(&read) > 0);
    }
}
