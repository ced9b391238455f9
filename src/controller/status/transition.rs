//! What changed between two statuses and is worth an Event.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::status::StackStatus,
    controller::conditions::{DEGRADED, PROGRESSING, find, reason},
};

/// A condition whose status or reason flipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The condition's type.
    pub type_: String,
    /// Its new reason.
    pub reason: String,
    /// Its new message.
    pub message: String,
    /// Whether it needs a person.
    pub warning: bool,
}

/// The conditions whose status or reason differ. A first status tells only what needs a person,
/// and `Progressing` tells nothing that its components do not.
#[must_use]
pub fn transitions(old: Option<&StackStatus>, new: &StackStatus) -> Vec<Transition> {
    let old = old.map_or(&[][..], |old| &old.conditions);
    let flipped = |condition: &&Condition| match find(old, &condition.type_) {
        Some(old) => old.status != condition.status || old.reason != condition.reason,
        None => is_warning(condition),
    };
    new.conditions
        .iter()
        .filter(|condition| condition.type_ != PROGRESSING)
        .filter(flipped)
        .map(|condition| Transition {
            type_: condition.type_.clone(),
            reason: condition.reason.clone(),
            message: format!("{}: {}", condition.type_, condition.message),
            warning: is_warning(condition),
        })
        .collect()
}

/// Whether a condition needs a person: `Degraded` when it holds, the others when they do not and
/// time alone is not expected to mend it. `Ready` only repeats its components.
fn is_warning(condition: &Condition) -> bool {
    let holds = condition.status == "True";
    if condition.type_ == DEGRADED {
        return holds;
    }
    !holds
        && condition.reason != reason::COMPONENTS_NOT_READY
        && !reason::is_progress(&condition.reason)
}
