//! When Prometheus refuses rules, or jobs of others, that the checks have taken.
//!
//! It refuses all of them over one, and keeps what it had. So the files that differ from what it
//! has are left out at once, and put back by halves: a half that is refused is halved again, until
//! what is left is one file. That one stays out until it changes, and says so; all others load.
//!
//! A Prometheus that starts while such a file is there keeps nothing: it ends. Its last words name
//! the file, which is then left out and tried by a reload once it runs, or they name none, and all
//! are.
//!
//! Nothing of this is kept but in the statuses of the rules, where the next operator finds it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{backend::rules::Groups, deliver::crash::Crash};
use crate::resolve::{
    model::{RuleFiles, jobs::Job},
    rules::{Bar, Barred},
};

/// Said of what waits: it is tried within seconds, as soon as Prometheus runs.
const WAITS: &str = "left out for now: one of several rules or scrape jobs is refused, and which one is being found out";
/// A container that was started sooner than this after a change may have started without it.
const PROJECTION: SignedDuration = SignedDuration::from_secs(3);

/// A file, or a job, and the mark of its content. A job's name has slashes, a file's has none.
type Suspect = (String, u64);
/// Files and jobs with the marks of their contents.
type Marks = BTreeMap<String, u64>;

/// What is left out of each stack, by its uid. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Quarantine(Arc<Mutex<HashMap<String, Case>>>);

#[derive(Debug, Default)]
struct Case {
    /// Found to be refused, with Prometheus' words.
    culprits: BTreeMap<String, Barred>,
    /// Left out until it is their turn to be tried.
    waiting: Vec<Vec<Suspect>>,
    /// Refused although they were left out: it was not them.
    innocent: Vec<Suspect>,
    /// The jobs of others that Prometheus was last seen to take: it lists none.
    taken: Marks,
    /// When something was left out last because a start had failed.
    since: Option<Timestamp>,
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
    /// The last start that failed over them.
    pub crash: Option<&'a Crash>,
    /// Whether everything that was wanted is loaded.
    pub loaded: bool,
    /// The time.
    pub now: Timestamp,
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
        let files = files.map(|(file, placed)| (file.to_string(), placed.file.mark));
        files.chain(self.jobs()).collect()
    }
}

impl Quarantine {
    /// What must be left out of a stack's files. What is `recorded` from an operator before is
    /// asked for once.
    #[must_use]
    pub fn barred(
        &self,
        stack: &str,
        recorded: impl FnOnce() -> BTreeMap<String, Barred>,
    ) -> BTreeMap<String, Barred> {
        let mut cases = self.cases();
        let case = cases.entry(stack.to_owned());
        case.or_insert_with(|| Case::of(recorded())).barred()
    }

    /// Learns from a delivery. True when another one should follow at once.
    pub fn learn(&self, stack: &str, report: &Report<'_>) -> bool {
        let mut cases = self.cases();
        let case = cases.entry(stack.to_owned()).or_default();
        match (report.refused, report.crash) {
            (Some(words), _) => {
                let listed = report.listed;
                listed.is_some_and(|listed| case.refused(report, listed, words))
            }
            (None, _) if report.loaded => {
                case.taken = report.jobs();
                case.loaded()
            }
            (None, Some(crash)) => case.crashed(report, crash),
            (None, None) => false,
        }
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &str) {
        self.cases().remove(stack);
    }

    /// Forgets all: somebody else may have learnt more in the meantime.
    pub fn forget_all(&self) {
        self.cases().clear();
    }

    fn cases(&self) -> MutexGuard<'_, HashMap<String, Case>> {
        // Whole even after a panic elsewhere: it is plain data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Case {
    /// Goes on where an operator before has stopped.
    fn of(recorded: BTreeMap<String, Barred>) -> Self {
        let (culprits, waiting): (BTreeMap<_, _>, BTreeMap<_, _>) = recorded
            .into_iter()
            .partition(|(_, barred)| barred.bar == Bar::Refused);
        let waiting: Vec<_> = waiting
            .into_iter()
            .map(|(file, barred)| (file, barred.mark))
            .collect();
        let mut case = Self {
            culprits,
            ..Self::default()
        };
        case.hold_back(&waiting);
        case
    }

    fn barred(&self) -> BTreeMap<String, Barred> {
        let waiting = self.waiting.iter().flatten().map(|(file, mark)| {
            let barred = Barred {
                mark: *mark,
                bar: Bar::HeldBack,
                reason: WAITS.to_owned(),
            };
            (file.clone(), barred)
        });
        let culprits = self.culprits.clone();
        culprits.into_iter().chain(waiting).collect()
    }

    /// Prometheus has refused what was wanted and goes on with what it has.
    fn refused(&mut self, report: &Report<'_>, listed: &Groups, words: &str) -> bool {
        let has = |name: &String| {
            let group = listed.get(name.as_str()).map(|group| group.mark);
            group.or_else(|| self.taken.get(name).copied())
        };
        let mut suspects = self.suspects(report);
        suspects.retain(|(name, mark)| has(name) != Some(*mark));
        match suspects.len() {
            // It refuses what it has no rule of: the fault is elsewhere, and nobody's who waits.
            0 => return self.acquit(),
            1 => {
                let reason = format!("refused: {words}; change it to have it tried again");
                let culprits = suspects.into_iter();
                let barred = culprits.map(|(file, mark)| {
                    let (bar, reason) = (Bar::Refused, reason.clone());
                    (file, Barred { mark, bar, reason })
                });
                self.culprits.extend(barred);
            }
            _ => self.hold_back(&suspects),
        }
        true
    }

    /// Prometheus has not come up with its files. Nothing is proven by that: what is left out is
    /// tried once it runs.
    fn crashed(&mut self, report: &Report<'_>, crash: &Crash) -> bool {
        let is_old = |since: Timestamp| crash.started.duration_since(since) < PROJECTION;
        if self.since.is_some_and(is_old) {
            return false;
        }
        let suspects = self.suspects(report);
        let named = suspects.iter().find(|(name, _)| crash.words.contains(name));
        if let Some(named) = named {
            self.waiting.insert(0, vec![named.clone()]);
        } else if suspects.is_empty() {
            return self.acquit();
        } else {
            self.hold_back(&suspects);
        }
        self.since = Some(report.now);
        true
    }

    /// What was delivered and may be at fault.
    fn suspects(&self, report: &Report<'_>) -> Vec<Suspect> {
        let all = report.all().into_iter();
        all.filter(|suspect| !self.innocent.contains(suspect))
            .collect()
    }

    fn hold_back(&mut self, suspects: &[Suspect]) {
        let (first, second) = suspects.split_at(suspects.len() / 2);
        let halves = [second, first].into_iter().filter(|half| !half.is_empty());
        self.waiting.extend(halves.map(<[Suspect]>::to_vec));
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
}

#[cfg(test)]
mod tests;
