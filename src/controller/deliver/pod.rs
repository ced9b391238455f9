//! Delivery to one pod.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::{
    PATIENCE,
    known::{Known, difference},
    touch,
};
use crate::{
    controller::{
        backend::{BackendError, Backends, PodRef, rules::Groups},
        observe::pod::is_ready,
    },
    render::{Delivery, Proof},
    resolve::model::RuleFiles,
};

/// The first wait for the file, a little less than the kubelet usually needs.
const FIRST_PAUSE: Duration = Duration::from_millis(60);
/// The waits grow up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// What Prometheus takes at each reload for one rule, changed or not. A reload that comes before
/// the files costs as much as one that comes after them, so that with many rules it is worth
/// waiting for them.
const RELOAD_OF_ONE: Duration = Duration::from_micros(250);
/// A touch that has brought nothing in this time is repeated.
const TOUCH_AGAIN: Duration = Duration::from_secs(1);
/// A pod that is ready and silent is asked once more, after this long.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// A process that refuses its files for this long after the touch has the new ones by then.
const REFUSED: Duration = Duration::from_millis(1500);
/// Up to this many changed groups are asked for by name; of more, all.
const BY_NAME: usize = 40;
/// What is said when the process runs well, but something else than what is wanted.
const NOT_YET: &str = "the new files have not reached the pod yet";

/// What came of a delivery to one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The pod's name.
    pub pod: String,
    /// Whether the kubelet finds it ready.
    pub ready: bool,
    /// Whether the process says that it runs the wanted configuration and rules.
    pub holds: bool,
    /// Why it does not.
    pub words: String,
    /// Whether it had the new files and refused them; `words` are its own then.
    pub refused: bool,
    /// The rules it lists; none when it was not or could not be asked.
    pub rules: Option<Arc<Groups>>,
}

/// What one attempt found.
enum Attempt {
    /// All is as wanted.
    Holds,
    /// Something is still the old one.
    NotYet,
    /// The process refuses its files, in its own words.
    Refused(String),
}

/// Brings one delivery to pods.
#[derive(Clone, Copy)]
pub struct Courier<'a> {
    /// The pods of the stack's namespace.
    pub pods: &'a Api<Pod>,
    /// The way to the processes.
    pub backends: &'a Backends,
    /// What the processes were last seen to have.
    pub known: &'a Known,
    /// The stack's uid.
    pub stack: &'a str,
    /// What is delivered.
    pub delivery: &'a Delivery,
    /// The rule files that belong to it, if it is of a component that evaluates rules.
    pub rule_files: Option<&'a RuleFiles>,
    /// Whether pods may be touched and processes reloaded; else they are only asked.
    pub may_write: bool,
}

