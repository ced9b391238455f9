//! Whose rules a stack takes, and the rules that it makes for itself.

use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use masthead::api::{rule::AlertRule, stack::MonitoringStack, status::RuleStatus};
use serde_json::json;

use crate::{apiserver::eventually, bench::Bench};

pub async fn rules_elsewhere_are_taken_when_they_are_selected(bench: &Bench, namespace: &str) {
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(bench.client.clone());
    bench.server.namespace("team-shop").await;
    let labels = json!({"metadata": {"labels": {"team": "shop"}}});
    let (params, labels) = (PatchParams::default(), Patch::Merge(labels));
    namespaces
        .patch("team-shop", &params, &labels)
        .await
        .unwrap();
    let rules: Api<AlertRule> = Api::namespaced(bench.client.clone(), "team-shop");
    create(&rules, "far").await;
    eventually("no stack takes it, which it says", async || {
        says(&rules, "far")
            .await
            .is_some_and(|(reason, _)| reason == "NoStack")
    })
    .await;

    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), namespace);
    select(
        &stacks,
        json!({"namespaces": {"matchLabels": {"team": "shop"}}}),
    )
    .await;
    eventually(
        "the stack that selects its namespace takes it",
        async || {
            let status = status(&rules, "far").await;
            status
                .stacks
                .iter()
                .any(|entry| entry.stack == format!("{namespace}/main") && entry.accepted)
        },
    )
    .await;

    select(&stacks, json!({"namespaces": {"names": ["elsewhere"]}})).await;
    eventually(
        "a stack that no longer selects it is named as such",
        async || {
            let found = says(&rules, "far").await;
            found.is_some_and(|(reason, message)| {
                reason == "NoStack"
                    && message.contains(&format!("{namespace}/main does not select it"))
            })
        },
    )
    .await;
    select(&stacks, json!(null)).await;
}

/// The default rules are objects, the stack's own, and go when they are switched off.
pub async fn default_rules_are_made_put_back_and_taken_away(bench: &Bench, namespace: &str) {
    let rules: Api<AlertRule> = Api::namespaced(bench.client.clone(), namespace);
    let ours = ListParams::default().labels("app.kubernetes.io/instance=main");
    eventually(
        "the default rules are there and taken by their stack",
        async || {
            let found = rules.list(&ours).await.unwrap().items;
            let taken = |rule: &AlertRule| {
                let stacks = rule.status.iter().flat_map(|status| &status.stacks);
                stacks.map(|entry| entry.stack.clone()).collect::<Vec<_>>()
                    == [format!("{namespace}/main")]
            };
            !found.is_empty() && found.iter().all(taken)
        },
    )
    .await;
    let name = "main-default-nodes";
    let change = json!({"spec": {"rules": [{"alert": "Mine", "expr": "up"}]}});
    let (params, change) = (PatchParams::default(), Patch::Merge(change));
    rules.patch(name, &params, &change).await.unwrap();
    eventually("a changed default rule is put back", async || {
        rules.get(name).await.unwrap().spec.rules.len() > 1
    })
    .await;
    let stacks: Api<MonitoringStack> = Api::namespaced(bench.client.clone(), namespace);
    let off = json!({"spec": {"alerting": {"defaultRules": {"enabled": false}}}});
    stacks
        .patch("main", &params, &Patch::Merge(off))
        .await
        .unwrap();
    eventually("without default rules there are none", async || {
        rules.list(&ours).await.unwrap().items.is_empty()
    })
    .await;
    let on = json!({"spec": {"alerting": {"defaultRules": null}}});
    stacks
        .patch("main", &params, &Patch::Merge(on))
        .await
        .unwrap();
    eventually("and with them there are some", async || {
        !rules.list(&ours).await.unwrap().items.is_empty()
    })
    .await;
    let far: Api<AlertRule> = Api::namespaced(bench.client.clone(), "team-shop");
    far.delete("far", &DeleteParams::default()).await.unwrap();
}

async fn select(stacks: &Api<MonitoringStack>, rules: serde_json::Value) {
    let change = json!({"spec": {"alerting": {"rules": rules}}});
    let (params, change) = (PatchParams::default(), Patch::Merge(change));
    // A merge adds to what is there.
    let clear = json!({"spec": {"alerting": {"rules": null}}});
    stacks
        .patch("main", &params, &Patch::Merge(clear))
        .await
        .unwrap();
    stacks.patch("main", &params, &change).await.unwrap();
}

async fn create(rules: &Api<AlertRule>, name: &str) {
    let spec = json!({"rules": [{"alert": "Far", "expr": "vector(1)"}]});
    let rule = AlertRule {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        spec: serde_json::from_value(spec).unwrap(),
        status: None,
    };
    rules.create(&PostParams::default(), &rule).await.unwrap();
}

async fn status(rules: &Api<AlertRule>, name: &str) -> RuleStatus {
    rules.get(name).await.unwrap().status.unwrap_or_default()
}

/// Reason and message of `Accepted`.
async fn says(rules: &Api<AlertRule>, name: &str) -> Option<(String, String)> {
    let mut conditions = status(rules, name).await.conditions.into_iter();
    let accepted = conditions.find(|condition| condition.type_ == "Accepted")?;
    Some((accepted.reason, accepted.message))
}
