//! What Prometheus and Loki list of their rules. Whatever they send, nothing here panics.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{BackendError, answer::data};
use crate::api::status::{AlertState, RuleHealth};

/// The groups of an engine, by the base name of the file that holds them.
pub type Groups = BTreeMap<Arc<str>, Group>;

/// The same with the content of each rule.
pub type WithContents = BTreeMap<Arc<str>, (Group, Vec<Content>)>;

/// A group as it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name: namespace and name of the `AlertRule`.
    pub name: Arc<str>,
    /// The mark of its content, which Prometheus lists as the limit; 0 when it lists none.
    pub mark: u64,
    /// Its rules in order.
    pub rules: Vec<RuleState>,
}

/// What an engine says of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleState {
    /// Whether its last evaluation worked.
    pub health: RuleHealth,
    /// An alert's state; none of a recorded series.
    pub state: Option<AlertState>,
    /// How many of its alerts fire.
    pub firing: u32,
    /// Why the last evaluation failed.
    pub last_error: Option<Box<str>>,
}

/// A rule as Loki lists it: by its content, since it lists no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The alert's or record's name.
    pub name: String,
    /// The expression in the engine's own form.
    pub query: String,
    /// `for`.
    pub seconds: u64,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

/// Some of the groups of a Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The groups.
    pub groups: Groups,
    /// What to ask for the next ones by; none of the last page.
    pub next: Option<String>,
}

/// The answer, with as much of each rule as its reader wants.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rules<R> {
    groups: Vec<Listed<R>>,
    #[serde(default)]
    group_next_token: Option<String>,
}

#[derive(Deserialize)]
struct Listed<R> {
    #[serde(default)]
    name: String,
    file: String,
    #[serde(default)]
    limit: i64,
    #[serde(default = "Vec::new")]
    rules: Vec<R>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedState {
    #[serde(default)]
    health: Option<String>,
    #[serde(default)]
    last_error: Option<Box<str>>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    alerts: Option<Vec<Alert>>,
}

#[derive(Deserialize)]
struct Alert {
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
struct ListedContent {
    #[serde(default)]
    name: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl From<ListedState> for RuleState {
    fn from(rule: ListedState) -> Self {
        let firing = rule.alerts.iter().flatten();
        let firing = firing.filter(|alert| alert.state.eq_ignore_ascii_case("firing"));
        Self {
            health: match rule.health.as_deref() {
                Some("ok") => RuleHealth::Ok,
                Some("err") => RuleHealth::Err,
                _ => RuleHealth::Unknown,
            },
            state: rule.state.as_deref().map(|state| match state {
                "firing" => AlertState::Firing,
                "pending" => AlertState::Pending,
                _ => AlertState::Inactive,
            }),
            firing: u32::try_from(firing.count()).unwrap_or(u32::MAX),
            last_error: rule.last_error.filter(|words| !words.is_empty()),
        }
    }
}

impl From<ListedContent> for Content {
    fn from(rule: ListedContent) -> Self {
        Self {
            name: rule.name,
            query: rule.query,
            seconds: Duration::try_from_secs_f64(rule.duration)
                .map_or(0, |duration| duration.as_secs()),
            labels: rule.labels.unwrap_or_default(),
        }
    }
}

impl From<Listed<ListedState>> for Group {
    fn from(group: Listed<ListedState>) -> Self {
        Self {
            name: group.name.into(),
            mark: u64::try_from(group.limit).unwrap_or_default(),
            rules: group.rules.into_iter().map(RuleState::from).collect(),
        }
    }
}

/// `GET /api/v1/rules` of Prometheus: all, or one page.
pub fn prometheus(body: &[u8]) -> Result<Page, BackendError> {
    let rules = data::<Rules<ListedState>>(body)?;
    let groups = rules.groups.into_iter();
    Ok(Page {
        groups: groups
            .map(|group| (base_name(&group.file), group.into()))
            .collect(),
        next: rules.group_next_token.filter(|token| !token.is_empty()),
    })
}

/// `GET /prometheus/api/v1/rules` of Loki: the same form, and the content of each rule beside it.
pub fn loki(body: &[u8]) -> Result<WithContents, BackendError> {
    let states = data::<Rules<ListedState>>(body)?.groups.into_iter();
    let contents = data::<Rules<ListedContent>>(body)?.groups.into_iter();
    let groups = states.zip(contents).map(|(group, content)| {
        let contents = content.rules.into_iter().map(Content::from).collect();
        (base_name(&group.file), (group.into(), contents))
    });
    Ok(groups.collect())
}

/// What all of several processes have: a group that one of them lacks, or has with another
/// content, is not there. Of the states the worst counts.
#[must_use]
pub fn in_all(mut listings: impl Iterator<Item = Groups>) -> Groups {
    let mut all = listings.next().unwrap_or_default();
    for one in listings {
        all.retain(|file, group| {
            one.get(file).is_some_and(|other| {
                for (rule, other) in group.rules.iter_mut().zip(&other.rules) {
                    rule.merge(other);
                }
                other.mark == group.mark && other.rules.len() == group.rules.len()
            })
        });
    }
    all
}

impl RuleState {
    fn merge(&mut self, other: &Self) {
        self.health = self.health.max(other.health);
        self.state = self.state.max(other.state);
        self.firing = self.firing.max(other.firing);
        if self.last_error.is_none() {
            self.last_error.clone_from(&other.last_error);
        }
    }
}

/// A value as it stands in a URL: the groups of a `PrometheusRule` have whatever names their author
/// likes.
#[must_use]
pub fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.extend(format!("%{byte:02X}").chars());
        }
    }
    escaped
}

