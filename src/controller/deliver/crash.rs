//! A Prometheus that ends at its start over what it reads there. A reload would be answered; here
//! only the last words of its container are left.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

use crate::controller::observe::pod::is_ready;

/// What Prometheus says when its rules, or something else that it applies, keep it from starting.
/// The last one names no file; older versions may have the others before what the kubelet keeps.
const SIGNS: [&str; 3] = [
    "Error loading rule file",
    "loading groups failed",
    "error loading config from",
];

/// A start that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// When the container had been started.
    pub started: Timestamp,
    /// What it said.
    pub words: String,
}

/// The last failed start of a pod that is not well.
pub fn of(pod: &Pod) -> Option<Crash> {
    if is_ready(pod) {
        return None;
    }
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ends = containers.iter().flat_map(|container| {
        let states = [container.state.as_ref(), container.last_state.as_ref()];
        states.into_iter().flatten()
    });
    let crashes = ends.filter_map(|state| crash(state.terminated.as_ref()?));
    crashes.max_by_key(|crash| crash.started)
}

fn crash(end: &ContainerStateTerminated) -> Option<Crash> {
    let words = end.message.as_deref()?;
    let is_over_files = SIGNS.iter().any(|sign| words.contains(sign));
    (is_over_files && end.exit_code != 0).then(|| Crash {
        started: end.started_at.as_ref().map_or(Timestamp::MIN, |at| at.0),
        words: words.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(ready: &str, message: &str) -> Pod {
        let end = json!({"terminated": {"exitCode": 2, "message": message,
            "startedAt": "2026-01-01T00:00:10Z", "finishedAt": "2026-01-01T00:00:11Z"}});
        let container = json!({"name": "prometheus", "image": "p", "imageID": "", "ready": false,
            "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": end});
        let status = json!({"conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [container]});
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
    }

    #[test]
    fn a_start_that_failed_over_a_rule_file_is_told_and_another_is_not() {
        let over_rules = "level=ERROR msg=\"Error loading rule file patterns from config\" err=…";
        let crash = of(&pod("False", over_rules)).unwrap();
        assert_eq!(crash.started, "2026-01-01T00:00:10Z".parse().unwrap());
        assert_eq!(crash.words, over_rules);
        assert_eq!(of(&pod("False", "opening storage failed: no space")), None);
        assert_eq!(of(&pod("True", over_rules)), None, "it is over");
    }
}