impl Courier<'_> {
    /// Brings the delivery to one pod. A pod that runs it already is left alone, unless its files
    /// were just written.
    pub async fn deliver(self, pod: &Pod, fresh: bool) -> Outcome {
        let target = PodRef::of(pod);
        let ready = is_ready(pod);
        // Rules that were just written cannot be there: there is no need to ask first.
        if fresh && ready && self.may_write && self.expects_change(pod) {
            return self.insist(pod, &target, true).await;
        }
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

    /// Whether the rules differ from what the pod was last seen to have.
    fn expects_change(self, pod: &Pod) -> bool {
        let known = self.known.of(self.stack, &identity(pod));
        let files = self.rule_files.zip(known);
        files.is_some_and(|(wanted, known)| !difference(wanted, &known).is_empty())
    }

    /// Brings the delivery to a process that answers.
    async fn convince(self, pod: &Pod, target: &PodRef, holds: bool, fresh: bool) -> Outcome {
        let rules = self.all_rules(pod, target).await;
        if holds && self.is_complete(rules.as_deref()) {
            if fresh {
                self.touch_once(pod).await;
            }
        } else if self.may_write {
            return self.insist(pod, target, fresh).await;
        }
        let holds = holds && self.is_complete(rules.as_deref());
        let words = if holds { "" } else { "the stack is paused" };
        Outcome {
            pod: target.name.clone(),
            ready: is_ready(pod),
            holds,
            words: words.into(),
            refused: false,
            rules,
        }
    }

    /// Touches, reloads and asks until the proof holds or time is up.
    async fn insist(self, pod: &Pod, target: &PodRef, fresh: bool) -> Outcome {
        let start = Instant::now();
        let mut last = Attempt::NotYet;
        let mut said = NOT_YET.to_owned();
        let mut touched = touch::current(pod).map(ToOwned::to_owned);
        // An earlier reconcile touched the pod already: time is what it needs first.
        let known = touch::count(touched.as_deref(), &self.delivery.hash) > 0;
        let mut touch_at = if known && !fresh {
            start + TOUCH_AGAIN
        } else {
            start
        };
        let mut pause = self.first_pause();
        // An attempt is never cut off: Prometheus would go on with the reload, and the next pass
        // would ask for another.
        while start.elapsed() < PATIENCE {
            let times = touch::count(touched.as_deref(), &self.delivery.hash);
            if Instant::now() >= touch_at && (fresh || times < touch::MOST) {
                touch_at = Instant::now() + TOUCH_AGAIN;
                self.touch(&target.name, &mut touched).await;
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            match self.attempt(pod, target).await {
                Ok(attempt) => last = attempt,
                Err(error) => {
                    said = error.to_string();
                    continue;
                }
            }
            match &last {
                Attempt::Holds => break,
                Attempt::NotYet => NOT_YET.clone_into(&mut said),
                Attempt::Refused(words) => {
                    words.clone_into(&mut said);
                    if start.elapsed() >= REFUSED {
                        break;
                    }
                }
            }
        }
        let holds = matches!(last, Attempt::Holds);
        let refused = matches!(last, Attempt::Refused(_));
        if refused {
            // It has gone back to what it had before: the operator must know what that is.
            self.all_rules(pod, target).await;
        }
        Outcome {
            pod: target.name.clone(),
            ready: is_ready(pod),
            holds,
            words: if holds { String::new() } else { said },
            refused,
            rules: self
                .known
                .of(self.stack, &identity(pod))
                .filter(|_| self.rule_files.is_some()),
        }
    }

    /// How long the files are waited for before the first reload.
    fn first_pause(self) -> Duration {
        let rules = self.rule_files.map_or(0, BTreeMap::len);
        let reload = RELOAD_OF_ONE.saturating_mul(u32::try_from(rules).unwrap_or(u32::MAX));
        reload.clamp(FIRST_PAUSE, LONGEST_PAUSE)
    }

    /// One reload, and what came of it. Configuration and rules reach the pod as volumes of their
    /// own, one perhaps a little before the other; each is proven by itself.
    async fn attempt(self, pod: &Pod, target: &PodRef) -> Result<Attempt, BackendError> {
        match self.reload(target).await {
            Ok(()) => {}
            Err(BackendError::Refused { words, .. }) => return Ok(Attempt::Refused(words)),
            Err(error) => return Err(error),
        }
        if !self.ask(target).await? {
            return Ok(Attempt::NotYet);
        }
        let rules = match self.rule_files {
            Some(_) => self.changed_rules(pod, target).await?,
            None => None,
        };
        Ok(if self.is_complete(rules.as_deref()) {
            Attempt::Holds
        } else {
            Attempt::NotYet
        })
    }

    /// Whether exactly the wanted rule files are listed, each with its content.
    fn is_complete(self, listed: Option<&Groups>) -> bool {
        self.rule_files
            .is_none_or(|wanted| listed.is_some_and(|listed| difference(wanted, listed).is_empty()))
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

    /// All rules that the process lists; none when it has no rules or did not answer.
    async fn all_rules(self, pod: &Pod, target: &PodRef) -> Option<Arc<Groups>> {
        self.rule_files?;
        let listed = self
            .backends
            .prometheus_rules(target, self.delivery.port, &[]);
        let groups = listed
            .await
            .inspect_err(|error| debug!(pod = target.name, %error, "Cannot list the rules."))
            .ok()?;
        Some(self.learn(pod, groups))
    }

    /// What the process had when it was last asked, with what has changed since.
    async fn changed_rules(
        self,
        pod: &Pod,
        target: &PodRef,
    ) -> Result<Option<Arc<Groups>>, BackendError> {
        let known = self.known.of(self.stack, &identity(pod));
        let changed = self.rule_files.zip(known.as_deref());
        let changed = changed.map(|(wanted, known)| difference(wanted, known));
        let (Some(known), Some(changed)) = (known, changed.filter(|it| it.len() <= BY_NAME)) else {
            let all = self
                .backends
                .prometheus_rules(target, self.delivery.port, &[]);
            return Ok(Some(self.learn(pod, all.await?)));
        };
        if changed.is_empty() {
            return Ok(Some(known));
        }
        let listed = self
            .backends
            .prometheus_rules(target, self.delivery.port, &changed);
        let listed = listed.await?;
        let mut groups = (*known).clone();
        groups.retain(|_, group| !changed.contains(&group.name));
        groups.extend(listed);
        Ok(Some(self.learn(pod, groups)))
    }

    fn learn(self, pod: &Pod, groups: Groups) -> Arc<Groups> {
        let groups = Arc::new(groups);
        self.known.learn(self.stack, &identity(pod), groups.clone());
        groups
    }
}

/// What tells a pod from its predecessor of the same name.
pub fn identity(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_else(|| pod.name_any())
}
