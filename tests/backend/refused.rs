//! Rules that Prometheus refuses in spite of the checks: the others load, and they are named,
//! whoever restarts meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use masthead::{
    api::component::Component,
    controller::{
        deliver::{ConfigState, crash::Crash},
        quarantine::{Quarantine, Report},
    },
    resolve::{
        model::Stack,
        rules::{Bar, Barred},
    },
};

use crate::{Running, process, stack};

/// The quarantine as an operator has it that finds nothing recorded.
fn barred(quarantine: &Quarantine, stack: &Stack) -> BTreeMap<String, Barred> {
    quarantine.barred(&stack.uid, BTreeMap::new)
}

/// The stack without what is left out.
fn without_the_barred(all: &Stack, quarantine: &Quarantine) -> Stack {
    let barred = barred(quarantine, all);
    let mut stack = all.clone();
    let files = &mut stack.prometheus.as_mut().unwrap().rule_files;
    files.retain(|name, placed| {
        barred.get(&**name).map(|barred| barred.mark) != Some(placed.file.mark)
    });
    stack
}

/// Tells the quarantine what came of a delivery; true when another one should follow.
fn learn(quarantine: &Quarantine, stack: &Stack, state: &ConfigState) -> bool {
    let report = Report {
        wanted: &stack.prometheus.as_ref().unwrap().rule_files,
        jobs: &[],
        listed: state.rules.as_ref().map(|listing| &listing.groups),
        refused: state.message.as_deref().filter(|_| state.refused),
        crash: state.crash.as_ref(),
        loaded: state.loaded,
        now: jiff::Timestamp::now(),
    };
    quarantine.learn(&stack.uid, &report)
}

/// Delivers and learns until nothing more follows; the files that are loaded then.
async fn settle(running: &Running, all: &Stack, quarantine: &Quarantine) -> BTreeSet<String> {
    for _ in 0..30 {
        let stack = without_the_barred(all, quarantine);
        running.replace(&stack);
        let state = running.apply(&stack).await;
        if !learn(quarantine, &stack, &state) {
            assert!(state.loaded, "{state:?}");
            let groups = state.rules.unwrap().groups;
            return groups.keys().map(ToString::to_string).collect();
        }
    }
    panic!("it does not end: {:?}", barred(quarantine, all));
}

/// Good rules, one that runs already, and two that no check has seen: the text goes into the file
/// as it is.
fn good_and_bad() -> Stack {
    let good: Vec<_> = (0..12).map(|n| format!("good-{n}")).collect();
    let mut rules: Vec<_> = good
        .iter()
        .map(|name| (name.as_str(), "vector(1)"))
        .collect();
    rules.extend([
        ("old", "vector(1)"),
        ("typo", "sum("),
        ("worse", "rate(up)"),
    ]);
    stack::stack(&rules)
}

const BAD: [&str; 2] = ["monitoring-typo-0c1d.yaml", "monitoring-worse-0c1d.yaml"];

fn assert_the_bad_are_refused(quarantine: &Quarantine, all: &Stack) {
    let barred = barred(quarantine, all);
    assert_eq!(barred.keys().collect::<Vec<_>>(), BAD);
    for found in barred.values() {
        assert_eq!(found.bar, Bar::Refused);
        let words = &found.reason;
        assert!(words.contains("failed to reload config"), "{words}");
    }
}

#[tokio::test]
async fn a_rule_that_prometheus_refuses_is_found_and_all_others_load() {
    let old = stack::stack(&[("old", "vector(1)")]);
    let Some(running) = Running::start(Component::Prometheus, &old).await else {
        return;
    };
    let (all, quarantine) = (good_and_bad(), Quarantine::default());
    assert_eq!(settle(&running, &all, &quarantine).await.len(), 13);
    assert_the_bad_are_refused(&quarantine, &all);
}

