//! The whole operator, with the rights that the chart gives it and no others.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        coordination::v1::Lease,
        rbac::v1::{ClusterRoleBinding, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use masthead::{
    api::stack::MonitoringStack,
    controller::{self, lease::Timing, live},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    apiserver::{ApiServer, OPERATOR, TENANT, eventually},
    bench::{Bench, args},
    dashboards, foreign, rights, rules, selection,
};

/// Where the chart installs the operator.
const HOME: &str = "masthead-system";
const NAMESPACE: &str = "monitoring";

/// A Lease that is renewed often, so that the test need not wait.
const TIMING: Timing = Timing {
    duration: Duration::from_secs(3),
    deadline: Duration::from_secs(2),
    retry: Duration::from_millis(500),
};

pub async fn a_stack_runs_its_course(bench: &Bench) {
    bench.server.namespace(HOME).await;
    rights::cluster_wide(&bench.client).await;
    let bindings: Api<ClusterRoleBinding> = Api::all(bench.client.clone());
    let left = json!({
        "metadata": {"name": "left-by-a-stack-long-gone", "labels": {
            "app.kubernetes.io/managed-by": "masthead", "masthead.dev/stack-uid": "gone",
        }},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    });
    let left = serde_json::from_value(left).unwrap();
    bindings
        .create(&PostParams::default(), &left)
        .await
        .unwrap();

    let stop = CancellationToken::new();
    let (client, token) = (bench.server.client(OPERATOR), stop.clone());
    let operator = tokio::spawn(controller::run_with(args(&[]), client, TIMING, token));

    eventually(
        "what a stack left while no operator ran is swept",
        async || {
            bindings
                .get_opt("left-by-a-stack-long-gone")
                .await
                .unwrap()
                .is_none()
        },
    )
    .await;
    a_stack_becomes_objects_and_a_status(bench, NAMESPACE).await;
    rules::a_rule_reaches_prometheus_files(bench, NAMESPACE).await;
    rules::a_rule_that_no_stack_takes_says_so(bench).await;
    selection::rules_elsewhere_are_taken_when_they_are_selected(bench, NAMESPACE).await;
    selection::default_rules_are_made_put_back_and_taken_away(bench, NAMESPACE).await;
    rules::two_stacks_say_each_its_own_on_one_rule(bench, NAMESPACE).await;
    dashboards::users_dashboards_are_taken_and_bad_ones_are_named(bench, NAMESPACE).await;
    foreign::the_kinds_are_followed_while_they_are_installed(bench, NAMESPACE).await;
    a_stack_may_read_the_namespaces_that_it_scrapes(bench).await;
    a_stack_that_cannot_be_read_does_not_disturb_the_others(bench).await;
    a_stack_that_goes_leaves_nothing_behind_in_the_cluster(bench).await;

    stop.cancel();
    operator.await.unwrap().unwrap();
    let leases: Api<Lease> = Api::namespaced(bench.client.clone(), HOME);
    let lease = leases.get("masthead").await.unwrap().spec.unwrap();
    assert_eq!(lease.holder_identity, None, "it is given back");
    nothing_was_refused(&bench.server, OPERATOR);
}

/// More stacks than are looked at together, none of which gets ready: each has its turn before
/// another has its third.
pub async fn a_crowd_of_stacks_is_served_in_turn(bench: &Bench) {
    const CROWD: usize = 12;
    bench.server.namespace("crowd").await;
    for number in 0..CROWD {
        bench
            .another("crowd", &format!("s{number}"), json!({}))
            .await;
    }
    let before = bench.server.requests().len();
    let stop = CancellationToken::new();
    let (client, token) = (bench.server.client(OPERATOR), stop.clone());
    let flags = args(&["--watch-namespaces=crowd"]);
    let operator = tokio::spawn(controller::run_with(flags, client, TIMING, token));
    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), "crowd");
    eventually("every stack of the crowd has a status", async || {
        let all = stacks.list(&ListParams::default()).await.unwrap();
        all.items.iter().all(|stack| stack.status.is_some())
    })
    .await;
    stop.cancel();
    operator.await.unwrap().unwrap();
    let mut looks = BTreeMap::new();
    for request in bench.server.requests().split_off(before) {
        if request.user == OPERATOR
            && (request.verb.as_str(), request.resource.as_str()) == ("get", "monitoringstacks")
        {
            let count = looks.entry(request.name).or_insert(0);
            *count += 1;
            if *count == 3 {
                break;
            }
        }
    }
    assert_eq!(looks.len(), CROWD, "{looks:?}");
}

/// The same in namespaces: a role in each, and nothing in the cluster.
pub async fn a_stack_in_a_watched_namespace_needs_no_right_in_the_cluster(bench: &Bench) {
    const HOME: &str = "tenant-system";
    bench.server.namespace(HOME).await;
    bench.server.namespace("unwatched").await;
    bench.server.namespace("watched").await;
    rights::namespaced(&bench.client, HOME, &["watched"]).await;
    let stop = CancellationToken::new();
    let (client, token) = (bench.server.client(TENANT), stop.clone());
    let flags = args(&["--namespace=tenant-system", "--watch-namespaces=watched"]);
    let operator = tokio::spawn(controller::run_with(flags, client, TIMING, token));
    bench.another("unwatched", "main", json!({})).await;
    bench.another("watched", "main", json!({})).await;
    has_objects_and_a_status(bench, "watched").await;
    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), "unwatched");
    assert_eq!(stacks.get("main").await.unwrap().status, None);
    stop.cancel();
    operator.await.unwrap().unwrap();
    nothing_was_refused(&bench.server, TENANT);
}

