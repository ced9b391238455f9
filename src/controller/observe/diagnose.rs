//! From what was read of an unhealthy component to one reason a person can act on: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::ResourceExt;

use super::{event, pod, pod::Trouble, remedy, words, workload::WorkloadState};
use crate::{api::component::Component, controller::conditions::reason};

/// Why a component is not all well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A reason of [`reason`].
    pub reason: &'static str,
    /// The object, the runtime's own words and a remedy.
    pub message: String,
}

/// What was read of an unhealthy component.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The component.
    pub component: Component,
    /// Its workload.
    pub workload: &'a WorkloadState,
    /// Its pods.
    pub pods: &'a [Pod],
    /// Its volume claims.
    pub claims: &'a [PersistentVolumeClaim],
    /// Events of the [`suspects`].
    pub events: &'a [Event],
    /// When it was read.
    pub now: Timestamp,
}

/// The uids of the few objects whose events can explain: the workload that lacks pods, the claim
/// that lacks a volume, and the pod that is worst off.
#[must_use]
pub fn suspects(
    component: Component,
    workload: &WorkloadState,
    pods: &[Pod],
    claims: &[PersistentVolumeClaim],
) -> Vec<String> {
    let lacking = lacks_pods(workload, pods).then(|| workload.uid.clone());
    let claim = first_pending(claims).and_then(ResourceExt::uid);
    let worst = worst(component, pods, &[]).and_then(|(pod, ..)| pod.uid());
    [lacking, claim, worst].into_iter().flatten().collect()
}

/// The one reason to tell.
#[must_use]
pub fn diagnose(evidence: &Evidence<'_>) -> Finding {
    refused(evidence)
        .or_else(|| volume(evidence))
        .or_else(|| pods(evidence))
        .or_else(|| leaving(evidence))
        .unwrap_or_else(|| progress(evidence.workload))
}

/// An agent belongs on every node but those that its selector leaves out; one that leaves out
/// all of them is seldom meant.
#[must_use]
pub fn fits_nowhere(
    workload: &WorkloadState,
    node_selector: &BTreeMap<String, String>,
) -> Option<Finding> {
    if workload.kind != "DaemonSet" || workload.desired > 0 || node_selector.is_empty() {
        return None;
    }
    let labels: Vec<String> = node_selector
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Some(Finding {
        reason: reason::UNSCHEDULABLE,
        message: sentence(
            &format!("{} {}", workload.kind, workload.name),
            &format!("no node has the labels {}", labels.join(", ")),
            Some("check spec.agent.nodeSelector"),
        ),
    })
}

/// The pods that count: neither leaving nor over.
fn present(pods: &[Pod]) -> impl Iterator<Item = &Pod> {
    pods.iter()
        .filter(|pod| !pod::is_leaving(pod) && !pod::is_over(pod))
}

/// A DaemonSet whose first pod is refused has not counted its nodes yet: it wants none, and its
/// controller has not caught up.
fn lacks_pods(workload: &WorkloadState, pods: &[Pod]) -> bool {
    let present = i32::try_from(present(pods).count()).unwrap_or(i32::MAX);
    present < workload.desired || !workload.caught_up
}

/// The API server refuses the pods.
fn refused(evidence: &Evidence<'_>) -> Option<Finding> {
    let Evidence {
        component,
        workload,
        ..
    } = *evidence;
    if !lacks_pods(workload, evidence.pods) {
        return None;
    }
    // An older refusal that was followed by a success is over.
    let event = event::newest(evidence.events, &workload.uid, |_| true)
        .filter(|event| event::has_reason(event, &["FailedCreate"]))
        .map(event::message);
    let cause = words::refusal(workload.refusal.as_deref().or(event)?);
    let remedy = remedy::refusal(component, &cause);
    Some(Finding {
        reason: reason::PODS_REFUSED,
        message: sentence(
            &format!("{} {}: no pod can be made", workload.kind, workload.name),
            &cause,
            remedy.as_deref(),
        ),
    })
}

fn first_pending(claims: &[PersistentVolumeClaim]) -> Option<&PersistentVolumeClaim> {
    claims
        .iter()
        .filter(|claim| {
            let phase = claim.status.as_ref().and_then(|s| s.phase.as_deref());
            phase != Some("Bound")
        })
        .min_by_key(|claim| claim.name_any())
}

