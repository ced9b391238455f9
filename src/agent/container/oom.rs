//! Kills for lack of memory, counted over restarts.
//!
//! The kernel counts them in the group, and a killed container's group is gone at once; so what a
//! group counted is kept when it ends, and an end that only the API server tells of counts too.

use std::collections::{HashMap, HashSet};

/// More containers than this are not remembered at once; a node has a few hundred.
const MOST: usize = 10_000;

/// A container over its restarts: the pod's uid and the container's name, or a Docker id.
pub type Key = (String, String);

/// The kills counted so far.
#[derive(Debug, Default)]
pub struct Kills {
    by_container: HashMap<Key, Count>,
}

#[derive(Debug, Default)]
struct Count {
    /// Kills in groups that have ended.
    ended: f64,
    /// The group that was read last, and what it counted.
    group: u64,
    counted: f64,
    /// The id of the container in that group, and of the last one that was told killed.
    id: String,
    told: Option<String>,
}

impl Kills {
    /// What the group of a container counts now.
    pub fn read(&mut self, key: &Key, id: &str, group: u64, kills: f64) {
        let Some(count) = self.count(key) else { return };
        if count.told.as_deref() == Some(id) {
            // Ended and counted; its group is about to go.
            return;
        }
        // A restart within Docker keeps the id and makes a new group.
        if count.group != group || kills < count.counted {
            count.ended += count.counted;
        }
        count.group = group;
        id.clone_into(&mut count.id);
        count.counted = kills;
    }

    /// The API server, or Docker, tells that the container of this id was killed.
    pub fn told(&mut self, key: &Key, id: &str) {
        let Some(count) = self.count(key) else { return };
        if count.told.as_deref() == Some(id) {
            return;
        }
        count.told = Some(id.to_owned());
        // Its group may have shown the kill already.
        if count.id != id || count.counted == 0.0 {
            count.ended += 1.0;
        }
    }

    /// How many there were.
    pub fn total(&self, key: &Key) -> Option<f64> {
        let count = self.by_container.get(key)?;
        Some(count.ended + count.counted)
    }

    /// Forgets the containers that are no more.
    pub fn keep(&mut self, alive: &HashSet<&Key>) {
        self.by_container.retain(|key, _| alive.contains(key));
    }

    /// Forgets the containers outside of pods that are not among those shown: their groups are gone,
    /// and nobody else tells of their end.
    pub fn keep_alone<'a>(&mut self, shown: impl ExactSizeIterator<Item = &'a Key>) {
        if self.by_container.len() <= shown.len() {
            return;
        }
        let shown: HashSet<&Key> = shown.collect();
        self.by_container
            .retain(|key, _| !key.0.is_empty() || shown.contains(key));
    }

    fn count(&mut self, key: &Key) -> Option<&mut Count> {
        if !self.by_container.contains_key(key) {
            if self.by_container.len() >= MOST {
                return None;
            }
            self.by_container.insert(key.clone(), Count::default());
        }
        self.by_container.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        ("uid".into(), "oom".into())
    }

    #[test]
    fn kills_that_a_group_showed_stay_when_it_ends() {
        let mut kills = Kills::default();
        assert_eq!(kills.total(&key()), None);
        kills.read(&key(), "a", 1, 0.0);
        kills.read(&key(), "a", 1, 2.0);
        kills.read(&key(), "b", 2, 0.0);
        assert_eq!(kills.total(&key()), Some(2.0));
        kills.read(&key(), "b", 2, 1.0);
        assert_eq!(kills.total(&key()), Some(3.0));
    }

    #[test]
    fn a_container_that_nobody_tells_of_is_counted_by_its_group_alone() {
        let mut kills = Kills::default();
        kills.read(&key(), "", 1, 0.0);
        kills.read(&key(), "", 1, 3.0);
        assert_eq!(kills.total(&key()), Some(3.0));
    }

    #[test]
    fn containers_outside_of_pods_are_forgotten_with_their_groups() {
        let mut kills = Kills::default();
        let alone = |id: &str| (String::new(), id.to_owned());
        kills.read(&alone("a"), "", 1, 1.0);
        kills.read(&alone("b"), "", 2, 1.0);
        kills.read(&key(), "c", 3, 1.0);
        kills.keep_alone([&alone("b")].into_iter());
        let left = [alone("a"), alone("b"), key()].map(|key| kills.total(&key));
        assert_eq!(left, [None, Some(1.0), Some(1.0)]);
    }

    #[test]
    fn an_end_that_is_only_told_counts_once() {
        let mut kills = Kills::default();
        kills.read(&key(), "a", 1, 0.0);
        for _ in 0..3 {
            kills.told(&key(), "a");
        }
        kills.read(&key(), "b", 2, 0.0);
        kills.told(&key(), "a");
        assert_eq!(kills.total(&key()), Some(1.0));
        kills.told(&key(), "b");
        assert_eq!(kills.total(&key()), Some(2.0));
    }

    #[test]
    fn a_kill_that_the_group_showed_is_not_counted_again_when_told() {
        let mut kills = Kills::default();
        kills.read(&key(), "a", 1, 1.0);
        kills.told(&key(), "a");
        kills.read(&key(), "a", 1, 1.0);
        kills.read(&key(), "b", 2, 0.0);
        assert_eq!(kills.total(&key()), Some(1.0));
    }

    #[test]
    fn containers_that_are_no_more_are_forgotten_and_the_number_is_bounded() {
        let mut kills = Kills::default();
        for number in 0..MOST + 10 {
            kills.told(&("uid".into(), number.to_string()), "a");
        }
        assert_eq!(kills.by_container.len(), MOST);
        kills.keep(&HashSet::new());
        assert_eq!(kills.total(&("uid".into(), "0".into())), None);
    }
}
