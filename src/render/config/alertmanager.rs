//! `alertmanager.yml`, and the templates of its messages.

use serde::Serialize;

use crate::resolve::rules::NAMESPACE_LABEL;
use crate::{
    api::alerting::route::{self as api, Matcher, TimeInterval, TimeRange},
    resolve::model,
};

mod receivers;
pub mod template;

use receivers::Receiver;

/// Where the secrets are mounted.
pub const SECRETS_DIR: &str = "/etc/alertmanager/secrets";
/// Where this file and the templates are mounted.
pub const CONFIG_DIR: &str = "/etc/alertmanager/config";

/// The receiver that sends nothing. No receiver of a stack can be called so.
const NOBODY: &str = "(null)";

/// What must be the same in a critical alert and in the warning that it silences: whatever the two
/// can be about. A label that neither has is the same.
const SAME_THING: [&str; 11] = [
    "alertname",
    "namespace",
    "node",
    "instance",
    "pod",
    "container",
    "job",
    "device",
    "mountpoint",
    "datname",
    "persistentvolumeclaim",
];

/// The file.
#[derive(Debug, Serialize)]
pub struct Config {
    templates: Vec<String>,
    route: Root,
    receivers: Vec<Receiver>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inhibit_rules: Vec<InhibitRule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    time_intervals: Vec<Times>,
}

/// What all routes inherit.
#[derive(Debug, Serialize)]
struct Root {
    receiver: &'static str,
    group_by: [&'static str; 2],
    group_wait: &'static str,
    group_interval: &'static str,
    repeat_interval: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

#[derive(Clone, Debug, Serialize)]
struct Route {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matchers: Vec<String>,
    receiver: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    group_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_wait: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_interval: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mute_time_intervals: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    active_time_intervals: Vec<String>,
    #[serde(rename = "continue", skip_serializing_if = "std::ops::Not::not")]
    continue_: bool,
}

#[derive(Debug, Serialize)]
struct InhibitRule {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    equal: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Times {
    name: String,
    time_intervals: Vec<Period>,
}

#[derive(Debug, Serialize)]
struct Period {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    times: Vec<Hours>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weekdays: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    days_of_month: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    months: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    years: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

#[derive(Debug, Serialize)]
struct Hours {
    start_time: String,
    end_time: String,
}

/// The file for a stack's Alertmanager, with the name of its template file.
#[must_use]
pub fn config(alertmanager: &model::Alertmanager, template_file: &str) -> Config {
    Config {
        templates: vec![format!("{CONFIG_DIR}/{template_file}")],
        route: Root {
            receiver: NOBODY,
            group_by: ["alertname", "namespace"],
            group_wait: "30s",
            group_interval: "5m",
            repeat_interval: "12h",
            routes: alertmanager.routes.iter().flat_map(routes).collect(),
        },
        receivers: receivers::all(alertmanager),
        inhibit_rules: inhibit_rules(alertmanager),
        time_intervals: alertmanager.time_intervals.iter().map(times).collect(),
    }
}

/// The routes that say what one route of the stack says. An alert belongs to a namespace by its own
/// label or by its rule's; matchers of one route are joined by "and", so there is one route for
/// each. The second leaves out what the first has: a route that continues would send it twice.
fn routes(route: &api::Route) -> Vec<Route> {
    let severity = route.severity.map(|severity| {
        let label = severity.label();
        matcher("severity", "=", label)
    });
    let own = route.matchers.iter().map(own_matcher);
    let matchers: Vec<_> = severity.into_iter().chain(own).collect();
    let with = |namespaces: &[String]| Route {
        matchers: matchers.iter().chain(namespaces).cloned().collect(),
        receiver: receiver_name(&route.receivers),
        group_by: route.group_by.clone(),
        group_wait: route.group_wait.as_ref().map(|it| it.0.clone()),
        group_interval: route.group_interval.as_ref().map(|it| it.0.clone()),
        repeat_interval: route.repeat_interval.as_ref().map(|it| it.0.clone()),
        mute_time_intervals: route.mute_times.clone(),
        active_time_intervals: route.active_times.clone(),
        continue_: route.continue_.unwrap_or(false),
    };
    if route.namespaces.is_empty() {
        return vec![with(&[])];
    }
    // Names of namespaces hold nothing that a regular expression would take for something else.
    let names = route.namespaces.join("|");
    vec![
        with(&[matcher("namespace", "=~", &names)]),
        with(&[
            matcher("namespace", "!~", &names),
            matcher(NAMESPACE_LABEL, "=~", &names),
        ]),
    ]
}

/// Who was woken for something need not read that it is also getting bad.
fn inhibit_rules(alertmanager: &model::Alertmanager) -> Vec<InhibitRule> {
    let warnings = alertmanager.inhibit_warnings.then(|| InhibitRule {
        source_matchers: vec![matcher("severity", "=", "critical")],
        target_matchers: vec![matcher("severity", "=", "warning")],
        equal: SAME_THING.map(str::to_owned).into(),
    });
    let own = alertmanager.inhibit_rules.iter().map(|rule| InhibitRule {
        source_matchers: rule.source.iter().map(own_matcher).collect(),
        target_matchers: rule.target.iter().map(own_matcher).collect(),
        equal: rule.equal.clone(),
    });
    warnings.into_iter().chain(own).collect()
}

fn own_matcher(given: &Matcher) -> String {
    matcher(
        &given.label,
        given.operator.unwrap_or_default().sign(),
        &given.value,
    )
}

/// A matcher. Both of Alertmanager's parsers, the old and the new one, know these three escapes.
fn matcher(label: &str, sign: &str, value: &str) -> String {
    let mut text = format!("{label}{sign}\"");
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

/// A route of Alertmanager has one receiver, so several become one that holds the settings of them
/// all, called by their names joined with `+`, which no name holds.
fn receiver_name(names: &[String]) -> String {
    if names.is_empty() {
        NOBODY.into()
    } else {
        names.join("+")
    }
}

fn times(interval: &TimeInterval) -> Times {
    let hours = |range: &TimeRange| Hours {
        start_time: range.start.clone(),
        end_time: range.end.clone(),
    };
    let periods = interval.periods.iter().map(|period| Period {
        times: period.times.iter().map(hours).collect(),
        weekdays: period.weekdays.clone(),
        days_of_month: period.days_of_month.clone(),
        months: period.months.clone(),
        years: period.years.clone(),
        location: period.location.clone(),
    });
    Times {
        name: interval.name.clone(),
        time_intervals: periods.collect(),
    }
}
