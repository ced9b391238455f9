//! What is wrong with one pod.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStatus, Event, Pod, PodCondition,
};
use kube::ResourceExt;

use super::{event, remedy, words};
use crate::{api::component::Component, controller::conditions::reason};

/// A container that ended sooner than this after its start did not just see its node reboot.
const SHORT_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What passes by itself when a pod starts has passed by then.
const START: SignedDuration = SignedDuration::from_secs(20);

/// From what needs a person most to what passes by itself.
const SEVERITY: [&str; 8] = [
    reason::IMAGE_PULL_FAILED,
    reason::CONTAINER_CONFIG_FAILED,
    reason::OUT_OF_MEMORY,
    reason::CRASH_LOOPING,
    reason::UNSCHEDULABLE,
    reason::POD_SETUP_FAILED,
    reason::NOT_READY,
    reason::STARTING,
];

/// What is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One of [`SEVERITY`].
    pub reason: &'static str,
    /// What is wrong, without the pod's name.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Trouble {
    /// The lower, the more it needs a person.
    pub fn rank(&self) -> usize {
        let place = SEVERITY.iter().position(|reason| *reason == self.reason);
        place.unwrap_or(SEVERITY.len())
    }

    /// Whether every start goes through it: the scheduler is quicker than the volume, the first
    /// mount quicker than the kubelet's cache.
    pub fn may_pass(&self) -> bool {
        [
            reason::UNSCHEDULABLE,
            reason::POD_SETUP_FAILED,
            reason::NOT_READY,
        ]
        .contains(&self.reason)
    }
}

/// Whether the pod is ready and stays.
pub fn is_ready(pod: &Pod) -> bool {
    !is_leaving(pod) && condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether the pod is being deleted.
pub fn is_leaving(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether the pod was made so shortly ago that what ails it may be its start.
pub fn is_young(pod: &Pod, now: Timestamp) -> bool {
    let made = pod.metadata.creation_timestamp.as_ref();
    made.is_some_and(|made| now.duration_since(made.0) < START)
}

/// Whether the pod is over: its owner replaces it, and it only waits to be cleaned up.
pub fn is_over(pod: &Pod) -> bool {
    matches!(phase(pod), "Failed" | "Succeeded")
}

/// What is wrong with a pod that is neither leaving nor over; none when it is ready.
pub fn trouble(component: Component, pod: &Pod, events: &[Event]) -> Option<Trouble> {
    if is_ready(pod) {
        return None;
    }
    containers(pod)
        .find_map(|container| container_trouble(component, pod, container, events))
        .or_else(|| unschedulable(component, pod))
        .or_else(|| setup(pod, events))
        .or_else(|| Some(unready(pod, events)))
}

fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status.and_then(|s| s.phase.as_deref()).unwrap_or("Pending")
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == type_)
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    })
}

fn container_trouble(
    component: Component,
    pod: &Pod,
    container: &ContainerStatus,
    events: &[Event],
) -> Option<Trouble> {
    let state = container.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let said = waiting.and_then(|w| w.message.as_deref()).unwrap_or("");
    match waiting.and_then(|w| w.reason.as_deref()).unwrap_or("") {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "RegistryUnavailable"
        | "ImageInspectError" => Some(pull(component, pod, container, said, events)),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            Some(Trouble {
                reason: reason::CONTAINER_CONFIG_FAILED,
                what: format!("cannot make the container: {}", words::steady(said)),
                remedy: None,
            })
        }
        waits => crash(component, pod, container, waits == "CrashLoopBackOff"),
    }
}

fn pull(
    component: Component,
    pod: &Pod,
    container: &ContainerStatus,
    said: &str,
    events: &[Event],
) -> Trouble {
    let uid = pod.uid().unwrap_or_default();
    let failed = |event: &Event| {
        event::has_reason(event, &["Failed"]) && event::message(event).starts_with("Failed to pull")
    };
    // Between two attempts the kubelet says only that it waits; the event still tells why.
    let cause = words::pull_cause(said).or_else(|| {
        let event = event::newest(events, &uid, failed)?;
        words::pull_cause(event::message(event))
    });
    let because = cause.as_ref().map(|cause| format!(": {cause}"));
    Trouble {
        reason: reason::IMAGE_PULL_FAILED,
        what: format!(
            "cannot pull {}{}",
            container.image,
            because.unwrap_or_default()
        ),
        remedy: Some(remedy::image(component, &cause.unwrap_or_default())),
    }
}

