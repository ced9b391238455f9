//! A process that dies between any two of its requests leaves nothing that the next one cannot
//! finish.

use std::{collections::BTreeMap, sync::Arc};

use kube::api::{DynamicObject, ListParams};
use masthead::{api::stack::MonitoringStack, controller::live};
use serde_json::{Value, json};

use crate::bench::{Bench, context, reconcile};

/// A small stack: every kind of step, fewer requests.
fn spec() -> Value {
    json!({
        "metrics": {"enabled": false}, "logs": {"enabled": false},
        "dashboards": {"enabled": false}, "agent": {"enabled": false},
    })
}

pub async fn a_first_reconcile_killed_anywhere_is_finished_by_the_next(bench: &Bench) {
    let stack = bench.stack("whole", spec()).await;
    let before = bench.server.requests().len();
    reconcile(Arc::new(bench.context()), &stack).await;
    let requests = bench.server.requests().len() - before;
    let whole = objects(bench, &stack).await;
    assert!(
        whole.len() > 5 && requests > 30,
        "{requests} requests, {whole:#?}"
    );

    for died_after in 0..requests {
        let stack = bench.stack(&format!("killed-{died_after}"), spec()).await;
        let killed = context(bench.server.client_killed_after(died_after));
        reconcile(Arc::new(killed), &stack).await;
        reconcile(Arc::new(bench.context()), &stack).await;
        assert_eq!(
            objects(bench, &stack).await,
            whole,
            "killed after {died_after} requests"
        );
    }
}

/// What the server has of a stack, without what differs from one namespace to another.
async fn objects(bench: &Bench, stack: &MonitoringStack) -> BTreeMap<String, Value> {
    let namespace = stack.metadata.namespace.as_deref().unwrap();
    let server = bench.context().discovery.server().await.unwrap();
    let mut found = BTreeMap::new();
    for resource in live::namespaced_kinds(server) {
        let api: kube::Api<DynamicObject> = live::api(&bench.client, &resource, Some(namespace));
        let ours = ListParams::default().labels("app.kubernetes.io/managed-by=masthead");
        for object in api.list(&ours).await.unwrap() {
            let name = object.metadata.name.clone().unwrap();
            let mut body = serde_json::to_value(object).unwrap();
            strip(&mut body);
            let body = body.to_string().replace(namespace, "<namespace>");
            let uid = stack.metadata.uid.as_deref().unwrap();
            let body = body.replace(uid, "<uid>");
            let body = serde_json::from_str(&body).unwrap();
            found.insert(format!("{} {name}", resource.kind), body);
        }
    }
    found
}

fn strip(body: &mut Value) {
    let metadata = body["metadata"].as_object_mut().unwrap();
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "selfLink",
    ] {
        metadata.remove(field);
    }
    // Rendered from the namespace's name and the uid.
    if let Some(annotations) = metadata.get_mut("annotations") {
        annotations
            .as_object_mut()
            .unwrap()
            .remove("masthead.dev/rendered");
    }
    if let Some(spec) = body["spec"].as_object_mut() {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
}
