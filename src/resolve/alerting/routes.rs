//! Routes: which alerts go where.

use std::collections::BTreeSet;

use super::{
    super::{duration, model::Receiver, problem::Problem},
    matchers,
};
use crate::api::{
    alerting::{
        AlertingSpec,
        route::{Route, TimeInterval},
    },
    value::Duration,
};

/// Groups by every label, if it stands alone.
const ALL_LABELS: &str = "...";

/// Routes with only the receivers and intervals that exist. A route that has lost all of its
/// receivers goes too, so that its alerts can still reach a later route instead of nobody.
pub fn resolve(
    alerting: &AlertingSpec,
    receivers: &[Receiver],
    intervals: &[TimeInterval],
    problems: &mut Vec<Problem>,
) -> Vec<Route> {
    let mut taken = Vec::new();
    for (index, route) in alerting.routes.iter().enumerate() {
        let field = format!("spec.alerting.routes[{index}]");
        if let Err(problem) = check(route, &field) {
            problems.push(problem);
            continue;
        }
        let names = Names {
            alerting,
            receivers,
            intervals,
            field: &field,
        };
        taken.extend(names.kept(route, problems));
    }
    taken
}

fn check(route: &Route, field: &str) -> Result<(), Problem> {
    let at = |name: &str| format!("{field}.{name}");
    for (name, interval) in [
        ("groupInterval", &route.group_interval),
        ("repeatInterval", &route.repeat_interval),
    ] {
        if let Some(Duration(text)) = interval
            && duration::parse_millis(text).is_none()
        {
            return Err(Problem::new(at(name), duration::refusal(text, "4h")));
        }
    }
    let wait = route.group_wait.as_ref();
    if wait.is_some_and(|wait| !is_wait(wait)) {
        let message = "not a duration: write such as 30s, or 0s for no wait";
        return Err(Problem::new(at("groupWait"), message));
    }
    let labels: BTreeSet<_> = route.group_by.iter().collect();
    if labels.len() < route.group_by.len() {
        return Err(Problem::new(at("groupBy"), "one label stands there twice"));
    }
    if labels.len() > 1 && route.group_by.iter().any(|label| label == ALL_LABELS) {
        let message = "... means all labels and stands alone";
        return Err(Problem::new(at("groupBy"), message));
    }
    matchers::check(&route.matchers, &at("matchers"))
}

fn is_wait(wait: &Duration) -> bool {
    matches!(wait.0.as_str(), "0s" | "0m" | "0ms") || duration::parse_millis(&wait.0).is_some()
}

/// What the names in a route can mean.
struct Names<'a> {
    alerting: &'a AlertingSpec,
    receivers: &'a [Receiver],
    intervals: &'a [TimeInterval],
    field: &'a str,
}

impl Names<'_> {
    /// The route with what exists; none when its alerts should rather go on to the next.
    fn kept(&self, route: &Route, problems: &mut Vec<Problem>) -> Option<Route> {
        let declared = |name: &String| {
            let mut all = self.alerting.receivers.iter();
            all.any(|receiver| &receiver.name == name)
        };
        for name in route.receivers.iter().filter(|name| !declared(name)) {
            let message = format!("there is no receiver {name:?} in spec.alerting.receivers");
            problems.push(Problem::new(format!("{}.receivers", self.field), message));
        }
        let mut kept = route.clone();
        kept.receivers
            .retain(|name| self.receivers.iter().any(|receiver| &receiver.name == name));
        let mut seen = BTreeSet::new();
        kept.receivers.retain(|name| seen.insert(name.clone()));
        self.retain_intervals("muteTimes", &mut kept.mute_times, problems);
        self.retain_intervals("activeTimes", &mut kept.active_times, problems);
        (kept.receivers.is_empty() == route.receivers.is_empty()).then_some(kept)
    }

    /// Without an interval that it names, a route sends at any time: more is told, nothing is lost.
    fn retain_intervals(&self, name: &str, names: &mut Vec<String>, problems: &mut Vec<Problem>) {
        let declared = |wanted: &String| {
            let mut all = self.alerting.time_intervals.iter();
            all.any(|interval| &interval.name == wanted)
        };
        for wanted in names.iter().filter(|wanted| !declared(wanted)) {
            let message = format!("there is no interval {wanted:?} in spec.alerting.timeIntervals");
            problems.push(Problem::new(format!("{}.{name}", self.field), message));
        }
        names.retain(|wanted| self.intervals.iter().any(|it| &it.name == wanted));
    }
}
