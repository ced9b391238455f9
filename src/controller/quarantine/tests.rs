use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    controller::backend::rules::Group,
    resolve::model::{Placed, RuleFile},
};

/// A Prometheus that refuses its files if a bad one is among them.
struct Prometheus {
    bad: BTreeSet<String>,
    groups: Groups,
}

fn files(names: &[String], mark: u64) -> RuleFiles {
    let file = |name: &String| {
        let file = RuleFile {
            group: name.clone(),
            text: String::new(),
            mark,
            expected: Vec::new(),
        };
        (
            name.as_str().into(),
            Placed {
                shard: 0,
                file: Arc::new(file),
            },
        )
    };
    names.iter().map(file).collect()
}

impl Prometheus {
    /// Delivers what is not left out, and learns, until nothing more follows; how often.
    fn settle(&mut self, quarantine: &Quarantine, all: &RuleFiles) -> usize {
        for round in 1..=500 {
            let barred = quarantine.barred("s", BTreeMap::new);
            let mut wanted = all.clone();
            wanted.retain(|name, placed| {
                barred.get(&**name).map(|barred| barred.mark) != Some(placed.file.mark)
            });
            let refuses = wanted.keys().any(|name| self.bad.contains(&**name));
            if !refuses {
                self.groups = wanted
                    .iter()
                    .map(|(name, placed)| {
                        let mark = placed.file.mark;
                        (
                            name.clone(),
                            Group {
                                mark,
                                ..Group::default()
                            },
                        )
                    })
                    .collect();
            }
            let report = Report {
                wanted: &wanted,
                jobs: &[],
                listed: Some(&self.groups),
                refused: refuses.then_some("no"),
                crash: None,
                loaded: !refuses,
                now: Timestamp::UNIX_EPOCH,
            };
            if !quarantine.learn("s", &report) {
                return round;
            }
        }
        panic!("it does not end");
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("f{n:04}")).collect()
}

proptest! {
    #[test]
    fn exactly_the_bad_files_are_left_out(count in 1_usize..60, bad in proptest::collection::btree_set(0_usize..60, 0..6)) {
        let all = files(&names(count), 7);
        let bad: BTreeSet<_> = bad.into_iter().filter(|n| *n < count).map(|n| format!("f{n:04}")).collect();
        let mut prometheus = Prometheus { bad: bad.clone(), groups: Groups::new() };
        let quarantine = Quarantine::default();
        prometheus.settle(&quarantine, &all);
        let loaded: BTreeSet<_> = prometheus.groups.keys().cloned().collect();
        let expected: BTreeSet<_> = all.keys().filter(|name| !bad.contains(&***name)).cloned().collect();
        prop_assert_eq!(loaded, expected);
        let barred: BTreeSet<_> = quarantine.barred("s", BTreeMap::new).into_keys().collect();
        prop_assert_eq!(barred, bad);
    }
}

#[test]
fn one_of_a_thousand_is_found_in_few_rounds_and_a_changed_one_is_tried_again() {
    let mut prometheus = Prometheus {
        bad: ["f0500".to_owned()].into(),
        groups: Groups::new(),
    };
    let quarantine = Quarantine::default();
    let rounds = prometheus.settle(&quarantine, &files(&names(1000), 7));
    assert!(rounds < 30, "{rounds}");
    assert_eq!(prometheus.groups.len(), 999);
    prometheus.bad.clear();
    prometheus.settle(&quarantine, &files(&names(1000), 8));
    assert_eq!(prometheus.groups.len(), 1000);
}

#[test]
fn a_fault_that_is_not_the_rules_leaves_none_out() {
    let quarantine = Quarantine::default();
    let all = files(&names(2), 7);
    let refuse = |wanted: &RuleFiles, listed: &Groups| {
        let report = Report {
            wanted,
            jobs: &[],
            listed: Some(listed),
            refused: Some("no"),
            crash: None,
            loaded: false,
            now: Timestamp::UNIX_EPOCH,
        };
        quarantine.learn("s", &report)
    };
    assert!(refuse(&all, &Groups::new()));
    assert_eq!(quarantine.barred("s", BTreeMap::new).len(), 2);
    assert!(!refuse(&RuleFiles::new(), &Groups::new()));
    assert!(quarantine.barred("s", BTreeMap::new).is_empty());
    assert!(
        !refuse(&all, &Groups::new()),
        "and they are not accused again"
    );
}

fn crash_at(second: i64, words: &str) -> Crash {
    Crash {
        started: Timestamp::from_second(second).unwrap(),
        words: words.into(),
    }
}

