//! Delivery to one pod.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use super::{PATIENCE, touch};
use crate::{
    controller::{
        backend::{BackendError, Backends, PodRef},
        observe::pod::is_ready,
    },
    render::{Delivery, Proof},
    resolve::model::RuleFile,
};

/// The first wait for the file, a little less than the kubelet usually needs.
const FIRST_PAUSE: Duration = Duration::from_millis(60);
/// The waits grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// The volumes of one pod are projected within this time of each other.
const SETTLE: Duration = Duration::from_millis(200);
/// A touch that has brought nothing in this time is repeated.
const TOUCH_AGAIN: Duration = Duration::from_secs(1);
/// A pod that is ready and silent is asked once more, after this long.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// What is said when the process runs well, but something else than what is wanted.
const NOT_YET: &str = "the new files have not reached the pod yet";

/// What came of a delivery to one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The pod's name.
    pub pod: String,
    /// Whether the kubelet finds it ready.
    pub ready: bool,
    /// Whether the process says that it runs the wanted configuration.
    pub holds: bool,
    /// Why it does not.
    pub words: String,
    /// The rule files it lists; none when it was not or could not be asked.
    pub rules: Option<BTreeSet<String>>,
}

/// Brings one delivery to pods.
#[derive(Clone, Copy)]
pub struct Courier<'a> {
    /// The pods of the stack's namespace.
    pub pods: &'a Api<Pod>,
    /// The way to the processes.
    pub backends: &'a Backends,
    /// What is delivered.
    pub delivery: &'a Delivery,
    /// The rule files that belong to it, if it is of a component that evaluates rules.
    pub rule_files: Option<&'a BTreeMap<String, RuleFile>>,
    /// Whether pods may be touched and processes reloaded; else they are only asked.
    pub may_write: bool,
}

