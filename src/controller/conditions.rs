//! The conditions' types, reasons and the one way to make one.
//!
//! Reasons are part of the API: people and tools match on them, so none is ever renamed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Every enabled component is ready and runs the wanted configuration.
pub const READY: &str = "Ready";
/// Something of the stack is still on its way to what the specification says.
pub const PROGRESSING: &str = "Progressing";
/// Something needs a person.
pub const DEGRADED: &str = "Degraded";
/// An `AlertRule` is valid and a stack takes it.
pub const ACCEPTED: &str = "Accepted";
/// The back end itself lists the rules of an `AlertRule`.
pub const LOADED: &str = "Loaded";

/// Why a condition is as it is.
pub mod reason {
    /// All is well.
    pub const READY: &str = "Ready";
    /// At least one component is not ready.
    pub const COMPONENTS_NOT_READY: &str = "ComponentsNotReady";
    /// The part of the specification is wrong; what runs goes on.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The API server refused an object.
    pub const APPLY_FAILED: &str = "ApplyFailed";
    /// The workload is not there yet.
    pub const NOT_CREATED: &str = "NotCreated";
    /// Pods are replaced by newer ones.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// Pods start and nothing is wrong so far.
    pub const STARTING: &str = "Starting";
    /// A pod runs and does not become ready.
    pub const NOT_READY: &str = "NotReady";
    /// A node cannot pull the image.
    pub const IMAGE_PULL_FAILED: &str = "ImagePullFailed";
    /// A container cannot be made from the pod's specification.
    pub const CONTAINER_CONFIG_FAILED: &str = "ContainerConfigFailed";
    /// A process ends again and again.
    pub const CRASH_LOOPING: &str = "CrashLooping";
    /// A process was ended because it needed more memory than its limit.
    pub const OUT_OF_MEMORY: &str = "OutOfMemory";
    /// No node takes the pod.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// A volume claim has no volume.
    pub const VOLUME_PENDING: &str = "VolumePending";
    /// A node cannot prepare the pod: its volumes or its network.
    pub const POD_SETUP_FAILED: &str = "PodSetupFailed";
    /// The API server refuses the pods: pod security, quota, a webhook.
    pub const PODS_REFUSED: &str = "PodsRefused";
    /// The processes do not run the wanted configuration.
    pub const CONFIG_NOT_LOADED: &str = "ConfigNotLoaded";
    /// The component runs elsewhere, and is not Masthead's.
    pub const EXTERNAL: &str = "External";
    /// Nothing is under way.
    pub const SETTLED: &str = "Settled";
    /// The specification says to leave everything as it is.
    pub const PAUSED: &str = "Paused";
    /// Parts of the specification were left out.
    pub const PROBLEMS_FOUND: &str = "ProblemsFound";
    /// A component needs a person.
    pub const COMPONENT_FAILING: &str = "ComponentFailing";
    /// An `AlertRule` was taken.
    pub const ACCEPTED: &str = "Accepted";
    /// An expression of an `AlertRule` is wrong.
    pub const INVALID_EXPRESSION: &str = "InvalidExpression";
    /// Something else of an `AlertRule` is wrong.
    pub const INVALID_RULE: &str = "InvalidRule";
    /// The engine itself refuses the rules of an `AlertRule`.
    pub const REFUSED: &str = "Refused";
    /// The engine refuses the rules of one of several `AlertRules`; which one is being found out.
    pub const HELD_BACK: &str = "HeldBack";
    /// No stack takes the `AlertRule`.
    pub const NO_STACK: &str = "NoStack";
    /// The back end lists the rules.
    pub const LOADED: &str = "Loaded";
    /// The back end does not list the rules yet.
    pub const NOT_LISTED: &str = "NotListed";

    /// Whether time alone is expected to mend it; everything else needs a person.
    #[must_use]
    pub fn is_progress(reason: &str) -> bool {
        [NOT_CREATED, ROLLING_OUT, STARTING].contains(&reason)
    }

    /// The reason that a stack gave on an `AlertRule`, read back from its status. One that a newer
    /// version gave is none of these.
    #[must_use]
    pub fn of_rule(written: &str) -> &'static str {
        let known = [LOADED, NOT_LISTED, INVALID_EXPRESSION, REFUSED, HELD_BACK];
        let found = known.into_iter().find(|reason| *reason == written);
        found.unwrap_or(INVALID_RULE)
    }
}

/// The most characters a message may have; the note of an Event holds 1 kB.
pub(crate) const MESSAGE_CHARS: usize = 900;

/// What a condition says, before time and history are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says {
    /// The condition's type.
    pub type_: &'static str,
    /// True or False.
    pub status: bool,
    /// One of [`reason`].
    pub reason: &'static str,
    /// What a person needs to know, and what to do.
    pub message: String,
}

impl Says {
    /// The condition holds.
    pub fn yes(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            type_,
            status: true,
            reason,
            message: message.into(),
        }
    }

    /// The condition does not hold.
    pub fn no(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: false,
            ..Self::yes(type_, reason, message)
        }
    }

    /// The condition to write; its transition time moves only when the status flips.
    #[must_use]
    pub fn into_condition(
        self,
        old: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Condition {
        let status = if self.status { "True" } else { "False" };
        let last_transition_time = find(old, self.type_)
            .filter(|old| old.status == status)
            .map_or_else(
                || Time(whole_seconds(now)),
                |old| old.last_transition_time.clone(),
            );
        Condition {
            last_transition_time,
            message: clip(&self.message, MESSAGE_CHARS),
            observed_generation: generation,
            reason: self.reason.to_owned(),
            status: status.to_owned(),
            type_: self.type_.to_owned(),
        }
    }
}

/// The condition of a type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// The text, cut after so many characters.
#[must_use]
pub fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(chars.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

/// The API server stores whole seconds; more would differ from what is read back.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_stays_while_the_status_stays_even_if_reason_and_message_change() {
        let first =
            Says::no(READY, reason::STARTING, "pod a starts").into_condition(&[], Some(1), at(100));
        let second = Says::no(READY, reason::NOT_READY, "pod a hangs").into_condition(
            &[first],
            Some(2),
            at(200),
        );
        assert_eq!(second.last_transition_time, Time(at(100)));
        assert_eq!(
            (second.reason.as_str(), second.observed_generation),
            ("NotReady", Some(2))
        );
    }

    #[test]
    fn the_transition_time_moves_when_the_status_flips() {
        let first = Says::no(READY, reason::STARTING, "").into_condition(&[], None, at(100));
        let second = Says::yes(READY, reason::READY, "").into_condition(&[first], None, at(200));
        assert_eq!(second.last_transition_time, Time(at(200)));
    }

    #[test]
    fn times_have_whole_seconds_as_the_server_stores_them() {
        let now = Timestamp::new(100, 999_000_000).unwrap();
        let condition = Says::yes(READY, reason::READY, "").into_condition(&[], None, now);
        assert_eq!(condition.last_transition_time, Time(at(100)));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(clip("añb", 3), "añb");
        assert_eq!(clip("añbc", 3), "añ…");
        let long = Says::no(READY, reason::NOT_READY, "ü".repeat(5000));
        let message = long.into_condition(&[], None, at(0)).message;
        assert_eq!(message.chars().count(), MESSAGE_CHARS);
    }
}