/// A claim gets no volume, and something says why. A claim that only waits for its pod's node is
/// a consequence, not a cause.
fn volume(evidence: &Evidence<'_>) -> Option<Finding> {
    let claim = first_pending(evidence.claims)?;
    let uid = claim.uid()?;
    let explains = |event: &Event| {
        event.type_.as_deref() == Some("Warning") || event::has_reason(event, &["FailedBinding"])
    };
    let event = event::newest(evidence.events, &uid, explains)?;
    let cause = words::steady(event::message(event));
    let remedy = remedy::volume(evidence.component, &cause);
    Some(Finding {
        reason: reason::VOLUME_PENDING,
        message: sentence(
            &format!("volume claim {} is pending", claim.name_any()),
            &cause,
            remedy.as_deref(),
        ),
    })
}

/// The pod that is worst off, the first of them by name, and how many more have the same trouble.
fn worst<'a>(
    component: Component,
    pods: &'a [Pod],
    events: &[Event],
) -> Option<(&'a Pod, Trouble, usize)> {
    let mut troubled: Vec<(&Pod, Trouble)> = present(pods)
        .filter_map(|pod| Some((pod, pod::trouble(component, pod, events)?)))
        .collect();
    troubled.sort_by_key(|(pod, trouble)| (trouble.rank(), pod.name_any()));
    let (pod, trouble) = troubled.first().cloned()?;
    let same = troubled.iter().filter(|(_, t)| t.reason == trouble.reason);
    let more = same.count().saturating_sub(1);
    Some((pod, trouble, more))
}

fn pods(evidence: &Evidence<'_>) -> Option<Finding> {
    let (pod, trouble, more) = worst(evidence.component, evidence.pods, evidence.events)?;
    if trouble.may_pass() && pod::is_young(pod, evidence.now) {
        return Some(Finding {
            reason: reason::STARTING,
            message: format!("pod {}: is starting", pod.name_any()),
        });
    }
    let message = sentence(
        &format!("pod {}", pod.name_any()),
        &trouble.what,
        trouble.remedy.as_deref(),
    );
    let message = match more {
        0 => message,
        1 => format!("{message} (and 1 more pod)"),
        more => format!("{message} (and {more} more pods)"),
    };
    Some(Finding {
        reason: trouble.reason,
        message,
    })
}

/// A replacement waits until the old pod is gone.
fn leaving(evidence: &Evidence<'_>) -> Option<Finding> {
    if !lacks_pods(evidence.workload, evidence.pods) {
        return None;
    }
    let leaving = evidence.pods.iter().filter(|pod| pod::is_leaving(pod));
    let pod = leaving.min_by_key(|pod| pod.name_any())?;
    let since = pod.metadata.deletion_timestamp.as_ref()?;
    let since = since.0.strftime("%Y-%m-%dT%H:%M:%SZ");
    Some(Finding {
        reason: reason::ROLLING_OUT,
        message: format!(
            "pod {} is to be gone by {since}; if its node is lost, delete it with --force",
            pod.name_any()
        ),
    })
}

fn progress(workload: &WorkloadState) -> Finding {
    let WorkloadState {
        kind,
        name,
        desired,
        ready,
        updated,
        ..
    } = workload;
    if workload.is_rolling() {
        return Finding {
            reason: reason::ROLLING_OUT,
            message: format!("{kind} {name}: {updated} of {desired} pods are up to date"),
        };
    }
    Finding {
        reason: reason::STARTING,
        message: format!("{kind} {name}: {ready} of {desired} pods are ready"),
    }
}

/// `subject: cause; remedy`.
fn sentence(subject: &str, cause: &str, remedy: Option<&str>) -> String {
    let mut sentence = subject.to_owned();
    if !cause.is_empty() {
        sentence.push_str(": ");
        sentence.push_str(cause);
    }
    if let Some(remedy) = remedy {
        sentence.push_str("; ");
        sentence.push_str(remedy);
    }
    sentence
}

#[cfg(test)]
mod tests;