/// A process that ended. Whether it waits, starts again or has just ended is the same to a person,
/// and told the same way, so that the status does not follow every turn.
fn crash(
    component: Component,
    pod: &Pod,
    container: &ContainerStatus,
    backs_off: bool,
) -> Option<Trouble> {
    if container.ready {
        return None;
    }
    let current = container.state.as_ref().and_then(|s| s.terminated.as_ref());
    let last = container.last_state.as_ref();
    let end = current.or_else(|| last.and_then(|s| s.terminated.as_ref()))?;
    if end.reason.as_deref() == Some("OOMKilled") {
        return Some(Trouble {
            reason: reason::OUT_OF_MEMORY,
            what: format!("{} needed more memory than its limit", container.name),
            remedy: Some(remedy::memory(component)),
        });
    }
    if !backs_off && !lived_shortly(end) {
        return None;
    }
    let said = end.message.as_deref().and_then(words::last_line);
    let namespace = pod.namespace().unwrap_or_default();
    Some(Trouble {
        reason: reason::CRASH_LOOPING,
        what: format!(
            "{} ended with exit code {}{}",
            container.name,
            end.exit_code,
            said.map(|said| format!(": {said}")).unwrap_or_default()
        ),
        remedy: Some(remedy::crash(&namespace, &pod.name_any(), &container.name)),
    })
}

fn lived_shortly(end: &ContainerStateTerminated) -> bool {
    match (&end.started_at, &end.finished_at) {
        (Some(started), Some(finished)) => finished.0.duration_since(started.0) < SHORT_LIFE,
        _ => false,
    }
}

fn unschedulable(component: Component, pod: &Pod) -> Option<Trouble> {
    let scheduled = condition(pod, "PodScheduled").filter(|c| c.status == "False")?;
    let message = scheduled.message.as_deref().unwrap_or_default();
    // The scheduler repeats itself about preemption.
    let message = message.split(" preemption:").next().unwrap_or(message);
    Some(Trouble {
        reason: reason::UNSCHEDULABLE,
        what: format!("no node takes it: {}", words::steady(message)),
        remedy: remedy::scheduling(component, message),
    })
}

/// Volumes that cannot be mounted, a sandbox that cannot be made.
fn setup(pod: &Pod, events: &[Event]) -> Option<Trouble> {
    const REASONS: [&str; 3] = [
        "FailedMount",
        "FailedAttachVolume",
        "FailedCreatePodSandBox",
    ];
    if phase(pod) != "Pending" {
        return None;
    }
    let uid = pod.uid().unwrap_or_default();
    let fails = |event: &Event| event::has_reason(event, &REASONS);
    // The kubelet adds a summary now and then that names no cause.
    let is_summary =
        |event: &Event| event::message(event).starts_with("Unable to attach or mount volumes");
    let event = event::newest(events, &uid, |event| fails(event) && !is_summary(event))
        .or_else(|| event::newest(events, &uid, fails))?;
    Some(Trouble {
        reason: reason::POD_SETUP_FAILED,
        what: words::steady(event::message(event)),
        remedy: None,
    })
}

/// It runs, or is about to, and nothing else is known to be wrong.
fn unready(pod: &Pod, events: &[Event]) -> Trouble {
    let mut running = containers(pod).filter(|c| !c.ready && c.started == Some(true));
    let Some(container) = running.next() else {
        return Trouble {
            reason: reason::STARTING,
            what: "is starting".into(),
            remedy: None,
        };
    };
    let uid = pod.uid().unwrap_or_default();
    let unhealthy = |event: &Event| event::has_reason(event, &["Unhealthy"]);
    let probe = event::newest(events, &uid, unhealthy)
        .map(|event| format!(": {}", words::steady(event::message(event))));
    let since = condition(pod, "Ready").and_then(|ready| ready.last_transition_time.as_ref());
    Trouble {
        reason: reason::NOT_READY,
        what: format!(
            "{} runs but is not ready{}{}",
            container.name,
            since
                .map(|since| format!(" since {}", since.0.strftime("%Y-%m-%dT%H:%M:%SZ")))
                .unwrap_or_default(),
            probe.unwrap_or_default()
        ),
        remedy: None,
    }
}