fn nothing_was_refused(server: &ApiServer, user: &str) {
    let mut refused = server.requests();
    refused.retain(|request| request.user == user && request.code == 403);
    assert_eq!(refused, vec![], "the chart grants too little");
}

async fn a_stack_becomes_objects_and_a_status(bench: &Bench, namespace: &str) {
    // An amount may be a plain number, on this old server too.
    let spec = json!({"metrics": {"resources": {"limits": {"cpu": 2}}}});
    bench.stack(namespace, spec).await;
    has_objects_and_a_status(bench, namespace).await;
}

async fn has_objects_and_a_status(bench: &Bench, namespace: &str) {
    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), namespace);
    eventually("the status speaks of the specification", async || {
        let status = stacks.get("main").await.unwrap().status.unwrap_or_default();
        status.observed_generation == Some(1) && !status.conditions.is_empty()
    })
    .await;
    let status = stacks.get("main").await.unwrap().status.unwrap();
    assert_eq!(status.problems, vec![], "nothing is left out");
    let sets: Api<StatefulSet> = Api::namespaced(bench.client.clone(), namespace);
    sets.get("main-prometheus").await.unwrap();
    let admin: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(bench.client.clone(), namespace);
    admin.get("main-grafana-admin").await.unwrap();
}

async fn a_stack_that_cannot_be_read_does_not_disturb_the_others(bench: &Bench) {
    let crds: Api<CustomResourceDefinition> = Api::all(bench.client.clone());
    let name = "monitoringstacks.masthead.dev";
    let mut crd = crds.get(name).await.unwrap();
    let schema = crd.spec.versions[0].schema.as_mut().unwrap();
    let root = schema.open_api_v3_schema.as_mut().unwrap();
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let anything = serde_json::from_value(anything).unwrap();
    root.properties
        .as_mut()
        .unwrap()
        .insert("spec".into(), anything);
    crds.replace(name, &PostParams::default(), &crd)
        .await
        .unwrap();

    let resource = ApiResource::erase::<MonitoringStack>(&());
    let api = live::api(&bench.client, &resource, Some(NAMESPACE));
    let mut broken = DynamicObject::new("broken", &resource);
    broken.data = json!({"spec": {"metrics": "should be an object"}});
    eventually("the server takes anything", async || {
        api.create(&PostParams::default(), &broken).await.is_ok()
    })
    .await;
    eventually("the stack says that it cannot be read", async || {
        let broken = api.get("broken").await.unwrap();
        let problem = broken.data.pointer("/status/problems/0/message");
        problem.is_some_and(|words| words.to_string().contains("cannot be read"))
    })
    .await;

    let change = json!({"spec": {"metrics": {"replicas": 2}}});
    api.patch("main", &PatchParams::default(), &Patch::Merge(change))
        .await
        .unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(bench.client.clone(), NAMESPACE);
    eventually("the good stack goes on", async || {
        let set = sets.get("main-prometheus").await.unwrap();
        set.spec.unwrap().replicas == Some(2)
    })
    .await;
}

/// What a stack in [`NAMESPACE`] has outside of it.
fn far() -> ListParams {
    let labels = format!("masthead.dev/stack-uid,masthead.dev/stack-namespace={NAMESPACE}");
    ListParams::default().labels(&labels)
}

async fn a_stack_may_read_the_namespaces_that_it_scrapes(bench: &Bench) {
    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), NAMESPACE);
    let bindings: Api<RoleBinding> = Api::all(bench.client.clone());
    let scrape = async |discovery: serde_json::Value| {
        let change = Patch::Merge(json!({"spec": {"discovery": discovery}}));
        let params = PatchParams::default();
        stacks.patch("main", &params, &change).await.unwrap();
    };
    let bound = async || {
        let found = bindings.list(&far()).await.unwrap();
        found
            .iter()
            .filter_map(ResourceExt::namespace)
            .collect::<Vec<_>>()
    };
    bench.server.namespace("scraped").await;
    bench.server.namespace("other").await;
    scrape(json!({"namespaces": {"names": ["scraped", "nowhere"]}})).await;
    eventually("the namespace that is there is bound", async || {
        bound().await == ["scraped"]
    })
    .await;
    eventually("the other is named", async || {
        let status = stacks.get("main").await.unwrap().status.unwrap();
        let problem = "spec.discovery.namespaces.names[1]";
        status.problems.iter().any(|it| it.field == problem)
    })
    .await;
    scrape(json!({"namespaces": {"names": ["other"]}})).await;
    eventually("what is not scraped any more is not read", async || {
        bound().await == ["other"]
    })
    .await;
}

async fn a_stack_that_goes_leaves_nothing_behind_in_the_cluster(bench: &Bench) {
    let cluster: Api<ClusterRoleBinding> = Api::all(bench.client.clone());
    let namespaces: Api<RoleBinding> = Api::all(bench.client.clone());
    assert!(!cluster.list(&far()).await.unwrap().items.is_empty());
    assert!(!namespaces.list(&far()).await.unwrap().items.is_empty());
    let resource = ApiResource::erase::<MonitoringStack>(&());
    let api = live::api(&bench.client, &resource, Some(NAMESPACE));
    api.delete("main", &DeleteParams::default()).await.unwrap();
    eventually("its bindings are swept", async || {
        cluster.list(&far()).await.unwrap().items.is_empty()
            && namespaces.list(&far()).await.unwrap().items.is_empty()
    })
    .await;
}
