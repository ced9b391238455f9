//! The status of an `AlertRule`: one entry for each stack that judges it, and conditions that sum
//! them up.

use jiff::Timestamp;

use crate::{
    api::status::{RuleEntryStatus, RuleHealth, RuleInStack, RuleStatus},
    controller::{
        backend::rules::{Group, RuleState},
        conditions::{ACCEPTED, LOADED, MESSAGE_CHARS, Says, clip, reason, whole_seconds},
    },
    resolve::{RuleVerdict, problem::Problem, rules::Bar},
};

/// The bound of `status.stacks` in the CRD. Of more stacks the first by name are shown: whoever
/// writes shows the same ones.
const STACKS: usize = 16;
/// The bound of an engine's own words on one rule.
const ERROR_CHARS: usize = 300;

/// The rule that a status is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its generation.
    pub generation: Option<i64>,
    /// How many rules it holds.
    pub count: usize,
    /// Why no stack takes it, where that is so.
    pub unclaimed: &'a str,
}

/// What the processes of a stack say of an `AlertRule`.
#[derive(Clone, Copy, Debug)]
pub enum Listed<'a> {
    /// They could not be asked: what was known stays.
    Unknown,
    /// Not all of them have it as it was judged.
    No,
    /// They have it, in this state.
    Yes(&'a Group),
}

/// What a stack, `namespace/name`, says of a rule.
#[must_use]
pub fn rule_in_stack(
    old: Option<&RuleStatus>,
    verdict: &RuleVerdict,
    stack: &str,
    listed: Listed<'_>,
    now: Timestamp,
) -> RuleInStack {
    let before = old.and_then(|old| old.stacks.iter().find(|entry| entry.stack == stack));
    let known =
        before.filter(|entry| entry.loaded && entry.observed_generation == verdict.generation);
    let accepted = verdict.problems.is_empty();
    let loaded = accepted
        && match listed {
            Listed::Unknown => known.is_some(),
            Listed::No => false,
            Listed::Yes(_) => true,
        };
    let rules = match listed {
        Listed::Yes(group) if loaded => entry_statuses(before, verdict, group, now),
        Listed::Unknown if loaded => before.map(|entry| entry.rules.clone()).unwrap_or_default(),
        _ => Vec::new(),
    };
    let (reason, message) = match verdict.problems.first() {
        Some(first) => match verdict.bar {
            Some(Bar::Refused) => (reason::REFUSED, first.to_string()),
            Some(Bar::HeldBack) => (reason::HELD_BACK, first.to_string()),
            None => refused(first, verdict.problems.len() - 1),
        },
        None if loaded => (
            reason::LOADED,
            "loaded by every process that answers".into(),
        ),
        None => (reason::NOT_LISTED, "not loaded by every process yet".into()),
    };
    let loaded_at = || {
        let known = known.and_then(|entry| entry.loaded_at.clone());
        known.unwrap_or_else(|| whole_seconds(now).to_string())
    };
    RuleInStack {
        stack: stack.to_owned(),
        observed_generation: verdict.generation,
        accepted,
        loaded,
        loaded_at: loaded.then(loaded_at),
        reason: reason.to_owned(),
        message: clip(&message, MESSAGE_CHARS),
        firing: loaded.then(|| rules.iter().filter_map(|rule| rule.firing).sum()),
        rules,
    }
}

/// What the engine says of each rule; what has not changed keeps its words and its time.
fn entry_statuses(
    before: Option<&RuleInStack>,
    verdict: &RuleVerdict,
    group: &Group,
    now: Timestamp,
) -> Vec<RuleEntryStatus> {
    let old = before.map_or(&[][..], |before| &before.rules);
    let same = before.is_some_and(|entry| entry.observed_generation == verdict.generation);
    let rules = verdict.rules.iter().zip(&group.rules).enumerate();
    rules
        .map(|(index, (name, state))| {
            let old = old.get(index).filter(|old| old.name == *name);
            entry_status(old, same, name, state, now)
        })
        .collect()
}

fn entry_status(
    old: Option<&RuleEntryStatus>,
    same_generation: bool,
    name: &str,
    rule: &RuleState,
    now: Timestamp,
) -> RuleEntryStatus {
    let still = old.filter(|old| old.health == rule.health && old.state == rule.state);
    // Its words may name another series at each evaluation: the first ones stay.
    let words = old
        .filter(|old| same_generation && old.health == rule.health)
        .and_then(|old| old.last_error.clone());
    RuleEntryStatus {
        name: name.to_owned(),
        health: rule.health,
        last_error: match rule.health {
            RuleHealth::Err => {
                words.or_else(|| Some(clip(rule.last_error.as_deref()?, ERROR_CHARS)))
            }
            _ => None,
        },
        state: rule.state,
        firing: (rule.firing > 0).then(|| i32::try_from(rule.firing).unwrap_or(i32::MAX)),
        last_transition: match still {
            Some(old) => old.last_transition.clone(),
            None => Some(whole_seconds(now).to_string()),
        },
    }
}

