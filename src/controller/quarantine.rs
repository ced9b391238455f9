//! When Prometheus refuses rules, or jobs of others, that the checks have taken.
//!
//! It refuses all of them over one, and keeps what it had. So the files that differ from what it
//! has are left out at once, and put back by halves: a half that is refused is halved again, until
//! what is left is one file. That one stays out until it changes, and says so; all others load.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use super::backend::rules::Groups;
use crate::resolve::{
    model::{RuleFiles, jobs::Job},
    rules::Barred,
};

/// A file, or a job, and the mark of its content. A job's name has slashes, a file's has none.
type Suspect = (String, u64);
/// Files and jobs with the marks of their contents.
type Marks = BTreeMap<String, u64>;

/// What is left out of each stack, by its uid. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Quarantine(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    cases: HashMap<String, Case>,
    /// The jobs of others that each stack's Prometheus was last seen to take.
    taken: HashMap<String, Marks>,
}

#[derive(Debug, Default)]
struct Case {
    /// Found to be refused, with Prometheus' words.
    culprits: BTreeMap<String, Barred>,
    /// Left out until it is their turn to be tried.
    waiting: Vec<Vec<Suspect>>,
    /// Refused although they were left out: it was not them.
    innocent: Vec<Suspect>,
    /// What Prometheus said.
    words: String,
}

/// What came of the last delivery.
#[derive(Debug)]
pub struct Report<'a> {
    /// The rule files that were delivered.
    pub wanted: &'a RuleFiles,
    /// The jobs of others that were delivered.
    pub jobs: &'a [Job],
    /// What Prometheus lists; none when that is not known.
    pub listed: Option<&'a Groups>,
    /// Its words, if it refused its files.
    pub refused: Option<&'a str>,
    /// Whether everything that was wanted is loaded.
    pub loaded: bool,
}

impl Report<'_> {
    /// The marks of the jobs.
    fn jobs(&self) -> Marks {
        let jobs = self.jobs.iter();
        jobs.map(|job| (job.name.clone(), job.mark)).collect()
    }

    /// The marks of all that was delivered.
    fn all(&self) -> Marks {
        let files = self.wanted.iter();
        let files = files.map(|(file, placed)| (file.clone(), placed.file.mark));
        files.chain(self.jobs()).collect()
    }
}

impl Quarantine {
    /// What must be left out of a stack's files.
    #[must_use]
    pub fn barred(&self, stack: &str) -> BTreeMap<String, Barred> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(case) = state.cases.get(stack) else {
            return BTreeMap::new();
        };
        let mut barred = case.culprits.clone();
        for (file, mark) in case.waiting.iter().flatten() {
            let reason = format!(
                "left out for now: one of the rules or scrape jobs that changed last is refused ({}), and which one is being found out",
                case.words
            );
            barred.insert(
                file.clone(),
                Barred {
                    mark: *mark,
                    reason,
                },
            );
        }
        barred
    }

    /// Learns from a delivery. True when another one should follow at once.
    pub fn learn(&self, stack: &str, report: &Report<'_>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { cases, taken } = &mut *state;
        match report.refused {
            Some(words) => {
                let Some(listed) = report.listed else {
                    return false;
                };
                let groups = listed.iter();
                let mut loaded: Marks = groups
                    .map(|(file, group)| (file.clone(), group.mark))
                    .collect();
                loaded.extend(taken.get(stack).cloned().unwrap_or_default());
                let case = cases.entry(stack.to_owned()).or_default();
                case.refused(report.all(), &loaded, words)
            }
            None if report.loaded => {
                taken.insert(stack.to_owned(), report.jobs());
                let again = cases.get_mut(stack).is_some_and(Case::loaded);
                if cases.get(stack).is_some_and(Case::is_closed) {
                    cases.remove(stack);
                }
                again
            }
            None => false,
        }
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.cases.remove(stack);
        state.taken.remove(stack);
    }
}

impl Case {
    /// Prometheus has refused what was wanted and goes on with what it has.
    fn refused(&mut self, wanted: Marks, loaded: &Marks, words: &str) -> bool {
        words.clone_into(&mut self.words);
        let suspects: Vec<Suspect> = wanted
            .into_iter()
            .filter(|(name, mark)| loaded.get(name) != Some(mark))
            .filter(|suspect| !self.innocent.contains(suspect))
            .collect();
        match suspects.len() {
            // It refuses what it has no rule of: the fault is elsewhere, and nobody's who waits.
            0 => return self.acquit(),
            1 => {
                let reason = format!("refused: {words}; change it to have it tried again");
                let culprits = suspects.into_iter();
                let barred = culprits.map(|(file, mark)| {
                    let reason = reason.clone();
                    (file, Barred { mark, reason })
                });
                self.culprits.extend(barred);
            }
            many => {
                let (first, second) = suspects.split_at(many / 2);
                self.waiting.extend([second.to_vec(), first.to_vec()]);
            }
        }
        true
    }

    /// Everything that was wanted is loaded: the next ones may be tried.
    fn loaded(&mut self) -> bool {
        self.innocent.clear();
        self.waiting.pop().is_some()
    }

    fn acquit(&mut self) -> bool {
        let waiting = std::mem::take(&mut self.waiting);
        self.innocent.extend(waiting.into_iter().flatten());
        let culprits = std::mem::take(&mut self.culprits);
        self.innocent.extend(
            culprits
                .into_iter()
                .map(|(file, barred)| (file, barred.mark)),
        );
        false
    }

    fn is_closed(&self) -> bool {
        self.culprits.is_empty() && self.waiting.is_empty() && self.innocent.is_empty()
    }
}

#[cfg(test)]
mod tests {
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
                name.clone(),
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
                let barred = quarantine.barred("s");
                let mut wanted = all.clone();
                wanted.retain(|name, placed| {
                    barred.get(name).map(|barred| barred.mark) != Some(placed.file.mark)
                });
                let refuses = wanted.keys().any(|name| self.bad.contains(name));
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
                    loaded: !refuses,
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
            let expected: BTreeSet<_> = all.keys().filter(|name| !bad.contains(*name)).cloned().collect();
            prop_assert_eq!(loaded, expected);
            let barred: BTreeSet<_> = quarantine.barred("s").into_keys().collect();
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
                loaded: false,
            };
            quarantine.learn("s", &report)
        };
        assert!(refuse(&all, &Groups::new()));
        assert_eq!(quarantine.barred("s").len(), 2);
        assert!(!refuse(&RuleFiles::new(), &Groups::new()));
        assert!(quarantine.barred("s").is_empty());
        assert!(
            !refuse(&all, &Groups::new()),
            "and they are not accused again"
        );
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
                (name, group)
            })
            .collect();
        let learn = |jobs: &[Job], refused| {
            let report = Report {
                wanted: &rules,
                jobs,
                listed: Some(&listed),
                refused,
                loaded: refused.is_none(),
            };
            quarantine.learn("s", &report)
        };
        learn(&good, None);
        assert!(learn(&changed, Some("no")));
        let barred = quarantine.barred("s");
        assert_eq!(barred.keys().collect::<Vec<_>>(), ["serviceMonitor/a/b/0"]);
        assert_eq!(barred["serviceMonitor/a/b/0"].mark, 2);
    }
}
