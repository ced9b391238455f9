use super::*;
use crate::{
    api::{rule::Engine, status::AlertState},
    controller::conditions::find,
    resolve::rules::{Bar, Origin},
};

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
        engine: Engine::Prometheus,
        rules: ["a:b".to_owned(), "A".to_owned()].into(),
        file: problems.is_empty().then(|| "f.yaml".into()),
        mark: problems.is_empty().then_some(1),
        problems,
        bar: None,
        origin: Origin::AlertRule,
    }
}

fn subject() -> Subject<'static> {
    Subject {
        namespace: "monitoring",
        generation: Some(4),
        count: 2,
        unclaimed: "",
    }
}

fn group(state: AlertState, firing: u32, error: Option<&str>) -> Group {
    let alert = RuleState {
        health: if error.is_some() {
            RuleHealth::Err
        } else {
            RuleHealth::Ok
        },
        state: Some(state),
        firing,
        last_error: error.map(Into::into),
    };
    let record = RuleState {
        health: RuleHealth::Ok,
        ..RuleState::default()
    };
    Group {
        rules: vec![record, alert],
        ..Group::default()
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
    let quiet = group(AlertState::Inactive, 0, None);
    let listed = match listed {
        None => Listed::Unknown,
        Some(false) => Listed::No,
        Some(true) => Listed::Yes(&quiet),
    };
    judged_as(old, stack, verdict, listed, second)
}

fn judged_as(
    old: Option<&RuleStatus>,
    stack: &str,
    verdict: &RuleVerdict,
    listed: Listed<'_>,
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
    let expected = "spec.rules[0].expr: line 1, column 12: expected a range vector (and 1 more)";
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

#[test]
fn each_rule_says_its_health_and_state_and_keeps_the_time_of_its_last_change() {
    let good = verdict(vec![]);
    let say = |old: Option<&RuleStatus>, group: &Group, second| {
        judged_as(old, MAIN, &good, Listed::Yes(group), second)
    };
    let quiet = say(None, &group(AlertState::Inactive, 0, None), 1);
    assert_eq!(
        (quiet.health, quiet.firing),
        (Some(RuleHealth::Ok), Some(0))
    );
    let firing = say(Some(&quiet), &group(AlertState::Firing, 3, None), 5);
    let rules = &firing.stacks[0].rules;
    let time = |rule: &RuleEntryStatus| rule.last_transition.clone().unwrap();
    assert_eq!(
        (time(&rules[0]), time(&rules[1])),
        (at(1).to_string(), at(5).to_string())
    );
    assert_eq!(
        (rules[1].state, rules[1].firing),
        (Some(AlertState::Firing), Some(3))
    );
    assert_eq!(firing.firing, Some(3));
    assert_eq!(
        say(Some(&firing), &group(AlertState::Firing, 3, None), 99),
        firing
    );
}

#[test]
fn the_first_words_of_an_error_stay_while_it_lasts() {
    let good = verdict(vec![]);
    let say = |old: Option<&RuleStatus>, error, second| {
        let group = group(AlertState::Inactive, 0, error);
        judged_as(old, MAIN, &good, Listed::Yes(&group), second)
    };
    let ill = say(None, Some("many-to-many: a"), 1);
    assert_eq!(ill.health, Some(RuleHealth::Err));
    assert_eq!(
        ill.stacks[0].rules[1].last_error.as_deref(),
        Some("many-to-many: a")
    );
    assert_eq!(say(Some(&ill), Some("many-to-many: b"), 2), ill);
    let well = say(Some(&ill), None, 3);
    assert_eq!(well.stacks[0].rules[1].last_error, None);
}

#[test]
fn a_rule_that_prometheus_refuses_has_its_words() {
    let refused = RuleVerdict {
        bar: Some(Bar::Refused),
        ..verdict(vec![Problem::new("spec.rules", "refused: no")])
    };
    let status = judged(None, MAIN, &refused, Some(false), 1);
    assert_eq!(
        told(&status, ACCEPTED),
        ("False", "Refused", "spec.rules: refused: no")
    );
}
