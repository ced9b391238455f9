//! The status of an `AlertRule`.

use jiff::Timestamp;

use crate::{
    api::status::RuleStatus,
    controller::conditions::{ACCEPTED, LOADED, Says, reason},
    resolve::{RuleVerdict, problem::Problem},
};

/// The status of a rule in the reach of a stack, named `namespace/name`.
#[must_use]
pub fn rule_status(
    old: Option<&RuleStatus>,
    verdict: &RuleVerdict,
    stack: &str,
    loaded: bool,
    now: Timestamp,
) -> RuleStatus {
    let says = match verdict.problems.first() {
        Some(first) => vec![refused(first, verdict.problems.len() - 1)],
        None => vec![
            Says::yes(ACCEPTED, reason::ACCEPTED, format!("{stack} takes it")),
            if loaded {
                let message = format!("{stack} evaluates it");
                Says::yes(LOADED, reason::LOADED, message)
            } else {
                let message = format!("{stack} does not list it yet");
                Says::no(LOADED, reason::NOT_LISTED, message)
            },
        ],
    };
    status(old, says, verdict.generation, verdict.count, now)
}

/// The status of a rule that no stack takes.
#[must_use]
pub fn unclaimed_status(
    old: Option<&RuleStatus>,
    generation: Option<i64>,
    count: usize,
    namespace: &str,
    now: Timestamp,
) -> RuleStatus {
    let message = format!(
        "no MonitoringStack in namespace {namespace} takes it: create one there, or move the rule to the namespace of a stack"
    );
    let says = vec![Says::no(ACCEPTED, reason::NO_STACK, message)];
    status(old, says, generation, count, now)
}

fn refused(first: &Problem, more: usize) -> Says {
    let reason = if first.field.rsplit('.').next() == Some("expr") {
        reason::INVALID_EXPRESSION
    } else {
        reason::INVALID_RULE
    };
    let message = match more {
        0 => first.to_string(),
        more => format!("{first} (and {more} more)"),
    };
    Says::no(ACCEPTED, reason, message)
}

fn status(
    old: Option<&RuleStatus>,
    says: Vec<Says>,
    generation: Option<i64>,
    count: usize,
    now: Timestamp,
) -> RuleStatus {
    let old = old.map_or(&[][..], |old| &old.conditions);
    RuleStatus {
        observed_generation: generation,
        rules: Some(super::count(count)),
        conditions: says
            .into_iter()
            .map(|says| says.into_condition(old, generation, now))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::conditions::find;

    const STACK: &str = "monitoring/main";

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

    fn told<'a>(status: &'a RuleStatus, type_: &str) -> Option<(&'a str, &'a str, &'a str)> {
        find(&status.conditions, type_)
            .map(|c| (c.status.as_str(), c.reason.as_str(), c.message.as_str()))
    }

    #[test]
    fn a_rule_is_accepted_before_it_is_loaded() {
        let accepted = rule_status(None, &verdict(vec![]), STACK, false, at(1));
        assert_eq!(
            told(&accepted, ACCEPTED),
            Some(("True", "Accepted", "monitoring/main takes it"))
        );
        let expected = "monitoring/main does not list it yet";
        assert_eq!(
            told(&accepted, LOADED),
            Some(("False", "NotListed", expected))
        );
        assert_eq!(
            (accepted.rules, accepted.observed_generation),
            (Some(2), Some(4))
        );

        let loaded = rule_status(Some(&accepted), &verdict(vec![]), STACK, true, at(2));
        assert_eq!(told(&loaded, LOADED).unwrap().0, "True");
        let time = |status, type_| find(status, type_).unwrap().last_transition_time.0;
        assert_eq!(time(&loaded.conditions, ACCEPTED), at(1));
        assert_eq!(time(&loaded.conditions, LOADED), at(2));
    }

    #[test]
    fn a_wrong_expression_is_named_with_its_field_and_says_nothing_of_loading() {
        let problem = Problem::new(
            "spec.rules[0].expr",
            "line 1, column 12: expected a range vector",
        );
        let other = Problem::new("spec.rules[1].labels", "x");
        let status = rule_status(None, &verdict(vec![problem, other]), STACK, false, at(1));
        let expected =
            "spec.rules[0].expr: line 1, column 12: expected a range vector (and 1 more)";
        assert_eq!(
            told(&status, ACCEPTED),
            Some(("False", "InvalidExpression", expected))
        );
        assert_eq!(told(&status, LOADED), None);
    }

    #[test]
    fn any_other_problem_is_an_invalid_rule() {
        let status = rule_status(
            None,
            &verdict(vec![Problem::new("spec.rules[0].labels", "x")]),
            STACK,
            false,
            at(1),
        );
        assert_eq!(told(&status, ACCEPTED).unwrap().1, "InvalidRule");
    }

    #[test]
    fn a_rule_that_no_stack_takes_says_what_to_do() {
        let status = unclaimed_status(None, Some(1), 3, "shop", at(1));
        let (state, reason, message) = told(&status, ACCEPTED).unwrap();
        assert_eq!((state, reason), ("False", "NoStack"));
        assert!(message.contains("namespace shop") && message.contains("create one"));
    }

    #[test]
    fn the_same_facts_later_give_the_same_status() {
        let first = rule_status(None, &verdict(vec![]), STACK, true, at(1));
        let later = rule_status(Some(&first), &verdict(vec![]), STACK, true, at(900));
        assert_eq!(first, later);
    }
}
