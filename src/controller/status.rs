//! The status of a stack, from what was resolved, applied, observed and loaded: pure.
//!
//! `Ready` says that everything enabled runs as it should. Parts of the specification that had to
//! be left out do not change that: they make the stack `Degraded`, each with its field in
//! `problems`, while the rest goes on.

mod component;
mod foreign;
mod rule;
mod transition;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    apply::Applied,
    conditions::{DEGRADED, PROGRESSING, READY, Says, reason},
    deliver::ConfigState,
    observe::Observation,
};
use crate::{
    api::{
        component::Component,
        status::{ProblemStatus, RuleCounts, StackStatus, Summary, Targets, Unscraped},
    },
    resolve::{Resolution, problem::Problem, rules::Origin},
};

pub use rule::{Listed, Subject, entries, rule_in_stack, rule_status, sorted};
pub use transition::{Transition, transitions};

/// The bound of `status.problems` in the CRD.
const PROBLEMS: usize = 64;

/// Everything a status is made from.
struct Facts<'a> {
    old: Option<&'a StackStatus>,
    resolution: &'a Resolution,
    applied: &'a Applied,
    observation: &'a Observation,
    configs: &'a BTreeMap<Component, ConfigState>,
    now: Timestamp,
}

/// The status of a stack after a reconcile. The same facts give the same status.
#[must_use]
pub fn stack_status(
    old: Option<&StackStatus>,
    generation: Option<i64>,
    resolution: &Resolution,
    applied: &Applied,
    observation: &Observation,
    configs: &BTreeMap<Component, ConfigState>,
    now: Timestamp,
) -> StackStatus {
    let facts = Facts {
        old,
        resolution,
        applied,
        observation,
        configs,
        now,
    };
    let components = facts.components();
    let verdicts: Vec<(Component, Says)> = components
        .iter()
        .map(|component| (*component, facts.verdict(*component)))
        .collect();
    let mut says = vec![
        facts.ready(&verdicts),
        facts.progressing(&verdicts),
        facts.degraded(&verdicts),
    ];
    says.extend(verdicts.into_iter().map(|(_, says)| says));
    says.extend(facts.external_loki());
    StackStatus {
        observed_generation: generation,
        conditions: conditions(old, says, generation, now),
        components: components
            .iter()
            .map(|component| facts.component_status(*component))
            .collect(),
        targets: observation.targets,
        unscraped: facts.unscraped(),
        rules: Some(facts.rule_counts()),
        prometheus_operator: foreign::counts(&resolution.prometheus_operator),
        problems: problem_statuses(&facts.problems()),
        summary: Some(facts.summary()),
    }
}

/// The status of a stack nothing of which can be rendered: what runs goes on, so everything else
/// that was known stays.
#[must_use]
pub fn broken_status(
    old: Option<&StackStatus>,
    generation: Option<i64>,
    problems: &[Problem],
    now: Timestamp,
) -> StackStatus {
    let message = format!("{}; what runs goes on as it is", tell(problems));
    let says = vec![
        Says::no(READY, reason::INVALID_SPEC, message.clone()),
        Says::no(PROGRESSING, reason::INVALID_SPEC, message.clone()),
        Says::yes(DEGRADED, reason::INVALID_SPEC, message),
    ];
    let mut status = old.cloned().unwrap_or_default();
    let mut conditions = conditions(old, says, generation, now);
    status
        .conditions
        .retain(|old| !conditions.iter().any(|new| new.type_ == old.type_));
    conditions.append(&mut status.conditions);
    StackStatus {
        observed_generation: generation,
        conditions,
        problems: problem_statuses(problems),
        ..status
    }
}

fn conditions(
    old: Option<&StackStatus>,
    says: Vec<Says>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let old = old.map_or(&[][..], |old| &old.conditions);
    says.into_iter()
        .map(|says| says.into_condition(old, generation, now))
        .collect()
}

/// The first problem, and how many more there are.
fn tell(problems: &[Problem]) -> String {
    match problems {
        [] => "nothing can be rendered".into(),
        [one] => one.to_string(),
        [first, others @ ..] => format!("{first} (and {} more)", others.len()),
    }
}

fn problem_statuses(problems: &[Problem]) -> Vec<ProblemStatus> {
    let status = |problem: &Problem| ProblemStatus {
        field: problem.field.clone(),
        message: problem.message.clone(),
    };
    if problems.len() <= PROBLEMS {
        return problems.iter().map(status).collect();
    }
    let shown = PROBLEMS - 1;
    let mut statuses: Vec<_> = problems.iter().take(shown).map(status).collect();
    statuses.push(ProblemStatus {
        field: "spec".into(),
        message: format!("and {} more", problems.len() - shown),
    });
    statuses
}