/// What is left out after a start that failed at `started`, seen at `now`.
fn after_a_crash(quarantine: &Quarantine, all: &RuleFiles, crash: &Crash, now: i64) -> Vec<String> {
    let barred = quarantine.barred("s", BTreeMap::new);
    let mut wanted = all.clone();
    wanted.retain(|name, _| !barred.contains_key(&**name));
    let report = Report {
        wanted: &wanted,
        jobs: &[],
        listed: None,
        refused: None,
        crash: Some(crash),
        loaded: false,
        now: Timestamp::from_second(now).unwrap(),
    };
    quarantine.learn("s", &report);
    quarantine.barred("s", BTreeMap::new).into_keys().collect()
}

#[test]
fn a_start_that_failed_over_a_named_file_leaves_out_that_one_and_then_the_next() {
    let (quarantine, all) = (Quarantine::default(), files(&names(4), 7));
    let first = crash_at(100, "/rules/3/f0002: no");
    assert_eq!(after_a_crash(&quarantine, &all, &first, 110), ["f0002"]);
    assert_eq!(after_a_crash(&quarantine, &all, &first, 120), ["f0002"]);
    let second = crash_at(140, "/rules/3/f0001: no");
    assert_eq!(
        after_a_crash(&quarantine, &all, &second, 150),
        ["f0001", "f0002"]
    );
    let mut prometheus = Prometheus {
        bad: ["f0001".to_owned()].into(),
        groups: Groups::new(),
    };
    prometheus.settle(&quarantine, &all);
    let barred = quarantine.barred("s", BTreeMap::new);
    assert_eq!(barred.keys().collect::<Vec<_>>(), ["f0001"]);
    assert_eq!(prometheus.groups.len(), 3, "the other one was wronged");
}

#[test]
fn a_start_that_names_no_file_leaves_out_all_unless_it_failed_without_them() {
    let (quarantine, all) = (Quarantine::default(), files(&names(4), 7));
    let crash = |second| crash_at(second, "one or more errors");
    assert_eq!(after_a_crash(&quarantine, &all, &crash(100), 110).len(), 4);
    assert_eq!(after_a_crash(&quarantine, &all, &crash(100), 120).len(), 4);
    assert_eq!(
        after_a_crash(&quarantine, &all, &crash(111), 120).len(),
        4,
        "too soon"
    );
    assert_eq!(after_a_crash(&quarantine, &all, &crash(130), 140).len(), 0);
    assert_eq!(after_a_crash(&quarantine, &all, &crash(150), 160).len(), 0);
}

#[test]
fn the_next_operator_goes_on_where_this_one_stopped() {
    let barred = |bar, reason: &str| Barred {
        mark: 7,
        bar,
        reason: reason.into(),
    };
    let recorded = BTreeMap::from([
        ("f0001".to_owned(), barred(Bar::Refused, "refused: no")),
        (
            "f0002".to_owned(),
            barred(Bar::HeldBack, "left out for now"),
        ),
        (
            "f0003".to_owned(),
            barred(Bar::HeldBack, "left out for now"),
        ),
    ]);
    let quarantine = Quarantine::default();
    assert_eq!(quarantine.barred("s", || recorded).len(), 3);
    let mut prometheus = Prometheus {
        bad: ["f0001".to_owned(), "f0002".to_owned()].into(),
        groups: Groups::new(),
    };
    prometheus.settle(&quarantine, &files(&names(5), 7));
    let barred = quarantine.barred("s", BTreeMap::new);
    assert_eq!(barred.keys().collect::<Vec<_>>(), ["f0001", "f0002"]);
    assert_eq!(prometheus.groups.len(), 3);
}

#[test]
fn a_job_that_is_refused_is_left_out_and_the_rules_stay() {
    let quarantine = Quarantine::default();
    let rules = files(&names(3), 7);
    let job = |name: &str, mark| Job {
        mark,
        ..Job::named(name)
    };
    let good = [
        job("serviceMonitor/a/a/0", 1),
        job("serviceMonitor/a/b/0", 1),
    ];
    let changed = [good[0].clone(), job("serviceMonitor/a/b/0", 2)];
    let listed: Groups = names(3)
        .into_iter()
        .map(|name| {
            let group = Group {
                mark: 7,
                ..Group::default()
            };
            (name.into(), group)
        })
        .collect();
    let learn = |jobs: &[Job], refused| {
        let report = Report {
            wanted: &rules,
            jobs,
            listed: Some(&listed),
            refused,
            crash: None,
            loaded: refused.is_none(),
            now: Timestamp::UNIX_EPOCH,
        };
        quarantine.learn("s", &report)
    };
    learn(&good, None);
    assert!(learn(&changed, Some("no")));
    let barred = quarantine.barred("s", BTreeMap::new);
    assert_eq!(barred.keys().collect::<Vec<_>>(), ["serviceMonitor/a/b/0"]);
    assert_eq!(barred["serviceMonitor/a/b/0"].mark, 2);
}
