//! Routes: which alerts go where, when, and what silences what.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{super::value::Duration, Severity};

/// Which alerts go where; all given conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(!has(self.groupInterval) || self.groupInterval.matches('[1-9]')) && (!has(self.repeatInterval) || self.repeatInterval.matches('[1-9]'))").message("groupInterval and repeatInterval: above zero"))]
pub struct Route {
    /// Alerts of this severity; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Alerts about these namespaces, or from AlertRules in them; any when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))
    )]
    pub namespaces: Vec<String>,
    /// Alerts whose labels match all of these; any when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub matchers: Vec<Matcher>,
    /// Names of receivers; none: seen, not sent.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub receivers: Vec<String>,
    /// Labels: alerts with the same values make one message. alertname and namespace when absent; `...` alone is all labels, a message for each alert.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            regex(pattern = r"^([a-zA-Z_][a-zA-Z0-9_]*|\.\.\.)$"),
            length(max = 128)
        )
    )]
    pub group_by: Vec<String>,
    /// How long the first message waits for more alerts of its group; 30s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_wait: Option<Duration>,
    /// How long until a changed group is told again; 5m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_interval: Option<Duration>,
    /// How long until a group that has not changed is told again; 12h when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_interval: Option<Duration>,
    /// Names of timeIntervals in which nothing is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub mute_times: Vec<String>,
    /// Names of timeIntervals: something is sent in these only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub active_times: Vec<String>,
    /// Whether the routes below are tried too after this one has matched; false when absent.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<bool>,
}

/// What a label's value has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Matcher {
    /// The label.
    #[schemars(regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"), length(max = 128))]
    pub label: String,
    /// `=` (when absent), `!=`, or for a regular expression `=~`, `!~`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// The value, or the regular expression (RE2), which has to match the whole value. A label that is not there has the value "".
    #[schemars(length(max = 512))]
    pub value: String,
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Operator {
    /// The same.
    #[default]
    #[serde(rename = "=")]
    Equal,
    /// Another.
    #[serde(rename = "!=")]
    NotEqual,
    /// The regular expression matches.
    #[serde(rename = "=~")]
    Matches,
    /// The regular expression does not match.
    #[serde(rename = "!~")]
    MatchesNot,
}

impl Operator {
    /// As Alertmanager writes it.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }

    /// Whether the value is a regular expression.
    #[must_use]
    pub const fn is_regex(self) -> bool {
        matches!(self, Self::Matches | Self::MatchesNot)
    }
}

/// Alerts that silence others while they fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InhibitRule {
    /// The alerts that silence: their labels match all of these.
    #[schemars(length(min = 1, max = 16))]
    pub source: Vec<Matcher>,
    /// The alerts that are silenced: their labels match all of these.
    #[schemars(length(min = 1, max = 16))]
    pub target: Vec<Matcher>,
    /// Labels that must have the same value in both, or be absent from both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"), length(max = 128))
    )]
    pub equal: Vec<String>,
}

/// Times of the week and year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeInterval {
    /// The name routes call it by.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,
    /// A moment belongs to the interval when it belongs to any of these.
    #[schemars(length(min = 1, max = 16))]
    pub periods: Vec<Period>,
}

/// Moments for which every field that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Period {
    /// Hours of the day; any when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub times: Vec<TimeRange>,
    /// Days of the week, such as `saturday` or `monday:friday`; the week starts with sunday.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 7),
        inner(regex(pattern = r"^[a-z]+(:[a-z]+)?$"), length(max = 32))
    )]
    pub weekdays: Vec<String>,
    /// Days of the month, such as `1:7`, or `-1` for the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 31),
        inner(regex(pattern = r"^-?[0-9]{1,2}(:-?[0-9]{1,2})?$"), length(max = 7))
    )]
    pub days_of_month: Vec<String>,
    /// Months, such as `december`, `6:8` or `may:august`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 12),
        inner(regex(pattern = r"^[a-z0-9]+(:[a-z0-9]+)?$"), length(max = 32))
    )]
    pub months: Vec<String>,
    /// Years, such as `2027` or `2027:2029`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(regex(pattern = r"^[0-9]{4}(:[0-9]{4})?$"), length(max = 9))
    )]
    pub years: Vec<String>,
    /// The time zone, such as `Europe/Berlin`; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+/-]+$"), length(max = 64))]
    pub location: Option<String>,
}

/// Hours of the day, from a minute to one that no longer belongs to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct TimeRange {
    /// The first minute, such as 08:00.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), length(max = 5))]
    pub start: String,
    /// The minute after the last, such as 24:00; later than `start`: midnight needs two ranges.
    #[schemars(
        regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
        length(max = 5)
    )]
    pub end: String,
}
