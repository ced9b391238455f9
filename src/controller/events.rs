//! Kubernetes Events, on transitions only.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::status::Transition;

/// The API's bound on an Event's note, in bytes.
const NOTE: usize = 1024;

/// Publishes Events; one for the whole process, since it folds repeats together.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// Publishes in the name of this replica.
    #[must_use]
    pub fn new(client: Client, pod_name: &str) -> Self {
        Self(Recorder::new(
            client,
            Reporter {
                controller: crate::render::meta::MANAGER.into(),
                instance: Some(pod_name.to_owned()),
            },
        ))
    }

    /// Publishes one Event for each transition and tells how many went out. An Event that
    /// cannot be written is no reason to stop: the status says the same.
    pub async fn publish(&self, about: &ObjectReference, transitions: &[Transition]) -> usize {
        let mut published = 0;
        for transition in transitions {
            match self.0.publish(&event(transition), about).await {
                Ok(()) => published += 1,
                Err(error) => {
                    tracing::warn!(%error, reason = %transition.reason, "no Event written");
                }
            }
        }
        published
    }
}

fn event(transition: &Transition) -> Event {
    Event {
        type_: if transition.warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: transition.reason.clone(),
        note: Some(cut(&transition.message)),
        action: transition.type_.clone(),
        secondary: None,
    }
}

/// The text within the API's bound, never cut inside a character.
fn cut(text: &str) -> String {
    if text.len() <= NOTE {
        return text.to_owned();
    }
    let mark = '…';
    let end = text.floor_char_boundary(NOTE - mark.len_utf8());
    let mut short = text.to_owned();
    short.truncate(end);
    short.push(mark);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = cut(&"é".repeat(1000));
        assert!(long.len() <= NOTE, "{}", long.len());
        assert!(long.ends_with("é…"));
    }
}