impl Facts<'_> {
    /// Enabled components and those that are held.
    fn components(&self) -> Vec<Component> {
        let stack = &self.resolution.stack;
        Component::ALL
            .into_iter()
            .filter(|component| stack.has(*component) || stack.held.contains(component))
            .collect()
    }

    /// What was left out: by the resolver in its order, then what the server does not take.
    fn problems(&self) -> Vec<Problem> {
        let mut skipped = self.applied.skipped.clone();
        skipped.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
        let resolved = self.resolution.problems.iter().cloned();
        resolved.chain(skipped).collect()
    }

    /// What could not be asked is as it was.
    fn unscraped(&self) -> Vec<Unscraped> {
        let known = self.observation.unscraped.as_ref();
        let before = || self.old.map(|old| &old.unscraped);
        known.or_else(before).cloned().unwrap_or_default()
    }

    /// Objects that were refused and belong to no component that has a condition.
    fn orphan_failures(&self) -> Vec<&(Component, String)> {
        let components = self.components();
        let failed = self.applied.failed.iter();
        failed
            .filter(|(component, _)| !components.contains(component))
            .collect()
    }

    fn ready(&self, verdicts: &[(Component, Says)]) -> Says {
        if let Some((component, message)) = self.orphan_failures().first() {
            let message = format!("{}: {message}", component.name());
            return Says::no(READY, reason::APPLY_FAILED, message);
        }
        let failing: Vec<String> = verdicts
            .iter()
            .filter(|(_, says)| !says.status)
            .map(|(component, says)| format!("{}: {}", component.name(), says.message))
            .collect();
        if failing.is_empty() {
            let message = match verdicts.len() {
                0 => "no component is enabled".into(),
                1 => "the one enabled component is ready".into(),
                all => format!("all {all} components are ready"),
            };
            return Says::yes(READY, reason::READY, message);
        }
        Says::no(READY, reason::COMPONENTS_NOT_READY, failing.join(" | "))
    }

    fn progressing(&self, verdicts: &[(Component, Says)]) -> Says {
        if self.resolution.stack.paused {
            let message = "spec.paused is true: everything is left as it is";
            return Says::no(PROGRESSING, reason::PAUSED, message);
        }
        let moving = verdicts
            .iter()
            .find(|(_, says)| !says.status && reason::is_progress(says.reason));
        match moving {
            Some((component, says)) => {
                let message = format!("{}: {}", component.name(), says.message);
                Says::yes(PROGRESSING, says.reason, message)
            }
            None => Says::no(PROGRESSING, reason::SETTLED, "nothing is under way"),
        }
    }

    fn degraded(&self, verdicts: &[(Component, Says)]) -> Says {
        if let Some((component, message)) = self.applied.failed.first() {
            let message = format!("{}: {message}", component.name());
            return Says::yes(DEGRADED, reason::APPLY_FAILED, message);
        }
        let failing = verdicts
            .iter()
            .find(|(_, says)| !says.status && !reason::is_progress(says.reason));
        if let Some((component, says)) = failing {
            let message = format!("{}: {}", component.name(), says.message);
            return Says::yes(DEGRADED, reason::COMPONENT_FAILING, message);
        }
        let problems = self.problems();
        if problems.is_empty() {
            return Says::no(DEGRADED, reason::READY, "nothing needs attention");
        }
        Says::yes(DEGRADED, reason::PROBLEMS_FOUND, tell(&problems))
    }

    /// A Loki that runs elsewhere is nobody's component; that it is there to be used still shows.
    fn external_loki(&self) -> Option<Says> {
        let external = self.resolution.stack.external_loki.as_ref()?;
        let message = format!("lines go to {}, which runs elsewhere", external.url);
        let type_ = Component::Loki.condition();
        Some(Says::yes(type_, reason::EXTERNAL, message))
    }

    fn rule_counts(&self) -> RuleCounts {
        let rules = self.resolution.rules.iter();
        let rules: Vec<_> = rules.filter(|it| it.origin == Origin::AlertRule).collect();
        let rejected = rules.iter().filter(|verdict| verdict.file.is_none());
        RuleCounts {
            selected: count(rules.len()),
            rejected: count(rejected.count()),
            firing: self.firing(),
        }
    }

    /// The alerts that fire; what was known while nobody answers.
    fn firing(&self) -> i32 {
        let listings: Vec<_> = self
            .configs
            .values()
            .filter_map(|it| it.rules.as_ref())
            .collect();
        if listings.is_empty() {
            return self
                .old
                .and_then(|old| old.rules)
                .map_or(0, |rules| rules.firing);
        }
        let groups = listings.iter().flat_map(|listing| listing.groups.values());
        let firing = groups
            .flat_map(|group| &group.rules)
            .map(|rule| rule.firing);
        i32::try_from(firing.sum::<u32>()).unwrap_or(i32::MAX)
    }

    fn summary(&self) -> Summary {
        let pods = |component| {
            let observed = self.observation.components.get(&component);
            observed.map_or_else(
                || "off".to_owned(),
                |seen| format!("{}/{}", seen.ready, seen.desired),
            )
        };
        let rules = self.rule_counts();
        Summary {
            metrics: pods(Component::Prometheus),
            logs: match &self.resolution.stack.external_loki {
                Some(_) => "external".into(),
                None => pods(Component::Loki),
            },
            dashboards: pods(Component::Grafana),
            alerting: match &self.resolution.stack.prometheus {
                Some(prometheus) if !prometheus.alertmanagers.is_empty() => "external".into(),
                _ => pods(Component::Alertmanager),
            },
            agent: pods(Component::Agent),
            targets: match self.observation.targets {
                Some(Targets { up, down }) => format!("{up}/{}", up.saturating_add(down)),
                None if self.components().contains(&Component::Prometheus) => "unknown".into(),
                None => "off".into(),
            },
            rules: format!("{}/{}", rules.selected - rules.rejected, rules.selected),
        }
    }
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
