//! Picking the event that explains.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// The newest of an object's events that match.
pub fn newest<'a>(
    events: &'a [Event],
    uid: &str,
    matches: impl Fn(&Event) -> bool,
) -> Option<&'a Event> {
    events
        .iter()
        .filter(|event| event.involved_object.uid.as_deref() == Some(uid))
        .filter(|event| matches(event))
        .max_by_key(|event| last_seen(event))
}

/// Whether the event has one of these reasons.
pub fn has_reason(event: &Event, reasons: &[&str]) -> bool {
    event
        .reason
        .as_deref()
        .is_some_and(|reason| reasons.contains(&reason))
}

/// What the event says.
pub fn message(event: &Event) -> &str {
    event.message.as_deref().unwrap_or_default()
}

/// Old and new emitters fill different fields.
fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    [
        series
            .and_then(|s| s.last_observed_time.as_ref())
            .map(|t| t.0),
        event.last_timestamp.as_ref().map(|t| t.0),
        event.event_time.as_ref().map(|t| t.0),
        event.metadata.creation_timestamp.as_ref().map(|t| t.0),
    ]
    .into_iter()
    .flatten()
    .max()
}
