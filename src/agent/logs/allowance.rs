//! What each pod may still send now, where that is limited. Its containers share it.

use std::collections::HashMap;

/// Allowances by the pods' uids.
#[derive(Debug, Default)]
pub struct Allowances {
    pods: HashMap<String, Allowance>,
}

#[derive(Debug, Default)]
struct Allowance {
    bytes: f64,
    /// The tick that it was last given something.
    given: u64,
}

impl Allowances {
    /// Gives a pod what it may send in a second, once a tick, however many containers ask. What is
    /// not used is kept for another second.
    pub fn give(&mut self, pod: &str, rate: u64, tick: u64) {
        if !self.pods.contains_key(pod) {
            self.pods.insert(pod.to_owned(), Allowance::default());
        }
        let Some(allowance) = self.pods.get_mut(pod).filter(|it| it.given != tick) else {
            return;
        };
        allowance.given = tick;
        allowance.bytes = (allowance.bytes + rate as f64).min(rate as f64 * 2.0);
    }

    /// Forgets pods that were given nothing in this tick: they are no more.
    pub fn forget(&mut self, tick: u64) {
        self.pods.retain(|_, allowance| allowance.given == tick);
    }

    /// The whole bytes that a pod may send now.
    pub fn left(&self, pod: &str) -> usize {
        self.pods.get(pod).map_or(0, |it| whole(it.bytes))
    }

    /// A pod has sent so many bytes: a line more than it may, for a line is not cut.
    pub fn take(&mut self, pod: &str, bytes: u64) {
        if let Some(allowance) = self.pods.get_mut(pod) {
            allowance.bytes -= bytes as f64;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are far below, and it is not negative here"
)]
fn whole(bytes: f64) -> usize {
    bytes.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_of_a_pod_share_what_it_may_send() {
        let mut allowances = Allowances::default();
        assert_eq!(allowances.left("a"), 0);
        for tick in 1..=3 {
            for pod in ["a", "a", "b"] {
                allowances.give(pod, 100, tick);
            }
            let kept = if tick == 1 { 100 } else { 200 };
            assert_eq!([allowances.left("a"), allowances.left("b")], [kept; 2]);
        }
        // One container's last line was long: the pod pays for it in the next second.
        allowances.take("a", 150);
        allowances.take("a", 100);
        assert_eq!([allowances.left("a"), allowances.left("b")], [0, 200]);
        allowances.give("a", 100, 4);
        assert_eq!(allowances.left("a"), 50);
        allowances.forget(4);
        assert_eq!([allowances.left("a"), allowances.left("b")], [50, 0]);
    }
}
