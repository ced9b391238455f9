//! Rules that no stack speaks for any more: in namespaces without a stack, and with entries of
//! stacks that are gone. Nobody else would tell their authors.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Resource, runtime::reflector::Store};
use tokio::sync::Notify;

use super::{
    context::{Guarded, Rule},
    publish::{Living, Publisher},
    watch::Synced,
};

/// A stack that is applied together with its rules gets there first, and the last look at a stack
/// that went has ended.
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
    let living = Living(stacks);
    while synced.wait().await {
        tokio::time::sleep(PATIENCE).await;
        tell(&living, &rules, &publisher).await;
        tokio::select! {
            () = changed.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn tell(living: &Living, rules: &Store<Rule>, publisher: &Publisher) {
    let claimed = living.namespaces();
    for rule in rules.state() {
        let Ok(rule) = &rule.0 else { continue };
        let namespace = rule.meta().namespace.as_ref();
        let is_claimed = namespace.is_some_and(|namespace| claimed.contains(namespace));
        let told = publisher.without_the_gone(rule, living, is_claimed, Timestamp::now());
        if let Err(error) = told.await {
            tracing::warn!(%error, "a rule that no stack takes does not say so");
        }
    }
}
