//! What each process was last seen to have loaded, so that a change asks for what changed alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{controller::backend::rules::Groups, resolve::model::RuleFiles};

/// The rules of each pod as it listed them last, by stack and pod. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Mutex<HashMap<String, Pods>>>);

/// The rules of the pods of one stack.
type Pods = HashMap<String, Arc<Groups>>;

impl Known {
    /// What a pod listed last.
    #[must_use]
    pub fn of(&self, stack: &str, pod: &str) -> Option<Arc<Groups>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(stack)?.get(pod).cloned()
    }

    /// A pod has listed this.
    pub fn learn(&self, stack: &str, pod: &str, groups: Arc<Groups>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stack = known.entry(stack.to_owned()).or_default();
        stack.insert(pod.to_owned(), groups);
    }

    /// Forgets the pods of a stack that are not among these.
    pub fn keep(&self, stack: &str, pods: &[String]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stack) = known.get_mut(stack) {
            stack.retain(|pod, _| pods.contains(pod));
        }
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(stack);
    }
}

/// The names of the groups in which what is loaded differs from what is wanted: new, changed or to
/// go.
#[must_use]
pub fn difference(wanted: &RuleFiles, loaded: &Groups) -> Vec<Arc<str>> {
    let to_come = wanted
        .iter()
        .filter(|(file, placed)| {
            loaded.get(*file).map(|group| group.mark) != Some(placed.file.mark)
        })
        .map(|(_, placed)| placed.file.group.as_str().into());
    let to_go = loaded
        .iter()
        .filter(|(file, _)| !wanted.contains_key(*file))
        .map(|(_, group)| group.name.clone());
    to_come.chain(to_go).collect()
}