#[tokio::test]
async fn the_next_operator_does_not_try_what_the_one_before_found_refused() {
    let old = stack::stack(&[("old", "vector(1)")]);
    let Some(running) = Running::start(Component::Prometheus, &old).await else {
        return;
    };
    let (all, before) = (good_and_bad(), Quarantine::default());
    settle(&running, &all, &before).await;
    let next = Quarantine::default();
    let recorded = next.barred(&all.uid, || barred(&before, &all));
    assert_eq!(recorded, barred(&before, &all));
    let stack = without_the_barred(&all, &next);
    let state = running.deliver(&stack, &BTreeSet::new()).await;
    assert!(state.loaded, "nothing is to be done: {state:?}");
    assert!(!learn(&next, &stack, &state));
    assert_the_bad_are_refused(&next, &all);
}

#[tokio::test]
async fn a_prometheus_that_cannot_start_over_a_rule_comes_up_without_it() {
    let Some(binary) = process::tool("prometheus") else {
        return;
    };
    let old = stack::stack(&[("old", "vector(1)")]);
    let Some(mut running) = Running::start(Component::Prometheus, &old).await else {
        return;
    };
    // The bad files reach the disk, and before anybody takes them back it is killed.
    let (all, quarantine) = (good_and_bad(), Quarantine::default());
    running.place(&all);
    let mut starts = 0;
    loop {
        starts += 1;
        assert!(starts <= 3, "each start names one of two: {starts}");
        let end = running.restart(&binary).await;
        let Err(said) = end else { break };
        // The kubelet's account of it is in the pod, as `deliver` reads it.
        let crash = running.kubelet.crashed(&said);
        let stack = without_the_barred(&all, &quarantine);
        let state = running.deliver(&stack, &BTreeSet::new()).await;
        assert!(!state.loaded && !state.refused, "{state:?}");
        assert_eq!(state.crash.as_ref().map(|it| it.started), Some(crash));
        assert!(learn(&quarantine, &stack, &state), "{said}");
        let next = without_the_barred(&all, &quarantine);
        running.replace(&next);
        running.place(&next);
    }
    assert!(starts > 1, "it starts in spite of them");
    running.kubelet.runs();
    assert_eq!(settle(&running, &all, &quarantine).await.len(), 13);
    assert_the_bad_are_refused(&quarantine, &all);
}

#[tokio::test]
async fn a_crash_that_names_nothing_leaves_out_all_until_prometheus_runs() {
    let old = stack::stack(&[("old", "vector(1)")]);
    let Some(running) = Running::start(Component::Prometheus, &old).await else {
        return;
    };
    let (all, quarantine) = (good_and_bad(), Quarantine::default());
    let words = "error loading config from \"prometheus.yml\": one or more errors occurred while applying the new configuration";
    let state = ConfigState {
        crash: Some(Crash {
            started: jiff::Timestamp::now(),
            words: words.into(),
        }),
        ..ConfigState::default()
    };
    assert!(learn(&quarantine, &all, &state));
    assert_eq!(barred(&quarantine, &all).len(), 15);
    assert_eq!(settle(&running, &all, &quarantine).await.len(), 13);
    assert_the_bad_are_refused(&quarantine, &all);
}

#[tokio::test]
async fn a_reload_that_answers_500_over_something_else_is_told_and_heals() {
    let stack = stack::stack(&[("checkout", "vector(1)")]);
    let Some(running) = Running::start(Component::Prometheus, &stack).await else {
        return;
    };
    let quarantine = Quarantine::default();
    // Nobody's rule: the file that names them is torn.
    let torn = running.folder.path().join("rules/0/torn.yaml");
    fs::create_dir_all(torn.parent().unwrap()).unwrap();
    fs::write(&torn, "groups: [").unwrap();
    let next = stack::stack(&[("checkout", "vector(1)"), ("second", "vector(2)")]);
    let mut left_out = Vec::new();
    for _ in 0..3 {
        let stack = without_the_barred(&next, &quarantine);
        running.replace(&stack);
        fs::write(&torn, "groups: [").unwrap();
        let state = running.apply(&stack).await;
        assert!(!state.loaded && state.refused, "{state:?}");
        let message = state.message.clone().unwrap();
        assert!(message.contains("failed to reload config"), "{message}");
        learn(&quarantine, &stack, &state);
        left_out.push(barred(&quarantine, &next).len());
    }
    assert_eq!(left_out.last(), Some(&0), "no rule is blamed for it");
    fs::remove_file(&torn).unwrap();
    assert_eq!(settle(&running, &next, &quarantine).await.len(), 2);
}
