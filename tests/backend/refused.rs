//! Rules that Prometheus refuses in spite of the checks: the others load, and they are named.

use std::collections::BTreeSet;

use masthead::{
    api::component::Component,
    controller::quarantine::{Quarantine, Report},
    resolve::model::Stack,
};

use crate::{Running, stack};

/// The stack without what is left out.
fn without_the_barred(all: &Stack, quarantine: &Quarantine) -> Stack {
    let barred = quarantine.barred(&all.uid);
    let mut stack = all.clone();
    let files = &mut stack.prometheus.as_mut().unwrap().rule_files;
    files.retain(|name, placed| {
        barred.get(name).map(|barred| barred.mark) != Some(placed.file.mark)
    });
    stack
}

#[tokio::test]
async fn a_rule_that_prometheus_refuses_is_found_and_all_others_load() {
    let good: Vec<_> = (0..12).map(|n| format!("good-{n}")).collect();
    let old = stack::stack(&[("old", "vector(1)")]);
    let Some(running) = Running::start(Component::Prometheus, &old).await else {
        return;
    };
    let mut rules: Vec<_> = good
        .iter()
        .map(|name| (name.as_str(), "vector(1)"))
        .collect();
    // What no check has seen: the text goes into the file as it is.
    rules.extend([
        ("old", "vector(1)"),
        ("typo", "sum("),
        ("worse", "rate(up)"),
    ]);
    let all = stack::stack(&rules);
    let quarantine = Quarantine::default();
    let mut rounds = 0;
    loop {
        rounds += 1;
        assert!(
            rounds < 30,
            "it does not end: {:?}",
            quarantine.barred(&all.uid)
        );
        let stack = without_the_barred(&all, &quarantine);
        running.replace(&stack);
        let state = running.apply(&stack).await;
        let report = Report {
            wanted: &stack.prometheus.as_ref().unwrap().rule_files,
            jobs: &[],
            listed: state.rules.as_ref().map(|listing| &listing.groups),
            refused: state.message.as_deref().filter(|_| state.refused),
            loaded: state.loaded,
        };
        if !quarantine.learn(&all.uid, &report) {
            assert!(state.loaded, "{state:?}");
            let listed: BTreeSet<_> = state.rules.unwrap().groups.into_keys().collect();
            assert_eq!(listed.len(), 13, "{listed:?}");
            break;
        }
    }
    let barred = quarantine.barred(&all.uid);
    let names: Vec<_> = barred.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["monitoring-typo-0c1d.yaml", "monitoring-worse-0c1d.yaml"]
    );
    let words = &barred["monitoring-typo-0c1d.yaml"].reason;
    assert!(words.contains("failed to reload config"), "{words}");
}