/// The entries of a status with that of `stack` replaced by `own`, and without those of stacks
/// that are no more.
#[must_use]
pub fn entries(
    old: Option<&RuleStatus>,
    stack: &str,
    own: Option<RuleInStack>,
    lives: impl Fn(&str) -> bool,
) -> Vec<RuleInStack> {
    let old = old.map_or(&[][..], |old| &old.stacks);
    let others = old.iter().filter(|entry| entry.stack != stack).cloned();
    let mut entries: Vec<_> = others
        .chain(own)
        .filter(|entry| lives(&entry.stack))
        .collect();
    entries.sort_by(|a, b| a.stack.cmp(&b.stack));
    entries.truncate(STACKS);
    entries
}

/// The status with its lists in the order in which they are written: the server appends to a list
/// with keys what is new in it, so that it gives them back in another one.
#[must_use]
pub fn sorted(mut status: RuleStatus) -> RuleStatus {
    status.stacks.sort_by(|a, b| a.stack.cmp(&b.stack));
    status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    status
}

/// The whole status, from what the stacks say.
#[must_use]
pub fn rule_status(
    old: Option<&RuleStatus>,
    subject: Subject<'_>,
    stacks: Vec<RuleInStack>,
    now: Timestamp,
) -> RuleStatus {
    let conditions = old.map_or(&[][..], |old| &old.conditions);
    let generation = subject.generation;
    RuleStatus {
        observed_generation: generation,
        rules: Some(super::count(subject.count)),
        health: stacks
            .iter()
            .flat_map(|entry| &entry.rules)
            .map(|rule| rule.health)
            .max(),
        firing: stacks
            .iter()
            .filter_map(|entry| entry.firing)
            .reduce(|all, one| all + one),
        conditions: summary(&subject, &stacks)
            .into_iter()
            .map(|says| says.into_condition(conditions, generation, now))
            .collect(),
        stacks,
    }
}

/// The conditions, sorted by type.
fn summary(subject: &Subject<'_>, stacks: &[RuleInStack]) -> [Says; 2] {
    if stacks.is_empty() {
        let message = format!(
            "no MonitoringStack takes it: there is none for its engine in namespace {}, and {}; create one there, or have a stack elsewhere select it by spec.alerting.rules",
            subject.namespace,
            match subject.unclaimed {
                "" => "none elsewhere selects it",
                why => why,
            }
        );
        return [
            Says::no(ACCEPTED, reason::NO_STACK, message.clone()),
            Says::no(LOADED, reason::NO_STACK, message),
        ];
    }
    let accepted = match stacks.iter().find(|entry| !entry.accepted) {
        Some(entry) => no(ACCEPTED, entry, stacks),
        None => Says::yes(
            ACCEPTED,
            reason::ACCEPTED,
            format!("taken by {}", names(stacks)),
        ),
    };
    let outdated = |entry: &&RuleInStack| entry.observed_generation != subject.generation;
    let loaded = match stacks.iter().find(|entry| !entry.loaded) {
        Some(entry) => no(LOADED, entry, stacks),
        // Loaded as it was before: the stack is about to look at it.
        None => match stacks.iter().find(outdated) {
            Some(entry) => {
                let message = format!("{} has not looked at it yet", entry.stack);
                Says::no(LOADED, reason::NOT_LISTED, message)
            }
            None => Says::yes(
                LOADED,
                reason::LOADED,
                format!("loaded in {}", names(stacks)),
            ),
        },
    };
    [accepted, loaded]
}

/// What the first stack says that spoils it; which one that is, where there are several.
fn no(type_: &'static str, entry: &RuleInStack, stacks: &[RuleInStack]) -> Says {
    let message = match stacks.len() {
        1 => entry.message.clone(),
        _ => format!("{}: {}", entry.stack, entry.message),
    };
    Says::no(type_, reason::of_rule(&entry.reason), message)
}

fn names(stacks: &[RuleInStack]) -> String {
    let names: Vec<_> = stacks.iter().map(|entry| entry.stack.as_str()).collect();
    names.join(", ")
}

fn refused(first: &Problem, more: usize) -> (&'static str, String) {
    let reason = if first.field.rsplit('.').next() == Some("expr") {
        reason::INVALID_EXPRESSION
    } else {
        reason::INVALID_RULE
    };
    let message = match more {
        0 => first.to_string(),
        more => format!("{first} (and {more} more)"),
    };
    (reason, message)
}

#[cfg(test)]
mod tests;
