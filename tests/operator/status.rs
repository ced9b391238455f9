//! Statuses: settled once told, and none for what is gone.

use std::sync::Arc;

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
    core::DeserializeGuard,
    runtime::reflector,
};
use masthead::{
    api::{stack::MonitoringStack, status::StackStatus},
    controller::rules::KnownRules,
};
use serde_json::json;

use crate::{
    apiserver::ADMIN,
    bench::{Bench, reconcile, reconcile_among},
};

/// The server appends what is new to a list with keys, so it comes back in another order.
pub async fn a_component_that_is_switched_on_later_leaves_no_status_to_write(bench: &Bench) {
    let off = json!({"metrics": {"enabled": false}, "alerting": {"enabled": false}});
    let stack = bench.stack("later", off).await;
    let context = Arc::new(bench.context());
    let api: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), "later");
    reconcile(context.clone(), &stack).await;
    let on = json!({"spec": {"metrics": {"enabled": true}, "alerting": {"enabled": true}}});
    api.patch("main", &PatchParams::default(), &Patch::Merge(on))
        .await
        .unwrap();
    let stack = api.get("main").await.unwrap();
    reconcile(context.clone(), &stack).await;
    let told = api.get("main").await.unwrap().status.unwrap();
    assert_eq!((told.conditions.len(), told.components.len()), (8, 5));

    let before = bench.server.requests().len();
    reconcile(context, &stack).await;
    assert_eq!(bench.server.writes(ADMIN, before), vec![]);
}

pub async fn a_stack_that_went_while_it_was_looked_at_is_forgotten(bench: &Bench) {
    let stack = bench.stack("forgotten", json!({})).await;
    let context = Arc::new(bench.context());
    reconcile(context.clone(), &stack).await;
    assert!(!context.memory.is_empty());
    let (nothing, _) = reflector::store();
    let stack = DeserializeGuard(Ok(stack));
    reconcile_among(nothing, KnownRules::default(), context.clone(), stack).await;
    assert!(context.memory.is_empty());
}

pub async fn the_status_of_a_stack_that_went_meanwhile_is_no_failure(bench: &Bench) {
    let stack = bench.stack("went", json!({})).await;
    let api: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), "went");
    api.delete("main", &DeleteParams::default()).await.unwrap();
    let publisher = bench.context().publisher;
    let status = StackStatus::default();
    let told = publisher.stack(&stack.metadata, None, &status).await;
    told.unwrap();

    bench.another("went", "main", json!({})).await;
    let told = publisher.stack(&stack.metadata, None, &status).await;
    told.unwrap();
    let other = api.get("main").await.unwrap();
    assert_eq!(other.status, None, "another stack of the same name");
}
