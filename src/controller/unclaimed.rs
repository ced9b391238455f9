//! Rules that no stack speaks for any more: in namespaces without a stack, and with entries of
//! stacks that are gone. Nobody else would tell their authors.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::sync::Notify;

use super::{
    context::Guarded,
    publish::{Living, Publisher},
    rules::{KnownRule, KnownRules},
    watch::Synced,
};
use crate::{api::stack::MonitoringStack, resolve::rules::Reach};

/// So many stacks that do not select a rule are named on it.
const NAMED: usize = 3;
/// A stack that is applied together with its rules gets there first, and the last look at a stack
/// that went has ended.
const PATIENCE: Duration = Duration::from_secs(1);
/// A status that could not be written is tried again then at the latest.
const EVERY: Duration = Duration::from_mins(10);

/// Tells it on the rules whenever stacks or rules came or went, or a stack selects others.
pub async fn run(
    stacks: Store<Guarded>,
    rules: KnownRules,
    reaches: Reaches,
    publisher: Publisher,
    changed: Arc<Notify>,
    mut synced: Synced,
) {
    let living = Living(stacks);
    while synced.wait().await {
        tokio::time::sleep(PATIENCE).await;
        tell(&living, &rules, &reaches, &publisher).await;
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn tell(living: &Living, rules: &KnownRules, reaches: &Reaches, publisher: &Publisher) {
    let reaches = reaches.of(living);
    for rule in rules.all() {
        if rule.judged.is_err() {
            continue;
        }
        let claim = claim(&reaches, &rule);
        let told = publisher.without_the_gone(&rule, living, claim, Timestamp::now());
        if let Err(error) = told.await {
            tracing::warn!(%error, "a rule that no stack takes does not say so");
        }
    }
}

/// Whether any stack takes a rule; if not, what those elsewhere that select rules look for.
fn claim(reaches: &[(String, Reach)], rule: &KnownRule) -> Result<(), String> {
    if reaches.iter().any(|(_, reach)| reach.takes(&rule.traits)) {
        return Ok(());
    }
    let mut others: Vec<_> = reaches
        .iter()
        .filter(|(_, reach)| reach.elsewhere.is_some())
        .map(|(stack, _)| stack.as_str())
        .collect();
    others.sort_unstable();
    let more = others.len().saturating_sub(NAMED);
    others.truncate(NAMED);
    Err(match (others.len(), more) {
        (0, _) => String::new(),
        (_, 0) => format!(
            "spec.alerting.rules of {} does not select it",
            others.join(", ")
        ),
        _ => format!(
            "spec.alerting.rules of {} and {more} more does not select it",
            others.join(", ")
        ),
    })
}

/// Whose rules each stack takes, as it was at its last look. Clones share it.
#[derive(Clone, Debug)]
pub struct Reaches {
    known: Arc<Mutex<HashMap<ObjectRef<MonitoringStack>, Reach>>>,
    changed: Arc<Notify>,
}

impl Reaches {
    /// Knows of none yet; what changes is notified.
    #[must_use]
    pub fn new(changed: Arc<Notify>) -> Self {
        let known = Arc::default();
        Self { known, changed }
    }

    /// A stack has looked.
    pub fn learn(&self, stack: &ObjectMeta, reach: Reach) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(key(stack), reach.clone());
        if before != Some(reach) {
            self.changed.notify_one();
        }
    }

    /// Forgets a stack that is gone.
    pub fn forget(&self, stack: &ObjectMeta) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&key(stack));
    }

    /// The reach of each stack there is. One that has not looked yet may take what its
    /// specification alone tells.
    fn of(&self, living: &Living) -> Vec<(String, Reach)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stacks = living.0.state();
        let keys: Vec<_> = stacks.iter().map(|stack| key(stack.meta())).collect();
        known.retain(|stack, _| keys.contains(stack));
        let reaches = stacks.iter().zip(&keys).map(|(stack, key)| {
            let metadata = stack.meta();
            let reach = known.get(key).cloned().unwrap_or_else(|| match &stack.0 {
                Ok(stack) => Reach::of(stack, BTreeSet::new()),
                Err(_) => Reach {
                    namespace: metadata.namespace.clone().unwrap_or_default(),
                    uid: metadata.uid.clone().unwrap_or_default(),
                    ..Reach::default()
                },
            });
            let namespace = metadata.namespace.as_deref().unwrap_or_default();
            let name = metadata.name.as_deref().unwrap_or_default();
            (format!("{namespace}/{name}"), reach)
        });
        reaches.collect()
    }
}

fn key(stack: &ObjectMeta) -> ObjectRef<MonitoringStack> {
    let name = stack.name.as_deref().unwrap_or_default();
    ObjectRef::new(name).within(stack.namespace.as_deref().unwrap_or_default())
}