fn base_name(path: &str) -> Arc<str> {
    path.rsplit('/').next().unwrap_or(path).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"status":"success","data":{"groups":[
        {"name":"shop/a","file":"/etc/prometheus/rules/0/shop-a-1.yaml","interval":15,"limit":2251799813685249,"rules":[
            {"state":"firing","name":"A","query":"up == 0","duration":60,"labels":{"x":"y"},"alerts":[{"state":"firing"},{"state":"pending"}],"health":"ok","type":"alerting"},
            {"name":"a:b","query":"1","health":"err","lastError":"no","type":"recording"},
            {"state":"inactive","name":"B","alerts":[],"health":"unknown","type":"alerting"}]},
        {"name":"b","file":"plain.yaml"}]}}"#;

    #[test]
    fn groups_are_listed_by_file_with_their_mark_and_the_state_of_each_rule() {
        let Page { groups, next } = prometheus(BODY).unwrap();
        assert_eq!(next, None);
        let group = &groups["shop-a-1.yaml"];
        assert_eq!(group.mark, (1 << 51) + 1);
        let told: Vec<_> = group
            .rules
            .iter()
            .map(|rule| {
                (
                    rule.health,
                    rule.state,
                    rule.firing,
                    rule.last_error.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (RuleHealth::Ok, Some(AlertState::Firing), 1, None),
                (RuleHealth::Err, None, 0, Some("no")),
                (RuleHealth::Unknown, Some(AlertState::Inactive), 0, None),
            ]
        );
        assert_eq!(groups["plain.yaml"].mark, 0);
    }

    #[test]
    fn a_page_names_the_next_one() {
        let body = br#"{"data":{"groups":[],"groupNextToken":"ab12"}}"#;
        assert_eq!(prometheus(body).unwrap().next.as_deref(), Some("ab12"));
    }

    #[test]
    fn loki_lists_the_content() {
        let groups = loki(BODY).unwrap();
        let (_, contents) = &groups["shop-a-1.yaml"];
        assert_eq!((contents[0].name.as_str(), contents[0].seconds), ("A", 60));
        assert_eq!(contents[0].labels["x"], "y");
    }

    #[test]
    fn several_processes_have_what_each_has_and_the_worst_state_counts() {
        let groups = |health, mark| {
            let rule = RuleState {
                health,
                ..RuleState::default()
            };
            let group = Group {
                mark,
                rules: vec![rule],
                ..Group::default()
            };
            Groups::from([("a".into(), group)])
        };
        let (well, ill) = (groups(RuleHealth::Ok, 1), groups(RuleHealth::Err, 1));
        assert_eq!(in_all([well.clone(), ill.clone()].into_iter()), ill);
        assert_eq!(
            in_all([well.clone(), groups(RuleHealth::Ok, 2)].into_iter()),
            Groups::new()
        );
        assert_eq!(in_all([well, Groups::new()].into_iter()), Groups::new());
    }

    #[test]
    fn any_name_of_a_group_can_stand_in_a_url() {
        assert_eq!(escaped("shop/a-1"), "shop%2Fa-1");
        assert_eq!(escaped("my group&ü"), "my%20group%26%C3%BC");
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in any::<Vec<u8>>()) {
            let _answers = (prometheus(&body), loki(&body));
        }
    }
}
