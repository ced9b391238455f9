//! Rules in namespaces without a stack: nobody else would tell their authors.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Resource, runtime::reflector::Store};
use tokio::sync::Notify;

use super::{
    context::{Guarded, Rule},
    publish::Publisher,
    watch::Synced,
};

/// A stack that is applied together with its rules gets there first.
const PATIENCE: Duration = Duration::from_secs(1);
/// A status that could not be written is tried again then at the latest.
const EVERY: Duration = Duration::from_mins(10);

/// Tells it on the rules whenever stacks or rules came or went.
pub async fn run(
    stacks: Store<Guarded>,
    rules: Store<Rule>,
    publisher: Publisher,
    changed: Arc<Notify>,
    mut synced: Synced,
) {
    while synced.wait().await {
        tokio::time::sleep(PATIENCE).await;
        tell(&stacks, &rules, &publisher).await;
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn tell(stacks: &Store<Guarded>, rules: &Store<Rule>, publisher: &Publisher) {
    let claimed: BTreeSet<String> = stacks
        .state()
        .iter()
        .filter_map(|stack| stack.meta().namespace.clone())
        .collect();
    let unclaimed = rules.state_filter(|rule: &Rule| {
        let namespace = rule.meta().namespace.as_ref();
        namespace.is_some_and(|namespace| !claimed.contains(namespace))
    });
    for rule in unclaimed {
        let Ok(rule) = &rule.0 else { continue };
        if let Err(error) = publisher.unclaimed(rule, Timestamp::now()).await {
            tracing::warn!(%error, "a rule that no stack takes does not say so");
        }
    }
}
