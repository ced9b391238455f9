//! What was told of other people's objects by Events, so that each thing is told once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::ObjectReference;

use super::{publish::Publisher, status::Transition};
use crate::resolve::{RefusedDashboard, prometheus_operator::objects::Note};

/// This many Events at most come of one look at a stack.
const EVENTS: usize = 100;

/// Something to tell on an object.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// Which one.
    about: ObjectReference,
    /// What.
    transition: Transition,
}

impl Complaint {
    /// A dashboard is left out.
    #[must_use]
    pub fn dashboard(refused: &RefusedDashboard) -> Self {
        Self {
            about: refused.config_map.clone(),
            transition: Transition {
                type_: "Dashboard".into(),
                reason: "DashboardRefused".into(),
                message: refused.problem().to_string(),
                warning: true,
            },
        }
    }

    /// An object of prometheus-operator's kinds is not followed as it is written.
    #[must_use]
    pub fn note(stack: &str, note: &Note) -> Self {
        let reason = if note.left_out {
            "LeftOut"
        } else {
            "FieldIgnored"
        };
        Self {
            about: note.object.reference(),
            transition: Transition {
                type_: "Discovery".into(),
                reason: reason.into(),
                message: format!("MonitoringStack {stack}: {}", note.problem),
                warning: note.left_out,
            },
        }
    }

    fn key(&self) -> String {
        let uid = self.about.uid.as_deref().unwrap_or_default();
        format!("{uid} {}", self.transition.message)
    }
}

/// What was told of the objects that stacks left out, by the stack's uid. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<HashMap<String, BTreeSet<String>>>>);

impl Told {
    /// Writes an Event for each complaint of a stack, unless it was told already.
    pub async fn tell(&self, publisher: &Publisher, stack_uid: &str, complaints: &[Complaint]) {
        for one in self.news(stack_uid, complaints).into_iter().take(EVENTS) {
            let transitions = [one.transition.clone()];
            publisher.events_about(&one.about, &transitions).await;
        }
    }

    /// Those that were not told, which are remembered; what no longer holds is forgotten.
    fn news<'a>(&self, stack_uid: &str, complaints: &'a [Complaint]) -> Vec<&'a Complaint> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.remove(stack_uid).unwrap_or_default();
        if complaints.is_empty() {
            return Vec::new();
        }
        let now: BTreeSet<String> = complaints.iter().map(Complaint::key).collect();
        let news = complaints.iter().filter(|one| !before.contains(&one.key()));
        let news = news.collect();
        all.insert(stack_uid.to_owned(), now);
        news
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack_uid: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(stack_uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_told_once_and_again_after_it_was_good() {
        let told = Told::default();
        let bad = [Complaint::dashboard(&RefusedDashboard {
            config_map: ObjectReference::default(),
            key: "x.json".into(),
            message: "is not JSON".into(),
        })];
        assert_eq!(told.news("s", &bad).len(), 1);
        assert_eq!(told.news("s", &bad).len(), 0);
        assert_eq!(told.news("other", &bad).len(), 1);
        assert_eq!(told.news("s", &[]).len(), 0);
        assert_eq!(told.news("s", &bad).len(), 1);
        told.forget("s");
        assert_eq!(told.news("s", &bad).len(), 1);
    }
}
