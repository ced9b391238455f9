//! When a stack is looked at again although nothing woke the operator.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What only asking shows: targets up and down, Secrets that changed.
const SETTLED: Duration = Duration::from_secs(30);
/// While alerts are pending or rules wait for their first evaluation.
const MOVING: Duration = Duration::from_secs(10);
/// Between the steps of one thing.
const AGAIN: Duration = Duration::from_millis(20);
/// The first pause while something is on its way.
const SOON: Duration = Duration::from_secs(2);
/// The first pause after a failure and the longest.
const FAILED: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(2);

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as wanted.
    Settled,
    /// As wanted, but alerts wait for their time: their state changes soon.
    Moving,
    /// Something starts or loads.
    OnItsWay,
    /// The next step is known and waits for nothing.
    Again,
    /// Something was refused.
    Failed,
}

/// How often in a row each stack ended in the same unsettled way. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<Mutex<HashMap<String, (Outcome, u32)>>>);

impl Pace {
    /// How long to wait after this outcome; the longer the oftener it came in a row.
    pub fn after(&self, stack: &str, outcome: Outcome) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = counts.entry(stack.to_owned()).or_insert((outcome, 0));
        *count = if *last == outcome {
            count.saturating_add(1)
        } else {
            1
        };
        *last = outcome;
        delay(outcome, *count, random())
    }

    /// Whether the last reconcile of this stack was the first in a row to fail.
    #[must_use]
    pub fn just_failed(&self, stack: &str) -> bool {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(stack) == Some(&(Outcome::Failed, 1))
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(stack);
    }
}

/// The pause after the same outcome `count` times in a row. `random` spreads failures by a
/// quarter, so that many stacks do not come back at the same time.
fn delay(outcome: Outcome, count: u32, random: u8) -> Duration {
    let doublings = count.saturating_sub(1).min(16);
    match outcome {
        Outcome::Settled => SETTLED,
        Outcome::Moving => MOVING,
        Outcome::Again => AGAIN,
        Outcome::OnItsWay => (SOON * (1 << doublings.min(4))).min(SETTLED),
        Outcome::Failed => {
            let pause = FAILED.saturating_mul(1 << doublings).min(LONGEST);
            pause.mul_f64(1.0 - f64::from(random) / 1024.0)
        }
    }
}

fn random() -> u8 {
    // Without random numbers the pauses are only less spread.
    getrandom::u32().map_or(0, |number| number.to_be_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_nothing_changes_and_have_a_longest() {
        let seconds = |outcome, count| delay(outcome, count, 0).as_secs();
        assert_eq!(seconds(Outcome::Settled, 1), 30);
        assert_eq!(seconds(Outcome::Settled, 999), 30);
        let on_its_way = [1, 2, 3, 4, 5, 99].map(|count| seconds(Outcome::OnItsWay, count));
        assert_eq!(on_its_way, [2, 4, 8, 16, 30, 30]);
        let failed = [1, 2, 3, 7, 8, u32::MAX].map(|count| seconds(Outcome::Failed, count));
        assert_eq!(failed, [1, 2, 4, 64, 120, 120]);
    }

    #[test]
    fn failures_are_spread_by_up_to_a_quarter() {
        let spread = delay(Outcome::Failed, 8, u8::MAX);
        assert!(spread >= Duration::from_secs(90) && spread < Duration::from_secs(91));
    }

    #[test]
    fn another_outcome_starts_over() {
        let pace = Pace::default();
        assert_eq!(pace.after("s", Outcome::OnItsWay).as_secs(), 2);
        assert_eq!(pace.after("s", Outcome::OnItsWay).as_secs(), 4);
        assert_eq!(pace.after("other", Outcome::OnItsWay).as_secs(), 2);
        assert_eq!(pace.after("s", Outcome::Settled).as_secs(), 30);
        assert_eq!(pace.after("s", Outcome::OnItsWay).as_secs(), 2);
    }
}