impl Courier<'_> {
    /// Brings the delivery to one pod. A pod that runs it already is left alone, unless its files
    /// were just written.
    pub async fn deliver(self, pod: &Pod, fresh: bool) -> Outcome {
        let target = PodRef::of(pod);
        let ready = is_ready(pod);
        let mut asked = self.ask(&target).await;
        if ready && asked.is_err() {
            // One lost answer of a pod that is well is not worth a status that flips.
            sleep(ASK_AGAIN).await;
            asked = self.ask(&target).await;
        }
        match asked {
            Ok(holds) => self.convince(pod, &target, holds, fresh).await,
            Err(error) => {
                self.help_start(pod, fresh).await;
                Outcome {
                    pod: target.name,
                    ready,
                    words: error.to_string(),
                    ..Outcome::default()
                }
            }
        }
    }

    /// Brings the delivery to a process that answers.
    async fn convince(self, pod: &Pod, target: &PodRef, holds: bool, fresh: bool) -> Outcome {
        let mut outcome = Outcome {
            pod: target.name.clone(),
            ready: is_ready(pod),
            rules: self.rules(target).await,
            ..Outcome::default()
        };
        outcome.holds = holds && self.is_complete(outcome.rules.as_ref());
        if outcome.holds {
            if fresh {
                self.touch_once(pod).await;
            }
        } else if self.may_write {
            (outcome.holds, outcome.words) = self.insist(pod, target, fresh).await;
            outcome.rules = self.rules(target).await;
        } else {
            outcome.words = "the stack is paused".into();
        }
        outcome
    }

    /// Touches, reloads and asks until the proof holds or time is up.
    async fn insist(self, pod: &Pod, target: &PodRef, fresh: bool) -> (bool, String) {
        let start = Instant::now();
        let mut said = NOT_YET.to_owned();
        let insisting = async {
            let mut touched = touch::current(pod).map(ToOwned::to_owned);
            // An earlier reconcile touched the pod already: time is what it needs first.
            let known = touch::count(touched.as_deref(), &self.delivery.hash) > 0;
            let mut touch_at = if known && !fresh {
                start + TOUCH_AGAIN
            } else {
                start
            };
            let mut pause = FIRST_PAUSE;
            loop {
                let times = touch::count(touched.as_deref(), &self.delivery.hash);
                if Instant::now() >= touch_at && (fresh || times < touch::MOST) {
                    touch_at = Instant::now() + TOUCH_AGAIN;
                    self.touch(&target.name, &mut touched).await;
                }
                sleep(pause).await;
                pause = (pause * 3 / 2).min(LONGEST_PAUSE);
                said = self.attempt(target).await.unwrap_or_else(|e| e.to_string());
                if said.is_empty() {
                    return;
                }
            }
        };
        match timeout_at(start + PATIENCE, insisting).await {
            Ok(()) => (true, String::new()),
            Err(_) => (false, said),
        }
    }

    /// One reload, and what is still wrong after it; empty when the proof holds.
    ///
    /// The configuration and the rules reach the pod as volumes of their own, one perhaps a little
    /// before the other. The listing tells of rules that are missing, but not of old contents: so
    /// Prometheus is reloaded once more after all is there.
    async fn attempt(self, target: &PodRef) -> Result<String, BackendError> {
        self.reload(target).await?;
        if !self.holds(target).await? {
            return Ok(NOT_YET.to_owned());
        }
        if self.rule_files.is_some() {
            sleep(SETTLE).await;
            self.reload(target).await?;
        }
        Ok(String::new())
    }

    async fn holds(self, target: &PodRef) -> Result<bool, BackendError> {
        Ok(self.ask(target).await? && self.is_complete(self.rules(target).await.as_ref()))
    }

    /// Whether every rule file that should be loaded is listed.
    fn is_complete(self, listed: Option<&BTreeSet<String>>) -> bool {
        let Some(wanted) = self.rule_files.filter(|wanted| !wanted.is_empty()) else {
            return true;
        };
        listed.is_some_and(|listed| wanted.keys().all(|file| listed.contains(file)))
    }

    /// A process that does not answer reads its files at its start. If it fails with the old ones,
    /// the new ones must be there before its next try.
    async fn help_start(self, pod: &Pod, fresh: bool) {
        let status = pod.status.as_ref();
        let containers = status.and_then(|status| status.container_statuses.as_ref());
        let restarted = containers
            .into_iter()
            .flatten()
            .any(|container| container.restart_count > 0);
        let known = touch::count(touch::current(pod), &self.delivery.hash) > 0;
        if fresh || (restarted && !known) {
            self.touch_once(pod).await;
        }
    }

    async fn touch_once(self, pod: &Pod) {
        let mut touched = touch::current(pod).map(ToOwned::to_owned);
        self.touch(&pod.name_any(), &mut touched).await;
    }

    async fn touch(self, name: &str, touched: &mut Option<String>) {
        if !self.may_write {
            return;
        }
        let value = touch::next(touched.as_deref(), &self.delivery.hash);
        // Without the touch the file only comes later: nothing to fail for.
        match touch::write(self.pods, name, &value).await {
            Ok(()) => *touched = Some(value),
            Err(error) => debug!(pod = name, %error, "Cannot touch the pod."),
        }
    }

    async fn reload(self, target: &PodRef) -> Result<(), BackendError> {
        let port = self.delivery.port;
        match self.delivery.proof {
            Proof::PrometheusConfigHolds(_) => self.backends.prometheus_reload(target, port).await,
            Proof::AlertmanagerHash(_) => self.backends.alertmanager_reload(target, port).await,
        }
    }

    /// Whether the proof holds.
    async fn ask(self, target: &PodRef) -> Result<bool, BackendError> {
        let (backends, port) = (self.backends, self.delivery.port);
        Ok(match &self.delivery.proof {
            Proof::PrometheusConfigHolds(marker) => {
                let config = backends.prometheus_config(target, port).await?;
                config.contains(marker)
                    && backends.prometheus_reload_succeeded(target, port).await?
            }
            Proof::AlertmanagerHash(wanted) => {
                let state = backends.alertmanager_metrics(target, port).await?;
                // Whole numbers below 2^48: equal or not, without rounding.
                state.config_hash.map(f64::to_bits) == Some(wanted.to_bits())
                    && state.last_reload_successful != Some(false)
            }
        })
    }

    /// The rule files that the process lists; none when it has no rules or did not answer.
    async fn rules(self, target: &PodRef) -> Option<BTreeSet<String>> {
        self.rule_files?;
        let listed = self.backends.prometheus_rules(target, self.delivery.port);
        listed
            .await
            .inspect_err(|error| debug!(pod = target.name, %error, "Cannot list the rules."))
            .ok()
    }
}
