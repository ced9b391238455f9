//! The status of an `AlertRule`: one entry for each stack that judges it, and conditions that sum
//! them up.

use jiff::Timestamp;

use crate::{
    api::status::{RuleInStack, RuleStatus},
    controller::conditions::{ACCEPTED, LOADED, MESSAGE_CHARS, Says, clip, reason, whole_seconds},
    resolve::{RuleVerdict, problem::Problem},
};

/// The bound of `status.stacks` in the CRD. Of more stacks the first by name are shown: whoever
/// writes shows the same ones.
const STACKS: usize = 16;

/// The rule that a status is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its generation.
    pub generation: Option<i64>,
    /// How many rules it holds.
    pub count: usize,
}

/// What a stack, `namespace/name`, says of a rule. `listed` is whether its processes have loaded it as
/// it was judged; none when that cannot be told: what was known then stays.
#[must_use]
pub fn rule_in_stack(
    old: Option<&RuleStatus>,
    verdict: &RuleVerdict,
    stack: &str,
    listed: Option<bool>,
    now: Timestamp,
) -> RuleInStack {
    let known = old
        .and_then(|old| old.stacks.iter().find(|entry| entry.stack == stack))
        .filter(|entry| entry.loaded && entry.observed_generation == verdict.generation);
    let accepted = verdict.problems.is_empty();
    let loaded = accepted && listed.unwrap_or(known.is_some());
    let (reason, message) = match verdict.problems.first() {
        Some(first) => refused(first, verdict.problems.len() - 1),
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
            "no MonitoringStack in namespace {} takes it: create one there with spec.metrics enabled, or move the rule to the namespace of a stack",
            subject.namespace
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
mod tests {
    use super::*;
    use crate::controller::conditions::find;

    const MAIN: &str = "monitoring/main";
    const CANARY: &str = "monitoring/canary";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn verdict(problems: Vec<Problem>) -> RuleVerdict {
        RuleVerdict {
            namespace: "monitoring".into(),
            name: "checkout".into(),
            generation: Some(4),
            count: 2,
            file: problems.is_empty().then(|| "f.yaml".into()),
            problems,
        }
    }

    fn subject() -> Subject<'static> {
        Subject {
            namespace: "monitoring",
            generation: Some(4),
            count: 2,
        }
    }

    /// The status after a stack has judged; every stack lives.
    fn judged(
        old: Option<&RuleStatus>,
        stack: &str,
        verdict: &RuleVerdict,
        listed: Option<bool>,
        second: i64,
    ) -> RuleStatus {
        let own = rule_in_stack(old, verdict, stack, listed, at(second));
        let stacks = entries(old, stack, Some(own), |_| true);
        let subject = Subject {
            generation: verdict.generation,
            ..subject()
        };
        rule_status(old, subject, stacks, at(second))
    }

    fn told<'a>(status: &'a RuleStatus, type_: &str) -> (&'a str, &'a str, &'a str) {
        find(&status.conditions, type_)
            .map(|c| (c.status.as_str(), c.reason.as_str(), c.message.as_str()))
            .unwrap()
    }

    #[test]
    fn a_rule_is_accepted_before_it_is_loaded() {
        let accepted = judged(None, MAIN, &verdict(vec![]), Some(false), 1);
        assert_eq!(
            told(&accepted, ACCEPTED),
            ("True", "Accepted", "taken by monitoring/main")
        );
        let expected = ("False", "NotListed", "not loaded by every process yet");
        assert_eq!(told(&accepted, LOADED), expected);
        assert_eq!(
            (accepted.rules, accepted.observed_generation),
            (Some(2), Some(4))
        );

        let loaded = judged(Some(&accepted), MAIN, &verdict(vec![]), Some(true), 2);
        assert_eq!(
            told(&loaded, LOADED),
            ("True", "Loaded", "loaded in monitoring/main")
        );
        let time = |type_| {
            find(&loaded.conditions, type_)
                .unwrap()
                .last_transition_time
                .0
        };
        assert_eq!((time(ACCEPTED), time(LOADED)), (at(1), at(2)));
        let since = loaded.stacks[0].loaded_at.as_deref();
        assert_eq!(since, Some("1970-01-01T00:00:02Z"));
    }

    #[test]
    fn a_wrong_expression_is_named_with_its_field() {
        let problem = Problem::new(
            "spec.rules[0].expr",
            "line 1, column 12: expected a range vector",
        );
        let other = Problem::new("spec.rules[1].labels", "x");
        let status = judged(None, MAIN, &verdict(vec![problem, other]), Some(false), 1);
        let expected =
            "spec.rules[0].expr: line 1, column 12: expected a range vector (and 1 more)";
        for type_ in [ACCEPTED, LOADED] {
            let said = ("False", "InvalidExpression", expected);
            assert_eq!(told(&status, type_), said);
        }
        let entry = &status.stacks[0];
        assert_eq!((entry.accepted, entry.loaded), (false, false));
        assert_eq!(entry.message, expected);
    }

    #[test]
    fn any_other_problem_is_an_invalid_rule() {
        let problem = Problem::new("spec.rules[0].labels", "x");
        let status = judged(None, MAIN, &verdict(vec![problem]), Some(false), 1);
        assert_eq!(told(&status, ACCEPTED).1, "InvalidRule");
    }

    #[test]
    fn a_rule_that_no_stack_takes_says_what_to_do() {
        let status = rule_status(None, subject(), vec![], at(1));
        let (state, reason, message) = told(&status, ACCEPTED);
        assert_eq!((state, reason), ("False", "NoStack"));
        assert!(message.contains("namespace monitoring") && message.contains("create one"));
        assert_eq!(told(&status, LOADED).1, "NoStack");
    }

    #[test]
    fn two_stacks_keep_an_entry_each_and_the_conditions_hold_when_both_do() {
        let good = verdict(vec![]);
        let one = judged(None, MAIN, &good, Some(true), 1);
        let both = judged(Some(&one), CANARY, &good, Some(false), 2);
        assert_eq!(both.stacks.len(), 2);
        assert_eq!(both.stacks[1], one.stacks[0], "the other's entry stays");
        let expected = "taken by monitoring/canary, monitoring/main";
        assert_eq!(told(&both, ACCEPTED).2, expected);
        let expected = "monitoring/canary: not loaded by every process yet";
        assert_eq!(told(&both, LOADED), ("False", "NotListed", expected));
        let both = judged(Some(&both), CANARY, &good, Some(true), 3);
        assert_eq!(told(&both, LOADED).0, "True");
        for stack in [MAIN, CANARY] {
            let again = judged(Some(&both), stack, &good, Some(true), 900);
            assert_eq!(again, both, "neither takes back what the other said");
        }
    }

    #[test]
    fn a_new_generation_is_loaded_once_every_stack_has_looked_at_it() {
        let good = verdict(vec![]);
        let one = judged(None, MAIN, &good, Some(true), 1);
        let both = judged(Some(&one), CANARY, &good, Some(true), 1);
        let newer = RuleVerdict {
            generation: Some(5),
            ..good
        };
        let half = judged(Some(&both), MAIN, &newer, Some(true), 2);
        assert_eq!(told(&half, ACCEPTED).0, "True");
        let expected = "monitoring/canary has not looked at it yet";
        assert_eq!(told(&half, LOADED), ("False", "NotListed", expected));
        let both = judged(Some(&half), CANARY, &newer, Some(true), 3);
        assert_eq!(told(&both, LOADED).0, "True");
    }

    #[test]
    fn processes_that_cannot_be_asked_leave_what_was_known_of_this_generation() {
        let good = verdict(vec![]);
        let loaded = judged(None, MAIN, &good, Some(true), 1);
        assert_eq!(judged(Some(&loaded), MAIN, &good, None, 9), loaded);
        let newer = RuleVerdict {
            generation: Some(5),
            ..good.clone()
        };
        let unknown = judged(Some(&loaded), MAIN, &newer, None, 9);
        assert_eq!(told(&unknown, LOADED).0, "False");
        assert_eq!(told(&judged(None, MAIN, &good, None, 9), LOADED).0, "False");
    }

    #[test]
    fn the_entry_of_a_stack_that_is_gone_goes_with_it() {
        let one = judged(None, MAIN, &verdict(vec![]), Some(true), 1);
        let left = entries(Some(&one), CANARY, None, |stack| stack != MAIN);
        assert_eq!(left, vec![]);
        assert_eq!(entries(Some(&one), MAIN, None, |_| true), vec![]);
        assert_eq!(entries(Some(&one), CANARY, None, |_| true), one.stacks);
    }

    #[test]
    fn of_too_many_stacks_everybody_shows_the_same_ones() {
        let mut status = None;
        for number in (0..20).chain(0..20) {
            let stack = format!("monitoring/stack-{number:02}");
            let next = judged(status.as_ref(), &stack, &verdict(vec![]), Some(true), 1);
            status = Some(next);
        }
        let status = status.unwrap();
        assert_eq!(status.stacks.len(), STACKS);
        let again = judged(
            Some(&status),
            "monitoring/stack-19",
            &verdict(vec![]),
            Some(false),
            2,
        );
        assert_eq!(again, status);
    }

    #[test]
    fn the_same_facts_later_give_the_same_status() {
        let good = verdict(vec![]);
        let first = judged(None, MAIN, &good, Some(true), 1);
        assert_eq!(judged(Some(&first), MAIN, &good, Some(true), 900), first);
    }
}
